"""All runs beside each other, data set by data set, and what others have published on SQuAD 2.0's dev set.

Many runs are listed cheaply: of each only run.json is read and, once for each version of the run, the columns of its
table that hold figures; texts are left where they are. What was counted stays in memory (`functools.lru_cache`, by
folder and time of change), so that a second look costs a read of run.json.

Published figures are reference rows: marked as such, with their source in words, after the measured ones, and only
beside runs on exactly the questions that they were published for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from reader.errors import BadRun, ReaderboardError
from reader.files import read_json
from reader.results import INFO, TABLE, Run, RunSummary
from reader.run_table import ROUGE_COLUMNS
from reader.views import summary

# `reader.examples.fingerprint` of the official dev-v2.0.json, all 11,873 questions in its order, which is that of
# rajpurkar/squad_v2:validation. A test computes it anew where the file is at hand.
SQUAD2_DEV = "dd6ad0ee9febed73e13c0550f248eef7827a5551e99da386b3b1770befb41096"
SQUAD2_DEV_QUESTIONS = 11_873
SQUAD2_DEV_SOURCE = "rajpurkar/squad_v2:validation"

_FIGURES = ("span", "null_score_diff", "exact", "f1", "abstain_exact", *ROUGE_COLUMNS, "is_impossible")


@dataclass(frozen=True, slots=True)
class Row:
    """One reader on one data set. EM, F1, HasAns F1 and NoAns in percent, ROUGE F in [0, 1]; None: not known.

    EM to NoAns are read at ``threshold``, ``chosen_on`` says how that was chosen. ROUGE over all questions is given
    forced to answer (as the article counts), forced over the answerable ones only, and abstaining at the threshold.
    ``folder`` is None and ``source`` says who published it where ``published``; ``problem``: why a run's figures
    cannot be shown, or "".
    """

    name: str
    reader: str
    data: str
    fingerprint: str
    questions: int
    exact: float | None = None
    f1: float | None = None
    has_answer_f1: float | None = None
    no_answer: float | None = None
    rouge1_forced: float | None = None
    rouge1_forced_answerable: float | None = None
    rougeL_forced: float | None = None
    rougeL_forced_answerable: float | None = None
    rouge1_abstaining: float | None = None
    rougeL_abstaining: float | None = None
    threshold: float | None = None
    chosen_on: str = ""
    parameters: int | None = None
    examples_per_second: float | None = None
    created: str = ""
    folder: Path | None = None
    published: bool = False
    source: str = ""
    problem: str = ""


def _published(reader: str, source: str, **figures: Any) -> Row:
    return Row(
        name=reader,
        reader=reader,
        data="SQuAD 2.0 dev",
        fingerprint=SQUAD2_DEV,
        questions=SQUAD2_DEV_QUESTIONS,
        published=True,
        source=source,
        **figures,
    )


# The human 86.83 / 89.45 is of the test set, so it stands beside no run here.
PUBLISHED: tuple[Row, ...] = (
    _published("deepset/deberta-v3-large-squad2", "verified by the Hub", exact=88.09, f1=91.16),
    _published("deepset/roberta-base-squad2", "verified by the Hub", exact=79.93, f1=82.95),
    _published("deepset/tinyroberta-squad2", "verified by the Hub", exact=78.86, f1=82.04),
    _published(
        "BERT single, Google AI",
        "its official dev predictions (SQuAD-explorer), counted by the official script",
        exact=78.74,
        f1=81.78,
        has_answer_f1=80.18,
        no_answer=83.36,
    ),
    _published(
        "deepset/minilm-uncased-squad2",
        "EM and F1: verified by the Hub; HasAns and NoAns: the README of unilm",
        exact=76.19,
        f1=79.55,
        has_answer_f1=85.10,
        no_answer=73.91,
    ),
    _published(
        "deepset/bert-base-uncased-squad2",
        "EM and F1: verified by the Hub (its card says 73.68 / 77.88); ROUGE-1, forced: the article",
        exact=75.65,
        f1=78.62,
        rouge1_forced=0.450,
        rouge1_forced_answerable=0.901,
    ),
    _published(
        "bert-reader-squad2, the article's own",
        "the article, forced to answer; its speed is that of the article's machine (1,120 s for all questions)",
        rouge1_forced=0.354,
        rouge1_forced_answerable=0.708,
        examples_per_second=10.6,
    ),
)


def leaderboard(runs: Sequence[Run | RunSummary]) -> list[Row]:
    """Return a row for each run: data sets with most questions first, in each the best F1 first.

    Runs on SQuAD 2.0's dev set, and no others, are followed by `PUBLISHED`. A run that cannot be read, or was
    removed meanwhile, stands last with its ``problem``.
    """
    measured = [_row(run) for run in runs]
    fit = [row for row in measured if not row.problem]
    groups = sorted({(-row.questions, row.fingerprint) for row in fit})
    rows: list[Row] = []
    for _, data in groups:
        rows += _by_f1(row for row in fit if row.fingerprint == data)
        rows += _by_f1(PUBLISHED) if data == SQUAD2_DEV else []
    return rows + [row for row in measured if row.problem]


def with_published(rows: Sequence[Row]) -> list[Row]:
    """The same with `PUBLISHED` in any case, also where nothing was run on SQuAD 2.0's dev set yet."""
    there = any(row.published for row in rows)
    return [*rows, *([] if there else _by_f1(PUBLISHED))]


def _by_f1(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.f1 is None, -(row.f1 or 0.0)))


def _row(run: Run | RunSummary) -> Row:
    if isinstance(run, RunSummary) and run.problem:
        return _broken(run, run.problem)
    try:
        # A run is renamed into its place whole and never written again, so that its run.json dates it.
        info, figures = _measured(run.folder, (run.folder / INFO).stat().st_mtime_ns)
    except ReaderboardError as error:
        return _broken(run, str(error))
    except OSError:
        return _broken(run, f"The run {run.folder} was removed meanwhile.")
    data, metrics = info["data"], figures["metrics"]
    return Row(
        name=run.folder.name,
        reader=info["reader"],
        data=data["source"],
        fingerprint=data["fingerprint"],
        questions=data["examples"],
        exact=metrics.get("exact"),
        f1=metrics.get("f1"),
        has_answer_f1=metrics.get("HasAns_f1"),
        no_answer=metrics.get("NoAns_exact"),
        **_rouge(figures["rouge"]),
        threshold=info["threshold"],
        chosen_on=info["threshold_chosen_on"],
        parameters=info.get("parameters"),
        examples_per_second=_speed(info),
        created=info["created"],
        folder=run.folder,
    )


def _broken(run: Run | RunSummary, problem: str) -> Row:
    return Row(run.folder.name, "", "", "", 0, folder=run.folder, problem=problem)


def _rouge(rouge: dict[str, Any]) -> dict[str, Any]:
    """ROUGE-1 and ROUGE-L F under the names of `Row`. A run that abstains already has no forced figures."""
    found: dict[str, Any] = {}
    forced, abstaining = rouge["raw"], rouge["abstain"] and rouge["abstain"]["raw"]
    if rouge["protocol"] != "forced":
        forced, abstaining = None, rouge["raw"]
    for kind in ("rouge1", "rougeL"):
        if forced:
            found[f"{kind}_forced"] = forced["all"][kind]["f"]
            found[f"{kind}_forced_answerable"] = forced["answerable"][kind]["f"]
        if abstaining:
            found[f"{kind}_abstaining"] = abstaining["all"][kind]["f"]
    return found


def _speed(info: dict[str, Any]) -> float | None:
    """Questions per second of reading; of imported predictions only the import was timed, if anything."""
    seconds = info.get("seconds")
    if info.get("imported") or not isinstance(seconds, int | float) or seconds <= 0:
        return None
    return float(info["data"]["examples"] / seconds)


@lru_cache(maxsize=512)
def _measured(folder: Path, changed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return run.json and `summary` of a run at its own threshold. ``changed`` tells one version from the next."""
    import pyarrow.parquet as pq

    info = dict(read_json(folder / INFO))
    try:
        with (folder / TABLE).open("rb") as file:
            table = pq.read_table(file, columns=list(_FIGURES)).to_pandas()
    except (OSError, ValueError) as error:  # pyarrow's own errors are kinds of these two
        reason = " ".join(str(error).split())
        raise BadRun(
            f"The run {folder} is damaged: its {TABLE} cannot be read ({reason:.200}). Evaluate again."
        ) from None
    own = info["threshold"]
    return info, summary(table, threshold=0.0 if own is None else own)
