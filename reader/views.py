"""Views of a run: what its answers score at a threshold, when forced to answer, and over all thresholds.

Two protocols read the same table. ``abstain`` (SQuAD v2): nothing is said where the margin exceeds the threshold.
``forced`` (the source article's): the reader may not abstain, and a question without gold answer scores 0; an
average over all questions is then the answerable ones' average times their share.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from reader import rouge_scores
from reader.errors import BadRun
from reader.metrics import (
    OUTCOMES,
    BoolArray,
    FloatArray,
    IntArray,
    Judged,
    Metrics,
    choose_threshold,
    cross_fitted,
    forced_metrics,
    halves,
    metrics_at,
    official_metrics,
    outcome_codes,
)

Protocol = Literal["abstain", "forced"]

NO_MARGINS = "There are no null odds (margins), so no threshold can be applied: the answers are judged as they are."
SILENT_ALREADY = (
    "{count} of the predictions are empty already: what would have been answered there is unknown, so no other "
    "threshold, no forced protocol and no best_f1 can be computed. They are judged as they are."
)


def judged(examples: pd.DataFrame) -> Judged:
    """Return the spans' own scores, before any threshold."""
    return Judged(
        has_answer=~examples["is_impossible"].to_numpy(dtype=np.bool_),
        said=(examples["span"] != "").to_numpy(dtype=np.bool_),
        exact=examples["exact"].to_numpy(dtype=np.float64),
        f1=examples["f1"].to_numpy(dtype=np.float64),
    )


def why_no_thresholds(examples: pd.DataFrame) -> str:
    """Return the sentence that says why this run can be read at no threshold; "" where it can."""
    if not examples["null_score_diff"].isna().any():
        return ""
    empty = int((examples["span"] == "").sum())
    return SILENT_ALREADY.format(count=f"{empty:,}") if empty else NO_MARGINS


def view(examples: pd.DataFrame, threshold: float | None) -> pd.DataFrame:
    """Return the table as read at a threshold; None: forced, or as they are where predictions abstain already.

    Adds ``prediction``, ``answered`` and ``outcome`` (one of `OUTCOMES`, categorical), and replaces ``exact``,
    ``f1`` and the ROUGE columns by what the decision scores; the span's own stay as ``span_exact``, ``span_f1``.
    Raises `BadRun` where a threshold is asked of a run that has no margins.
    """
    if threshold is None:
        silent = np.zeros(len(examples), dtype=np.bool_)
        return _decided(examples, silent, forced=can_be_forced(examples))
    reason = why_no_thresholds(examples)
    if reason:
        raise BadRun(f"This run cannot be read at a threshold of {threshold:g}. {reason}")
    return _decided(examples, examples["null_score_diff"].to_numpy() > threshold, forced=False)


def can_be_forced(examples: pd.DataFrame) -> bool:
    """Whether the forced protocol is known: no prediction abstained before its margin could be seen."""
    return not ((examples["span"] == "") & examples["null_score_diff"].isna()).any()


def _decided(examples: pd.DataFrame, abstains: BoolArray, *, forced: bool) -> pd.DataFrame:
    own = judged(examples)
    answered = own.said & ~abstains
    silent = examples["abstain_exact"].to_numpy()
    scores = {
        name: np.where(abstains, silent, own_scores) for name, own_scores in (("exact", own.exact), ("f1", own.f1))
    }
    for suffix in ("", "_normalized"):
        for kind in rouge_scores.KINDS:
            nothing = examples[f"abstain_{kind}{suffix}"].to_numpy()
            for part in "prf":
                name = f"{kind}_{part}{suffix}"
                scores[name] = np.where(abstains, nothing, examples[name].to_numpy())
    if forced:
        # NaN stays: ROUGE-2 against no gold is undefined, not 0.
        scores = {name: np.where(own.has_answer | np.isnan(values), values, 0.0) for name, values in scores.items()}
    codes = outcome_codes(own.has_answer, answered, scores["exact"], scores["f1"])
    new = pd.DataFrame(
        {
            "prediction": examples["span"].where(answered, ""),
            "answered": answered,
            "span_exact": own.exact,
            "span_f1": own.f1,
            "outcome": pd.Categorical.from_codes(codes, categories=list(OUTCOMES)),
            **scores,
        },
        index=examples.index,
    )
    # In one piece: setting two dozen columns one by one takes most of the time of a move of the threshold.
    return pd.concat([examples[[name for name in examples.columns if name not in new.columns]], new], axis=1)


def summary(
    examples: pd.DataFrame,
    *,
    protocol: Protocol = "abstain",
    threshold: float = 0.0,
    null_odds: FloatArray | None = None,
    order: IntArray | None = None,
) -> dict[str, Any]:
    """Return all figures of a run: ``protocol, threshold, metrics, forced, rouge, outcomes``.

    ``threshold``: what the ``abstain`` protocol reads at, of no effect on a run without margins. ``null_odds,
    order``: as for `official_metrics`, instead of the table's margins. ``forced`` is None where it cannot be known.
    ROUGE is in [0, 1], everything else in percent; a value that is not defined is None, never NaN.
    """
    own = judged(examples)
    forceable = can_be_forced(examples)
    reason = why_no_thresholds(examples)
    odds = null_odds
    if odds is None and not reason:
        odds = examples["null_score_diff"].to_numpy(dtype=np.float64)
    if protocol == "forced" and not forceable:
        raise BadRun(f"The forced protocol cannot be computed. {reason}")
    forced = forced_metrics(own) if forceable else None
    abstaining = official_metrics(own, odds, np.inf if odds is None else threshold, order=order)
    abstains = np.zeros(len(examples), dtype=np.bool_) if odds is None else odds > threshold
    decided = _decided(examples, abstains, forced=False)
    as_forced = _decided(examples, np.zeros(len(examples), dtype=np.bool_), forced=forceable)
    chosen = as_forced if protocol == "forced" else decided
    return {
        "protocol": protocol,
        "threshold": threshold if odds is not None and protocol == "abstain" else None,
        "metrics": _plain(forced if protocol == "forced" and forced else abstaining),
        "forced": _plain(forced) if forced else None,
        "rouge": {
            "protocol": "forced" if forceable else "as predicted",
            **_rouge(as_forced),
            "abstain": _rouge(decided) if odds is not None else None,
            "skipped_rougeL": int(examples["rougeL_f"].isna().sum()),
        },
        "outcomes": outcome_counts(chosen),
    }


def outcome_counts(view: pd.DataFrame) -> dict[str, int]:
    """Return how many questions of a view had each outcome, in the order of `OUTCOMES`."""
    counts = view["outcome"].value_counts()
    return {name: int(counts[name]) for name in OUTCOMES}


def thresholds(examples: pd.DataFrame, own: float, chosen_on: str) -> dict[str, Any] | None:
    """Return the metrics at the reader's own, the cross-fitted and the oracle threshold, labelled as what they are.

    ``own``: the run's threshold, and ``chosen_on`` what it was chosen on. The oracle's figures are those at its
    ``threshold``, which is best for F1; only ``exact`` is the one at ``exact_threshold``. None for runs without
    margins.
    """
    if why_no_thresholds(examples):
        return None
    scores, odds = judged(examples), examples["null_score_diff"].to_numpy(dtype=np.float64)
    at_f1, at_exact = (_oracle(scores, odds, values) for values in (scores.f1, scores.exact))
    best_f1, best_exact = metrics_at(scores, odds, at_f1), metrics_at(scores, odds, at_exact)["exact"]
    return {
        "own": {"threshold": own, "chosen_on": chosen_on, **_plain(metrics_at(scores, odds, own))},
        "cross_fitted": _cross_fitted(examples, scores, odds),
        "oracle": {
            "label": "chosen on these very questions: a bound, not a result",
            **_plain({**best_f1, "threshold": at_f1, "exact_threshold": at_exact, "exact": best_exact}),
        },
    }


def _oracle(scores: Judged, odds: FloatArray, values: FloatArray) -> float:
    """The best threshold that can be applied; the official script says 0.0 where abstaining everywhere is best."""
    at, _ = choose_threshold(scores, odds, values)
    return at if np.isfinite(odds).any() else 0.0


def _cross_fitted(examples: pd.DataFrame, scores: Judged, odds: FloatArray) -> dict[str, Any] | None:
    titles = examples["title"].tolist()
    by = "articles" if len(set(titles)) > 1 else "contexts"
    numbers = examples["paragraph"].tolist()
    groups = [title or number for title, number in zip(titles, numbers, strict=True)] if by == "articles" else numbers
    second = halves(groups)
    if second is None:
        return None
    fitted = cross_fitted(scores, odds, second)
    return {
        "thresholds": [_finite(threshold) for threshold in fitted.thresholds],
        "halves": [int((~second).sum()), int(second.sum())],
        "by": by,
        **_plain(fitted.metrics),
    }


def _rouge(view: pd.DataFrame) -> dict[str, Any]:
    everything = np.ones(len(view), dtype=np.bool_)
    answerable = ~view["is_impossible"].to_numpy(dtype=np.bool_)
    result: dict[str, Any] = {}
    for label, suffix in (("raw", ""), ("normalized", "_normalized")):
        columns = {name: view[name + suffix].to_numpy(dtype=np.float64) for name in rouge_scores.COLUMNS}
        result[label] = {
            "all": rouge_scores.rouge_means(columns, everything),
            "answerable": rouge_scores.rouge_means(columns, answerable),
        }
    return result


def _plain(metrics: Metrics) -> dict[str, float | int | None]:
    return {key: value if isinstance(value, int) else _finite(value) for key, value in metrics.items()}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
