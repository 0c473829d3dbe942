"""Sets of questions that a person answered: what a reader should have said, kept to train and to judge readers on.

A set is one SQuAD v2 file, ``READER_HOME/sets/<name>.json``, that `load_examples` reads like any other. Each text is an
article of its own, titled by its beginning, so that training holds out whole texts. A set is there as long as it holds
questions. One file lock guards every change; who only reads needs none, since files are replaced whole.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from reader.errors import BadData, BadUsage, DiskError
from reader.examples import Example, Gold, load_examples
from reader.files import read_json, write_text
from reader.settings import home
from reader.sources import refuse_large

SETS = "sets"  # the folder under READER_HOME
LONGEST_NAME = 60  # characters; in UTF-8 and with its ending still what every file system takes
LONGEST_CONTEXT = 5_000_000  # characters
LONGEST_QUESTION = 10_000  # characters
MOST_PLACES = 20  # that are told apart for one answer
_TITLE = 60  # characters of a text that make its title
_LOCK_PATIENCE = 30.0  # seconds; so much longer than the lock is ever held that something must be stuck


@dataclass(frozen=True, slots=True)
class TaughtSet:
    """A set at a glance. ``changed`` is in seconds since the epoch; ``trouble`` says why its file cannot be read."""

    name: str
    questions: int
    unanswerable: int
    changed: float
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Taught:
    """What came of an answer: ``before`` is the question as it was, None where it is new.

    ``kept`` means that the set held exactly this already, and nothing was written.
    """

    set: str
    example: Example
    happened: Literal["added", "replaced", "kept"]
    before: Example | None = None


# The sets


def list_sets() -> list[TaughtSet]:
    """The sets that are there, the one that was changed last first; a damaged one with its ``trouble``."""
    found = []
    for path in _files():
        try:
            state = path.stat()
            questions, unanswerable = _counts(path, (state.st_ino, state.st_mtime_ns, state.st_size))
        except FileNotFoundError:
            continue
        except BadData as error:
            if path.exists():  # and was not deleted meanwhile
                found.append(TaughtSet(path.stem, 0, 0, state.st_mtime, str(error)))
        else:
            found.append(TaughtSet(path.stem, questions, unanswerable, state.st_mtime))
    return sorted(found, key=lambda each: (-each.changed, each.name))


def read_set(name: str) -> list[Example]:
    """The questions of a set, in their order. Raises `BadUsage` for no name, `BadData` for no set or a damaged one."""
    return _load(set_path(name))


def set_path(name: str) -> Path:
    """The file of a set that is there, as a download. Raises `BadUsage` for no name, `BadData` for no set."""
    path = _path(name)
    if not path.is_file():
        raise _gone(path.stem)
    return path


def rename_set(name: str, new_name: str) -> str:
    """Give a set another name, and return it as it was taken. Raises `BadUsage` where another set has it."""
    wanted = checked_name(new_name)
    with _locked() as folder:
        old, there = set_path(name), _path(wanted)
        if there.exists() and there != old:
            raise BadUsage(f"There is a set “{there.stem}” already. Choose another name.")
        old.rename(folder / f"{wanted}.json")
    return wanted


def delete_set(name: str) -> None:
    """Delete a set with all its questions."""
    with _locked():
        set_path(name).unlink()


def checked_name(name: str) -> str:
    """A set's name as it is kept: composed (NFC), with single spaces. Raises `BadUsage` for what is no name."""
    kept = " ".join(unicodedata.normalize("NFC", name).split())
    if not kept:
        raise BadUsage("Give the set a name, such as “my questions”.")
    if len(kept) > LONGEST_NAME:
        raise BadUsage(f"The set's name has {len(kept)} characters; at most {LONGEST_NAME} are taken.")
    if not kept[0].isalnum() or not all(each in " -_" or unicodedata.category(each)[0] in "LMN" for each in kept):
        raise BadUsage(
            "A set's name begins with a letter or digit and holds letters, digits, spaces, dashes and underscores only."
        )
    return kept


# Their questions


def add_question(name: str, question: str, context: str, answer: Gold | None) -> Taught:
    """Put a question with its right answer into a set, which is made where there is none of this name.

    ``answer`` is a span of the unchanged context, by code points, and None where the text holds no answer; white
    space at its ends is left out. The answer to a question that the set holds for this text is replaced. Raises
    `BadUsage` for what cannot be taught, `BadData` for a damaged or full set, `DiskError`.
    """
    new = _example(question, context, answer, _title_of(context))
    with _locked():
        path = _path(name)
        examples = _load_to_change(path) if path.exists() else []
        for place, old in enumerate(examples):
            if (old.question, old.context) == (new.question, new.context):
                return _settle(path, examples, place, replace(old, answers=new.answers))
        _write(path, [*examples, new])
    return Taught(path.stem, new, "added")


def change_question(name: str, question_id: str, question: str, answer: Gold | None) -> Taught:
    """Reword a question, or give it another answer in its text; the id follows the wording.

    Raises as `add_question` does, and `BadUsage` where the set holds the new wording for this text already.
    """
    with _locked():
        path = set_path(name)
        examples = _load_to_change(path)
        place = _place_of(examples, question_id)
        old = examples[place]
        new = _example(question, old.context, answer, old.title)
        if new.question == old.question:
            new = replace(new, id=old.id)
        elif any((each.question, each.context) == (new.question, new.context) for each in examples):
            raise BadUsage("The set holds this question about this text already. Change that one, or use other words.")
        return _settle(path, examples, place, new)


def delete_question(name: str, question_id: str) -> Example:
    """Take a question out of a set, and return it; with the last one goes the set."""
    with _locked():
        path = set_path(name)
        examples = _load_to_change(path)
        gone = examples.pop(_place_of(examples, question_id))
        if examples:
            _write(path, examples)
        else:
            path.unlink()
    return gone


def places(words: str, context: str) -> list[Gold]:
    """Where a text holds these words, in order, at most `MOST_PLACES`; in any spelling of case where not in theirs.

    White space of any kind and length is the same: what is pasted need not have the line breaks of the text.
    """
    pattern = r"\s+".join(map(re.escape, words.split()))
    if not pattern:
        return []
    for flags in (re.NOFLAG, re.IGNORECASE):
        found = islice(re.finditer(pattern, context, flags), MOST_PLACES)
        golds = [Gold(each[0], each.start()) for each in found]
        if golds:
            return golds
    return []


def _example(question: str, context: str, answer: Gold | None, title: str) -> Example:
    question = question.strip()
    for what, text, longest in (("question", question, LONGEST_QUESTION), ("text", context, LONGEST_CONTEXT)):
        if not text.strip():
            raise BadUsage(f"There is no {what} yet.")
        if len(text) > longest:
            raise BadUsage(f"The {what} has {len(text):,} characters; at most {longest:,} are kept.")
        if not text.isascii() and re.search("[\ud800-\udfff]", text):
            raise BadUsage(f"The {what} holds half of a character (an unpaired surrogate). Copy it again.")
    answers = (_trimmed(answer, context),) if answer else ()
    name = hashlib.sha256(f"{context}\0{question}".encode()).hexdigest()[:16]
    return Example(name, question, context, answers, title)


def _trimmed(answer: Gold, context: str) -> Gold:
    if answer.start < 0 or context[answer.start : answer.start + len(answer.text)] != answer.text:
        raise BadUsage(f"The answer does not stand at character {answer.start:,} of the text. Select it again.")
    text = answer.text.strip()
    if not text:
        raise BadUsage("The answer is empty. Select at least a word of the text.")
    return Gold(text, answer.start + len(answer.text) - len(answer.text.lstrip()))


def _title_of(context: str) -> str:
    words = " ".join(context[: 10 * _TITLE].split()) or "…"
    return words if len(words) <= _TITLE else f"{words[: _TITLE - 1]}…"


def _place_of(examples: Sequence[Example], question_id: str) -> int:
    for place, example in enumerate(examples):
        if example.id == question_id:
            return place
    raise BadData("That question is not in the set any more.")


def _settle(path: Path, examples: list[Example], place: int, new: Example) -> Taught:
    """Let a question take the place of another, where they differ."""
    old = examples[place]
    if new == old:
        return Taught(path.stem, old, "kept", old)
    _write(path, [*examples[:place], new, *examples[place + 1 :]])
    return Taught(path.stem, new, "replaced", old)


# The files


def _files() -> list[Path]:
    return list((home() / SETS).glob("[!.]*.json"))


def _path(name: str) -> Path:
    """Where the set of this name is, or would be: names that differ in their case alone are one, on any system."""
    name = checked_name(name)
    for path in _files():
        if _folded(path.stem) == _folded(name):
            return path
    return home() / SETS / f"{name}.json"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


@contextmanager
def _locked() -> Iterator[Path]:
    """Hold the lock of the sets' folder, which is made. What cannot be written inside raises `DiskError`."""
    folder = home() / SETS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=_LOCK_PATIENCE):
            yield folder
    except Timeout:
        raise DiskError(f"The sets are locked by another process for {_LOCK_PATIENCE:.0f} s already.") from None
    except OSError as error:
        raise DiskError(f"The sets cannot be changed: {error.strerror or error}. Nothing was lost.") from error


@lru_cache
def _counts(path: Path, state: tuple[int, int, int]) -> tuple[int, int]:
    """Questions and unanswerable ones of a set's file, which ``state`` tells from its earlier ones."""
    examples = _load(path)
    return len(examples), sum(example.is_impossible for example in examples)


def _gone(name: str) -> BadData:
    return BadData(f"There is no set “{name}” here any more.")


def _load(path: Path) -> list[Example]:
    try:
        return load_examples(str(path)).examples
    except BadData as error:
        if not path.exists():
            raise _gone(path.stem) from None
        raise BadData(str(error).replace(str(path), f"The set “{path.stem}”"), error.rows) from None


def _load_to_change(path: Path) -> list[Example]:
    """The questions of a set, all of whose file they are: nobody's other fields are lost when it is written again."""
    examples = _load(path)
    if _squad(examples) != read_json(path):
        raise BadData(
            f"The set “{path.stem}” was not written here, and what else its file holds would be lost. Train on it as "
            "it is, or choose another set."
        )
    return examples


def _write(path: Path, examples: Sequence[Example]) -> None:
    text = json.dumps(_squad(examples), ensure_ascii=False) + "\n"
    refuse_large(f"With this question, the set “{path.stem}”", len(text.encode()))
    write_text(path, text)


def _squad(examples: Sequence[Example]) -> dict[str, Any]:
    articles: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for example in examples:
        questions = articles.setdefault(example.title, {}).setdefault(example.context, [])
        questions.append(
            {
                "id": example.id,
                "question": example.question,
                "is_impossible": example.is_impossible,
                "answers": [{"text": gold.text, "answer_start": gold.start} for gold in example.answers],
            }
        )
    data = [
        {"title": title, "paragraphs": [{"context": context, "qas": qas} for context, qas in contexts.items()]}
        for title, contexts in articles.items()
    ]
    return {"version": "v2.0", "data": data}
