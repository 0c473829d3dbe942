"""Answers to many questions, written row by row: to a file, or by a job that may be cut off anywhere and go on.

A job appends each answer to a file in its folder as it comes, one JSON object a line. Whatever ends it, the whole
lines are the answers to the first questions of the data set, in their order; so their number says where to go on.

Texts are kept as they are, in CSV too: a cell that begins with =, +, - or @ is data here, and has to stay what
stands at ``context[start:end]``. A spreadsheet shall import such a file with its columns as text.
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from reader.errors import BadData, BadRow, BadUsage
from reader.examples import Example, ExampleSet
from reader.files import new_file, read_json, write_json
from reader.postprocess import Answer

if TYPE_CHECKING:
    from reader.predictor import ExtractiveReader, Progress

FORMATS = (".csv", ".jsonl")
# New columns come last, for those who count them.
COLUMNS = (
    *("id", "question", "answer", "start", "end", "probability", "null_score_diff", "no_answer_probability"),
    "answered",
)

# In a job's folder
PART = "answers.part.jsonl"
WHOLE = "answers.jsonl"
FACTS = "answers.json"
SKIPPED = "skipped.csv"

# Questions are read in portions of about a second: so soon is each told of, and no more is lost by a stop.
_FIRST_PORTION = 8
_LARGEST_PORTION = 256
_QUICK, _SLOW = 0.7, 1.5  # seconds


def write_answers(file: TextIO, ending: str, answers: Iterable[tuple[Example, Answer]]) -> int:
    """Write answers as they come, as CSV (`COLUMNS`) or JSONL (all that an answer says); return how many."""
    table = _table(file) if ending == ".csv" else None
    count = 0
    for example, answer in answers:
        count += 1
        row = {"id": example.id, "question": example.question, **answer.as_dict()}
        if table:
            table.writerow(row)
        else:
            file.write(_line(row))
    return count


# A job's side


@dataclass(frozen=True, slots=True)
class Tally:
    """How many questions were read, and to how many of them the text held an answer."""

    read: int = 0
    answered: int = 0


def begin_answers(folder: Path, data: ExampleSet, reader: ExtractiveReader, threshold: float | None) -> Tally:
    """Note in a job's folder what is answered, and which rows are not; return what an earlier start has answered.

    A last line that was cut off is taken away. Raises `BadData` where those answers are to other questions, or of
    another reader.
    """
    facts = {
        "format_version": 1,
        "questions": len(data.examples),
        "fingerprint": data.fingerprint,
        "reader": reader.name,
        "parameters": reader.parameters,
        "threshold": reader.config.null_score_diff_threshold if threshold is None else threshold,
    }
    if (folder / WHOLE).exists():
        os.replace(folder / WHOLE, folder / PART)  # of a job that was killed at its very end
    if (folder / PART).exists() and read_json(folder / FACTS) != facts:
        raise BadData(
            "The questions or the reader have changed since the first answers were given. Start a new job; what was "
            "answered stays in this one."
        )
    with new_file(folder / SKIPPED) as file:
        rows = csv.writer(file)
        rows.writerow(["row", "id", "reason"])
        rows.writerows([bad.row, bad.id, bad.reason] for bad in data.skipped)
    write_json(folder / FACTS, facts)
    return _tidy(folder / PART)


def go_on_answering(
    folder: Path,
    reader: ExtractiveReader,
    examples: Sequence[Example],
    before: Tally,
    *,
    threshold: float | None = None,
    progress: Progress | None = None,
) -> Tally:
    """Answer what `begin_answers` found unanswered, and put the whole file in its place.

    ``progress`` is called with (answered so far, of how many). Raises what `ExtractiveReader.predict` raises.
    """
    read, answered, size = before.read, before.answered, _FIRST_PORTION
    with (folder / PART).open("a", encoding="utf-8", newline="\n", buffering=1) as file:
        while read < len(examples):
            began = time.monotonic()
            portion = examples[read : read + size]
            for example, answer in zip(portion, reader.predict(portion, threshold=threshold), strict=True):
                row = {"id": example.id, "question": example.question, **answer.as_dict()}
                file.write(_line({name: row[name] for name in COLUMNS}))
                answered += answer.answered
            read += len(portion)
            if progress:
                progress(read, len(examples))
            seconds = time.monotonic() - began
            if seconds < _QUICK:
                size = min(2 * size, _LARGEST_PORTION)
            elif seconds > _SLOW:
                size = max(size // 2, 1)
        os.fsync(file.fileno())
    os.replace(folder / PART, folder / WHOLE)
    return Tally(read, answered)


def _tidy(path: Path) -> Tally:
    """Count the rows of a file that was cut off, and take away what is no whole row."""
    if not path.exists():
        return Tally()
    read = answered = size = 0
    with path.open("r+b") as file:
        for line, row in _whole_rows(file):
            read += 1
            answered += row.get("answered") is True
            size += len(line)
        file.truncate(size)
    return Tally(read, answered)


# Whoever looks


def count_answers(folder: Path) -> int:
    """How many questions a job has answered; reads the whole file, a gigabyte in about a second."""
    try:
        with _open(folder) as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except BadData:
        return 0


def first_answers(folder: Path, count: int) -> list[dict[str, Any]]:
    """The first rows that a job has answered so far, by `COLUMNS`; none where it has not begun."""
    try:
        with _open(folder) as file:
            return [row for _, row in islice(_whole_rows(file), count)]
    except BadData:
        return []


def first_skipped(folder: Path, count: int) -> list[BadRow]:
    """The first rows of the data that a job could not use."""
    try:
        with (folder / SKIPPED).open(encoding="utf-8", newline="") as file:
            return [BadRow(int(row), name, reason) for row, name, reason in islice(csv.reader(file), 1, count + 1)]
    except FileNotFoundError:
        return []


def has_answers(folder: Path) -> bool:
    """Whether a job has answered anything."""
    try:
        with _open(folder) as file:
            return bool(file.read(1))
    except BadData:
        return False


def copy_answers(folder: Path, target: Path) -> int:
    """Write what a job has answered so far into a file of its own, .csv or .jsonl; return the number of rows.

    Only whole rows go there, also while the job runs. Raises `BadUsage` for another ending, `BadData` where there
    are no answers.
    """
    if target.suffix not in FORMATS:
        raise BadUsage(f"{target} ends in {target.suffix or 'nothing'}; expected .csv or .jsonl.")
    count = 0
    with _open(folder) as rows, new_file(target) as file:
        table = _table(file) if target.suffix == ".csv" else None
        for count, (line, row) in enumerate(_whole_rows(rows), start=1):  # noqa: B007
            if table:
                table.writerow(row)
            else:
                file.write(line.decode())
    return count


def _open(folder: Path) -> BinaryIO:
    # The part becomes the whole at any moment, so the part is looked for first, and then what it may have become.
    for name in (PART, WHOLE):
        try:
            return (folder / name).open("rb")
        except FileNotFoundError:
            continue
    raise BadData(f"There are no answers in {folder} yet.")


def _whole_rows(lines: Iterable[bytes]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The rows up to the first that is cut off, or that a failing disk has spoilt."""
    for line in lines:
        try:
            row = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            return
        if not isinstance(row, dict):
            return
        yield line, row


def _table(file: TextIO) -> csv.DictWriter[str]:
    table = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
    table.writeheader()
    return table


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"
