"""Files that are complete or absent: written beside their place, then renamed into it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from reader.errors import BadData, BadUsage


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text as it is (no newline translation); the old file stays until the new one is whole."""
    with new_file(path) as file:
        file.write(text)


@contextmanager
def new_file(path: Path) -> Iterator[TextIO]:
    """Yield a UTF-8 text file beside ``path`` to write; it takes the place of ``path`` at the end, unless it fails."""
    _make_parent(path)
    beside = _beside(path)
    try:
        with beside.open("x", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        _blame(error, path, beside)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, complete or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; a missing, binary or malformed one raises `BadData` with a sentence."""
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise BadData(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise BadData(f"{path} is a folder; a JSON file was expected.") from None
    except UnicodeDecodeError as error:
        raise BadData(f"{path} is not UTF-8 text (byte {error.start}); a JSON file was expected.") from None
    except json.JSONDecodeError as error:
        raise BadData(f"{path} is not JSON: {error}.") from None
    except RecursionError:
        raise BadData(f"{path} is nested too deeply: too many lists or objects stand in each other.") from None
    except ValueError:  # Python's own limit, not JSON's: some 4,300 digits
        raise BadData(f"{path} holds a number that is too large.") from None


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside ``path`` to fill; it becomes ``path`` at the end, or is removed on any failure.

    An existing ``path`` is refused before any work is done, so that nothing is ever overwritten.
    """
    if path.exists():
        raise BadUsage(f"{path} exists already. Choose another folder, or remove it first.")
    _make_parent(path)
    beside = _beside(path)
    try:
        beside.mkdir()
        yield beside
        os.rename(beside, path)
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        _blame(error, path, beside)
        raise


def _make_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from None


def _blame(error: BaseException, path: Path, beside: Path) -> None:
    """Let an error of the system name the file that was asked for; a full disk names none at all."""
    if isinstance(error, OSError) and error.filename in (None, str(beside)):
        error.filename = str(path)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
