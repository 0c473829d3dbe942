"""Data files, read row by row as they are: SQuAD JSON, JSONL, CSV and Parquet.

Nothing is judged here but the file itself; `reader.examples` turns records into examples and checks them.
No text is stripped, translated or guessed at: "NA" stays "NA" and a carriage return stays one.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reader.errors import BadData, BadRow
from reader.settings import read_number


@dataclass(frozen=True, slots=True)
class Record:
    """One row as found: its number (from 1) and its values by column, of any type."""

    row: int
    values: Mapping[str, Any]


Records = Iterator[Record | BadRow]

# What a record may hold; other columns are of no concern.
COLUMNS = ("id", "title", "question", "context", "answer", "answer_start", "answers", "is_impossible")


def read_records(path: Path, *, with_gold: bool) -> Records:
    """Return the rows of a data file, one after the other; a row that cannot be read is a `BadRow`.

    Rows are counted from 1: lines in JSONL, data rows (without the header) in CSV, questions in SQuAD JSON.
    A file that cannot be read at all, or lacks a column that is needed, raises `BadData`.
    """
    read = READERS.get(path.suffix.lower())
    if read is None:
        ending = f"ends in '{path.suffix}'" if path.suffix else "has no ending"
        raise BadData(f"{path} {ending}; expected {', '.join(READERS)} (SQuAD JSON, JSONL, CSV or Parquet).")
    try:
        refuse_unreadable(path)
        yield from read(path, with_gold)
    except UnicodeDecodeError:
        raise BadData(f"{path} is not UTF-8 text (perhaps Latin-1 or Windows-1252). Save it as UTF-8.") from None
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror or error}.") from None


def refuse_unreadable(path: Path) -> None:
    """Refuse what is no file, is larger than READER_MAX_DATA_MB or, for a text format, is not text."""
    if not path.is_file():
        raise BadData(f"{path} is not a file.")
    size = path.stat().st_size
    refuse_large(str(path), size)
    if size == 0:
        raise BadData(f"{path} is empty (0 bytes).")
    if path.suffix.lower() == ".parquet":
        return
    with path.open("rb") as file:
        beginning = file.read(4096)
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadData(f"{path} is UTF-16 text. Save it as UTF-8.")
    if b"\0" in beginning:
        raise BadData(f"{path} is a binary file (or text other than UTF-8); expected {path.suffix} as UTF-8 text.")


def refuse_large(name: str, size: int) -> None:
    """Refuse data of more bytes than READER_MAX_DATA_MB allows."""
    limit = read_number("READER_MAX_DATA_MB")
    if size > limit * 1_000_000:
        raise BadData(
            f"{name} holds {size / 1e6:.0f} MB; the limit is {limit} MB. "
            "Split it, or raise the setting READER_MAX_DATA_MB."
        )


def require_columns(name: str, found: Iterable[str], with_gold: bool) -> None:
    """Refuse a table without question and context or, where gold answers are needed, without answers."""
    columns = list(found)
    missing = [column for column in ("question", "context") if column not in columns]
    if with_gold and "answer" not in columns and "answers" not in columns:
        missing.append("answer")
    if missing:
        expected = "question, context" + (", answer[, answer_start]" if with_gold else "") + "[, id][, title]"
        raise BadData(
            f"{name} has no column {' and no column '.join(missing)}. Expected {expected}; found: {names(columns)}."
        )


def names(found: Iterable[str]) -> str:
    """Join column or key names for a sentence, the first dozen of them."""
    found = list(found)
    return (", ".join(short(name) for name in found[:12]) + (", …" if len(found) > 12 else "")) or "none"


def short(text: str) -> str:
    """Return at most 40 characters of a text, such as any terminal and log can print."""
    printable = text[:40].encode("utf-8", "replace").decode("utf-8")
    return printable if len(text) <= 40 else printable[:39] + "…"


def kind(value: object) -> str:
    """Say in a word what a value is, in the terms of the formats, not of Python."""
    words = {type(None): "nothing", bool: "true or false", int: "a number", float: "a number", str: "text"}
    words |= {list: "a list", dict: "an object"}
    return words.get(type(value), f"a value of type {type(value).__name__}")


def batch_records(batches: Iterable[Any]) -> Records:
    """Return the rows of Arrow tables or record batches, counted from 1."""
    row = 0
    for batch in batches:
        for values in batch.to_pylist():
            row += 1
            yield Record(row, values)


def _squad_records(path: Path, with_gold: bool) -> Records:
    row = 0
    for article in _squad_list(path, _json(path), "data", "the file"):
        title = article.get("title") if isinstance(article, dict) else None
        in_article = f"the article '{short(title)}'" if isinstance(title, str) else "an article"
        for paragraph in _squad_list(path, article, "paragraphs", in_article):
            shared = {"title": title}
            if isinstance(paragraph, dict) and "context" in paragraph:
                shared["context"] = paragraph["context"]
            for question in _squad_list(path, paragraph, "qas", f"a paragraph of {in_article}"):
                row += 1
                if isinstance(question, dict):
                    own = {key: value for key, value in question.items() if key not in ("title", "context")}
                    yield Record(row, own | shared)
                else:
                    yield BadRow(row, "", f"the question is {kind(question)}; expected an object")


def _json(path: Path) -> Any:
    text = path.read_bytes().decode("utf-8-sig")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        hint = " If it holds one object per line, name it .jsonl." if error.msg == "Extra data" else ""
        raise BadData(f"{path} is not JSON: {error}.{hint}") from None
    except RecursionError:
        raise BadData(f"{path} is nested too deeply: too many lists or objects stand in each other.") from None
    except ValueError as error:
        raise BadData(f"{path} is not JSON that can be read: {error}.") from None


def _squad_list(path: Path, parent: Any, key: str, where: str) -> list[Any]:
    children = parent.get(key) if isinstance(parent, dict) else None
    if isinstance(children, list):
        return children
    if isinstance(parent, dict):
        found = f"an object with the keys {names(parent)}"
    elif isinstance(parent, list) and parent and isinstance(parent[0], dict):
        found = f"a list of objects with the keys {names(parent[0])}"
    else:
        found = kind(parent)
    raise BadData(
        f"{path} is JSON, but not SQuAD: {where} should be an object with a list '{key}', and is {found}. "
        'Expected {"data": [{"title", "paragraphs": [{"context", "qas": […]}]}]}; rows of question, context and '
        "answer go into a JSONL, CSV or Parquet file."
    )


def _jsonl_records(path: Path, with_gold: bool) -> Records:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip(" \t\r\n"):
                continue
            try:
                value = json.loads(line)
            except json.JSONDecodeError as error:
                yield BadRow(
                    number, "", f"the line is not JSON (column {error.colno}: {error.msg.removesuffix(' at')})"
                )
            except RecursionError:
                yield BadRow(number, "", "the line is nested too deeply")
            except ValueError as error:
                yield BadRow(number, "", f"the line is not JSON that can be read ({error})")
            else:
                if isinstance(value, dict):
                    yield Record(number, value)
                else:
                    yield BadRow(number, "", f"the line is {kind(value)}; expected an object")


def _csv_records(path: Path, with_gold: bool) -> Records:
    # The default of 131,072 characters is less than a long context; the size of the file bounds it anyway.
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)
        number = 0
        try:
            header = next(rows, [])
            _require_csv_header(path, header, with_gold)
            for row in rows:
                if not row:
                    continue  # an empty line
                number += 1
                if len(row) == len(header):
                    yield Record(number, dict(zip(header, row, strict=True)))
                else:
                    yield BadRow(number, "", f"it has {len(row)} instead of {len(header)} fields")
        except csv.Error as error:
            raise BadData(
                f"{path} is not well-formed CSV: {error} (data row {number + 1}, line {rows.line_num}). "
                'A text with a comma, a quotation mark or a line break goes in "…", with " doubled.'
            ) from None


def _require_csv_header(path: Path, header: list[str], with_gold: bool) -> None:
    twice = sorted({column for column in header if column in COLUMNS and header.count(column) > 1})
    if twice:
        raise BadData(f"{path} has the column {twice[0]} more than once.")
    if len(header) == 1:
        for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if separator in header[0]:
                raise BadData(f"{path} is separated by {name}; save it with commas. Found: {header[0][:80]!r}.")
    require_columns(str(path), header, with_gold)


def _parquet_records(path: Path, with_gold: bool) -> Records:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            require_columns(str(path), columns, with_gold)
            groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
            refuse_large(f"{path}, unpacked,", sum(group.total_byte_size for group in groups))
            yield from batch_records(file.iter_batches(1000, columns=[name for name in columns if name in COLUMNS]))
    except pyarrow.ArrowException as error:
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise BadData(f"{path} is not a Parquet file that can be read: {reason}.") from None


READERS: dict[str, Callable[[Path, bool], Records]] = {
    ".json": _squad_records,
    ".jsonl": _jsonl_records,
    ".ndjson": _jsonl_records,
    ".csv": _csv_records,
    ".parquet": _parquet_records,
}
