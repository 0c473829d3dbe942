"""The windows as bars and as a table: all can be reached, the winner is told by a shape and a word, nothing escapes."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from pages.ask.windows_view import BARS, TOP, first_look, windows_map, windows_table
from reader.postprocess import Span, WindowReading

WIDE, STEP = 1700, 1100  # characters


def windows(count: int, won: int = 1, text: str = "in 1843") -> tuple[WindowReading, ...]:
    """Windows that overlap; the winner's score is 20, the others' fall from 10 on."""
    made = []
    for index in range(count):
        start = index * STEP
        score = 20.0 if index == won else 10.0 - index / 100
        best = Span(start + 5, start + 5 + len(text), text, score, 0.5)
        made.append(WindowReading(index, start, start + WIDE, best, 8.0 - index / 100, index == won))
    return tuple(made)


class Buttons(HTMLParser):
    """The buttons of a drawing: their attributes, and the text in each."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "button":
            self.found.append({name: value or "" for name, value in attrs})

    def bars(self) -> list[dict[str, str]]:
        return [button for button in self.found if "bar" in button["class"].split()]


def style(bar: dict[str, str]) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"--([a-z]+):([\d.]+)", bar["style"])}


def test_bars_lie_over_the_text_as_the_windows_do() -> None:
    length = 4 * STEP + WIDE
    bars = Buttons(windows_map(windows(5), length, 1)).bars()
    assert [bar["data-window"] for bar in bars] == ["0", "1", "2", "3", "4"]
    for index, bar in enumerate(bars):
        drawn = style(bar)
        assert drawn["from"] == pytest.approx(index * STEP / length, abs=1e-4)
        assert drawn["wide"] == pytest.approx(WIDE / length, abs=1e-4)
    lanes = [style(bar)["lane"] for bar in bars]
    assert all(one != other for one, other in itertools.pairwise(lanes))


def test_windows_that_overlap_by_more_than_half_get_a_third_lane() -> None:
    close = [replace(window, end=window.start + 3 * STEP) for window in windows(6)]
    bars = Buttons(windows_map(close, close[-1].end, 1)).bars()
    assert {style(bar)["lane"] for bar in bars} == {0.0, 1.0, 2.0}


def test_the_winner_is_the_tallest_and_told_by_shape_and_word() -> None:
    html = windows_map(windows(5, won=3), 5 * STEP, 0)
    bars = Buttons(html).bars()
    assert max(bars, key=lambda bar: style(bar)["level"])["data-window"] == "3"
    assert [bar["data-window"] for bar in bars if "won" in bar["class"].split()] == ["3"]
    assert "is from window 4" in html and html.count("◆") == 2  # on its bar, and in the sentence
    assert "the reader’s best span" in bars[3]["aria-label"]


def test_a_bar_tells_its_figures() -> None:
    says = Buttons(windows_map(windows(3), 5000, 0)).bars()[2]["aria-label"]
    assert says == (
        "Window 3: characters 2,200 to 3,900 · best span “in 1843” · score 9.98 · no answer 7.98 · margin −2.00"
    )


def test_the_smallest_null_score_is_named() -> None:
    assert "its smallest score, 7.96 in window 5" in windows_map(windows(5), 9000, 0)


@pytest.mark.parametrize("count", [BARS + 1, 190, 1224])
def test_many_windows_are_pooled_and_the_chosen_pool_is_drawn_by_itself(count: int) -> None:
    many = windows(count, won=count // 2)
    chosen = count - 1
    html = windows_map(many, many[-1].end, chosen)
    overview, close = html.split("one by one")
    pools = Buttons(overview).bars()
    assert len(pools) <= BARS
    assert str(count // 2) in [pool["data-window"] for pool in pools], "a pool leads to its best window"
    near = [int(bar["data-window"]) for bar in Buttons(close).bars()]
    assert near == list(range(near[0], count)) and 1 <= len(near) <= BARS
    assert len(html) + len(windows_table(many, chosen)) < 100_000


def test_every_window_can_be_reached_by_steps() -> None:
    many = windows(7)
    at, seen = 0, []
    for _ in many:
        steps = [one for one in Buttons(windows_map(many, 9000, at)).found if "bar" not in one["class"].split()]
        at = int(steps[1]["data-window"])
        seen.append(at)
    assert sorted(seen) == list(range(7))


def test_the_table_holds_the_best_and_the_chosen() -> None:
    many = windows(100, won=50)
    rows = [int(button["data-window"]) for button in Buttons(windows_table(many, 77)).found]
    assert rows == [50, *range(TOP - 1), 77]
    assert windows_table(many, 77).count("aria-current") == 1
    assert [int(button["data-window"]) for button in Buttons(windows_table(many, 50)).found] == rows[:TOP]


def test_where_no_window_has_a_span_nothing_wins() -> None:
    silent = [replace(window, best=None, won=False) for window in windows(3)]
    html = windows_map(silent, 5000, 0) + windows_table(silent, 0)
    assert "◆" not in html and "no span" in html and "inf" not in html
    assert first_look(silent) == 0
    assert first_look(windows(3, won=2)) == 2


def test_one_window_says_that_the_reader_saw_all() -> None:
    html = windows_map(windows(1, won=0), WIDE, 0)
    assert "saw all of it at once" in html and "Next" not in html
    assert windows_map((), 0, 0) == ""


def test_hostile_spans_stay_text() -> None:
    text = "\"><script>alert('x')</script>\r\n👩‍👩‍👧 أفشنة"
    html = windows_map(windows(3, text=text), 5000, 0) + windows_table(windows(3, text=text), 0)
    buttons = Buttons(html)
    assert "script" not in buttons.tags
    assert "<script>alert('x')</script> 👩‍👩‍👧 أفشنة" in buttons.bars()[0]["title"]
