"""Intervals of means, against the textbook and against what resampling paragraphs must do."""

from __future__ import annotations

import numpy as np
import pytest

from reader.intervals import paragraph_intervals


def test_with_one_question_a_paragraph_it_is_the_interval_of_a_mean() -> None:
    values = np.random.default_rng(1).normal(5, 2, 400)
    (low, high) = paragraph_intervals(values[None], np.ones((1, 400)), range(400), resamples=4000)[0]
    margin = 1.96 * values.std() / 20  # normal approximation
    assert low == pytest.approx(values.mean() - margin, abs=0.05)
    assert high == pytest.approx(values.mean() + margin, abs=0.05)


def test_questions_that_share_a_paragraph_count_as_one_piece_of_evidence() -> None:
    values = np.repeat(np.random.default_rng(2).random(50), 10)
    ones = np.ones((1, 500))
    alone = np.diff(paragraph_intervals(values[None], ones, range(500)))[0, 0]
    together = np.diff(paragraph_intervals(values[None], ones, np.repeat(np.arange(50), 10)))[0, 0]
    assert together == pytest.approx(alone * np.sqrt(10), rel=0.15)


def test_a_mean_over_few_paragraphs() -> None:
    values = np.array([[1.0, 1.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
    counted = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
    found = paragraph_intervals(values, counted, [7, 7, 9, 11])
    assert found[0].tolist() == [1.0, 1.0]  # all counted questions score 1, wherever they are drawn from
    assert found[1].tolist() == [0.0, 1.0]
    assert np.isnan(found[2]).all()  # one paragraph only: nothing to resample


def test_no_questions() -> None:
    assert np.isnan(paragraph_intervals(np.zeros((1, 0)), np.zeros((1, 0)), [])).all()


def test_it_is_the_same_every_time() -> None:
    values = np.random.default_rng(3).random((2, 60))
    ones = np.ones((2, 60))
    first, second = (paragraph_intervals(values, ones, np.arange(60) // 3) for _ in range(2))
    assert np.array_equal(first, second)
