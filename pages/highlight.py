"""Texts with marked spans, as HTML: a gold answer is underlined, a predicted one filled, a compared one dashed.

Spans are taken by their offsets (code points of the text), never by looking their words up again: the third
"Paris" is marked if that is the one. The text is escaped and otherwise left alone, so that what the browser
holds is the text itself, character by character, whatever it looks like: markup, Markdown, CRLF, tabs, emoji.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Literal

Kind = Literal["gold", "predicted", "compared", "window"]

KINDS: dict[Kind, str] = {
    "gold": "gold answer",
    "predicted": "the reader's answer",
    "compared": "the compared reader's answer",
    "window": "what the chosen window sees",
}

# A browser lays out some ten thousand characters at once; a whole book would freeze it.
REACH = 20_000
# How far a cut may move to fall between two words.
WORD = 80


@dataclass(frozen=True, slots=True)
class Mark:
    """A span of a text, ``text[start:end]``, and what it stands for."""

    start: int
    end: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a text in which every character carries the same marks."""

    start: int
    end: int
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a text: ``text == whole[start : start + len(text)]``; ``total`` is the length of the whole."""

    text: str
    start: int
    total: int

    @property
    def end(self) -> int:
        """Offset in the whole text after the excerpt's last character."""
        return self.start + len(self.text)

    def is_of(self, text: str) -> bool:
        """Whether it can have been taken from this text; certain where it left nothing out."""
        return len(text) == self.total and text[self.start : self.end] == self.text


def whole(text: str) -> Excerpt:
    """The excerpt that leaves nothing out."""
    return Excerpt(text, 0, len(text))


def surroundings(text: str, start: int = 0, end: int = 0, *, reach: int = REACH) -> Excerpt:
    """The text around a span: up to ``reach`` characters on both sides, cut between words where there are any."""
    first = _between_words(text, start - reach, -1) if start > reach else 0
    last = _between_words(text, end + reach, 1) if len(text) - end > reach else len(text)
    return Excerpt(text[first:last], first, len(text))


def _between_words(text: str, cut: int, step: int) -> int:
    for moved in range(WORD):
        place = cut + step * moved
        if not 0 < place < len(text):
            return max(0, min(place, len(text)))
        if text[place - 1].isspace() or text[place].isspace():
            return place
    return cut


def segments(marks: Iterable[Mark], start: int, end: int) -> list[Segment]:
    """Cut overlapping marks into disjoint pieces that together cover ``start`` to ``end``, in order."""
    within = [(max(m.start, start), min(m.end, end), m.kind) for m in marks if m.start < m.end]
    within = [mark for mark in within if mark[0] < mark[1]]
    cuts = sorted({start, end, *(m[0] for m in within), *(m[1] for m in within)})
    pieces = []
    for left, right in pairwise(cuts):
        here = {kind for first, last, kind in within if first <= left and right <= last}
        pieces.append(Segment(left, right, tuple(kind for kind in KINDS if kind in here)))
    return pieces


def marked_text(excerpt: Excerpt, marks: Sequence[Mark]) -> str:
    """The excerpt's HTML, escaped, with its marks, whose offsets count in the whole text.

    Raises ValueError for a mark outside the whole text: its offsets belong to another one.
    """
    for mark in marks:
        if not 0 <= mark.start <= mark.end <= excerpt.total:
            raise ValueError(f"The span {mark.start}–{mark.end} lies outside a text of {excerpt.total} characters.")
    html = []
    for piece in segments(marks, excerpt.start, excerpt.end):
        text = escaped(excerpt.text[piece.start - excerpt.start : piece.end - excerpt.start])
        if piece.kinds:
            says = "; ".join(KINDS[kind] for kind in piece.kinds)
            html.append(f'<mark class="{" ".join(piece.kinds)}" title="{escape(says)}">{text}</mark>')
        else:
            html.append(text)
    return "".join(html)


def reading_view(excerpt: Excerpt, marks: Sequence[Mark] = (), *, label: str = "Text", with_ways: bool = False) -> str:
    """A text to read, with its marks; what an excerpt leaves out is said before and after it.

    ``data-start`` tells a script where in the whole text it begins (in code points). With ``with_ways``, buttons lead
    to what was left out: ``data-go`` is the offset to look at.
    """
    before, after = excerpt.start, excerpt.total - excerpt.end
    up, down = f"… {before:,} characters before", f"{after:,} characters after …"
    if with_ways:
        up = f'<button class="small" data-go="{max(0, excerpt.start - REACH)}">Earlier</button> {up}'
        down = f'{down} <button class="small" data-go="{min(excerpt.total, excerpt.end + REACH)}">Later</button>'
    return (
        f'<div class="reading" role="region" tabindex="0" aria-label="{escape(label)}">'
        + (f'<p class="left-out">{up}</p>' if before else "")
        + f'<div class="reading-text" dir="auto" data-start="{excerpt.start}">{marked_text(excerpt, marks)}</div>'
        + (f'<p class="left-out">{down}</p>' if after else "")
        + "</div>"
    )


def legend(kinds: Iterable[Kind]) -> str:
    """What the marks mean, each shown as it looks in the text."""
    shown = " ".join(f'<mark class="{kind}">{escape(KINDS[kind])}</mark>' for kind in kinds)
    return f'<p class="legend">{shown}</p>'


def escaped(text: str) -> str:
    """A text as HTML that a browser turns back into exactly this text."""
    # An HTML parser turns CR and CRLF into LF unless they are written as references.
    return escape(text).replace("\r", "&#13;")
