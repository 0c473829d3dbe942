"""Exact match and F1 as the official SQuAD v2 script counts them, thresholds, and what became of each question.

Source: Rajpurkar, Jia & Liang, "Know What You Don't Know" (2018), and its ``evaluate-v2.0.py``; the figures here
agree with that script key for key and digit for digit. Every question is judged once (`judge`); a threshold then
only chooses, for each question, between its own score and the score of saying nothing, so that a new threshold
costs milliseconds. Percentages are 0-100.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

Metrics = dict[str, float | int]

OUTCOMES = ("correct", "partial", "wrong_span", "missed", "abstained", "false_answer")

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """Return the text in lower case, without ASCII punctuation and English articles, white space made single."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_and_f1(prediction: str, golds: Iterable[str]) -> tuple[float, float]:
    """Return exact match and F1 in [0, 1], each the best over the golds.

    Golds that are nothing after normalisation are dropped; when none is left, only saying nothing is right.
    """
    said = normalize_answer(prediction)
    wanted = {normal for gold in golds if (normal := normalize_answer(gold))} or {""}
    return float(said in wanted), max(_f1(said.split(), gold.split()) for gold in wanted)


def _f1(said: list[str], gold: list[str]) -> float:
    if not said or not gold:
        return float(said == gold)
    common = sum((Counter(said) & Counter(gold)).values())
    if common == 0:
        return 0.0
    precision = common / len(said)
    recall = common / len(gold)
    return (2 * precision * recall) / (precision + recall)


@dataclass(frozen=True, slots=True)
class Judged:
    """One entry per question, in data order: four arrays of shape (questions,).

    ``has_answer``: the data give at least one gold answer. ``said``: the prediction is not "".
    ``exact, f1``: the prediction's own scores in [0, 1], before any threshold.
    """

    has_answer: BoolArray
    said: BoolArray
    exact: FloatArray
    f1: FloatArray

    def __len__(self) -> int:
        return len(self.has_answer)

    def take(self, rows: BoolArray | IntArray) -> Judged:
        """Return the chosen rows."""
        return Judged(self.has_answer[rows], self.said[rows], self.exact[rows], self.f1[rows])


def judge(predictions: Sequence[str], golds: Sequence[Sequence[str]]) -> Judged:
    """Judge each prediction against the gold texts of its question (none = unanswerable)."""
    scores = [exact_and_f1(said, wanted) for said, wanted in zip(predictions, golds, strict=True)]
    table = np.array(scores, dtype=np.float64).reshape(-1, 2)
    return Judged(
        has_answer=np.array([len(wanted) > 0 for wanted in golds], dtype=np.bool_),
        said=np.array([said != "" for said in predictions], dtype=np.bool_),
        exact=table[:, 0],
        f1=table[:, 1],
    )


def apply_threshold(
    judged: Judged, null_odds: FloatArray, threshold: float | FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return exact match and F1 per question when the reader abstains above the threshold (one, or one each).

    Abstaining scores 1 exactly where the data give no answer, whatever the golds normalise to.
    """
    abstains = null_odds > threshold
    silent = (~judged.has_answer).astype(np.float64)
    return np.where(abstains, silent, judged.exact), np.where(abstains, silent, judged.f1)


def official_metrics(
    judged: Judged,
    null_odds: FloatArray | None = None,
    threshold: float = 1.0,
    *,
    order: IntArray | None = None,
) -> Metrics:
    """Return what the official script prints: ``exact, f1, total``, the HasAns and NoAns groups, ``best_*``.

    ``null_odds``, shape (questions,): the greater, the less likely that there is an answer; without them every
    question's odds are 0 and there are no ``best_*`` keys, as in the script. ``order`` lists the rows as the file
    of null odds does, which decides between equal odds; default: data order.
    """
    odds = np.zeros(len(judged)) if null_odds is None else null_odds
    metrics = metrics_at(judged, odds, threshold)
    if null_odds is not None:
        for key, scores in (("exact", judged.exact), ("f1", judged.f1)):
            best, at = best_threshold(judged, scores, null_odds, order=order)
            metrics[f"best_{key}"] = best
            metrics[f"best_{key}_thresh"] = at
    return metrics


def metrics_at(judged: Judged, null_odds: FloatArray, threshold: float | FloatArray) -> Metrics:
    """Return the official averages at a threshold (or at one per question), without the sweep over all."""
    if len(judged) == 0:
        raise ValueError("no questions to average over")
    exact, f1 = apply_threshold(judged, null_odds, threshold)
    metrics: Metrics = _averages(exact, f1)
    for group, rows in (("HasAns", judged.has_answer), ("NoAns", ~judged.has_answer)):
        if rows.any():
            for key, value in _averages(exact[rows], f1[rows]).items():
                metrics[f"{group}_{key}"] = value
    return metrics


def forced_metrics(judged: Judged) -> Metrics:
    """Return the official averages when the reader may not abstain: a question without gold answer scores 0."""
    exact = np.where(judged.has_answer, judged.exact, 0.0)
    f1 = np.where(judged.has_answer, judged.f1, 0.0)
    return official_metrics(Judged(judged.has_answer, judged.said, exact, f1))


def _averages(exact: FloatArray, f1: FloatArray) -> Metrics:
    # Python's own sum over the scores in data order: numpy sums pairwise, which differs in the last digit.
    total = len(exact)
    return {
        "exact": 100.0 * sum(exact.tolist()) / total,
        "f1": 100.0 * sum(f1.tolist()) / total,
        "total": total,
    }


def best_threshold(
    judged: Judged, scores: FloatArray, null_odds: FloatArray, *, order: IntArray | None = None
) -> tuple[float, float]:
    """Return the best percentage over all thresholds and the threshold that reaches it, as the script finds them.

    It starts from abstaining everywhere at 0.0 and lets one question after the other answer, by rising odds. So of
    equal odds some may answer and others not, and 0.0 is what it says when abstaining everywhere is best:
    `choose_threshold` has neither quirk.
    """
    rows = np.arange(len(judged)) if order is None else order
    rows = rows[np.argsort(null_odds[rows], kind="stable")]
    gains = np.where(judged.has_answer, scores, np.where(judged.said, -1.0, 0.0))[rows]
    silent = float(np.count_nonzero(~judged.has_answer))
    totals = np.cumsum(np.concatenate(([silent], gains)))
    best = int(np.argmax(totals))  # the first of equals, as the script's strict comparison
    at = 0.0 if best == 0 else float(null_odds[rows[best - 1]])
    return 100.0 * float(totals[best]) / len(judged), at


def choose_threshold(
    judged: Judged,
    null_odds: FloatArray,
    scores: FloatArray | None = None,
    *,
    weights: FloatArray | None = None,
) -> tuple[float, float]:
    """Return a threshold to read with and its average (0-100): F1, or the given scores, is best when applied.

    Equal odds are decided alike. When abstaining everywhere is best, the threshold lies just below all odds.
    Of equally good thresholds the lowest is taken. ``weights``, of mean 1: how much each question counts.
    """
    counts = np.ones(len(judged)) if weights is None else weights
    values = counts * (judged.f1 if scores is None else scores)
    silent = counts * ~judged.has_answer
    rows = np.argsort(null_odds, kind="stable")
    odds = null_odds[rows]
    totals = silent.sum() + np.concatenate(([0.0], np.cumsum((values - silent)[rows])))
    # A cut can lie below the first and after every question whose successor has greater odds.
    cuts = np.concatenate(([True], np.append(odds[1:] > odds[:-1], True) & np.isfinite(odds)))
    best = int(np.argmax(np.where(cuts, totals, -np.inf)))
    threshold = float(np.nextafter(odds[0], -np.inf)) if best == 0 else float(odds[best - 1])
    return threshold, 100.0 * float(totals[best]) / len(judged)


def halves(groups: Sequence[object]) -> BoolArray | None:
    """Split questions in two halves of about equal size that share no group; None where there is one group only.

    Deterministic: the largest group first (of equals the one seen first), each into the half smaller so far.
    """
    sizes = Counter(groups)
    if len(sizes) < 2:
        return None
    seats = [0, 0]
    half_of: dict[object, bool] = {}
    for group, size in sizes.most_common():
        second = seats[1] < seats[0]
        half_of[group] = second
        seats[second] += size
    return np.array([half_of[group] for group in groups], dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """Thresholds chosen on one half of the articles and applied to the other, both ways.

    ``thresholds``: (the one applied to the first half, the one applied to the second); ``per_question``: the same,
    shape (questions,); ``metrics``: the official averages over both halves.
    """

    thresholds: tuple[float, float]
    per_question: FloatArray
    metrics: Metrics


def cross_fitted(judged: Judged, null_odds: FloatArray, second: BoolArray) -> CrossFitted:
    """Choose the best-F1 threshold of each half and read the other half with it: an honest estimate."""
    for_second, _ = choose_threshold(judged.take(~second), null_odds[~second])
    for_first, _ = choose_threshold(judged.take(second), null_odds[second])
    thresholds = np.where(second, for_second, for_first)
    return CrossFitted((for_first, for_second), thresholds, metrics_at(judged, null_odds, thresholds))


def outcome_codes(has_answer: BoolArray, answered: BoolArray, exact: FloatArray, f1: FloatArray) -> NDArray[np.int8]:
    """Return what became of each question, as an index into `OUTCOMES`.

    With a gold answer: correct (exact match), partial (some words right), wrong_span (none), missed (abstained).
    Without: abstained (rightly), false_answer.
    """
    return np.select(
        [has_answer & ~answered, has_answer & (exact > 0), has_answer & (f1 > 0), has_answer, ~answered],
        [np.int8(OUTCOMES.index(name)) for name in ("missed", "correct", "partial", "wrong_span", "abstained")],
        default=np.int8(OUTCOMES.index("false_answer")),
    )
