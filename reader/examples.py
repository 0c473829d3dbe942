"""Examples: questions with their context and gold answers, read from any source and checked row by row.

Texts are kept exactly as they are in the source: offsets count Unicode code points of the unchanged context.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reader.errors import BadRow

__all__ = ["STARTER", "BadRow", "Example", "ExampleSet", "Gold", "fingerprint", "paragraph_numbers"]

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
