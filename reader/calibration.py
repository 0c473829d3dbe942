"""How far a run's margins and probabilities can be trusted: what each threshold costs, and what abstaining catches.

Read as a detector of unanswerable questions, a reader raises its margin where the text holds no answer: that has a
precision, a recall and two histograms. Its probability of "no answer" can be compared with how often there really is
none. And each threshold buys rightly kept silence with missed answers.

All of it is counted on the questions at hand: a threshold read off here is chosen on these very questions, a bound
like the oracle's and not a result. Everything takes plain columns, shape (questions,), and costs milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reader.errors import BadRun, BadUsage
from reader.metrics import BoolArray, FloatArray, IntArray, Judged, Metrics, choose_threshold, metrics_at
from reader.views import NO_MARGINS

POINTS = 400  # of a curve; more than a screen shows
ENDLESS = 1e300  # a margin beyond it stands for an infinite one, which null_odds.json spells as the largest float

Curves = dict[str, FloatArray]


# Abstaining as a detector of unanswerable questions


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """How well the margin tells unanswerable questions (the positive ones) from the others.

    ``threshold, precision, recall``, shape (points,), by falling threshold: abstaining above it, what share of the
    silences is right, and what share of the unanswerable questions is met by silence; in [0, 1]. ``average_precision``
    is over all thresholds, whatever was thinned; ``share``, that of unanswerable questions, is what chance reaches.
    """

    threshold: FloatArray
    precision: FloatArray
    recall: FloatArray
    average_precision: float
    share: float


def precision_recall(margins: FloatArray, has_answer: BoolArray, *, points: int = POINTS) -> PrecisionRecall:
    """Return precision and recall of abstaining at every useful threshold, thinned to ``points``.

    Average precision is ``sum((R_n - R_{n-1}) * P_n)`` over the distinct margins from the greatest down, equal ones
    together and without interpolation, as scikit-learn's ``average_precision_score`` has it. Raises `BadRun` without
    margins or without an unanswerable question.
    """
    _require_margins(margins)
    positive = ~has_answer
    if not positive.any():
        raise BadRun("Every question here has an answer, so there is nothing that abstaining could catch.")
    rows = np.argsort(-margins, kind="stable")
    falling = margins[rows]
    last = np.append(falling[1:] < falling[:-1], True)  # of each group of equal margins
    caught = np.cumsum(positive[rows])[last]
    silent = np.arange(1, len(margins) + 1)[last]
    precision, recall = caught / silent, caught / caught[-1]
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    # The reader abstains *above* its threshold: to be silent on one group, that is the next lower margin.
    distinct = falling[last]
    threshold = np.append(distinct[1:], np.nextafter(distinct[-1], -np.inf))
    kept = _thinned(len(threshold), points)
    return PrecisionRecall(threshold[kept], precision[kept], recall[kept], average, float(positive.mean()))


@dataclass(frozen=True, slots=True)
class Histograms:
    """How many questions have their margin where: ``edges`` (bins + 1,), the counts (bins,)."""

    edges: FloatArray
    answerable: IntArray
    unanswerable: IntArray


def histograms(margins: FloatArray, has_answer: BoolArray, bins: int = 40) -> Histograms:
    """Count the margins of answerable and of unanswerable questions over common, equally wide bins.

    The bins span the finite margins; an infinite one (the reader found no span) counts in the bin at its end.
    Raises `BadRun` without margins.
    """
    _require_margins(margins)
    if bins < 1:
        raise BadUsage(f"A histogram of {bins} bins cannot be drawn; it needs at least 1.")
    finite = margins[np.abs(margins) < ENDLESS]
    edges = np.histogram_bin_edges(finite if len(finite) else np.zeros(1), bins=bins)
    within = np.clip(margins, edges[0], edges[-1])
    counts = [np.histogram(within[group], edges)[0].astype(np.int64) for group in (has_answer, ~has_answer)]
    return Histograms(edges, *counts)


# The probability of "no answer"


@dataclass(frozen=True, slots=True)
class Reliability:
    """What was said about unanswerability beside what was true, in [0, 1].

    ``edges`` (bins + 1,); ``counts, said, true`` (bins,): the questions of each bin, their mean probability of no
    answer and the share that really has none, NaN where a bin is empty. ``error``: the expected calibration error.
    """

    edges: FloatArray
    counts: IntArray
    said: FloatArray
    true: FloatArray
    error: float


def reliability(no_answer_probability: FloatArray, is_impossible: BoolArray, bins: int = 10) -> Reliability:
    """Compare the probability of no answer with how often there is none, over equally wide bins.

    The expected calibration error is ``sum_b n_b / N * |true_b - said_b|``, for a yes-or-no event as Naeini, Cooper &
    Hauskrecht (2015) define it; bins are ``((b - 1) / B, b / B]`` as in Guo et al. (2017), and 0 is in the first.
    Raises `BadRun` where the run keeps no probabilities: somebody else's predictions have none.
    """
    said, true = np.asarray(no_answer_probability, dtype=np.float64), np.asarray(is_impossible, dtype=np.bool_)
    if bins < 1:
        raise BadUsage(f"A reliability diagram of {bins} bins cannot be drawn; it needs at least 1.")
    if np.isnan(said).any() or not len(said):
        raise BadRun("There are no probabilities of “no answer”, so nothing can be said about their calibration.")
    edges = np.arange(bins + 1) / bins
    places = np.searchsorted(edges[1:-1], said, side="left")
    counts = np.bincount(places, minlength=bins)
    empty = np.full(bins, np.nan)
    means = [
        np.divide(np.bincount(places, weights=values, minlength=bins), counts, out=empty.copy(), where=counts > 0)
        for values in (said, true.astype(np.float64))
    ]
    error = float(np.nansum(counts / len(said) * np.abs(means[1] - means[0])))
    return Reliability(edges, counts.astype(np.int64), means[0], means[1], error)


# Every threshold


@dataclass(frozen=True, slots=True)
class _Sweep:
    """Sums over the questions that answer, one more at each cut; rising thresholds, shape (cuts,).

    ``answers``: how many say something; ``right`` and ``exact``: F1 and exact match that answerable questions gain;
    ``silent``: of the unanswerable ones, those still right.
    """

    threshold: FloatArray
    answers: IntArray
    right: FloatArray
    exact: FloatArray
    silent: FloatArray


def _sweep(judged: Judged, margins: FloatArray) -> _Sweep:
    """Cut below the first question and after every one whose successor has a greater margin, as `choose_threshold`."""
    _require_margins(margins)
    rows = np.argsort(margins, kind="stable")
    rising, has_answer = margins[rows], judged.has_answer[rows]
    cuts = np.flatnonzero(np.concatenate(([True], np.append(rising[1:] > rising[:-1], True) & np.isfinite(rising))))

    def sums(gains: FloatArray) -> FloatArray:
        return np.concatenate(([0.0], np.cumsum(gains)))[cuts]

    # A span that is nothing once normalised is right where there is no answer.
    lost = np.where(has_answer, 0.0, 1 - judged.f1[rows])
    return _Sweep(
        threshold=np.concatenate(([np.nextafter(rising[0], -np.inf)], rising))[cuts],
        answers=np.concatenate(([0], np.cumsum(judged.said[rows])))[cuts],
        right=sums(np.where(has_answer, judged.f1[rows], 0.0)),
        exact=sums(np.where(has_answer, judged.exact[rows], 0.0)),
        silent=np.count_nonzero(~has_answer) - sums(lost),
    )


def curves(judged: Judged, margins: FloatArray, *, points: int = POINTS) -> Curves:
    """Return what the run scores at every useful threshold, thinned to ``points``; percentages, shape (points,).

    Keys: ``threshold`` (rising; the first abstains everywhere), ``exact, f1, answered`` (the share of questions that
    get an answer) and, for groups that have questions, ``HasAns_f1`` and ``NoAns_exact``. Between two useful
    thresholds nothing changes. Every point is what `metrics_at` gives there; the best F1 is among those kept.
    ``judged`` is `reader.views.judged` of the run's table. Raises `BadRun` without margins.
    """
    sweep = _sweep(judged, margins)
    f1 = sweep.right + sweep.silent
    kept = _thinned(len(f1), points, int(np.argmax(f1)))
    total, with_answer = len(judged), np.count_nonzero(judged.has_answer)
    found: Curves = {
        "threshold": sweep.threshold,
        "exact": 100 * (sweep.exact + sweep.silent) / total,
        "f1": 100 * f1 / total,
        "answered": 100 * sweep.answers / total,
    }
    if with_answer:
        found["HasAns_f1"] = 100 * sweep.right / with_answer
    if with_answer < total:
        found["NoAns_exact"] = 100 * sweep.silent / (total - with_answer)
    return {name: values[kept] for name, values in found.items()}


@dataclass(frozen=True, slots=True)
class Guarded:
    """The threshold that keeps silence right as often as wanted, and what that costs.

    ``metrics``: the official averages there. ``has_answer_f1_lost``: HasAns F1 given up against answering everything;
    ``f1_lost``: F1 given up against the best threshold for F1; both in points of percent, never below 0. ``missed``:
    answerable questions that get no answer.
    """

    threshold: float
    metrics: Metrics
    has_answer_f1_lost: float
    f1_lost: float
    missed: int


def at_no_answer_accuracy(judged: Judged, margins: FloatArray, wanted: float = 0.90) -> Guarded:
    """Find the threshold at which NoAns accuracy is at least ``wanted`` (0-1) and HasAns F1 suffers least.

    Of equally cheap thresholds the lowest is taken: it has more silences right. Abstaining everywhere always reaches
    what is wanted, so there is one. Raises `BadUsage` for a share that is none, `BadRun` without margins or without
    an unanswerable question.
    """
    if not 0 <= wanted <= 1:
        raise BadUsage(f"A NoAns accuracy of {100 * wanted:g} % cannot be reached; expected 0 to 100 %, such as 90 %.")
    sweep = _sweep(judged, margins)
    unanswerable = np.count_nonzero(~judged.has_answer)
    if not unanswerable:
        raise BadRun("Every question here has an answer, so there is no NoAns accuracy to reach.")
    # Counted in questions: 0.7 of 10 are 7, though 0.7 * 10 is a little more in binary.
    enough = sweep.silent + 1e-9 >= wanted * unanswerable
    best = int(np.argmax(np.where(enough, sweep.right, -np.inf)))
    threshold = float(sweep.threshold[best])
    metrics = metrics_at(judged, margins, threshold)
    with_answer = np.count_nonzero(judged.has_answer)
    _, best_f1 = choose_threshold(judged, margins)
    return Guarded(
        threshold=threshold,
        metrics=metrics,
        has_answer_f1_lost=float(100 * (sweep.right[-1] - sweep.right[best]) / with_answer) if with_answer else 0.0,
        f1_lost=max(0.0, best_f1 - float(metrics["f1"])),
        missed=int(np.count_nonzero(judged.has_answer & ((margins > threshold) | ~judged.said))),
    )


def _require_margins(margins: FloatArray) -> None:
    if np.isnan(margins).any() or not len(margins):
        raise BadRun(NO_MARGINS)


def _thinned(size: int, points: int, keep: int = 0) -> IntArray:
    """Rows that lie evenly from the first to the last, at most ``points`` of them; ``keep`` is one."""
    if points < 3:
        raise BadUsage(f"A curve of {points} points cannot be drawn; it needs at least 3.")
    if size <= points:
        return np.arange(size)
    rows = np.linspace(0, size - 1, points - 1).round().astype(np.int64)
    return np.union1d(rows, [keep])
