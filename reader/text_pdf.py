"""The words of PDF files: the lines that the pages show, put together again to words, paragraphs and pages.

A PDF knows glyphs and places, no paragraphs. pypdf makes lines of the glyphs; here lines are joined where the
typesetter broke a running text, and kept apart where a person ended one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reader.errors import BadData
from reader.text_parsers import LARGEST_TEXT, UNREADABLE, Parsed, reason, too_long

if TYPE_CHECKING:
    from pypdf import PageObject

_OCR = "Run it through text recognition (OCR) first, and drop the result."


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page: where it begins along and across its direction, and its letters' size, all in points."""

    text: str
    x: float
    y: float
    size: float


def parse_pdf(path: Path) -> Parsed:
    """Return the text of a PDF with its pages' offsets; what could not be read is said in the notes."""
    from pypdf import PasswordType, PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    broken: tuple[type[Exception], ...] = (PyPdfError, *UNREADABLE)
    with path.open("rb") as file:
        try:
            reader = PdfReader(file)
            if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
                raise BadData("needs a password. Print it to a new PDF without one, and drop that.")
            pages: list[list[Line]] = []
            failed: list[int] = []
            size = 0
            for number, page in enumerate(reader.pages, start=1):
                try:
                    pages.append(_lines(page))
                except broken:
                    pages.append([])
                    failed.append(number)
                size += sum(len(line.text) for line in pages[-1])
                if size > LARGEST_TEXT:
                    raise BadData(too_long(f"more than {LARGEST_TEXT:,}"))
        except DependencyError:
            raise BadData("is encrypted (AES). Print it to a new PDF without a password, and drop that.") from None
        except PyPdfError as error:
            raise BadData(f"is a broken PDF ({reason(error)}).") from None
    return _put_together(pages, failed)


# From glyphs to lines

_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
_CLEAN = {**dict.fromkeys([*range(9), 11, *range(14, 32), 127, 0x200B, 0xFEFF]), **_LIGATURES}
_CLEAN |= dict.fromkeys(range(0xD800, 0xE000), "�")


def _lines(page: PageObject) -> list[Line]:
    lines: list[Line] = []
    pieces: list[tuple[str, float]] = []
    begin = (0.0, 0.0)

    def end_line() -> None:
        text = " ".join("".join(piece for piece, _ in pieces).translate(_CLEAN).split())
        if text:
            text = text[:-1].replace("\u00ad", "-") + text[-1]  # within a line it was printed
            lines.append(Line(text, *begin, max(pieces, key=lambda piece: len(piece[0]))[1]))
        pieces.clear()

    def see(text: str, cm: list[float], tm: list[float], font: Any, size: float) -> None:
        nonlocal begin
        for number, piece in enumerate(text.split("\n")):
            if number:
                end_line()
            if piece.strip():
                x, y, scale = _place(cm, tm)
                begin = begin if any(before.strip() for before, _ in pieces) else (x, y)
                pieces.append((piece, size * scale))
            elif piece:
                pieces.append((piece, 0.0))

    page.extract_text(visitor_text=see)
    end_line()
    return lines


def _place(cm: Sequence[float], tm: Sequence[float]) -> tuple[float, float, float]:
    """Return where a text begins along its own direction and above the page's edge, and how much it is enlarged."""
    right, up, at = (
        (x * cm[0] + y * cm[2] + moved * cm[4], x * cm[1] + y * cm[3] + moved * cm[5])
        for x, y, moved in ((tm[0], tm[1], 0), (tm[2], tm[3], 0), (tm[4], tm[5], 1))
    )
    width, height = (right[0] ** 2 + right[1] ** 2) ** 0.5 or 1.0, (up[0] ** 2 + up[1] ** 2) ** 0.5 or 1.0
    return (
        (at[0] * right[0] + at[1] * right[1]) / width,
        (at[0] * up[0] + at[1] * up[1]) / height,
        height,
    )


# From lines to a text

_ITEM = re.compile(r"[•◦▪‣●○■□–*·]\s|\(?(?:\d{1,3}|[a-z])[.)]\s")
_LEADERS = re.compile(r"(?:\. ?){4,}\s*\w{0,6}$")
_ENDS = tuple('.!?:;…”"»)]。！？')
_NEIGHBOURS = 8  # lines above and below that show how wide the column is


def _put_together(pages: list[list[Line]], failed: list[int]) -> Parsed:
    count = len(pages)
    notes = []
    empty = [number for number, lines in enumerate(pages, start=1) if not lines and number not in failed]
    if len(failed) == count:
        raise BadData("is a broken PDF: none of its pages can be read. Print it to a new PDF, and drop that.")
    if len(empty) + len(failed) == count:
        pages_are = "its one page is a picture" if count == 1 else f"its {count:,} pages are pictures"
        raise BadData(f"holds no text that can be read: {pages_are} (or empty). {_OCR}")
    if failed:
        notes.append(f"{_named(failed)} cannot be read and {_is_are(failed)} left out.")
    if empty:
        notes.append(f"{_named(empty)} {'holds' if len(empty) == 1 else 'hold'} no text (pictures, or empty).")
    pages, left_out = _without_running_lines(pages)
    notes += left_out
    text, offsets = _join(pages)
    strange = sum(letter == "�" or "\ue000" <= letter <= "\uf8ff" for letter in text)
    if strange > 0.05 * len(text):
        notes.append(f"{strange / len(text):.0%} of its letters cannot be told: a font does not say which they are.")
    return Parsed(text, offsets, tuple(notes))


def _join(pages: list[list[Line]]) -> tuple[str, tuple[int, ...]]:
    """Return the text and the offset at which each page begins; an empty page begins where the next one does."""
    leading = _leading(pages)
    words = _whole_words(line.text for lines in pages for line in lines)
    parts: list[str] = []
    offsets: list[int] = []
    length = 0
    last: Line | None = None
    for number, lines in enumerate(pages, start=1):
        for place, line in enumerate(lines):
            glue = ""
            if last is not None:
                glue = _glue(last, line, leading, _full_width(lines, place)) if place else _glue_pages(last, line)
                if glue == " " and _is_broken_word(last.text, line.text):
                    glue = ""
                    if not _keeps_hyphen(last.text, line.text, words):
                        parts[-1] = parts[-1][:-1]
                        length -= 1
            if not place:
                offsets += [length + len(glue)] * (number - len(offsets))
            parts += (glue, line.text)
            length += len(glue) + len(line.text)
            last = line
    offsets += [length] * (len(pages) - len(offsets))
    return "".join(parts), tuple(offsets)


def _glue(above: Line, below: Line, leading: dict[int, float], full: int) -> str:
    """Return what stands between two lines of a page: a space in running text, one or two line ends elsewhere."""
    size = max(above.size, below.size)
    down = above.y - below.y
    if abs(down) < 0.3 * size:
        return " "
    if abs(above.size - below.size) > 0.12 * size:
        return "\n\n"
    if down < 0:  # to the top of the next column
        return _glue_pages(above, below)
    if down > 1.25 * leading.get(round(size), 1.4 * size):
        return "\n\n"
    if _ITEM.match(below.text) or _LEADERS.search(above.text[-60:]):
        return "\n"
    indent = below.x - above.x
    if 0.8 * size < indent < 6 * size and above.text.endswith(_ENDS) and not _ITEM.match(above.text):
        return "\n\n"
    # A line with room for the next word was ended on purpose.
    if (
        not _is_broken_word(above.text, below.text)
        and len(above.text) + 1 + len(below.text.split(" ", 1)[0]) < 0.8 * full
    ):
        return "\n"
    return " "


def _glue_pages(above: Line, below: Line) -> str:
    goes_on = below.text[0].islower() and not above.text.endswith(_ENDS)
    return " " if goes_on and abs(above.size - below.size) <= 0.12 * above.size else "\n\n"


def _leading(pages: Iterable[Sequence[Line]]) -> dict[int, float]:
    """Return the usual distance between lines, for each size of letters (rounded) that has one."""
    found: dict[int, Counter[float]] = defaultdict(Counter)
    for lines in pages:
        for above, below in pairwise(lines):
            size, down = max(above.size, below.size), above.y - below.y
            if 0.8 * size < down < 3 * size:
                found[round(size)][round(2 * down) / 2] += 1
    return {size: max(gaps, key=lambda gap: (gaps[gap], -gap)) for size, gaps in found.items()}


def _full_width(lines: Sequence[Line], place: int) -> int:
    """Return how many letters the fullest line around holds, of those in the same size."""
    around = lines[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS]
    return max(len(line.text) for line in around if abs(line.size - lines[place].size) < 0.5)


# Words that were broken at the end of a line

_HEAD = re.compile(r"([^\W_](?:[\w’'-]*\w)?)[-‐\u00ad]$")
_TAIL = re.compile(r"[^\W\d_]+")
_COMPOUNDS = {"self", "well", "non", "high", "low", "long", "short", "half", "cross"}


def _head(line: str) -> re.Match[str] | None:
    return _HEAD.search(line[-60:]) if line.endswith(("-", "‐", "\u00ad")) else None


def _is_broken_word(above: str, below: str) -> bool:
    return _head(above) is not None and below[0].isalnum()


def _keeps_hyphen(above: str, below: str, words: set[str]) -> bool:
    """Whether the hyphen at a line's end is the word's own ("well-known"), as far as the rest of the text tells."""
    found, tail = _head(above), _TAIL.match(below)
    if above.endswith("\u00ad"):
        return False
    if found is None or tail is None or not found[1].isalpha():
        return True
    head, rest = found[1].lower(), tail[0].lower()
    if head + rest in words:
        return False
    if not tail[0][0].islower():
        return True
    compound = (head in _COMPOUNDS and len(rest) > 3) or (len(head) > 3 and {head, rest} <= words)
    return compound or f"{head}-{rest}" in words


def _whole_words(lines: Iterable[str]) -> set[str]:
    """Return the words of a text in lower case, without the halves at the ends and beginnings of lines."""
    words: set[str] = set()
    broken = False
    for line in lines:
        found = re.findall(r"[^\W\d_]+(?:[-‐][^\W\d_]+)*", line.lower().replace("‐", "-"))
        first, broken = broken, _head(line) is not None
        words.update(found[first : len(found) - broken])
    return words


# Lines that stand on every page

_PAGE_NUMBER = re.compile(r"\W*(?:page |seite |p\. ?)?(\d{1,5})(?: ?(?:/|of|von) ?\d{1,5})?\W*", re.IGNORECASE)


def _without_running_lines(pages: list[list[Line]]) -> tuple[list[list[Line]], list[str]]:
    """Leave out page numbers, and the second and later copies of a line on top or at the bottom of three or more pages.

    A running line would stand in the middle of sentences that go on over the page.
    """
    seen: Counter[tuple[int, str]] = Counter()
    for number, lines in enumerate(pages):
        seen.update({(place, _running(lines[place].text, number)) for place in (0, -1) if len(lines) > 2})
    numbers = False
    titles: Counter[str] = Counter()
    met: set[tuple[int, str]] = set()
    kept: list[list[Line]] = []
    for number, lines in enumerate(pages):
        left = list(lines)
        for place in (-1, 0):
            key = (place, _running(lines[place].text, number)) if len(lines) > 2 else (0, "")
            if seen[key] >= 3 and _stands_apart(lines, place):
                if _PAGE_NUMBER.fullmatch(lines[place].text):
                    numbers = True
                    del left[place]
                elif key in met:
                    titles[lines[place].text] += 1
                    del left[place]
                met.add(key)
        kept.append(left)
    notes = ["The page numbers are left out."] if numbers else []
    notes += [f"“{text}”, which stands on {count + 1} pages, is read once." for text, count in titles.most_common(3)]
    return kept, notes


def _running(text: str, number: int) -> str:
    found = _PAGE_NUMBER.fullmatch(text)
    return f"page {int(found[1]) - number}" if found else text


def _stands_apart(lines: Sequence[Line], place: int) -> bool:
    line, next_to = lines[place], lines[place or 1] if place == 0 else lines[-2]
    return abs(line.y - next_to.y) > 1.6 * max(line.size, next_to.size)


# Words for the notes


def _named(numbers: Sequence[int]) -> str:
    """Return "Page 3", "Pages 3 and 7-9"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    names = [str(first) if first == last else f"{first}–{last}" for first, last in runs]
    if len(names) > 8:
        names = [*names[:8], f"{sum(last - first + 1 for first, last in runs[8:]):,} more"]
    joined = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"{'Page' if len(numbers) == 1 else 'Pages'} {joined}"


def _is_are(numbers: Sequence[int]) -> str:
    return "is" if len(numbers) == 1 else "are"
