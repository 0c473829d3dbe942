"""Where a reader looks in one window, as HTML: over every word how likely the answer begins there, under it how
likely it ends there.

Bars tell it by their height and side, a table names the likeliest words, so that no colour is needed to read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from pages.highlight import escaped, surroundings
from pages.phrases import percent
from reader.inspection import TokenProbabilities
from reader.postprocess import whole_characters

LEAST = 0.005  # less is not drawn
TOP = 3  # words named for the start and for the end
AROUND = 12  # characters shown to both sides of a named word, at least


@dataclass(frozen=True, slots=True)
class _Word:
    """The characters of a token, or of several that share some; offsets in the window's text."""

    start: int
    end: int
    begins: float
    ends: float


def heat(text: str, tokens: TokenProbabilities, offset: int) -> str:
    """The window's text with both probabilities at every token, and the likeliest starts and ends in two tables.

    ``text`` is the whole text from ``offset`` on, at least to the window's end.
    """
    text = text[: tokens.end - offset]
    words = _words(text, tokens, offset)
    starts, ends = _top(words, _begins), _top(words, _ends)
    named = {*starts, *ends}
    drawn, place = [], 0
    for word in words:
        if max(word.begins, word.ends) < LEAST and word not in named:
            continue
        drawn.append(escaped(text[place : word.start]))
        drawn.append(_drawn(word, text, word in named))
        place = word.end
    drawn.append(escaped(text[place:]))
    return (
        '<div class="heat"><p class="heat-legend quiet"><span class="begins">over a word: it begins here</span> '
        '<span class="ends">under it: it ends here</span> <span>the taller, the likelier</span></p>'
        f'<div class="heat-tables">{_table("Likeliest beginnings", starts, text, tokens.null_start, _begins)}'
        f"{_table('Likeliest ends', ends, text, tokens.null_end, _ends)}</div>"
        f'<div class="heat-text reading-text" dir="auto" data-start="{offset}">{"".join(drawn)}</div></div>'
    )


def _begins(word: _Word) -> float:
    return word.begins


def _ends(word: _Word) -> float:
    return word.ends


def _words(text: str, tokens: TokenProbabilities, offset: int) -> list[_Word]:
    """Tokens as characters to draw: whole ones, so what several tokens spell together (an emoji) is drawn once."""
    words: list[_Word] = []
    for (first, last), begins, ends in zip(
        tokens.offsets.tolist(), tokens.starts.tolist(), tokens.ends.tolist(), strict=True
    ):
        start, end = whole_characters(text, first - offset, last - offset)
        if words and start < words[-1].end:
            before = words.pop()
            start, end = min(start, before.start), max(end, before.end)
            begins, ends = begins + before.begins, ends + before.ends
        if start < end:
            words.append(_Word(start, end, begins, ends))
    return words


def _top(words: Sequence[_Word], share: Callable[[_Word], float]) -> list[_Word]:
    return sorted(words, key=lambda word: (-share(word), word.start))[:TOP]


def _drawn(word: _Word, text: str, named: bool) -> str:
    says = f"begins {percent(word.begins)} · ends {percent(word.ends)}"
    style = f"--begins:{word.begins:.2f};--ends:{word.ends:.2f}"
    focus = ' tabindex="0"' if named else ""
    return f'<b style="{style}" data-says="{says}"{focus}>{escaped(text[word.start : word.end])}</b>'


def _table(title: str, words: Sequence[_Word], text: str, null: float, share: Callable[[_Word], float]) -> str:
    rows = [(share(word), _in_place(word, text)) for word in words]
    rows.append((null, "no answer"))
    rows.sort(key=lambda row: -row[0])
    body = "".join(
        f'<tr><td dir="auto">{says}</td><td class="number">{percent(value)}</td></tr>' for value, says in rows
    )
    return f'<table class="plain"><caption>{title}</caption><tbody>{body}</tbody></table>'


def _in_place(word: _Word, text: str) -> str:
    """A word among its neighbours, which tell it from others like it."""
    around = surroundings(text, word.start, word.end, reach=AROUND)
    before, after = text[around.start : word.start].lstrip(), text[word.end : around.end].rstrip()
    return (
        f'<span class="quiet">{escape(before)}</span><strong>{escape(text[word.start : word.end])}</strong>'
        f'<span class="quiet">{escape(after)}</span>'
    )
