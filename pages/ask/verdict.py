"""An answer as HTML: the verdict, the axis of margins, the n-best readings and the text with its mark.

What is shown is what the reader decided or, after a click on one of its readings, that reading instead.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from html import escape

from pages.highlight import Excerpt, Mark, reading_view, surroundings
from pages.phrases import MARGIN, PROBABILITY, percent, signed, tip
from reader.postprocess import Answer, Span, WindowReading

READINGS = 6  # spans shown beside the answer
WIDEST = 10.0  # the ends of the threshold's slider, unless a margin lies beyond them

NOT_ANSWERABLE = -1  # stands among the readings for "not answerable"

_DOT = '<i class="dot"></i> '  # the one on the slider's axis


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked last and what the reader said: all that a new decision needs.

    ``name``: what the page and links call the reader, ``reader`` what people do; ``windows``: what each window of the
    text gave; ``pages``: the offset at which each page of the text begins, if it has any; ``picked``: the reading
    that is looked at instead of the reader's decision, as its index in ``answer.alternatives``, or `NOT_ANSWERABLE`.
    """

    question: str
    digest: bytes  # of the whole text
    excerpt: Excerpt
    answer: Answer
    windows: tuple[WindowReading, ...]
    name: str
    reader: str
    own_threshold: float
    ends: float  # the threshold's slider reaches from −ends to ends
    seconds: float
    pages: tuple[int, ...] = ()
    picked: int | None = None

    def at_threshold(self, threshold: float) -> Asked:
        """Decide again, without the model."""
        return replace(self, answer=self.answer.at_threshold(threshold), picked=None)

    def pick(self, reading: int | None, text: str) -> Asked:
        """Look at another reading of the same text; None goes back to what the reader decided."""
        return replace(self, picked=reading).look_at(text)

    def look_at(self, text: str, place: int | None = None) -> Asked:
        """The same with the text around ``place`` (an offset), or around what is shown."""
        span = self.shown or self.answer.best
        around = (place, place) if place is not None else (span.start, span.end) if span else (0, 0)
        return replace(self, excerpt=surroundings(text, *around))

    @property
    def shown(self) -> Span | None:
        """The span that is shown; None where nothing is answered."""
        if self.picked is None:
            return self.answer.best if self.answer.answered else None
        return None if self.picked == NOT_ANSWERABLE else self.answer.alternatives[self.picked]

    @property
    def margin(self) -> float:
        """The margin of what is shown: null score − its score; the best span's where nothing is answered."""
        span = self.shown or self.answer.best
        return self.answer.null_score - (span.score if span else -math.inf)


def verdict(asked: Asked) -> str:
    """The decision in a line, and the figures that it rests on below it."""
    answer = asked.answer
    if answer.best is None:
        return _verdict("no", "Not answerable from this text", "", ["the text holds no words to answer with"])
    figures = [
        f"{_DOT}{tip('margin', MARGIN)} {signed(asked.margin)}",
        f"read in {_duration(asked.seconds)} ({escape(asked.reader)})",
        *_place(asked),
    ]
    if asked.picked is not None:
        return _picked(asked, figures)
    if answer.answered:
        return _verdict("yes", answer.text, percent(answer.probability), figures)
    closest = f"closest reading: “{escape(_shortened(answer.best.text))}” {percent(answer.best.probability)}"
    share = percent(answer.no_answer_probability)
    return _verdict("no", "Not answerable from this text", share, [closest], figures)


def _picked(asked: Asked, figures: list[str]) -> str:
    answer, span = asked.answer, asked.shown
    said = f"“{escape(_shortened(answer.text))}”" if answer.answered else "not answerable"
    back = f'<button class="small" data-reading="">Back to the reader’s: {said}</button>'
    figures = [*figures, "another reading, picked from the list"]
    if span is None:
        return _verdict("no", "Not answerable from this text", percent(answer.no_answer_probability), figures, [back])
    return _verdict("yes", span.text, percent(span.probability), figures, [back])


def _place(asked: Asked) -> list[str]:
    """Where in a long text the answer was found."""
    page = []
    if asked.pages and asked.shown is not None:
        page = [f"page {bisect_right(asked.pages, asked.shown.start):,} of {len(asked.pages):,}"]
    if len(asked.windows) < 2:
        return page
    won = [window.index + 1 for window in asked.windows if window.won]
    return [*page, f"window {won[0]:,} of {len(asked.windows):,}" if won else f"{len(asked.windows):,} windows"]


def _verdict(which: str, says: str, share: str, *facts: list[str]) -> str:
    probability = f' <span class="share">{tip(share, PROBABILITY)}</span>' if share else ""
    lines = "".join(f'<p class="facts">{" · ".join(line)}</p>' for line in facts)
    return (
        f'<div class="verdict {which}" role="status">'
        f'<p class="says"><span dir="auto">{escape(says)}</span>{probability}</p>{lines}</div>'
    )


def marked(asked: Asked, window: WindowReading | None = None) -> str:
    """The text with the answer marked, unmarked where nothing is answered; and the stretch that a window sees."""
    span = asked.shown
    marks = [Mark(span.start, span.end, "predicted")] if span else []
    if window is not None:
        marks.append(Mark(window.start, window.end, "window"))
    return reading_view(asked.excerpt, marks, with_ways=True)


def plain(context: str, place: int = 0) -> str:
    """The text before anybody asked, around an offset of it."""
    return reading_view(surroundings(context, place, place), with_ways=True) if context.strip() else ""


def slider_ends(*values: float) -> float:
    """How far the slider reaches to both sides of 0, so that margin and thresholds lie inside: 10, 15, 20 …"""
    furthest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return max(WIDEST, 5.0 * math.ceil((furthest + 1) / 5))


def scale(asked: Asked) -> str:
    """The axis of margins over the slider, with the margin of what is shown as a dot on it."""
    if asked.answer.best is None:
        return ""
    share = min(1.0, (asked.margin + asked.ends) / (2 * asked.ends))
    return (
        '<div class="scale"><span>answer</span><span>not answerable</span>'
        f'<i class="dot" style="--at: {share:.4f}" title="margin {signed(asked.margin)}"></i></div>'
    )


def readings(asked: Asked) -> str:
    """The n-best spans and "not answerable", the likeliest first, each to be looked at; what is shown is set off."""
    answer = asked.answer
    shown = asked.shown
    rows = [
        (span.probability, str(index), escape(_shortened(span.text)), span == shown)
        for index, span in enumerate(answer.alternatives[:READINGS])
    ]
    rows.append((answer.no_answer_probability, str(NOT_ANSWERABLE), "not answerable", shown is None))
    rows.sort(key=lambda row: -row[0])
    body = "".join(
        f"<tr{' class=said' if said else ''}>"
        f'<td><button class="choose" data-reading="{reading}" aria-pressed="{str(said).lower()}" dir="auto">'
        f'{text}</button></td><td class="number">{percent(share)}</td></tr>'
        for share, reading, text, said in rows
    )
    return (
        '<table class="readings"><caption>Readings, the likeliest first</caption>'
        f'<thead><tr><th scope="col">Reading</th><th scope="col" class="number">{tip("Probability", PROBABILITY)}</th>'
        f"</tr></thead><tbody>{body}</tbody></table>"
    )


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.0f}\u00a0ms" if seconds < 1 else f"{seconds:.1f}\u00a0s"


def _shortened(text: str, longest: int = 90) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
