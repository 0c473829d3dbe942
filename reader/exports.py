"""What goes out of a run and what comes in: foreign predictions, and files for other programs.

Every export is read at a threshold, by default the run's own, and is complete or absent.
"""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from reader.errors import BadData, BadRun, BadUsage, DiskError
from reader.examples import ExampleSet
from reader.files import new_file, new_folder, write_json
from reader.predictions import read_null_odds, read_predictions
from reader.results import INFO, TABLE, Run, view
from reader.results import import_predictions as make_run

NULL_ODDS = "null_odds.json"
CSV_COLUMNS = (
    *("id", "title", "question", "context", "answers", "is_impossible", "prediction", "answered", "outcome"),
    *("span", "span_start", "span_end", "null_score_diff", "probability", "no_answer_probability"),
    *("exact", "f1", "rouge1_f", "rouge2_f", "rougeL_f", "span_exact", "span_f1"),
    *("question_word", "answer_length", "context_length", "windows"),
)

T = TypeVar("T")


# Coming in


def import_predictions(
    data: ExampleSet, predictions: Path, null_odds: Path | None, out: Path, *, name: str, allow_missing: bool = False
) -> Run:
    """Make the run ``out`` from somebody else's predictions.json and, where there is one, null_odds.json.

    ``name``: whose predictions they are. `reader.results.import_predictions` says what can be read off the run;
    `import_notes` what did not fit. Files that are too large, no JSON or no predictions, and questions without a
    prediction (unless ``allow_missing``) raise `BadData` with what was found and what to do; a blank name or an
    existing ``out``, `BadUsage`.
    """
    if not name.strip():
        raise BadUsage("Whose predictions these are is not said: give them a name.")
    said = _readable(read_predictions, predictions)
    odds = _readable(read_null_odds, null_odds) if null_odds is not None else None
    broken = [key for key, text in said.items() if not _is_whole(text)]
    if broken:
        raise BadData(
            f"{predictions} holds half of a character (an unpaired surrogate) in {len(broken):,} of its "
            f"{len(said):,} answers, the first that to {broken[0]!r:.80}. Write the file anew as UTF-8."
        )
    return make_run(out, data, said, odds, reader=name.strip(), allow_missing=allow_missing)


def import_notes(run: Run) -> list[str]:
    """What did not fit when the run was imported, in sentences; nothing for a run that a reader made here."""
    missing, extra = run.info.get("missing") or 0, run.info.get("extra") or 0
    notes = []
    if missing:
        notes.append(f"{counted(missing, 'question')} had no prediction and stayed out of the run.")
    if extra:
        notes.append(f"{counted(extra, 'prediction')} for questions that are not in the data set: passed over.")
    return [*notes, *filter(None, [run.info.get("note", "")])]


def counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'s' * (number != 1)}"


def _readable(read: Callable[[Path], T], path: Path) -> T:
    try:
        return read(path)
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror or error}.") from None


def _is_whole(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


# Going out


def official_json(run: Run, threshold: float | None, folder: Path) -> Path:
    """Write what the official SQuAD v2 script reads into a new folder, and return it.

    ``predictions.json`` is the decision at the threshold (None: the run's own): ``evaluate-v2.0.py DATA
    predictions.json`` prints its figures. ``null_odds.json`` goes with ``spans.json``, where nothing is left out yet:
    ``evaluate-v2.0.py DATA spans.json --na-prob-file null_odds.json --na-prob-thresh T`` tries any threshold and
    finds the best. A run without margins has no null_odds.json, unless it was imported with one.

    Raises `BadUsage` (exists), `BadRun` (no such threshold), `DiskError`.
    """
    decided = view(run.examples, _at(run, threshold))
    with _written(folder), new_folder(folder) as place:
        for name, column in (("predictions.json", "prediction"), ("spans.json", "span")):
            write_json(place / name, dict(zip(decided["id"].tolist(), decided[column].tolist(), strict=True)))
        # Kept as it is: it also holds the odds of runs that abstained before a threshold could be tried.
        if (run.folder / NULL_ODDS).exists():
            shutil.copyfile(run.folder / NULL_ODDS, place / NULL_ODDS)
    return folder


def examples_csv(run: Run, threshold: float | None, target: Path) -> Path:
    """Write the questions with the decisions at the threshold as CSV (RFC 4180, UTF-8), and return the file.

    The columns are `CSV_COLUMNS`; ``answers`` is a JSON list, an unknown number an empty cell. Texts are kept as
    they are: a spreadsheet may take one that begins with "=" for a formula. Raises `BadRun`, `DiskError`.
    """
    decided = view(run.examples, _at(run, threshold))
    columns = [decided[name].tolist() for name in CSV_COLUMNS]
    with _written(target), new_file(target) as file:
        rows = csv.writer(file)
        rows.writerow(CSV_COLUMNS)
        rows.writerows([_cell(value) for value in row] for row in zip(*columns, strict=True))
    return target


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return "" if isinstance(value, float) and math.isnan(value) else value


def examples_parquet(run: Run, threshold: float | None, target: Path) -> Path:
    """Write the whole table with the decisions at the threshold as Parquet, and return the file.

    The columns are those of `reader.views.view`. Raises `BadRun`, `DiskError`.
    """
    decided = view(run.examples, _at(run, threshold))
    with _written(target), _whole(target) as beside:
        decided.astype({"outcome": str}).to_parquet(beside, index=False)
    return target


def zip_run(run: Run, target: Path) -> Path:
    """Pack the whole run folder into a zip file, under the folder's name, and return the file.

    Only plain files go in, whatever a folder may link to. Raises `BadUsage` (inside the folder itself), `BadRun`
    (the folder is gone), `DiskError`.
    """
    if target.resolve().is_relative_to(run.folder.resolve()):
        raise BadUsage(f"{target} lies inside the run that is packed. Choose a place outside {run.folder}.")
    files = [path for path in sorted(run.folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    for needed in (INFO, TABLE):
        if run.folder / needed not in files:
            raise BadRun(f"The run {run.folder} cannot be packed: its {needed} is gone.")
    with (
        _written(target),
        _whole(target) as beside,
        zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as packed,
    ):
        for path in files:
            packed.write(path, Path(run.folder.name) / path.relative_to(run.folder))
    return target


def _at(run: Run, threshold: float | None) -> float | None:
    return run.threshold if threshold is None else threshold


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """Yield a path beside the target to write to, which takes its place at the end; as `new_file`, but for bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        yield beside
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _written(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise DiskError(
            f"{target} could not be written: {reason}. Nothing of it was left behind; make room or choose another "
            "place."
        ) from error
