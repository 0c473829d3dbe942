"""Asking without a browser: one reading, decisions over it, what is shown, and what bad input gets."""

from __future__ import annotations

import math
import re
import threading
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

import pytest

from pages.ask.asking import (
    LONG_TEXT,
    LONGEST_TEXT,
    ask,
    ask_along,
    endpoint,
    example_label,
    how_far,
    what_is_missing,
    what_takes_time,
)
from pages.ask.verdict import NOT_ANSWERABLE, Asked, marked, plain, readings, scale, slider_ends, verdict
from pages.phrases import percent
from pages.readers import Shelf
from reader.checkpoints import ReaderConfig
from reader.errors import BadUsage
from reader.examples import Example, Gold
from reader.postprocess import Answer, Reading, Span, WindowReading
from reader.turns import Turns

CONTEXT = "Paris, Texas is not Paris, France; this is about <b>Paris</b>."
THIRD = CONTEXT.rindex("Paris")


@dataclass
class OneAnswer:
    """A reader that says one thing whatever it is asked, and remembers what it was asked."""

    answer: Answer
    config: ReaderConfig = field(default_factory=ReaderConfig)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, **question: Any) -> Answer:
        self.asked.append(question)
        threshold = question["threshold"]
        return self.answer.at_threshold(self.config.null_score_diff_threshold if threshold is None else threshold)

    def read(self, **question: Any) -> Reading:
        best, length = self.answer.best, len(question["context"])
        return Reading(self(**question), (WindowReading(0, 0, length, best, self.answer.null_score, best is not None),))


def answer_of(*spans: Span, null_score: float = 0.0, no_answer: float = 0.2) -> Answer:
    return Answer("q", spans[0] if spans else None, null_score, no_answer, 0.0, spans)


THIRD_PARIS = answer_of(
    Span(THIRD, THIRD + 5, "Paris", 3.0, 0.7),
    Span(0, 12, "Paris, Texas", 1.0, 0.1),
)


def shelf_with(answer: Answer, **config: Any) -> tuple[Shelf, OneAnswer]:
    reader = OneAnswer(answer, ReaderConfig(**config))
    return Shelf(load=lambda name: reader), reader  # type: ignore[arg-type, return-value]


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


def text_of(html: str) -> str:
    parser = Text()
    parser.feed(html)
    return "".join(parser.pieces)


def test_a_reader_reads_once_and_the_threshold_decides_again() -> None:
    shelf, reader = shelf_with(THIRD_PARIS)
    asked = ask(shelf, "embedded", "Which Paris?", CONTEXT, None)
    assert asked.answer.answered and asked.answer.null_score_diff == -3.0
    above = asked.at_threshold(-3.5)
    assert not above.answer.answered
    assert above.at_threshold(-3.0).answer.answered, "the margin may equal the threshold"
    assert len(reader.asked) == 1


def test_the_text_is_marked_at_the_predicted_offsets_and_escaped() -> None:
    shelf, _ = shelf_with(THIRD_PARIS)
    asked = ask(shelf, "embedded", "Which Paris?", CONTEXT, None)
    html = marked(asked)
    before, _, _ = html.partition('<mark class="predicted"')
    assert text_of(before) == CONTEXT[:THIRD]
    assert "<b>" not in html and "&lt;b&gt;" in html
    assert "<mark" not in marked(asked.at_threshold(-4.0)), "nothing is marked where the reader abstains"


def test_the_verdict_says_the_answer_with_its_probability_and_margin() -> None:
    shelf, _ = shelf_with(THIRD_PARIS)
    said = text_of(verdict(ask(shelf, "embedded", "Which?", CONTEXT, None)))
    assert said.startswith("Paris 70\u00a0%")
    assert "−3.00" in said and "(embedded)" in said


def test_the_verdict_says_not_answerable_and_what_came_closest() -> None:
    shelf, _ = shelf_with(THIRD_PARIS)
    said = text_of(verdict(ask(shelf, "embedded", "Which?", CONTEXT, -5.0)))
    assert said.startswith("Not answerable from this text 20\u00a0%")
    assert "closest reading: “Paris” 70\u00a0%" in said


def test_a_text_without_words_is_not_answerable() -> None:
    shelf, _ = shelf_with(answer_of(no_answer=1.0))
    asked = ask(shelf, "embedded", "Which?", "…", None)
    assert text_of(verdict(asked)).startswith("Not answerable from this text")
    assert scale(asked) == ""
    assert "Not answerable" in verdict(asked.at_threshold(100.0)), "no threshold makes an answer of nothing"


def test_answers_with_markup_are_escaped_everywhere() -> None:
    text = "say <img src=x onerror=alert(1)> now"
    shelf, _ = shelf_with(answer_of(Span(4, 32, text[4:32], 3.0, 0.7)))
    asked = ask(shelf, "embedded", "What?", text, None)
    for html in (verdict(asked), verdict(asked.at_threshold(-9.0)), readings(asked), marked(asked), plain(text)):
        assert "<img" not in html and "&lt;img" in html


def test_readings_hold_not_answerable_in_its_place() -> None:
    shelf, _ = shelf_with(THIRD_PARIS)
    rows = readings(ask(shelf, "embedded", "Which?", CONTEXT, None)).partition("<tbody>")[2]
    assert [row in rows for row in ("Paris, Texas", "not answerable")] == [True, True]
    assert rows.index("70\u00a0%") < rows.index("20\u00a0%") < rows.index("10\u00a0%")


def test_the_reading_that_is_said_is_set_off() -> None:
    shelf, _ = shelf_with(THIRD_PARIS)
    asked = ask(shelf, "embedded", "Which?", CONTEXT, None)
    assert said_of(readings(asked)) == ["Paris"]
    assert said_of(readings(asked.at_threshold(-5.0))) == ["not answerable"]


def said_of(html: str) -> list[str]:
    return re.findall(r'<tr class=said>.*?aria-pressed="true"[^>]*>([^<]*)<', html)


def test_another_reading_is_looked_at_without_the_model_and_left_again() -> None:
    shelf, reader = shelf_with(THIRD_PARIS)
    asked = ask(shelf, "embedded", "Which?", CONTEXT, None)
    second = asked.pick(1, CONTEXT)
    assert text_of(verdict(second)).startswith("Paris, Texas 10\u00a0%")
    assert "−1.00" in verdict(second), "its own margin: null 0 − score 1"
    assert "--at: 0.4500" in scale(second), "and the dot moves with it"
    assert marked(second).count("<mark") == 1 and ">Paris, Texas</mark>" in marked(second)
    assert said_of(readings(second)) == ["Paris, Texas"]
    assert "Back to the reader’s: “Paris”" in verdict(second)
    none = asked.pick(NOT_ANSWERABLE, CONTEXT)
    assert text_of(verdict(none)).startswith("Not answerable") and "<mark" not in marked(none)
    assert second.pick(None, CONTEXT) == asked
    assert second.at_threshold(-5.0).picked is None, "the threshold decides over the reader's own answer"
    assert len(reader.asked) == 1


def test_a_reading_elsewhere_in_a_long_text_brings_its_surroundings() -> None:
    text = "Lyon " + "word " * 100_000 + "Rouen"
    far = len(text) - 5
    shelf, _ = shelf_with(answer_of(Span(0, 4, "Lyon", 3.0, 0.7), Span(far, far + 5, "Rouen", 2.0, 0.2)))
    asked = ask(shelf, "embedded", "Where?", text, None)
    assert "Rouen" not in marked(asked)
    assert ">Rouen</mark>" in marked(asked.pick(1, text))
    around = asked.look_at(text, 250_000)
    assert around.excerpt.start < 250_000 < around.excerpt.end and "<mark" not in marked(around)


def test_an_answer_says_on_which_page_and_in_which_window_it_stands() -> None:
    shelf, _ = shelf_with(THIRD_PARIS)
    asked = ask(shelf, "embedded", "Which?", CONTEXT, None, pages=(0, 10, THIRD, 60))
    assert "page 3 of 4" in verdict(asked)
    windows = tuple(WindowReading(index, 0, 9, None, 0.0, index == 1) for index in range(3))
    assert "window 2 of 3" in verdict(replace(asked, windows=windows))


def test_a_long_text_keeps_the_session_small() -> None:
    text = "word " * 200_000
    shelf, _ = shelf_with(answer_of(Span(500_000, 500_004, "word", 3.0, 0.7)))
    asked = ask(shelf, "embedded", "What?", text, None)
    assert len(asked.excerpt.text) < 41_000
    assert len(marked(asked)) < 45_000
    assert "characters before" in marked(asked) and "characters after" in marked(asked)


@pytest.mark.parametrize(
    ("values", "ends"),
    [((0.0, 0.0), 10.0), ((-9.0, 0.0), 10.0), ((-9.5,), 15.0), ((14.2, -3.0), 20.0), ((-math.inf, 1.0), 10.0)],
)
def test_the_slider_reaches_beyond_the_margin(values: tuple[float, ...], ends: float) -> None:
    assert slider_ends(*values) == ends


def test_the_margin_is_a_dot_on_the_slider_s_axis() -> None:
    shelf, _ = shelf_with(THIRD_PARIS)
    asked = ask(shelf, "embedded", "Which?", CONTEXT, None)
    assert "--at: 0.3500" in scale(asked), "−3 lies 7/20 of the way from −10 to 10"


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "< 0.1\u00a0%"),
        (0.0009, "< 0.1\u00a0%"),
        (0.004, "0.4\u00a0%"),
        (0.0996, "10\u00a0%"),
        (0.91, "91\u00a0%"),
        (0.9951, "99.5\u00a0%"),
        (0.99999, "> 99.9\u00a0%"),
    ],
)
def test_percent(share: float, said: str) -> None:
    assert percent(share) == said


@pytest.mark.parametrize(
    ("question", "context", "hint"),
    [("", "text", "Type a question"), (" \n", "text", "Type a question"), ("q", " ", "no text"), ("", "", "no text")],
)
def test_what_is_missing_gets_a_hint(question: str, context: str, hint: str) -> None:
    assert hint in what_is_missing(question, context)


def test_a_question_and_a_text_miss_nothing() -> None:
    assert what_is_missing("q", "text") == ""


def test_waiting_says_what_for() -> None:
    shelf, _ = shelf_with(THIRD_PARIS)
    assert what_takes_time(shelf, "embedded", CONTEXT).startswith("Loading the reader")
    shelf.take("embedded")
    assert what_takes_time(shelf, "embedded", CONTEXT) == "Reading…"
    assert "60,000 characters" in what_takes_time(shelf, "embedded", "x" * 60_000)


EXAMPLES = [
    Example("a", "Where?", "In Rouen.", (Gold("Rouen", 3),)),
    Example("b", "When?", "In Rouen."),
]


def test_examples_say_in_words_what_they_are() -> None:
    assert [example_label(example) for example in EXAMPLES] == ["answerable · Where?", "not answerable · When?"]


def test_the_endpoint_answers_with_everything_that_was_promised() -> None:
    shelf, reader = shelf_with(THIRD_PARIS)
    payload = endpoint(shelf, "embedded", "Which?", CONTEXT, -1, 2)
    promised = {"answer", "start", "end", "score", "probability", "null_score_diff", "no_answer_probability"}
    assert promised | {"threshold", "alternatives"} <= payload.keys()
    assert CONTEXT[payload["start"] : payload["end"]] == payload["answer"] == "Paris"
    assert payload["threshold"] == -1
    assert reader.asked[0]["top_k"] == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"question": " "}, "question must hold text"),
        ({"question": 3}, "question must hold text"),
        ({"context": ""}, "context must hold text"),
        ({"context": None}, "context must hold text"),
        ({"context": "x" * (LONGEST_TEXT + 1)}, "at most 5,000,000"),
        ({"threshold": "1"}, "threshold must be a number"),
        ({"threshold": math.nan}, "threshold must be a number"),
        ({"threshold": True}, "threshold must be a number"),
        ({"top_k": 0}, "top_k must be a whole number"),
        ({"top_k": 2.5}, "top_k must be a whole number"),
        ({"top_k": "all"}, "top_k must be a whole number"),
    ],
)
def test_the_endpoint_refuses_what_it_cannot_use_in_a_sentence(change: dict[str, Any], sentence: str) -> None:
    shelf, reader = shelf_with(THIRD_PARIS)
    request = {"question": "Which?", "context": CONTEXT, "threshold": None, "top_k": None} | change
    with pytest.raises(BadUsage, match=sentence):
        endpoint(shelf, "embedded", **request)
    assert reader.asked == []


def test_a_long_text_tells_how_far_it_is_and_ends_with_the_answer() -> None:
    shelf, _ = shelf_with(THIRD_PARIS)
    told = list(ask_along(shelf, "embedded", "Which?", CONTEXT + " " * LONG_TEXT, None, name="jobs/1/reader"))
    assert all(isinstance(each, str) for each in told[:-1])
    assert isinstance(told[-1], Asked) and told[-1].name == "jobs/1/reader"
    assert [type(each) for each in ask_along(shelf, "embedded", "Which?", CONTEXT, None)] == [Asked]


def test_whoever_stops_a_long_reading_is_not_waited_for() -> None:
    shelf, reader = shelf_with(THIRD_PARIS)
    turns, begun = Turns(), threading.Event()

    def read_for_ever(**question: Any) -> Reading:
        work = turns.begin()
        while True:
            with work.turn(1):
                begun.set()

    reader.read = read_for_ever  # type: ignore[method-assign]
    reading = ask_along(shelf, "embedded", "Which?", "x" * LONG_TEXT, None)
    next(reading)
    assert begun.wait(5)
    reading.close()  # returns, or this test hangs


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([], "Cutting the text into windows…"),
        ([(0.0, 10, 100), (10.0, 20, 100)], "Read 20 of 100 windows, about 80 s left…"),
        ([(0.0, 10, 1_000), (10.0, 20, 1_000)], "Read 20 of 1,000 windows, about 16 min left…"),
    ],
)
def test_how_far_a_reading_is(steps: list[tuple[float, int, int]], says: str) -> None:
    assert how_far(steps) == says
