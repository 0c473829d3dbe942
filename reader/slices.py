"""Slices of a run: its questions put into groups in nine ways, and what the reader scores on each group.

`slicings` reads nothing that depends on a threshold, so a run needs it once; `by_slice` and `by_slice_pair` are
cheap enough to be done again whenever a threshold moves. The nine ways, and the labels of each, are in `LABELS`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reader.errors import BadRun
from reader.intervals import CONFIDENCE, paragraph_intervals
from reader.metrics import OUTCOMES, FloatArray, IntArray

NONE = "none"  # of a question without gold answer

LABELS: dict[str, tuple[str, ...]] = {
    "question word": ("who", "what", "when", "where", "which", "why", "how many/much", "how", "other"),
    "answer length": (NONE, "1", "2", "3–4", "5–9", "10+"),
    "context length": ("under 100", "100–149", "150–299", "300–999", "1000+"),
    "answer position": ("first quarter", "second quarter", "third quarter", "last quarter", NONE),
    "answer type": ("number", "date", "name", "phrase", NONE),
    "article": (),
    "windows": ("1", "2", "3+"),
    "overlap": ("low", "mid", "high"),
    "seen": ("yes", "no"),
}
"""The slicings and their labels, in order. Lengths are in words; articles are named by the data; ``seen`` tells
whether the context was among those that the reader was trained on."""

# The first length of each label above. A window of 384 tokens holds some 300 words.
_ANSWER_LENGTHS = (0, 1, 2, 3, 5, 10)
_CONTEXT_LENGTHS = (0, 100, 150, 300, 1000)
_WINDOWS = (1, 2, 3)
_OVERLAPS = (0, 1 / 3, 2 / 3)

MOST_ARTICLES = 12  # labels, "others" among them
UNTITLED = "no title"


@dataclass(frozen=True, slots=True)
class Slice:
    """One group of questions: ``questions`` of them, ``has_answer`` of these with a gold answer.

    ``exact, f1``: means in percent; ``f1_low, f1_high``: the 95% interval of F1, None where all lie in one paragraph.
    ``outcomes``: how many had each of `OUTCOMES`.
    """

    label: str
    questions: int
    exact: float
    f1: float
    f1_low: float | None
    f1_high: float | None
    has_answer: int
    outcomes: dict[str, int]


@dataclass(frozen=True, slots=True)
class SliceDifference:
    """One group of questions in two runs: F1 of both in percent, and B − A with its paired 95% interval, or None."""

    label: str
    questions: int
    f1_a: float
    f1_b: float
    difference: float
    low: float | None
    high: float | None


def slicings(examples: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the label of every question in each slicing: ordered categoricals on the table's own index.

    ``examples`` is a run's table (`reader.run_table`). The names are those of `LABELS`, in their order; left out are
    ``article`` where no question has a title, ``windows`` where their number was not kept, and ``seen`` where it is
    not known what the reader was trained on.
    """
    _, first, paragraphs = np.unique(examples["paragraph"].to_numpy(), return_index=True, return_inverse=True)
    contexts: list[str] = examples["context"].iloc[first].tolist()
    questions: list[str] = examples["question"].tolist()
    golds = [answers[0] if len(answers) else None for answers in examples["answers"]]
    starts = [starts[0] if len(starts) else -1 for starts in examples["answer_starts"]]

    found: dict[str, Iterable[str]] = {
        "question word": map(question_word, questions),
        "answer length": _answer_lengths(golds, examples["answer_length"].to_numpy()),
        "context length": _ranges("context length", _CONTEXT_LENGTHS, examples["context_length"].to_numpy()),
        "answer position": _positions(starts, np.array([len(context) for context in contexts])[paragraphs]),
        "answer type": [NONE if gold is None else answer_type(gold) for gold in golds],
    }
    if (examples["title"] != "").any():
        found["article"] = _articles(examples["title"].tolist())
    if (examples["windows"] > 0).all():
        found["windows"] = _ranges("windows", _WINDOWS, examples["windows"].to_numpy())
    found["overlap"] = _ranges("overlap", _OVERLAPS, _overlaps(questions, contexts, paragraphs.tolist()))
    if "seen" in examples:
        found["seen"] = np.where(examples["seen"].to_numpy(dtype=np.bool_), "yes", "no").tolist()
    return {name: _series(name, labels, examples.index) for name, labels in found.items()}


def by_slice(view: pd.DataFrame, labels: pd.Series, *, resamples: int = 0) -> list[Slice]:
    """Return what a view of a run scores on each group that has any questions, in the order of the labels.

    ``view``: what `reader.views.view` returns, or some of its rows; ``labels``: one of `slicings` of the same run.
    ``resamples``: 0 for an interval by formula (see `_by_formula`), else how often to resample paragraphs.
    """
    names, codes = _groups(view, labels)
    sizes = np.bincount(codes, minlength=len(names))
    exact, f1 = (view[name].to_numpy(dtype=np.float64) for name in ("exact", "f1"))
    has_answer = np.bincount(codes, ~view["is_impossible"].to_numpy(dtype=np.bool_), minlength=len(names))
    outcomes = _outcome_table(view["outcome"], codes, len(names))
    intervals = _intervals(f1, codes, len(names), view["paragraph"].to_numpy(), resamples)
    means_exact, means_f1 = _means(exact, codes, sizes), _means(f1, codes, sizes)
    slices = []
    for code in np.flatnonzero(sizes).tolist():
        low, high = _percent_or_none(intervals[code].clip(0, 1))
        slices.append(
            Slice(
                label=names[code],
                questions=int(sizes[code]),
                exact=float(means_exact[code]),
                f1=float(means_f1[code]),
                f1_low=low,
                f1_high=high,
                has_answer=int(has_answer[code]),
                outcomes=dict(zip(OUTCOMES, outcomes[code].tolist(), strict=True)),
            )
        )
    return slices


def by_slice_pair(
    view_a: pd.DataFrame, view_b: pd.DataFrame, labels: pd.Series, *, resamples: int = 0
) -> list[SliceDifference]:
    """Return how two runs differ in F1 on each group of questions, B − A.

    Questions are joined by id, whatever their order in ``view_b``; ``labels`` are those of A's run. Raises `BadRun`
    where a question of A is not in B.
    """
    names, codes = _groups(view_a, labels)
    sizes = np.bincount(codes, minlength=len(names))
    f1_a = view_a["f1"].to_numpy(dtype=np.float64)
    f1_b = view_b["f1"].to_numpy(dtype=np.float64)[_rows_of(view_a["id"], view_b["id"])]
    means_a, means_b = _means(f1_a, codes, sizes), _means(f1_b, codes, sizes)
    intervals = _intervals(f1_b - f1_a, codes, len(names), view_a["paragraph"].to_numpy(), resamples)
    differences = []
    for code in np.flatnonzero(sizes).tolist():
        a, b = float(means_a[code]), float(means_b[code])
        low, high = _percent_or_none(intervals[code].clip(-1, 1))
        differences.append(SliceDifference(names[code], int(sizes[code]), a, b, b - a, low, high))
    return differences


# The question word

_ASKS = re.compile(r"\b(how\s+(?:many|much)|whom|whose|who|what|when|where|why|how|which)\b", re.IGNORECASE)
_AFTER_COMMA = re.compile(r"[,;]\s*(?:\w+\s+)?$")  # "…, what" and "…, in what"
_OF_WHO = ("who", "whom", "whose")


def question_word(question: str) -> str:
    """Return the word that asks, as the question has it: one of the labels of ``question word``.

    "In which year" is "which" and "what year" is "what", as anyone who reads the question would say; that a date is
    wanted is for ``answer type`` to tell. A word that stands first, or after one other word, asks; but "When …, what"
    asks what. Else the first after a comma asks ("According to Newton, what"), else the last ("It lies where?").
    """
    found = list(_ASKS.finditer(question))
    if not found:
        return "other"
    first = found[0]
    after_comma = next((one for one in found[1:] if _AFTER_COMMA.search(question, 0, one.start())), None)
    opens = len(question[: first.start()].split()) <= 1
    if opens and not (after_comma and first[1].lower() in ("when", "where")):
        return _named(first[1])
    if _AFTER_COMMA.search(question, 0, first.start()):
        return _named(first[1])
    return _named((after_comma or found[-1])[1])


def _named(word: str) -> str:
    word = word.lower()
    if word in _OF_WHO:
        return "who"
    return "how many/much" if len(word) > len("which") else word


# What the answer is


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NUMBERS = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|"
    "eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|"
    "trillion|dozen|half|halves|third|thirds|quarter|quarters|fourths|fifths"
)
_NUMBER = re.compile(
    rf"[$€£¥~+−-]*\d[\d.,:/–-]*(?!\d|st\b|nd\b|rd\b|th\b)[\w%°]{{0,3}}|(?:{_NUMBERS})(?:-(?:{_NUMBERS}))*",
    re.IGNORECASE,
)
_NEARLY = _words(
    "a about almost an approximately around as at between by estimated fewer from greater just least less many more "
    "most much nearly only over roughly some than the to under up within"
)
_AFTER_A_NUMBER = 3  # words, such as "years" or "million US dollars"
_LONGEST_WITH_A_DAY = 8  # words: in more than these a date is a detail

_MONTHS = (
    "january|february|march|april|may|june|july|august|september|october|november|december|"
    "jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
)
_DATE = re.compile(  # words that make a date of those around them
    rf"{_MONTHS}|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|1\d\d\d|20\d\d|\d\d+['’]?s|[12]\d\d\d[–/-]\d\d(?:\d\d)?s?|"
    r"\d\d?[/.-]\d\d?[/.-]\d\d(?:\d\d)?|\d{4}-\d\d-\d\d|\d\d?:\d\d|century|centuries|bce?|ce|ad|[ap]\.?m",
    re.IGNORECASE,
)
_BESIDE_A_DATE = re.compile(
    r"(?:mid-|late-|early-)?\d{1,4}(?:[–-]\d{1,4})?(?:st|nd|rd|th)?|first|second|third|fourth|last|half|quarter|early|mid|middle|late|"
    r"later|end|beginning|start|spring|summer|autumn|fall|winter|in|on|at|of|the|a|an|from|to|through|until|till|since|"
    r"by|before|after|between|and|or|around|about|circa|ca?|during|year|years",
    re.IGNORECASE,
)
_DAY_AND_MONTH = re.compile(
    rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?(?:{_MONTHS})|(?:{_MONTHS})\.?\s+\d{{1,4}})\b", re.IGNORECASE
)
_JOINS_NAMES = _words(
    "a al an and at bin da de del den der des di du el et for from ibn in la le of on or the to van von with y"
)
_EDGES = "\"'“”‘’«»()[]{},.;:!?"


def answer_type(text: str) -> str:
    """Return what a gold answer is by its letters alone: "number", "date", "name" or "phrase".

    date: nothing but words of dates, one of them a month, a weekday, a year from 1000 to 2099, a decade, a century, an
    era or a time of day; or a day or a year beside a month, in eight words at most ("signed on 6 June 1944"). number:
    begins with a number in digits or words, "about" and its like aside, and has three words after it at most. name:
    all words but "of", "the" and their like begin with a capital. phrase: all else.

    Letters do not tell everything: "1500" may be soldiers, the first word of a sentence passes for a name, and where
    a text has no capitals its names are phrases.
    """
    words = [word for raw in text.split() if (word := raw.strip(_EDGES))]
    if _is_date(words) or (len(words) <= _LONGEST_WITH_A_DAY and _DAY_AND_MONTH.search(text)):
        return "date"
    if _is_number(words):
        return "number"
    return "name" if _is_name(words) else "phrase"


def _is_date(words: Sequence[str]) -> bool:
    dates = [bool(_DATE.fullmatch(word)) for word in words]
    return any(dates) and all(date or _BESIDE_A_DATE.fullmatch(word) for date, word in zip(dates, words, strict=True))


def _is_number(words: Sequence[str]) -> bool:
    at = 0
    while at < len(words) and words[at].lower() in _NEARLY:
        at += 1
    return at < len(words) <= at + 1 + _AFTER_A_NUMBER and bool(_NUMBER.fullmatch(words[at]))


def _is_name(words: Sequence[str]) -> bool:
    telling = [word for word in words if word.lower() not in _JOINS_NAMES]
    return any(word[0].isupper() for word in telling) and all(
        word[0].isupper() or not word[0].isalpha() for word in telling
    )


# The other slicings


def _answer_lengths(golds: Sequence[str | None], lengths: IntArray) -> list[str]:
    has_answer = np.array([gold is not None for gold in golds], dtype=np.bool_)
    return _ranges("answer length", _ANSWER_LENGTHS, np.where(has_answer, np.maximum(lengths, 1), 0))


def _ranges(name: str, firsts: Sequence[float], values: NDArray[np.generic]) -> list[str]:
    codes = np.searchsorted(firsts, values, side="right") - 1
    return [LABELS[name][code] for code in codes.tolist()]


def _positions(starts: Sequence[int], sizes: IntArray) -> list[str]:
    """The quarter of the context's characters in which the first gold begins."""
    begins = np.array(starts, dtype=np.int64)
    codes = np.where(begins < 0, 4, 4 * begins // np.maximum(sizes, 1))
    return [LABELS["answer position"][code] for code in codes.tolist()]


def _articles(titles: Sequence[str]) -> pd.Categorical:
    """The articles with most questions first (of equals the one seen first), and the rest together where many."""
    named = [title or UNTITLED for title in titles]
    ranked = [title for title, _ in Counter(named).most_common()]
    if len(ranked) <= MOST_ARTICLES:
        return pd.Categorical(named, categories=ranked, ordered=True)
    shown = ranked[: MOST_ARTICLES - 1]
    others = f"others ({len(ranked) - len(shown)} articles)"
    kept = set(shown)
    # An article may be called as the rest is; then it is counted with the rest.
    categories = list(dict.fromkeys([*shown, others]))
    return pd.Categorical([title if title in kept else others for title in named], categories=categories, ordered=True)


_WORD = re.compile(r"\w+")
_EMPTY_WORDS = _words(
    "a about after all also an and any are as at be because been before being between both but by can could d did do "
    "does during each for from had has have he her him his how i if in into is it its ll many may more most much no "
    "not of on or other our over re s she should so some such t than that the their them then there these they this "
    "those to under until up ve was we were what when where which while who whom whose why will with would you "
    "your"
)


def _overlaps(questions: Sequence[str], contexts: Sequence[str], paragraphs: Sequence[int]) -> FloatArray:
    """The share of a question's content words that are words of its context, in [0, 1]; 0 where it has none.

    Words are compared as they are written, without regard to case: "rules" does not meet "ruled".
    """
    lower = [context.casefold() for context in contexts]
    shares = np.zeros(len(questions))
    for row, (question, paragraph) in enumerate(zip(questions, paragraphs, strict=True)):
        asked = set(_WORD.findall(question.casefold())) - _EMPTY_WORDS
        if asked:
            shares[row] = sum(_has_word(lower[paragraph], word) for word in asked) / len(asked)
    return shares


def _has_word(text: str, word: str) -> bool:
    # To take a text's words apart costs many times as much as to look for a few.
    at = text.find(word)
    while at >= 0:
        around = text[max(at - 1, 0) : at] + text[at + len(word) : at + len(word) + 1]
        if not _WORD.search(around):
            return True
        at = text.find(word, at + 1)
    return False


def _series(name: str, labels: Iterable[str] | pd.Categorical, index: pd.Index) -> pd.Series:
    if not isinstance(labels, pd.Categorical):
        labels = pd.Categorical(list(labels), categories=list(LABELS[name]), ordered=True)
    return pd.Series(labels, index=index, name=name)


# Scores and their intervals


def _groups(view: pd.DataFrame, labels: pd.Series) -> tuple[list[str], IntArray]:
    here = labels if labels.index is view.index or labels.index.equals(view.index) else labels.loc[view.index]
    return here.cat.categories.tolist(), here.cat.codes.to_numpy(dtype=np.int64)


def _means(values: FloatArray, codes: IntArray, sizes: IntArray) -> FloatArray:
    totals = np.bincount(codes, values, minlength=len(sizes))
    return 100 * totals / np.maximum(sizes, 1)


def _outcome_table(outcome: pd.Series, codes: IntArray, groups: int) -> IntArray:
    order = np.array([OUTCOMES.index(name) for name in outcome.cat.categories], dtype=np.int64)
    cells = codes * len(OUTCOMES) + order[outcome.cat.codes.to_numpy(dtype=np.int64)]
    return np.bincount(cells, minlength=groups * len(OUTCOMES)).reshape(groups, len(OUTCOMES))


def _rows_of(ids: pd.Series, others: pd.Series) -> IntArray:
    """The row of each id among the others."""
    rows = pd.Index(others).get_indexer(pd.Index(ids))
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        raise BadRun(
            f"The two runs are on different questions: {len(missing):,} of the first run's {len(ids):,} are not in the "
            f"second, such as {ids.iloc[missing[0]]}. Evaluate both readers on the same data set."
        )
    return np.asarray(rows, dtype=np.int64)


def _intervals(values: FloatArray, codes: IntArray, groups: int, paragraphs: IntArray, resamples: int) -> FloatArray:
    """The 95% interval of each group's mean, shape (groups, 2), NaN where not known."""
    if not resamples:
        return _by_formula(values, codes, groups, paragraphs)
    inside = (codes == np.arange(groups)[:, None]).astype(np.float64)
    return paragraph_intervals(np.broadcast_to(values, inside.shape), inside, paragraphs, resamples=resamples)


def _by_formula(values: FloatArray, codes: IntArray, groups: int, paragraphs: IntArray) -> FloatArray:
    """The interval of a mean over whole paragraphs drawn at random, without drawing them.

    A mean is a ratio of two totals, scores and questions, over n paragraphs; its variance to first order (Cochran 1977,
    chapter 6; what survey statistics uses) is n / (n − 1) · Σ (scores − mean · questions)² / (Σ questions)², and
    the interval takes Student's t with n − 1 degrees of freedom. With many paragraphs it is that of the bootstrap; with
    few it is wider, as it should be. Where all questions score the same it has no width, nor has the bootstrap's.
    """
    # scipy takes a while to import: only where it is used.
    from scipy.special import stdtrit

    numbers, rows = np.unique(paragraphs, return_inverse=True)
    cells, shape = codes * len(numbers) + rows, (groups, len(numbers))
    totals = np.bincount(cells, values, minlength=groups * len(numbers)).reshape(shape)
    counts = np.bincount(cells, minlength=groups * len(numbers)).reshape(shape)
    held = (counts > 0).sum(axis=1)
    intervals = np.full((groups, 2), np.nan)
    known = held >= 2
    totals, counts, held = totals[known], counts[known], held[known]
    questions = counts.sum(axis=1)
    means = totals.sum(axis=1) / questions
    squares = ((totals - means[:, None] * counts) ** 2).sum(axis=1)
    margins = stdtrit(held - 1, (1 + CONFIDENCE) / 2) * np.sqrt(held / (held - 1) * squares) / questions
    intervals[known] = np.stack([means - margins, means + margins], axis=1)
    return intervals


def _percent_or_none(bounds: FloatArray) -> tuple[float | None, float | None]:
    low, high = (None if np.isnan(bound) else 100 * float(bound) for bound in bounds)
    return low, high
