"""Two runs on the same questions: which reader is better, by how much, and whether that is more than chance.

Runs are joined by question id. Every difference is B − A, so that a positive one speaks for B. Intervals resample
paragraphs, both runs alike (a paired bootstrap); exact match is tested with McNemar's exact test (McNemar 1947),
which looks only at the questions that one of the two gets right.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from reader.errors import BadRun
from reader.intervals import paragraph_intervals
from reader.metrics import BoolArray, FloatArray, normalize_answer
from reader.names import plain_name
from reader.results import Run
from reader.views import Protocol, can_be_forced, view


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of both runs, and B − A with its 95% interval (None where it cannot be known).

    EM and F1 in percent, ROUGE-1 F in [0, 1]; ``questions``: how many it averages over.
    """

    metric: str
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    questions: int


@dataclass(frozen=True, slots=True)
class Change:
    """One question that the two runs answer differently well; F1 in [0, 1]."""

    id: str
    title: str
    question: str
    answers: tuple[str, ...]
    a: str
    b: str
    outcome_a: str
    outcome_b: str
    f1_a: float
    f1_b: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` found. A win is a question on which B's F1 is greater; exact match fills the 2x2 table."""

    a: str
    b: str
    reader_a: str
    reader_b: str
    data: str
    fingerprint: str
    questions: int
    protocol: Protocol
    threshold_a: float | None
    threshold_b: float | None
    differences: tuple[Difference, ...]
    wins: int
    losses: int
    ties: int
    both_right: int
    only_a_right: int
    only_b_right: int
    neither_right: int
    mcnemar_p: float
    agreement: float  # share of questions with the same answer after SQuAD normalisation
    gained: tuple[Change, ...]  # where B gains most, most first
    lost: tuple[Change, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        return asdict(self)


def compare(
    run_a: Run,
    run_b: Run,
    *,
    protocol: Protocol = "abstain",
    threshold_a: float | None = None,
    threshold_b: float | None = None,
    changes: int = 20,
    resamples: int = 5000,
) -> Comparison:
    """Compare two runs, each read at its own threshold unless another is given, or both forced.

    ``changes``: how many of the greatest gains and losses to list. Raises `BadRun` where the runs are on different
    data, or a run does not allow such a view.
    """
    _require_same_data(run_a, run_b)
    at_a = run_a.threshold if threshold_a is None else threshold_a
    at_b = run_b.threshold if threshold_b is None else threshold_b
    if protocol == "forced":
        _require_forced(run_a, run_b)
        at_a = at_b = None
    a = view(run_a.examples, at_a).set_index("id", drop=False)
    b = view(run_b.examples, at_b).set_index("id", drop=False).loc[a.index]

    f1_a, f1_b = a["f1"].to_numpy(), b["f1"].to_numpy()
    right_a, right_b = a["exact"].to_numpy() > 0, b["exact"].to_numpy() > 0
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    gain = f1_b - f1_a
    order = np.argsort(-gain, kind="stable")
    falling = np.argsort(gain, kind="stable")
    same = [normalize_answer(x) == normalize_answer(y) for x, y in zip(a["prediction"], b["prediction"], strict=True)]
    return Comparison(
        a=run_a.folder.name,
        b=run_b.folder.name,
        reader_a=run_a.info["reader"],
        reader_b=run_b.info["reader"],
        data=run_a.info["data"]["source"],
        fingerprint=run_a.info["data"]["fingerprint"],
        questions=len(a),
        protocol=protocol,
        threshold_a=at_a,
        threshold_b=at_b,
        differences=_differences(a, b, resamples),
        wins=int((gain > 0).sum()),
        losses=int((gain < 0).sum()),
        ties=int((gain == 0).sum()),
        both_right=int((right_a & right_b).sum()),
        only_a_right=only_a,
        only_b_right=only_b,
        neither_right=int((~right_a & ~right_b).sum()),
        mcnemar_p=mcnemar(only_a, only_b),
        agreement=float(np.mean(same)),
        gained=tuple(_change(a.iloc[row], b.iloc[row]) for row in order[:changes] if gain[row] > 0),
        lost=tuple(_change(a.iloc[row], b.iloc[row]) for row in falling[:changes] if gain[row] < 0),
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the two-sided exact p that two equally good readers differ so much, or more, by chance."""
    from scipy.stats import binomtest

    discordant = only_a + only_b
    return float(binomtest(only_a, discordant).pvalue) if discordant else 1.0


def _require_same_data(run_a: Run, run_b: Run) -> None:
    data_a, data_b = run_a.info["data"], run_b.info["data"]
    if data_a["fingerprint"] != data_b["fingerprint"]:
        raise BadRun(
            f"The two runs are on different data: {run_a.folder.name} on {_described(data_a)}, {run_b.folder.name} on "
            f"{_described(data_b)}. "
            "Evaluate both readers on the same data set."
        )
    if set(run_a.examples["id"]) != set(run_b.examples["id"]):
        raise BadRun(f"{run_a.folder.name} or {run_b.folder.name} is damaged: their questions differ. Evaluate again.")


def _described(data: dict[str, Any]) -> str:
    return f"{plain_name(data['source'])} ({data['examples']:,} questions, fingerprint {data['fingerprint'][:12]})"


def _require_forced(*runs: Run) -> None:
    for run in runs:
        if not can_be_forced(run.examples):
            raise BadRun(f"{run.folder.name} cannot be read in the forced protocol. {run.why_no_thresholds}")


def _differences(a: pd.DataFrame, b: pd.DataFrame, resamples: int) -> tuple[Difference, ...]:
    has_answer = ~a["is_impossible"].to_numpy(dtype=np.bool_)
    everything = np.ones(len(a), dtype=np.bool_)
    wanted: list[tuple[str, str, BoolArray, float]] = [
        ("exact", "exact", everything, 100.0),
        ("f1", "f1", everything, 100.0),
        ("HasAns_exact", "exact", has_answer, 100.0),
        ("HasAns_f1", "f1", has_answer, 100.0),
        ("NoAns_exact", "exact", ~has_answer, 100.0),
        ("rouge1_f", "rouge1_f", everything, 1.0),
    ]
    wanted = [one for one in wanted if one[2].any()]
    counted = np.array([rows for _, _, rows, _ in wanted], dtype=np.float64)
    scores_a, scores_b = _scores(a, wanted), _scores(b, wanted)
    intervals = paragraph_intervals(scores_b - scores_a, counted, a["paragraph"].to_numpy(), resamples=resamples)
    differences = []
    for row, (metric, _, rows, _) in enumerate(wanted):
        mean_a, mean_b = (sum(scores[row][rows].tolist()) / int(rows.sum()) for scores in (scores_a, scores_b))
        low, high = (None if np.isnan(bound) else float(bound) for bound in intervals[row])
        differences.append(Difference(metric, mean_a, mean_b, mean_b - mean_a, low, high, int(rows.sum())))
    return tuple(differences)


def _scores(view: pd.DataFrame, wanted: list[tuple[str, str, BoolArray, float]]) -> FloatArray:
    return np.array([scale * view[column].to_numpy(dtype=np.float64) for _, column, _, scale in wanted])


def _change(a: pd.Series, b: pd.Series) -> Change:
    return Change(
        id=a["id"],
        title=a["title"],
        question=a["question"],
        answers=tuple(a["answers"]),
        a=a["prediction"],
        b=b["prediction"],
        outcome_a=a["outcome"],
        outcome_b=b["outcome"],
        f1_a=float(a["f1"]),
        f1_b=float(b["f1"]),
    )
