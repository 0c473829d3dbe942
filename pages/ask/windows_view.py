"""The windows of a reading as HTML: drawn over the text as bars that overlap, and the best of them in a table.

A reader sees a long text through windows, and their best spans compete by score. A bar is filled as high as its best
span's score stands between the lowest and the highest, so that the winner is the tallest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from pages.phrases import MARGIN, signed, tip
from reader.postprocess import WindowReading

BARS = 36  # in one strip; more windows are pooled, and the pool that is looked at has a strip of its own
MOST_LANES = 3
TOP = 8  # windows in the table
LOWEST = 0.12  # of a bar's height: the fill of the lowest score

WON = '<span class="won-mark">◆</span>'
NULL_SCORE = (
    "The score (logit sum) of “no answer” in this window. A window without the answer rightly says so, "
    "so the smallest of all windows counts."
)
SCORE = "Start logit + end logit of the best span. The windows' best spans compete by it."


@dataclass(frozen=True, slots=True)
class _Bar:
    """Neighbouring windows drawn as one bar; mostly a single one."""

    windows: Sequence[WindowReading]

    @property
    def start(self) -> int:
        return self.windows[0].start

    @property
    def end(self) -> int:
        return max(window.end for window in self.windows)

    @property
    def best(self) -> WindowReading:
        return max(self.windows, key=lambda window: (window.won, window.score))

    def holds(self, index: int) -> bool:
        return self.windows[0].index <= index <= self.windows[-1].index


def first_look(windows: Sequence[WindowReading]) -> int:
    """The window to look at first: the winner, or window 0 where no window found a span."""
    return next((window.index for window in windows if window.won), 0)


def windows_map(windows: Sequence[WindowReading], length: int, chosen: int) -> str:
    """The windows over a text of ``length`` characters; every bar and step is a button ``data-window="index"``.

    ``data-place`` is the offset of what to look at there: the window's best span.
    """
    if not windows:
        return ""
    bars = _bars(windows)
    strips = _strip(bars, 0, length, chosen, windows)
    if len(bars) < len(windows):
        near = next(bar for bar in bars if bar.holds(chosen))
        close = [_Bar([window]) for window in near.windows]
        first, last = near.windows[0].index + 1, near.windows[-1].index + 1
        strips += f'<p class="quiet">Windows {first:,} to {last:,}, one by one</p>'
        strips += _strip(close, near.start, near.end, chosen, windows)
    return (
        f'<div class="windows"><p class="windows-says">{_summary(windows)}</p>{strips}'
        f"{_steps(windows, windows[chosen])}</div>"
    )


def windows_table(windows: Sequence[WindowReading], chosen: int) -> str:
    """The windows with the best spans, and the one that is looked at, which is set off."""
    ranked = sorted(windows, key=lambda window: (not window.won, -window.score, window.index))
    shown = ranked[:TOP]
    if all(window.index != chosen for window in shown):
        shown.append(windows[chosen])
    rows = "".join(_row(window, window.index == chosen) for window in shown)
    caption = "The windows with the best spans" if len(windows) > TOP else "The windows, the best span first"
    head = (
        '<th scope="col">Window</th><th scope="col">Its best span</th>'
        f'<th scope="col" class="number">{tip("Score", SCORE)}</th>'
        f'<th scope="col" class="number">{tip("No answer", NULL_SCORE)}</th>'
        f'<th scope="col" class="number">{tip("Margin", MARGIN)}</th>'
        '<th scope="col" class="number">Characters</th>'
    )
    return (
        '<div class="wide" role="region" tabindex="0" aria-label="Windows">'
        f'<table class="plain windows-table"><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _bars(windows: Sequence[WindowReading]) -> list[_Bar]:
    size = math.ceil(len(windows) / BARS)
    return [_Bar(windows[first : first + size]) for first in range(0, len(windows), size)]


def _strip(bars: Sequence[_Bar], begin: int, end: int, chosen: int, windows: Sequence[WindowReading]) -> str:
    scores = [window.score for window in windows if window.best]
    low, high = (min(scores), max(scores)) if scores else (0.0, 0.0)
    lanes, length = _lanes(bars), max(end - begin, 1)
    drawn = []
    for number, bar in enumerate(bars):
        best = bar.best
        share = (best.score - low) / (high - low) if best.best and high > low else 1.0
        level = LOWEST + (1 - LOWEST) * share if best.best else 0.0
        kinds = ["bar", *(["won"] if best.won else []), *(["chosen"] if bar.holds(chosen) else [])]
        style = (
            f"--from:{(bar.start - begin) / length:.4f};--wide:{(bar.end - bar.start) / length:.4f};"
            f"--lane:{number % lanes};--level:{level:.2f}"
        )
        says = escape(_bar_says(bar))
        drawn.append(
            f'<button type="button" class="{" ".join(kinds)}" style="{style}" {_leads_to(best)} '
            f'aria-pressed="{str(bar.holds(chosen)).lower()}" title="{says}" aria-label="{says}">'
            f"{WON if best.won else ''}</button>"
        )
    return (
        f'<div class="strip" role="group" aria-label="Windows" style="--lanes:{lanes}">{"".join(drawn)}</div>'
        f'<p class="ruler quiet"><span>character {begin:,}</span><span>{end:,}</span></p>'
    )


def _lanes(bars: Sequence[_Bar]) -> int:
    """As many lanes as bars lie over each other, up to three."""
    for lanes in range(1, MOST_LANES):
        if all(one.end <= other.start for one, other in zip(bars, bars[lanes:], strict=False)):
            return lanes
    return MOST_LANES


def _summary(windows: Sequence[WindowReading]) -> str:
    if len(windows) == 1:
        return "The whole text fits into one window: the reader saw all of it at once."
    shared = sum(one.end > other.start for one, other in pairwise(windows))
    overlap = ", each overlapping the next" if shared == len(windows) - 1 else ""
    winner = [window.index + 1 for window in windows if window.won]
    quiet = min(windows, key=lambda window: window.null_score)
    won = f" {WON} The reader’s best span is from window {winner[0]:,}." if winner else ""
    return (
        f"The reader saw the text through {len(windows):,} windows{overlap}. The taller the fill, the higher the score "
        f"of its best span.{won} “No answer” counts with its smallest score, {_score(quiet.null_score)} in window "
        f"{quiet.index + 1:,}."
    )


def _steps(windows: Sequence[WindowReading], look: WindowReading) -> str:
    count = len(windows)
    facts = f'<p class="facts">{escape(_says(look))}</p>'
    title = f"<b>Window {look.index + 1:,} of {count:,}</b>"
    if count == 1:
        return f'<div class="window-steps"><p>{title}</p></div>{facts}'
    back, on = windows[(look.index - 1) % count], windows[(look.index + 1) % count]
    return (
        f'<div class="window-steps"><button type="button" class="small" {_leads_to(back)}>Previous</button>'
        f'<p aria-live="polite">{title}</p>'
        f'<button type="button" class="small" {_leads_to(on)}>Next</button></div>{facts}'
    )


def _row(window: WindowReading, looked_at: bool) -> str:
    span = f'<span dir="auto">{escape(_shortened(window.best.text))}</span>' if window.best else "none"
    won = f"{WON} won: " if window.won else ""
    name = f"Window {window.index + 1:,}"
    return (
        f"<tr{' class=said aria-current=true' if looked_at else ''}>"
        f'<td><button type="button" class="small" {_leads_to(window)} aria-label="{name}">{window.index + 1:,}</button>'
        f"</td><td>{won}{span}</td>"
        f'<td class="number">{_score(window.score)}</td><td class="number">{_score(window.null_score)}</td>'
        f'<td class="number">{_margin(window)}</td>'
        f'<td class="number">{window.start:,}–{window.end:,}</td></tr>'
    )


def _leads_to(window: WindowReading) -> str:
    place = window.best.start if window.best else window.start
    return f'data-window="{window.index}" data-place="{place}"'


def _bar_says(bar: _Bar) -> str:
    best = bar.best
    if len(bar.windows) == 1:
        return f"Window {best.index + 1:,}: {_says(best)}"
    first, last = bar.windows[0].index + 1, bar.windows[-1].index + 1
    return f"Windows {first:,} to {last:,}; the best of them is window {best.index + 1:,}: {_says(best)}"


def _says(window: WindowReading) -> str:
    stretch = f"characters {window.start:,} to {window.end:,}"
    if window.best is None:
        return f"{stretch} · no span · no answer {_score(window.null_score)}"
    won = " · the reader’s best span" if window.won else ""
    return (
        f"{stretch} · best span “{_shortened(window.best.text)}” · score {_score(window.score)} · "
        f"no answer {_score(window.null_score)} · margin {_margin(window)}{won}"
    )


def _margin(window: WindowReading) -> str:
    return signed(window.null_score_diff) if window.best else "–"


def _score(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if math.isfinite(value) else "–"


def _shortened(text: str, longest: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
