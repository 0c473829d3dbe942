"""Evaluation runs: folders that keep, for every question, the best span and its margin.

A run folder is complete or absent. It holds

- ``run.json``: the reader, the data set and its fingerprint, the threshold and how it was chosen, versions, seconds;
- ``spans.json``: id -> best span; ``null_odds.json``: id -> null_score_diff; ``predictions.json``: the decision at
  the stated threshold. The three are what the official SQuAD v2 script and its kin read;
- ``nbest_predictions.json``: id -> the n-best spans and the null entry, best first;
- ``examples.parquet``: one row per question, see `reader.run_table`.

Thresholds and protocols are views of a run (`view`, `summarize`), never runs of their own.
"""

from __future__ import annotations

import json
import math
import platform
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import pandas as pd

from reader.errors import BadData, BadRun
from reader.examples import Example, ExampleSet
from reader.files import new_folder, read_json, write_json
from reader.postprocess import Answer
from reader.predictions import (
    OFFICIAL_THRESHOLD,
    found_in,
    match,
    read_null_odds,
    read_predictions,
    score_predictions,
)
from reader.run_table import Found, read_table, run_table, write_table
from reader.views import Protocol, outcome_counts, summary, thresholds, view, why_no_thresholds

__all__ = [
    "FORMAT_VERSION",
    "Protocol",
    "Run",
    "RunSummary",
    "import_predictions",
    "list_runs",
    "open_run",
    "outcome_counts",
    "read_null_odds",
    "read_predictions",
    "score_predictions",
    "summarize",
    "view",
    "write_run",
]

FORMAT_VERSION = 1
INFO = "run.json"
TABLE = "examples.parquet"
NBEST = "nbest_predictions.json"
_INFO_KINDS: dict[str, Any] = {
    "reader": str,
    "created": str,
    "threshold": int | float | None,
    "threshold_chosen_on": str,
    "headline": dict,
    "data": dict,
}
_DATA_KINDS: dict[str, Any] = {"source": str, "fingerprint": str, "examples": int}
_PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pandas", "rouge", "scipy")


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder that was read: ``info`` is its run.json, ``examples`` its table."""

    folder: Path
    info: dict[str, Any]
    examples: pd.DataFrame

    @property
    def threshold(self) -> float | None:
        """The threshold it was made at; None where its answers can be judged only as they are."""
        value = self.info["threshold"]
        return None if value is None else float(value)

    @property
    def why_no_thresholds(self) -> str:
        """The sentence that says why no other threshold can be tried; "" where it can."""
        return why_no_thresholds(self.examples)

    def nbest(self, example_id: str) -> list[dict[str, Any]]:
        """Return the n-best entries of one question (text, start, end, score, probability), [] where none are kept."""
        path = self.folder / NBEST
        if not path.exists():
            return []
        key = json.dumps(example_id, ensure_ascii=False) + ":"
        with path.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                if line.startswith(key):
                    return list(json.loads(line[len(key) :].rstrip().rstrip(",")))
        return []


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as a list shows it. ``headline``: its main figures; ``problem``: why it cannot be opened, or ""."""

    name: str
    folder: Path
    reader: str
    data: str
    fingerprint: str
    examples: int
    created: str
    threshold: float | None
    headline: dict[str, float | None]
    problem: str = ""


def write_run(
    out: Path,
    data: ExampleSet,
    answers: Iterable[Answer],
    *,
    reader: str,
    threshold: float,
    threshold_chosen_on: str,
    facts: Mapping[str, Any],
    trained_on: frozenset[str] | None = None,
) -> Run:
    """Consume the answers, one per example and in their order, and write the run folder ``out``.

    ``facts`` goes into run.json as it is (device, precision, the command …); ``trained_on``: the hashes of the
    contexts that the reader was trained on (`reader.seen`), None where they are not known. ``out`` must not exist;
    nothing of it is left when anything fails or is interrupted. Raises `BadUsage` (exists), `BadData` (no examples),
    `BadRun` (cannot be written).
    """
    if not data.examples:
        raise BadData(f"{data.source} holds no questions to evaluate on.")
    began = time.perf_counter()
    with _disk(out), new_folder(out) as folder:
        with (folder / NBEST).open("w", encoding="utf-8", newline="\n") as file:
            found = list(_written_as_they_come(file, data.examples, answers))
        seconds = time.perf_counter() - began
        table = run_table(data.examples, found, trained_on)
        info = _info(data, table, reader, threshold, threshold_chosen_on, {"seconds": round(seconds, 3), **facts})
        _write_files(folder, info, table)
    return Run(out, info, table)


def import_predictions(
    out: Path,
    data: ExampleSet,
    predictions: Mapping[str, str],
    null_odds: Mapping[str, float] | None = None,
    *,
    reader: str,
    threshold: float | None = None,
    allow_missing: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> Run:
    """Make a run from somebody else's predictions (see `read_predictions`, `read_null_odds`).

    With null odds and no empty prediction it can be read at any threshold (default 1.0, the official script's).
    Without null odds, or where predictions are empty already, it can only be judged as it is, and says so.
    """
    matched = match(data, predictions, null_odds, allow_missing=allow_missing)
    table = run_table(matched.data.examples, found_in(matched))
    note = why_no_thresholds(table)
    at, chosen_on = threshold, "given with the import"
    if note:
        at, chosen_on = None, ""
    elif threshold is None:
        at, chosen_on = OFFICIAL_THRESHOLD, "the official script's default"
    counts = {"imported": True, "missing": matched.missing, "extra": matched.extra, "note": note}
    with _disk(out), new_folder(out) as folder:
        info = _info(matched.data, table, reader, at, chosen_on, {**counts, **(facts or {})})
        _write_files(folder, info, table)
        if note and matched.null_odds is not None:
            odds = zip(table["id"], matched.null_odds, strict=True)
            write_json(folder / "null_odds.json", dict(odds))
    return Run(out, info, table)


def open_run(folder: str | Path) -> Run:
    """Read a run folder. One that is missing, damaged or of a newer format raises `BadRun` with what to do."""
    path = Path(folder)
    info = _read_info(path)
    try:
        table = read_table(path / TABLE)
    except (OSError, ValueError) as error:  # pyarrow's own errors are kinds of these two
        reason = " ".join(str(error).split())
        raise BadRun(
            f"The run {path} is damaged: its {TABLE} cannot be read ({reason:.200}). Evaluate again."
        ) from None
    if len(table) != info["data"]["examples"]:
        raise BadRun(
            f"The run {path} is damaged: run.json speaks of {info['data']['examples']} questions, {TABLE} holds "
            f"{len(table)}. Evaluate again."
        )
    return Run(path, info, table)


def list_runs(*roots: str | Path) -> list[RunSummary]:
    """Return the runs directly inside the folders, newest first; damaged ones are listed with their problem.

    Only run.json is read. A folder that does not exist holds no runs.
    """
    found = [
        _list_entry(folder)
        for root in map(Path, roots)
        if root.is_dir()
        for folder in sorted(root.iterdir())
        if not folder.name.startswith(".") and (folder / INFO).is_file()
    ]
    return sorted(found, key=lambda run: run.created, reverse=True)


def summarize(run: Run, *, protocol: Protocol = "abstain", threshold: float | None = None) -> dict[str, Any]:
    """Return all figures of a run, as ``evaluate --json`` prints them (`reader.views.summary` and beside it).

    ``threshold``: default the run's own. Raises `BadRun` where the run's answers allow no such view.
    """
    note = run.why_no_thresholds
    if note and threshold is not None:
        raise BadRun(f"This run cannot be read at a threshold of {threshold:g}. {note}")
    own = run.threshold if run.threshold is not None else 0.0
    return {
        "reader": run.info["reader"],
        "data": run.info["data"],
        **summary(run.examples, protocol=protocol, threshold=own if threshold is None else threshold),
        "thresholds": thresholds(run.examples, own, run.info["threshold_chosen_on"]),
        "seconds": run.info.get("seconds"),
        "notes": [note] if note else [],
    }


# Writing


def _written_as_they_come(file: IO[str], examples: Iterable[Example], answers: Iterable[Answer]) -> Iterator[Found]:
    """Write each answer's n-best and pass on its row: the alternatives of a whole run would fill the memory."""
    separator = "{\n"
    for example, answer in zip(examples, answers, strict=True):
        if answer.id != example.id:
            raise ValueError(f"an answer to {answer.id!r} came where {example.id!r} was due")
        # One question per line: `Run.nbest` finds its line by the id alone.
        key = json.dumps(example.id, ensure_ascii=False)
        file.write(f"{separator}{key}:{json.dumps(_nbest(answer), ensure_ascii=False, allow_nan=False)}")
        separator = ",\n"
        yield Found.of(answer)
    file.write("\n}\n")


def _nbest(answer: Answer) -> list[dict[str, Any]]:
    entries = [
        {
            "text": span.text,
            "start": span.start,
            "end": span.end,
            "score": span.score,
            "probability": span.probability,
        }
        for span in answer.alternatives
    ]
    null = {
        "text": "",
        "start": 0,
        "end": 0,
        "score": answer.null_score,
        "probability": answer.no_answer_probability,
    }
    return sorted([*entries, null], key=lambda entry: -float(entry["score"]))  # stable: before null where equal


def _write_files(folder: Path, info: dict[str, Any], table: pd.DataFrame) -> None:
    ids = table["id"].tolist()
    write_json(folder / "spans.json", dict(zip(ids, table["span"].tolist(), strict=True)))
    margins = table["null_score_diff"].tolist()
    if not any(map(math.isnan, margins)):
        # Where there is no span at all the margin is infinite, which JSON cannot say.
        finite = [max(-sys.float_info.max, min(margin, sys.float_info.max)) for margin in margins]
        write_json(folder / "null_odds.json", dict(zip(ids, finite, strict=True)))
    decided = view(table, info["threshold"])
    write_json(folder / "predictions.json", dict(zip(ids, decided["prediction"].tolist(), strict=True)))
    write_table(folder / TABLE, table)
    write_json(folder / INFO, info)


def _info(
    data: ExampleSet,
    table: pd.DataFrame,
    reader: str,
    threshold: float | None,
    chosen_on: str,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    unanswerable = int(table["is_impossible"].sum())
    return {
        "format_version": FORMAT_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "reader": reader,
        "data": {
            "source": data.source,
            "fingerprint": data.fingerprint,
            "examples": len(table),
            "unanswerable": unanswerable,
            "skipped": len(data.skipped),
        },
        "threshold": threshold,
        "threshold_chosen_on": chosen_on,
        "versions": _versions(),
        **facts,
        "headline": _headline(table, threshold),
    }


def _headline(table: pd.DataFrame, threshold: float | None) -> dict[str, float | None]:
    figures = summary(table, threshold=0.0 if threshold is None else threshold)
    metrics, rouge = figures["metrics"], figures["rouge"]["raw"]
    return {
        **{key: metrics.get(key) for key in ("exact", "f1", "HasAns_f1", "NoAns_f1")},
        "rouge1_f_all": rouge["all"]["rouge1"]["f"],
        "rouge1_f_answerable": rouge["answerable"]["rouge1"]["f"],
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


@contextmanager
def _disk(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadRun(
            f"The run could not be written to {out}: {reason}. Nothing of it was left behind; make room or choose "
            "another folder."
        ) from error


# Reading


def _read_info(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise BadRun(f"There is no run folder {folder}.")
    if not (folder / INFO).exists():
        raise BadRun(f"{folder} is not an evaluation run: it holds no {INFO}.")
    try:
        info = read_json(folder / INFO)
    except BadData as error:
        raise BadRun(f"The run {folder} is damaged. {error} Evaluate again.") from None
    except OSError as error:
        raise BadRun(f"The run {folder} cannot be read: {error.strerror}.") from None
    version = info.get("format_version") if isinstance(info, dict) else None
    if not isinstance(version, int):
        raise BadRun(f"{folder} is not an evaluation run: its {INFO} has no format_version.")
    if version > FORMAT_VERSION:
        raise BadRun(
            f"The run {folder} has format {version}; this Readerboard reads formats up to {FORMAT_VERSION}. "
            "Update Readerboard, or evaluate again with this one."
        )
    wrong = [name for name, kind in _INFO_KINDS.items() if not isinstance(info.get(name, ...), kind)]
    if "data" not in wrong:
        wrong += [f"data.{key}" for key, kind in _DATA_KINDS.items() if not isinstance(info["data"].get(key), kind)]
    if wrong:
        raise BadRun(f"The run {folder} is damaged: its {INFO} lacks {', '.join(wrong)}. Evaluate again.")
    return dict(info)


def _list_entry(folder: Path) -> RunSummary:
    try:
        info = _read_info(folder)
    except BadRun as error:
        return RunSummary(folder.name, folder, "", "", "", 0, "", None, {}, str(error))
    return RunSummary(
        name=folder.name,
        folder=folder,
        reader=info["reader"],
        data=info["data"]["source"],
        fingerprint=info["data"]["fingerprint"],
        examples=info["data"]["examples"],
        created=info["created"],
        threshold=info["threshold"],
        headline=info["headline"],
    )
