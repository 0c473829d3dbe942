"""A file as the text to ask about: read in a process of its own, and known again while its text stands there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pages.ask.standing import digest_of
from reader.texts import read_text_safely


@dataclass(frozen=True, slots=True)
class Source:
    """The file that a text came from; ``pages``: the offset at which each of its pages begins, if it has any."""

    name: str
    pages: tuple[int, ...]
    notes: tuple[str, ...]
    digest: bytes

    def pages_of(self, text: str) -> tuple[int, ...]:
        """The pages of a text; none where it is not the file's any more."""
        return self.pages if self.pages and digest_of(text) == self.digest else ()


def take_in(path: Path) -> tuple[str, Source]:
    """Read a dropped file. Raises `BadData` with a sentence for one that cannot be read."""
    found = read_text_safely(path)
    return found.text, Source(found.name, found.pages, found.notes, digest_of(found.text))


def what_came(text: str, source: Source) -> str:
    """A sentence on what was read from a file."""
    pages = f", {len(source.pages):,} pages" if len(source.pages) > 1 else ""
    return " ".join([f"{source.name}: {len(text.split()):,} words{pages}.", *source.notes, "Ask it something."])
