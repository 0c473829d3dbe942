"""Examples: questions with their context and gold answers, read from any source and checked row by row.

Texts are kept exactly as they are in the source: offsets count Unicode code points of the unchanged context.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reader.errors import BadData, BadRow
from reader.hub import dataset_folder_records, hub_records, is_hub_id
from reader.sources import READERS, Record, Records, kind, names, read_records, short

__all__ = [
    "STARTER",
    "BadRow",
    "Example",
    "ExampleSet",
    "Gold",
    "fingerprint",
    "load_examples",
    "load_question_set",
    "load_questions",
    "paragraph_numbers",
]

STARTER = Path(__file__).parent / "starter" / "starter.json"


@dataclass(frozen=True, slots=True)
class Gold:
    """One gold answer: ``text == context[start : start + len(text)]``, in code points."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Example:
    """One question about one context; without answers it is unanswerable."""

    id: str
    question: str
    context: str
    answers: tuple[Gold, ...] = ()
    title: str = ""

    @property
    def is_impossible(self) -> bool:
        """True where the context holds no answer."""
        return not self.answers


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """A whole data set: where it is from, its examples in order, its fingerprint and the rows left out."""

    source: str
    examples: list[Example]
    fingerprint: str
    skipped: tuple[BadRow, ...] = ()


def load_examples(source: str | Path, *, skip_bad: bool = False) -> ExampleSet:
    """Load a data set with its gold answers.

    ``source`` is ``starter``, an existing path (SQuAD v1.1/v2 JSON, JSONL, CSV, Parquet, a folder saved by
    `datasets`, with ``:split`` where it has several) or a Hub id ``name[@revision][:split]``, in this order.
    An empty answer is an unanswerable question; an answer without ``answer_start`` is taken at its only place.

    Bad rows raise `BadData`, whose ``rows`` names them all; with ``skip_bad`` they are left out and listed in
    the set's ``skipped``. A source that cannot be read raises `BadData`, a Hub that does not answer
    `HubUnreachable`.
    """
    return _load(str(source), with_gold=True, skip_bad=skip_bad)


def load_question_set(source: str | Path, *, skip_bad: bool = False) -> ExampleSet:
    """Load questions with their contexts from the same sources; gold answers are neither needed nor read."""
    return _load(str(source), with_gold=False, skip_bad=skip_bad)


def load_questions(path: str | Path) -> list[Example]:
    """Return the questions of `load_question_set`; any bad row raises `BadData`."""
    return load_question_set(path).examples


def paragraph_numbers(examples: Iterable[Example]) -> list[int]:
    """Number the paragraphs: examples of the same context share a number, from 0 in order of appearance."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(example.context, len(numbers)) for example in examples]


def fingerprint(examples: Iterable[Example]) -> str:
    """Return the SHA-256 (hex) over ids, questions, contexts and answers in order, whatever format they came in."""
    digest = hashlib.sha256()
    for example in examples:
        answers = [[gold.text, gold.start] for gold in example.answers]
        digest.update(json.dumps([example.id, example.question, example.context, answers]).encode("ascii"))
        digest.update(b"\n")
    return digest.hexdigest()


def _load(source: str, *, with_gold: bool, skip_bad: bool) -> ExampleSet:
    examples: list[Example] = []
    bad: list[BadRow] = []
    ids: dict[str, int] = {}
    contexts: dict[str, str] = {}
    for record in _records(source, with_gold):
        if isinstance(record, BadRow):
            bad.append(record)
            continue
        try:
            example = _example(record, contexts, with_gold)
            if example.id in ids:
                raise _BadValueError(f"row {ids[example.id]} has the same id")
        except _BadValueError as error:
            bad.append(BadRow(record.row, _id_as_found(record.values), str(error)))
        else:
            ids[example.id] = record.row
            examples.append(example)
    if bad and not skip_bad:
        raise BadData(_refusal(source, bad, len(bad) + len(examples)), bad)
    if not examples:
        raise BadData(
            _refusal(source, bad, len(bad)) if bad else f"{source} holds no examples: it is empty.",
            bad,
        )
    return ExampleSet(source, examples, fingerprint(examples), tuple(bad))


def _records(source: str, with_gold: bool) -> Records:
    """Find out what a source is and open it; an existing path wins over a Hub id."""
    if not source.strip():
        raise BadData("No data set is named; expected 'starter', a file or a Hub id such as rajpurkar/squad_v2.")
    if source == "starter":
        return read_records(STARTER, with_gold=with_gold)
    if os.path.isdir(source):
        return dataset_folder_records(Path(source), "", with_gold=with_gold)
    if os.path.exists(source):
        return read_records(Path(source), with_gold=with_gold)
    folder, colon, split = source.rpartition(":")
    if colon and os.path.isdir(folder):
        return dataset_folder_records(Path(folder), split, with_gold=with_gold)
    if is_hub_id(source) and Path(source).suffix.lower() not in READERS:
        return hub_records(source, with_gold=with_gold)
    raise BadData(f"There is no file {source}.")


def _refusal(source: str, bad: list[BadRow], total: int) -> str:
    shown = " ".join(f"{str(row)[0].upper()}{str(row)[1:]}." for row in bad[:5])
    more = f" And {len(bad) - 5} more." if len(bad) > 5 else ""
    good = total - len(bad)
    remedy = f"Correct them, or skip them (--skip-bad) and go on with the other {good}." if good else "None is left."
    return f"{len(bad)} of {total} row{'s' * (total > 1)} of {source} cannot be used. {shown}{more} {remedy}"


class _BadValueError(ValueError):
    """A value that makes its row unusable; the message is the row's reason."""


def _example(record: Record, contexts: dict[str, str], with_gold: bool) -> Example:
    """Check one record. ``contexts`` holds those seen: each is checked and kept once, however many questions."""
    values = record.values
    question = _text(values, "question")
    found = values.get("context")
    context = contexts.get(found) if isinstance(found, str) else None
    if context is None:
        context = _text(values, "context")
        contexts[context] = context
    title = values.get("title")
    if title is not None and not isinstance(title, str):
        raise _BadValueError(f"the title is {kind(title)}; expected text")
    answers = _golds(values, context) if with_gold else ()
    return Example(_id(values, record.row), question, context, answers, _whole(title or "", "title"))


def _text(values: Mapping[str, Any], key: str) -> str:
    if key not in values:
        raise _BadValueError(f"there is no {key} (found: {names(values)})")
    value = values[key]
    if not isinstance(value, str):
        raise _BadValueError(f"the {key} is {kind(value)}; expected text")
    if not value or value.isspace():
        raise _BadValueError(f"the {key} is {'blank (only white space)' if value else 'empty'}")
    return _whole(value, key)


def _whole(text: str, key: str) -> str:
    # JSON can spell half of a surrogate pair, which no file, tokenizer or browser can take.
    if not text.isascii() and re.search("[\ud800-\udfff]", text):
        raise _BadValueError(f"the {key} holds half of a character (an unpaired surrogate)")
    return text


def _id(values: Mapping[str, Any], row: int) -> str:
    value = values.get("id")
    if value is None or value == "":
        return f"row-{row}"
    if isinstance(value, str):
        return _whole(value, "id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _BadValueError(f"the id is {kind(value)}; expected text")


def _id_as_found(values: Mapping[str, Any]) -> str:
    value = values.get("id")
    return short(str(value)) if isinstance(value, str | int) else ""


def _golds(values: Mapping[str, Any], context: str) -> tuple[Gold, ...]:
    golds = tuple(_gold(text, start, context) for text, start in _answers_as_found(values))
    impossible = _flag(values.get("is_impossible"))
    if impossible is True and golds:
        raise _BadValueError(f"is_impossible is true, yet there is an answer, {_quoted(golds[0].text)}")
    if impossible is False and not golds:
        raise _BadValueError("is_impossible is false, yet there is no answer")
    return golds


def _answers_as_found(values: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Return (text, start) pairs, unchecked, from SQuAD's list, the Hub's two lists or a table's two columns."""
    if "answers" in values and "answer" in values:
        raise _BadValueError("there are both answer and answers; expected one of them")
    if "answer" in values:
        answer = values["answer"]
        return [] if answer is None or answer == "" else [(answer, values.get("answer_start"))]
    if "answers" not in values:
        if values.get("is_impossible") is True:
            return []
        raise _BadValueError(f"there is no answer (found: {names(values)}); an unanswerable question has an empty one")
    answers = values["answers"]
    if isinstance(answers, dict):
        texts, starts = answers.get("text"), answers.get("answer_start")
        if not isinstance(texts, list):
            raise _BadValueError(f"the answers' text is {kind(texts)}; expected a list")
        if starts is None:
            starts = [None] * len(texts)
        if not isinstance(starts, list) or len(starts) != len(texts):
            count = len(starts) if isinstance(starts, list) else kind(starts)
            raise _BadValueError(f"the answers have {len(texts)} text and {count} answer_start; expected as many")
        return list(zip(texts, starts, strict=True))
    if isinstance(answers, list):
        return [_answer_as_found(answer) for answer in answers]
    raise _BadValueError(f"the answers are {kind(answers)}; expected a list")


def _answer_as_found(answer: Any) -> tuple[Any, Any]:
    if isinstance(answer, dict):
        return answer.get("text"), answer.get("answer_start")
    return answer, None


def _gold(text: Any, start: Any, context: str) -> Gold:
    if not isinstance(text, str):
        raise _BadValueError(f"an answer is {kind(text)}; expected text")
    if not text or text.isspace():
        raise _BadValueError("an answer is blank" if text else "one of the answers is empty")
    place = _start(start)
    if place is None:
        return Gold(text, _only_place(text, context))
    if place < 0 or context[place : place + len(text)] != text:
        there = _quoted(context[place : place + len(text)]) if 0 <= place < len(context) else "nothing"
        found = context.find(text)
        elsewhere = f"; it stands at {found}" if found >= 0 else "; the context does not hold it"
        raise _BadValueError(f"the answer {_quoted(text)} is not at {place}, where there is {there}{elsewhere}")
    return Gold(text, place)


def _only_place(text: str, context: str) -> int:
    first = context.find(text)
    if first < 0:
        raise _BadValueError(f"the answer {_quoted(text)} is not in the context")
    if context.find(text, first + 1) >= 0:
        raise _BadValueError(f"the answer {_quoted(text)} is in the context more than once; answer_start is needed")
    return first


def _start(value: Any) -> int | None:
    """Return answer_start as a number; None where it is missing. Tables may hold 7 as '7', 7.0 or '7.0'."""
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,12}(\.0+)?", value):
        return int(value.partition(".")[0])
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _BadValueError(f"answer_start is {_quoted(str(value))}; expected a whole number")


def _flag(value: Any) -> bool | None:
    """Return is_impossible; None where it is missing. CSV can only spell it."""
    if value is None or value == "":
        return None
    flag = {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())
    if flag is None:
        raise _BadValueError(f"is_impossible is {_quoted(str(value))}; expected true or false")
    return flag


def _quoted(text: str) -> str:
    return json.dumps(short(text), ensure_ascii=False)
