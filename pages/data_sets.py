"""The data sets of the page: which there are, who may name which, what is in them, and where uploads are kept."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from pages.access import Access, NotAllowed, may, why_not
from pages.readers import LONGEST_NAME, Choice
from reader.errors import BadData
from reader.examples import load_examples
from reader.hub import is_hub_id
from reader.settings import home
from reader.sources import READERS
from reader.teaching import SETS

STARTER = "starter"
UPLOAD = "upload"  # stands in the data picker for "a file that is still to come"
UPLOADS = "uploads"  # the folder under READER_HOME
QUESTIONS = "questions"  # the folder of those that only ask: there are no gold answers to train on
ENDINGS = list(READERS)
ROWS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Check:
    """What a look at the data found: a sentence, the rows that cannot be used, and whether the others can."""

    says: str
    rows: tuple[str, ...] = ()
    good: bool = True
    can_skip: bool = False


def list_data() -> list[Choice]:
    """The data sets to pick from: the starter set, what was taught and uploaded here (newest first), a new upload."""
    kept = []
    for folder in (SETS, UPLOADS):
        files = [file for file in (home() / folder).glob("[!.]*") if file.suffix in ENDINGS]
        files.sort(key=lambda file: -os.path.getmtime(file) if file.exists() else 0.0)
        kept += [Choice(data_label(str(file)), f"{folder}/{file.name}") for file in files]
    return [Choice("the starter set", STARTER), *kept, Choice("a file of yours…", UPLOAD)]


def data_label(name: str) -> str:
    """What a data set is called on the page: a set that was taught by its name, an uploaded file by the one it had."""
    if name == STARTER:
        return "the starter set"
    path = Path(name)
    if path.parent.name in (UPLOADS, QUESTIONS):
        return re.sub(r"-[0-9a-f]{8}$", "", path.stem) + path.suffix
    if path.parent in (home() / SETS, Path(SETS)):
        return path.stem
    return path.name if path.is_absolute() else name


def find_data(name: str | None, request: gr.Request | None, access: Access) -> str:
    """Turn the data set that somebody picked or typed into one for a job's config.

    Other files of this machine than those taught and uploaded here are for those at the machine itself. Raises
    `BadData`.
    """
    # A name may come straight over HTTP, and so be anything.
    name = name.strip() if isinstance(name, str) else ""
    if not name or name == UPLOAD:
        raise BadData("There is no data yet: upload a file, or pick the starter set.")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise BadData("That is not the name of a data set.")
    if name == STARTER:
        return name
    file = (home() / name).resolve()
    if file.parent in (home() / SETS, home() / UPLOADS) and file.is_file():
        return str(file)
    if not may(request, access):
        raise NotAllowed(why_not(access))
    if access.mode != "on" and (os.path.exists(name) or not is_hub_id(name)):
        raise BadData(f"There is no data set “{name}” here: upload it, or name one of the Hub.")
    return name


def check_data(source: str) -> Check:
    """Count the questions of a data set that `find_data` allowed, or say what is wrong with it and where."""
    label = data_label(source)
    path = Path(source).expanduser()
    if source != STARTER and not path.exists() and is_hub_id(source):
        return Check("A data set of the Hub: it is fetched and checked when training starts.")
    try:
        found = load_examples(str(path) if path.exists() else source)
    except BadData as error:
        if not error.rows:
            return Check(str(error).replace(source, label), good=False)
        count = len(error.rows)
        what = "1 row cannot be used" if count == 1 else f"{count:,} rows cannot be used"
        rows = [str(row) for row in error.rows[:ROWS_SHOWN]]
        more = [f"and {count - ROWS_SHOWN:,} more"] if count > ROWS_SHOWN else []
        return Check(f"{label}: {what}.", (*rows, *more), good=False, can_skip="skip them" in str(error))
    unanswerable = sum(example.is_impossible for example in found.examples)
    count = len(found.examples)
    questions = "1 question" if count == 1 else f"{count:,} questions"
    return Check(f"{questions} · {100 * unanswerable / count:.0f} % not answerable")


def keep_upload(path: Path) -> str:
    """Copy an uploaded data set to READER_HOME/uploads; return the name for `find_data`.

    Raises `BadData` for a file of which nothing can be used, or that cannot be kept.
    """
    check = check_data(str(path))
    if not check.good and not check.can_skip:
        raise BadData(" ".join((check.says, *check.rows)))
    return keep_file(path, UPLOADS)


def keep_file(path: Path, folder: str) -> str:
    """Copy a file that came in to a folder of READER_HOME, whole or not at all; return its name under READER_HOME.

    The name holds a hash of the content: nothing that an earlier job has read is ever overwritten, and the same file
    is kept once. Raises `BadData` where it cannot be kept.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    stem = re.sub(r"[^\w.]+", "-", path.stem)[:60].strip("-.") or "data"
    kept = home() / folder / f"{stem}-{digest}{path.suffix.lower()}"
    if not kept.exists():
        beside = kept.with_name(f".{uuid.uuid4().hex}")
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, beside)
            os.replace(beside, kept)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise BadData(
                f"{path.name} cannot be kept here: {error.strerror}. Free some space and try again."
            ) from None
    return f"{folder}/{kept.name}"
