"""Margins and probabilities: average precision and calibration error by hand, curves against the official averages."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reader.calibration import at_no_answer_accuracy, curves, histograms, precision_recall, reliability
from reader.errors import BadRun, BadUsage
from reader.metrics import Judged, choose_threshold, metrics_at
from reader.results import open_run
from reader.run_table import Found, run_table
from reader.views import judged
from tests.small_run import EXAMPLES, answer

STARTER = Path(__file__).resolve().parents[1] / "reader" / "starter" / "run"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """By rising margin: q1 right, q3 half right, q6 wrong, q2 no answer, q4 right, q5 no answer."""
    return run_table(EXAMPLES, [Found.of(answer(example)) for example in EXAMPLES])


@pytest.fixture(scope="module")
def starter() -> tuple[Judged, np.ndarray]:
    examples = open_run(STARTER).examples
    return judged(examples), examples["null_score_diff"].to_numpy()


def _margins(table: pd.DataFrame) -> np.ndarray:
    return table["null_score_diff"].to_numpy(dtype=np.float64)


@pytest.mark.parametrize(
    ("impossible", "margins", "average"),
    [
        # The example of scikit-learn's own documentation: 1/2 * 1 + 1/2 * 2/3.
        ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 1 / 2 + 1 / 3),
        # Equal scores fall together: no order of theirs may count. 1 * 2/3, whatever comes first.
        ([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.1], 2 / 3),
        ([0, 1, 1, 0], [0.5, 0.5, 0.5, 0.1], 2 / 3),
        ([1, 1, 0], [3.0, 2.0, 1.0], 1.0),
        ([0, 0, 1], [3.0, 2.0, 1.0], 1 / 3),
        # A reader that found no span is surest of all.
        ([1, 0, 1], [math.inf, 2.0, 1.0], 1 / 2 + 1 / 3),
    ],
)
def test_average_precision_is_that_of_scikit_learn(impossible: list[int], margins: list[float], average: float) -> None:
    found = precision_recall(np.array(margins), np.array(impossible) == 0)
    assert found.average_precision == pytest.approx(average)
    assert found.share == pytest.approx(sum(impossible) / len(impossible))


def test_a_threshold_of_the_curve_abstains_on_just_the_questions_that_it_counts(table: pd.DataFrame) -> None:
    margins, has_answer = _margins(table), ~table["is_impossible"].to_numpy()
    found = precision_recall(margins, has_answer)
    assert found.threshold[:2].tolist() == [-0.5, -1.0] and found.threshold[-1] < -4
    for at, precision, recall in zip(found.threshold, found.precision, found.recall, strict=True):
        silent = margins > at
        assert precision == (silent & ~has_answer).sum() / silent.sum()
        assert recall == (silent & ~has_answer).sum() / 2
    # By falling margin: q5 caught, q4 not, q2 caught: 1/2 * 1 + 1/2 * 2/3.
    assert found.average_precision == pytest.approx(5 / 6)


def test_thinning_the_points_leaves_the_average_precision_alone(starter: tuple[Judged, np.ndarray]) -> None:
    scores, margins = starter
    whole = precision_recall(margins, scores.has_answer)
    thin = precision_recall(margins, scores.has_answer, points=20)
    assert len(whole.recall) == 324 and len(thin.recall) <= 20
    assert thin.average_precision == whole.average_precision
    assert set(thin.threshold) <= set(whole.threshold) and thin.recall[-1] == 1.0


def test_histograms_share_their_edges_and_lose_nobody() -> None:
    margins = np.array([-2.0, -1.9, 0.0, 2.0, math.inf, -math.inf, 1.7976931348623157e308])
    has_answer = np.array([True, True, False, False, False, True, True])
    found = histograms(margins, has_answer, bins=4)
    assert found.edges.tolist() == [-2, -1, 0, 1, 2]
    assert found.answerable.tolist() == [3, 0, 0, 1] and found.unanswerable.tolist() == [0, 0, 1, 2]
    alone = histograms(np.array([1.0, 1.0]), np.array([True, False]), bins=2)
    assert alone.answerable.sum() == alone.unanswerable.sum() == 1


def test_the_calibration_error_by_hand() -> None:
    found = reliability(np.array([0.05, 0.12, 0.18, 0.95]), np.array([False, False, True, True]))
    # 1/4 |0 - 0.05| + 2/4 |1/2 - 0.15| + 1/4 |1 - 0.95|
    assert found.error == pytest.approx(0.0125 + 0.175 + 0.0125)
    assert found.counts.tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    assert found.said[1] == pytest.approx(0.15) and found.true[1] == 0.5 and np.isnan(found.said[2])
    perfect = reliability(np.array([0.0, 1.0]), np.array([False, True]))
    assert perfect.error == 0.0 and perfect.counts.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_a_probability_on_an_edge_belongs_to_the_bin_below() -> None:
    """Guo et al.: ((b - 1) / B, b / B]; 0.7 * 10 is above 7 in binary, 0.3 * 10 is below 3."""
    found = reliability(np.array([0.1, 0.3, 0.7]), np.array([False, False, False]))
    assert np.flatnonzero(found.counts).tolist() == [0, 2, 6]


def test_every_point_of_the_curves_by_hand(table: pd.DataFrame) -> None:
    found = curves(judged(table), _margins(table))
    assert found["threshold"][1:].tolist() == [-4, -3, -2, -1, -0.5, 2] and found["threshold"][0] < -4
    assert found["HasAns_f1"].tolist() == [0, 25, 37.5, 37.5, 37.5, 62.5, 62.5]
    assert found["NoAns_exact"].tolist() == [100, 100, 100, 100, 50, 50, 0]
    assert found["f1"] == pytest.approx(np.array([2, 3, 3.5, 3.5, 2.5, 3.5, 2.5]) * 100 / 6)
    assert found["exact"] == pytest.approx(np.array([2, 3, 3, 3, 2, 3, 2]) * 100 / 6)
    assert found["answered"] == pytest.approx(np.arange(7) * 100 / 6)


@pytest.mark.parametrize("points", [400, 15])
def test_every_point_is_what_the_official_average_gives(starter: tuple[Judged, np.ndarray], points: int) -> None:
    scores, margins = starter
    found = curves(scores, margins, points=points)
    assert len(found["f1"]) == min(points, 325) and np.all(np.diff(found["threshold"]) > 0)
    for row, at in enumerate(found["threshold"].tolist()):
        official = metrics_at(scores, margins, at)
        for name in ("exact", "f1", "HasAns_f1", "NoAns_exact"):
            assert found[name][row] == pytest.approx(official[name], abs=1e-9)
    at, best = choose_threshold(scores, margins)
    assert found["f1"].max() == pytest.approx(best) and at in found["threshold"]


def test_equal_margins_are_decided_alike_and_infinite_ones_never_answer() -> None:
    scores = Judged(*np.array([[True, True, False, True]] * 2), np.array([1.0, 1, 0, 0]), np.array([1.0, 1, 0, 0]))
    found = curves(scores, np.array([0.0, 1.0, 1.0, math.inf]))
    assert found["threshold"][1:].tolist() == [0.0, 1.0] and found["answered"].tolist() == [0, 25, 50]


def test_a_group_without_questions_has_no_curve(table: pd.DataFrame) -> None:
    with_answer = table[~table["is_impossible"]]
    assert "NoAns_exact" not in curves(judged(with_answer), _margins(with_answer))
    without = table[table["is_impossible"]]
    assert "HasAns_f1" not in curves(judged(without), _margins(without))


def test_what_a_wanted_accuracy_of_silence_costs(table: pd.DataFrame) -> None:
    half = at_no_answer_accuracy(judged(table), _margins(table), 0.5)
    assert (half.threshold, half.metrics["NoAns_exact"], half.has_answer_f1_lost, half.missed) == (-0.5, 50.0, 0.0, 0)
    assert half.f1_lost == 0.0  # 3.5 of 6, as good as the best
    # Both silent: answering q6 wrongly as well gains nothing, so the lower threshold is taken.
    most = at_no_answer_accuracy(judged(table), _margins(table), 0.9)
    assert (most.threshold, most.metrics["NoAns_exact"], most.missed) == (-3.0, 100.0, 2)
    assert most.has_answer_f1_lost == pytest.approx(100 * (2.5 - 1.5) / 4)


def test_seven_of_ten_are_seventy_percent() -> None:
    """0.7 * 10 is above 7 in binary."""
    scores = Judged(np.arange(11) == 0, np.ones(11, dtype=np.bool_), np.eye(11)[0], np.eye(11)[0])
    margins = np.array([3.0, 0, 1, 2, 4, 5, 6, 7, 8, 9, 10])
    found = at_no_answer_accuracy(scores, margins, 0.7)
    assert (found.threshold, found.metrics["NoAns_exact"], found.missed) == (3.0, 70.0, 0)


def test_a_span_that_is_nothing_once_normalised_is_as_right_as_silence() -> None:
    scores = Judged(*np.array([[False, True], [True, True]]), exact=np.ones(2), f1=np.ones(2))
    assert curves(scores, np.array([0.0, 1.0]))["NoAns_exact"].tolist() == [100, 100, 100]


def test_the_wanted_accuracy_is_reached_as_cheaply_as_can_be(starter: tuple[Judged, np.ndarray]) -> None:
    scores, margins = starter
    found = at_no_answer_accuracy(scores, margins, 0.9)
    rivals = [metrics_at(scores, margins, at) for at in np.unique(margins).tolist()]
    reaching = [one["HasAns_f1"] for one in rivals if one["NoAns_exact"] >= 90]
    assert found.metrics["NoAns_exact"] >= 90 and found.metrics["HasAns_f1"] == max(reaching)
    everything = at_no_answer_accuracy(scores, margins, 1.0)
    assert everything.metrics["NoAns_exact"] == 100.0 and everything.has_answer_f1_lost > found.has_answer_f1_lost


def test_what_cannot_be_counted_is_a_sentence(table: pd.DataFrame) -> None:
    scores, unknown = judged(table), np.full(6, math.nan)
    calls: list[Callable[[], Any]] = [
        lambda: curves(scores, unknown),
        lambda: precision_recall(unknown, scores.has_answer),
        lambda: histograms(unknown, scores.has_answer),
        lambda: at_no_answer_accuracy(scores, unknown),
    ]
    for call in calls:
        with pytest.raises(BadRun, match="no threshold can be applied"):
            call()
    with pytest.raises(BadRun, match="no probabilities"):
        reliability(unknown, ~scores.has_answer)
    answerable = scores.take(scores.has_answer)
    with pytest.raises(BadRun, match="no NoAns accuracy to reach"):
        at_no_answer_accuracy(answerable, np.zeros(4))
    with pytest.raises(BadRun, match="nothing that abstaining could catch"):
        precision_recall(np.zeros(4), answerable.has_answer)
    with pytest.raises(BadUsage, match="accuracy of 101 % cannot be reached; expected 0 to 100 %"):
        at_no_answer_accuracy(scores, _margins(table), 1.01)
    with pytest.raises(BadUsage, match="at least 3"):
        curves(scores, _margins(table), points=2)


def test_a_whole_dev_set_takes_milliseconds(starter: tuple[Judged, np.ndarray]) -> None:
    rows = np.tile(np.arange(324), 37)[:11_873]
    scores = starter[0].take(rows)
    margins = starter[1][rows] + np.random.default_rng(0).normal(scale=0.1, size=len(rows))
    calls: list[Callable[[], Any]] = [
        lambda: curves(scores, margins),
        lambda: precision_recall(margins, scores.has_answer),
        lambda: histograms(margins, scores.has_answer),
        lambda: at_no_answer_accuracy(scores, margins),
        lambda: reliability(1 / (1 + np.exp(-margins)), ~scores.has_answer),
    ]
    for call in calls:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            call()
            times.append(time.perf_counter() - began)
        assert min(times) < 0.03
