"""One evaluation: a reader reads a data set, and a run folder holds what it said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reader.errors import BadUsage
from reader.examples import ExampleSet, fingerprint
from reader.predictor import ExtractiveReader, Progress
from reader.results import Run, write_run
from reader.settings import home


def evaluate(
    reader: ExtractiveReader,
    data: ExampleSet,
    out: Path,
    *,
    threshold: float | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    facts: dict[str, Any] | None = None,
) -> Run:
    """Read the data set and write the run ``out``; ``limit``: the first so many questions only.

    ``threshold`` (default: the reader's own) is the one that ``predictions.json`` is decided at; every other one
    is a view of the same run. Raises what `write_run` and `ExtractiveReader.predict` raise.
    """
    data = first(data, limit) if limit is not None else data
    own = reader.config
    chosen_on = own.threshold_chosen_on or "the default of the run_squad script"
    answers = reader.predict(data.examples, threshold=threshold, progress=progress)
    return write_run(
        out,
        data,
        answers,
        reader=reader.name,
        threshold=own.null_score_diff_threshold if threshold is None else threshold,
        threshold_chosen_on=chosen_on if threshold is None else "given by hand",
        trained_on=reader.trained_on,
        facts={
            "parameters": reader.parameters,
            "device": reader.device,
            "precision": reader.precision,
            "max_seq_length": reader.windowing.max_seq_length,
            "doc_stride": reader.windowing.doc_stride,
            "max_answer_length": own.max_answer_length,
            **(facts or {}),
        },
    )


def first(data: ExampleSet, limit: int) -> ExampleSet:
    """The first ``limit`` examples as a data set of its own, with a fingerprint of its own."""
    if limit < 1:
        raise BadUsage(f"The limit is {limit}; it must be at least 1.")
    if limit >= len(data.examples):
        return data
    examples = data.examples[:limit]
    return ExampleSet(f"{data.source} (first {limit:,})", examples, fingerprint(examples), data.skipped)


def run_roots() -> list[Path]:
    """Where runs lie: the one that ships with the project, those made here, and each job's own."""
    jobs = home() / "jobs"
    folders = sorted(path for path in jobs.iterdir() if path.is_dir()) if jobs.is_dir() else []
    return [Path(__file__).parent / "starter", home() / "evaluations", *folders]
