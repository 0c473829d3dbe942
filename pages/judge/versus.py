"""Two runs beside each other as HTML: which is better on what, by how much, and on which questions.

Every difference is B − A. A comparison takes seconds at 11,873 questions and hangs on nothing but the two runs and
their thresholds, so the last few are kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from pages.judge.browse import gold_texts, number, shortened
from pages.judge.runs import OpenedRun
from pages.judge.scorecard import EXACT, F1, HAS_ANSWER, NO_ANSWER
from pages.judge.slices_view import PAIRED, better, difference, interval_text, versus_key
from pages.phrases import notice, tip
from pages.theme import OUTCOME_WORDS
from reader.comparison import Change, Comparison, Difference, compare
from reader.errors import BadRun
from reader.metrics import normalize_answer

SHOWN = 20  # wins and losses each
RESAMPLES = 2000  # as the intervals of a single run
KEPT = 16  # comparisons, each some 40 questions

ROUGE = (
    "ROUGE-1 F from 0 to 1 of what each run says at its threshold: silence counts 1 where there is no answer and 0 "
    "where there is one. The article's figure is another: forced to answer."
)
MCNEMAR = (
    "McNemar's exact test: were both equally good, the questions that only one of them gets right would be split "
    "half and half. p is how often chance makes a split as uneven as this. It counts single questions, while the "
    "intervals draw whole texts with all their questions: where the texts are few, the two may not agree, and neither "
    "is sure."
)
METRICS = {
    "exact": ("EM %", EXACT),
    "f1": ("F1 %", F1),
    "rouge1_f": ("ROUGE-1", ROUGE),
    "HasAns_f1": ("HasAns F1 %", HAS_ANSWER),
    "NoAns_exact": ("NoAns %", NO_ANSWER),
}
CHANCE = "no difference that is more than chance"

CLICK_EXAMPLE = """
element.addEventListener("click", event => {
    const button = event.target.closest("[data-example]");
    if (button) trigger("click", {example: button.dataset.example});
});
"""


@dataclass(frozen=True, slots=True)
class Versus:
    """What two runs were found to differ in; shares in [0, 1] of questions with the same answer, None where no such."""

    found: Comparison
    agree_answerable: float | None
    agree_unanswerable: float | None


def versus(a: OpenedRun, b: OpenedRun) -> str:
    """Compare two runs, each at its threshold."""
    try:
        if _key(a) == _key(b):
            return notice("A and B are the same run at the same threshold. Choose another run, or move a threshold.")
        compared = _COMPARISONS.take((*_key(a), *_key(b)), lambda: _compared(a, b))
    except BadRun as error:
        return notice(str(error), "alarm")
    found = compared.found
    return (
        f'<div class="versus">{versus_key(a, b)}<p class="sentence">{sentence(found.differences)}</p>'
        f'<div class="figures">{_differences(found.differences)}{_right_and_wrong(compared)}</div>'
        f'<div class="lists">{_changes("B does better", found.gained, found.wins)}'
        f"{_changes('A does better', found.lost, found.losses)}</div></div>"
    )


def sentence(differences: Sequence[Difference]) -> str:
    """Which run is better, and on which kind of questions."""
    found = {one.metric: one for one in differences}
    kinds = (("HasAns_f1", "answerable"), ("NoAns_exact", "unanswerable"))
    said = [(kind, _verdict(found[metric])) for metric, kind in kinds if metric in found]
    if len(said) < 2:  # then all questions are of one kind
        return _headline(found["f1"])
    (first, one), (second, two) = said
    if one == two:
        return f"{_headline(found['f1'])} On {first} and on {second} questions alike: {one}."
    return f"{_headline(found['f1'])} On {first} questions: {one}. On {second} ones: {two}."


def _headline(f1: Difference) -> str:
    if f1.low is None or f1.high is None:
        return (
            f"B − A is {difference(f1.difference)} by F1. All questions are on one text, so whether that is chance "
            "cannot be told."
        )
    if f1.low > 0:
        return f"<b>B is better by F1</b>: {difference(f1.difference)} ({interval_text(f1.low, f1.high)})."
    if f1.high < 0:
        return f"<b>A is better by F1</b>: {difference(-f1.difference)} ({interval_text(-f1.high, -f1.low)})."
    return f"<b>By F1 {CHANCE}</b>: B − A is {difference(f1.difference)} ({interval_text(f1.low, f1.high)})."


def _verdict(one: Difference) -> str:
    if one.low is None or one.high is None:
        return "too few texts to tell"
    return f"{'B' if one.low > 0 else 'A'} is better" if one.low > 0 or one.high < 0 else CHANCE


# The figures


def _differences(differences: Sequence[Difference]) -> str:
    found = {one.metric: one for one in differences}
    rows = "".join(_metric(found[name], *METRICS[name]) for name in METRICS if name in found)
    return (
        '<div><table class="plain differences"><caption>How far apart</caption><thead><tr>'
        '<th scope="col">Measure</th><th scope="col" class="number">A</th><th scope="col" class="number">B</th>'
        f'<th scope="col" class="number">B − A</th><th scope="col" class="number">{tip("95 % interval", PAIRED)}</th>'
        f'<th scope="col" class="says">Better</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _metric(one: Difference, title: str, explanation: str) -> str:
    # On a scale from 0 to 1 the second decimal is a whole percent.
    digits = 3 if one.metric == "rouge1_f" else 2
    return (
        f'<tr><th scope="row">{tip(title, explanation)}</th><td class="number a">{number(one.a, digits)}</td>'
        f'<td class="number b">{number(one.b, digits)}</td>'
        f'<td class="number change">{difference(one.difference, digits)}</td>'
        f'<td class="number range">{interval_text(one.low, one.high, digits)}</td>'
        f'<td class="says">{better(one.low, one.high)}</td></tr>'
    )


def _right_and_wrong(compared: Versus) -> str:
    found = compared.found
    return (
        '<div><table class="plain squares"><caption>Right and wrong, by exact match</caption><thead><tr><td></td>'
        '<th scope="col" class="number">B right</th><th scope="col" class="number">B wrong</th></tr></thead><tbody>'
        f'<tr><th scope="row">A right</th>{_count(found.both_right, found.questions)}'
        f"{_count(found.only_a_right, found.questions)}</tr>"
        f'<tr><th scope="row">A wrong</th>{_count(found.only_b_right, found.questions)}'
        f"{_count(found.neither_right, found.questions)}</tr></tbody></table>"
        f'<p class="quiet">{_mcnemar(found)}</p><p class="quiet">{_agreement(compared)}</p></div>'
    )


def _count(count: int, total: int) -> str:
    return f'<td class="number">{count:,} <small>{100 * count / max(1, total):.1f}\u00a0%</small></td>'


def _mcnemar(found: Comparison) -> str:
    a, b, p = found.only_a_right, found.only_b_right, found.mcnemar_p
    if not a + b:
        return "Both are right on the same questions."
    shown = "p\u00a0<\u00a00.001" if p < 0.001 else f"p\u00a0=\u00a0{p:.{3 if p < 0.1 else 2}f}"
    words = "hardly chance" if p < 0.05 else "it may well be chance"
    return f"{a:,} only A gets right, {b:,} only B: {words} ({tip(shown, MCNEMAR)})."


def _agreement(compared: Versus) -> str:
    parts = [
        f"{_share(share)} of the {kind}"
        for kind, share in (
            ("answerable", compared.agree_answerable),
            ("unanswerable", compared.agree_unanswerable),
        )
        if share is not None
    ]
    whole = f"They say the same on {_share(compared.found.agreement)} of the questions"
    return f"{whole}: {', '.join(parts)}." if len(parts) > 1 else f"{whole}."


def _share(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%"


# The questions


def _changes(title: str, changes: Sequence[Change], total: int) -> str:
    shown = f", the {len(changes)} widest apart" if len(changes) < total else ""
    questions = "question" if total == 1 else "questions"
    items = "".join(_change(change) for change in changes)
    listed = f"<ol>{items}</ol>" if items else '<p class="quiet">On no question.</p>'
    return f"<section><h2>{title} <small>on {total:,} {questions}{shown}</small></h2>{listed}</section>"


def _change(change: Change) -> str:
    golds = " / ".join(gold_texts(change.answers))
    right = f"<dd dir=auto>{escape(shortened(golds))}</dd>" if golds else "<dd>not answerable from this text</dd>"
    return (
        f'<li><button type="button" class="pick" data-example="{escape(change.id)}"><bdi>'
        f"{escape(shortened(change.question, 300))}</bdi></button><dl><dt>Right</dt>{right}"
        f"{_said('A', change.a, change.outcome_a, change.f1_a)}{_said('B', change.b, change.outcome_b, change.f1_b)}"
        "</dl></li>"
    )


def _said(letter: str, text: str, outcome: str, f1: float) -> str:
    answer = f"<bdi>{escape(shortened(text))}</bdi>" if text else '<span class="none">says nothing</span>'
    return (
        f'<dt>{letter}</dt><dd>{answer} <small><span class="outcome {outcome}">{OUTCOME_WORDS[outcome]}</span> '
        f"F1 {number(f1)}</small></dd>"
    )


# Comparing, once


def _compared(a: OpenedRun, b: OpenedRun) -> Versus:
    found = compare(a.run, b.run, threshold_a=a.threshold, threshold_b=b.threshold, changes=SHOWN, resamples=RESAMPLES)
    rows = np.array([b.rows[name] for name in a.decided["id"]], dtype=np.int64)
    said_a, said_b = a.decided["prediction"].tolist(), b.decided["prediction"].iloc[rows].tolist()
    same = np.array(
        [x == y or normalize_answer(x) == normalize_answer(y) for x, y in zip(said_a, said_b, strict=True)],
        dtype=np.bool_,
    )
    impossible = a.decided["is_impossible"].to_numpy(dtype=np.bool_)
    return Versus(
        found,
        agree_answerable=float(same[~impossible].mean()) if (~impossible).any() else None,
        agree_unanswerable=float(same[impossible].mean()) if impossible.any() else None,
    )


def _key(opened: OpenedRun) -> tuple[Path, int, float | None]:
    try:
        changed = (opened.run.folder / "run.json").stat().st_mtime_ns
    except OSError:
        raise BadRun(f"The run {opened.run.folder.name} was removed: pick another one from the list.") from None
    return opened.run.folder, changed, opened.threshold


class _Kept:
    """The last few comparisons. One is made at a time, so that visitors who ask for the same one share it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], Versus] = OrderedDict()
        self._looking = threading.Lock()
        self._making = threading.Lock()

    def take(self, key: tuple[object, ...], make: Callable[[], Versus]) -> Versus:
        found = self._look(key)
        if found is not None:
            return found
        with self._making:
            # Another visitor may have made it while this one waited.
            found = self._look(key) or make()
            with self._looking:
                self._kept[key] = found
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        return found

    def _look(self, key: tuple[object, ...]) -> Versus | None:
        with self._looking:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)


_COMPARISONS = _Kept()
