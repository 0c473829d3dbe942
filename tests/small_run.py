"""Six questions on three texts under two titles, and a reader's answers to them, for tests of runs and views."""

from __future__ import annotations

from reader.examples import Example, ExampleSet, Gold, fingerprint
from reader.postprocess import Answer, Span

ROLLO = "Rollo the Viking ruled Normandy from 911."
SEINE = "The Seine flows through Paris and Rouen to the sea. Paris is the larger."
TIDE = "At spring tide the bore runs up the Seine."

EXAMPLES = [
    Example("q1", "Who ruled Normandy?", ROLLO, (Gold("Rollo the Viking", 0), Gold("Rollo", 0)), "Normandy"),
    Example("q2", "When did he die?", ROLLO, (), "Normandy"),
    Example("q3", "Which cities lie on it?", SEINE, (Gold("Paris and Rouen", 24),), "Rivers"),
    Example("q4", "Which is larger?", SEINE, (Gold("Paris", 52),), "Rivers"),
    Example("q5", "How many cities lie on the Rhine?", SEINE, (), "Rivers"),
    Example("q6", "Where does the bore run?", TIDE, (Gold("up the Seine", 29),), "Rivers"),
]
# id -> (start, end, margin): correct, false answer, partial, correct, silent above 0, wrong
SPANS = {
    "q1": (0, 5, -4.0),
    "q2": (37, 40, -1.0),
    "q3": (24, 29, -3.0),
    "q4": (52, 57, -0.5),
    "q5": (24, 29, 2.0),
    "q6": (3, 14, -2.0),
}


def data(examples: list[Example] | None = None) -> ExampleSet:
    """The six questions (or some of them) as a data set."""
    chosen = EXAMPLES if examples is None else examples
    return ExampleSet("small.json", chosen, fingerprint(chosen))


def answer(example: Example, threshold: float = 0.0) -> Answer:
    """The reader's answer: the best span, and one alternative that is worse than saying nothing."""
    start, end, margin = SPANS[example.id]
    best = Span(start, end, example.context[start:end], 5.0, 0.6)
    other = Span(0, 3, example.context[0:3], -9.0, 0.1)
    return Answer(example.id, best, 5.0 + margin, 0.3, threshold, (best, other), 1)
