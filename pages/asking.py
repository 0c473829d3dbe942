"""What asking does, without a page: one reading of a text, the hints before it, and what a link opens with."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pages.highlight import surroundings
from pages.readers import EMBEDDED, Shelf, label_of
from pages.verdict import Asked, slider_ends
from reader.errors import BadUsage
from reader.examples import Example

LONGEST_LINK = 6_000  # characters of question and text that a link may carry
LONGEST_TEXT = 5_000_000  # characters to read; about ten long novels
LONG_TEXT = 50_000  # characters from which reading takes long enough to say so


@dataclass(frozen=True, slots=True)
class Opening:
    """What the page opens with: a starter example, or what its link asks for."""

    question: str
    context: str
    reader: str = EMBEDDED
    threshold: float | None = None
    example: str | None = None
    hint: str = ""


def ask(shelf: Shelf, name: str, question: str, context: str, threshold: float | None) -> Asked:
    """Read the text for an answer. ``name`` is one that `find_reader` allowed. Raises `ReaderboardError`."""
    _check_length(question, context)
    reader = shelf.take(name)
    start = time.perf_counter()
    answer = reader(question=question, context=context, threshold=threshold)
    seconds = time.perf_counter() - start
    own = reader.config.null_score_diff_threshold
    around = (answer.best.start, answer.best.end) if answer.best else (0, 0)
    return Asked(
        excerpt=surroundings(context, *around),
        answer=answer,
        reader=label_of(name),
        own_threshold=own,
        ends=slider_ends(answer.null_score_diff, answer.threshold, own),
        seconds=seconds,
    )


def endpoint(
    shelf: Shelf, name: str, question: str, context: str, threshold: float | None, top_k: int | None
) -> dict[str, Any]:
    """Answer for ``/ask``: as the page does, as plain values. Raises `ReaderboardError`.

    What comes over HTTP may be anything, whatever the signature says.
    """
    for title, text in (("question", question), ("context", context)):
        if not isinstance(text, str) or not text.strip():
            raise BadUsage(f"{title} must hold text.")
    if threshold is not None and not is_number(threshold):
        raise BadUsage("threshold must be a number, or null for the reader's own.")
    if top_k is not None and (not is_number(top_k) or top_k != int(top_k) or top_k < 1):
        raise BadUsage("top_k must be a whole number from 1, or null for the reader's own.")
    _check_length(question, context)
    most = None if top_k is None else int(top_k)
    return shelf.take(name)(question=question, context=context, threshold=threshold, top_k=most).as_dict()


def what_is_missing(question: str, context: str) -> str:
    """The hint for a question or text that is not there, or ""."""
    if not context.strip():
        return "There is no text to read yet. Paste one, or pick an example."
    if not question.strip():
        return "Type a question about the text, or pick an example."
    return ""


def open_with(parameters: Mapping[str, str], examples: Sequence[Example]) -> Opening:
    """Read a link's ``question, context, reader, threshold``; without text and question, open on an example."""
    question, context = parameters.get("question", ""), parameters.get("context", "")
    reader = parameters.get("reader", EMBEDDED)
    threshold, hint = _read_threshold(parameters.get("threshold", ""))
    if len(question) + len(context) > LONGEST_LINK:
        question = context = ""
        hint = f"The link's text was left out: it is longer than {LONGEST_LINK:,} characters."
    if question or context:
        return Opening(question, context, reader, threshold, None, hint)
    first = examples[0]
    return Opening(first.question, first.context, reader, threshold, first.id, hint)


def what_takes_time(shelf: Shelf, name: str, context: str) -> str:
    """What is going on while a visitor waits."""
    if not shelf.holds(name):
        return "Loading the reader, once: a few seconds…"
    if len(context) >= LONG_TEXT:
        return f"Reading {len(context):,} characters…"
    return "Reading…"


def example_label(example: Example) -> str:
    """An example as the picker shows it."""
    return f"{'not answerable' if example.is_impossible else 'answerable'} · {example.question}"


def is_number(value: object) -> bool:
    """Whether what came over HTTP is a number to compute with."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_length(question: str, context: str) -> None:
    length = len(question) + len(context)
    if length > LONGEST_TEXT:
        raise BadUsage(f"The text has {length:,} characters; at most {LONGEST_TEXT:,} are read at once. Cut it.")


def _read_threshold(text: str) -> tuple[float | None, str]:
    if not text:
        return None, ""
    try:
        threshold = float(text)
    except ValueError:
        threshold = math.nan
    if math.isfinite(threshold):
        return threshold, ""
    return None, f"The link's threshold “{text[:20]}” is not a number; the reader's own is used."
