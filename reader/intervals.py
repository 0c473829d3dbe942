"""Intervals by a bootstrap that resamples paragraphs: questions about one text are not independent of each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reader.metrics import FloatArray

CONFIDENCE = 0.95


def paragraph_intervals(
    values: FloatArray,
    counted: FloatArray,
    paragraphs: Sequence[int] | NDArray[np.int64],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> FloatArray:
    """Return the 95% interval of each row's mean, shape (rows, 2), by resampling whole paragraphs.

    ``values, counted``: (rows, questions); a row's mean is ``sum(values * counted) / sum(counted)``, so that a row
    can be a metric, a group of questions (``counted`` 1 inside, 0 outside) or a difference of two runs. All rows see
    the same resamples. NaN where fewer than two paragraphs hold a counted question: nothing is known then.
    """
    from scipy.stats import bootstrap

    codes = np.unique(np.asarray(paragraphs), return_inverse=True)[1]
    size = int(codes.max()) + 1 if len(codes) else 0
    sums = _per_paragraph(values * counted, codes, size)
    counts = _per_paragraph(counted, codes, size)
    intervals = np.full((len(values), 2), np.nan)
    known = (counts > 0).sum(axis=1) >= 2
    if known.any():
        # With paired=True scipy draws paragraphs, each with its sums and its counts of every row.
        drawn = bootstrap(
            (sums[known], counts[known]),
            _totals,
            paired=True,
            axis=-1,
            vectorized=True,
            n_resamples=resamples,
            batch=100,
            method="percentile",
            rng=np.random.default_rng(seed),
        )
        total, count = drawn.bootstrap_distribution
        # A small group is missing from some resamples, which then say nothing about its mean.
        means = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        tail = 100 * (1 - CONFIDENCE) / 2
        intervals[known] = np.nanpercentile(means, [tail, 100 - tail], axis=-1).T
    return intervals


def _per_paragraph(values: FloatArray, codes: NDArray[np.int64], size: int) -> FloatArray:
    rows = [np.bincount(codes, weights=row, minlength=size) for row in values]
    return np.array(rows, dtype=np.float64).reshape(len(values), size)


def _totals(sums: FloatArray, counts: FloatArray, axis: int = -1) -> FloatArray:
    return np.stack([sums.sum(axis=axis), counts.sum(axis=axis)])
