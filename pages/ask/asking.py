"""What asking does, without a page: one reading of a text, and the hints before it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any

from pages.ask.presence import still_there
from pages.ask.standing import digest_of
from pages.ask.verdict import Asked, slider_ends
from pages.highlight import surroundings
from pages.readers import Shelf, label_of
from reader.errors import BadUsage
from reader.examples import Example
from reader.turns import only_while

LONGEST_TEXT = 5_000_000  # characters to read; about ten long novels
READING_AT_ONCE = 32  # of the app's 40 threads; what each reads goes to the model in fair turns (reader/turns.py)
# For every event in which a reader reads.
READING: dict[str, Any] = {
    "concurrency_id": "reading",
    "concurrency_limit": READING_AT_ONCE,
    "api_visibility": "private",
}

LONG_TEXT = 50_000  # characters from which reading takes long enough to say so


def ask(
    shelf: Shelf,
    found: str,
    question: str,
    text: str,
    threshold: float | None,
    *,
    name: str = "",
    pages: tuple[int, ...] = (),
    progress: Callable[[int, int | None], None] | None = None,
) -> Asked:
    """Read the text for an answer. ``found`` is what `find_reader` made of ``name``. Raises `ReaderboardError`.

    ``progress``: called with (windows read, of how many).
    """
    check_length(question, text)
    reader = shelf.take(found)
    start = time.perf_counter()
    with only_while(still_there()):
        reading = reader.read(question=question, context=text, threshold=threshold, progress=progress)
    seconds = time.perf_counter() - start
    answer, own = reading.answer, reader.config.null_score_diff_threshold
    around = (answer.best.start, answer.best.end) if answer.best else (0, 0)
    return Asked(
        question=question,
        digest=digest_of(text),
        excerpt=surroundings(text, *around),
        answer=answer,
        windows=reading.windows,
        name=name or found,
        reader=label_of(found),
        own_threshold=own,
        ends=slider_ends(answer.null_score_diff, answer.threshold, own),
        seconds=seconds,
        pages=pages,
    )


def ask_along(
    shelf: Shelf,
    found: str,
    question: str,
    text: str,
    threshold: float | None,
    *,
    name: str = "",
    pages: tuple[int, ...] = (),
) -> Iterator[str | Asked]:
    """Read as `ask` does; while a long text is read, say every second how far. What was asked comes last."""
    if len(text) < LONG_TEXT:
        yield ask(shelf, found, question, text, threshold, name=name, pages=pages)
        return
    given_up = threading.Event()
    steps: list[tuple[float, int, int]] = []  # when, windows read, of how many

    def read() -> Asked:
        def note(done: int, total: int | None) -> None:
            steps.append((time.monotonic(), done, total or done))

        with only_while(lambda: not given_up.is_set()):
            return ask(shelf, found, question, text, threshold, name=name, pages=pages, progress=note)

    with ThreadPoolExecutor(1) as aside:
        reading = aside.submit(copy_context().run, read)
        try:
            while not reading.done():
                wait([reading], timeout=1.0)
                yield how_far(steps)
        finally:
            given_up.set()  # where somebody pressed Stop; else it is read by now
        yield reading.result()


def how_far(steps: Sequence[tuple[float, int, int]]) -> str:
    """A sentence on a reading that goes on: ``steps`` are (seconds, windows read, of how many)."""
    if len(steps) < 2:
        return "Cutting the text into windows…"
    (began, first, _), (now, done, total) = steps[0], steps[-1]
    left = (now - began) * (total - done) / (done - first)
    rest = f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} min left"
    return f"Read {done:,} of {total:,} windows, {rest}…"


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
    check_length(question, context)
    most = None if top_k is None else int(top_k)
    reader = shelf.take(name)
    with only_while(still_there()):
        return reader(question=question, context=context, threshold=threshold, top_k=most).as_dict()


def what_is_missing(question: str, context: str) -> str:
    """The hint for a question or text that is not there, or ""."""
    if not context.strip():
        return "There is no text to read yet. Paste one, or pick an example."
    if not question.strip():
        return "Type a question about the text, or pick an example."
    return ""


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


def check_length(question: str, context: str) -> None:
    """Refuse what is too long to read. Raises `BadUsage`."""
    length = len(question) + len(context)
    if length > LONGEST_TEXT:
        raise BadUsage(f"The text has {length:,} characters; at most {LONGEST_TEXT:,} are read at once. Cut it.")
