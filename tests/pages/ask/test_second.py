"""Two readers on one question: how they differ is said, and both answers are marked at their places."""

from __future__ import annotations

import pytest

from pages.ask.asking import ask
from pages.ask.second import agreement, beside
from pages.ask.verdict import Asked
from reader.postprocess import Span
from tests.pages.ask.test_tab import answer_of, shelf_with

TEXT = "Rouen, then Lyon, then Rouen & <b>Lyon</b> again."
FIRST, LAST = TEXT.index("Rouen"), TEXT.rindex("Rouen")


def asked(start: int, end: int, name: str, threshold: float | None = None) -> Asked:
    shelf, _ = shelf_with(answer_of(Span(start, end, TEXT[start:end], 3.0, 0.7)))
    return ask(shelf, name, "Which?", TEXT, threshold)


@pytest.mark.parametrize(
    ("other", "threshold", "sentence"),
    [
        ((FIRST, FIRST + 5), None, "Both give the same words at the same place."),
        ((LAST, LAST + 5), None, "Both give the same words, at different places"),
        ((FIRST, FIRST + 16), None, "Both point to the same place, with other bounds."),
        ((12, 16), None, "They answer with different places"),
        ((12, 16), -9.0, "two says that the text does not answer it; one answers."),
    ],
)
def test_how_two_readers_differ(other: tuple[int, int], threshold: float | None, sentence: str) -> None:
    assert agreement(asked(FIRST, FIRST + 5, "one"), asked(*other, "two", threshold)).startswith(sentence)


def test_two_that_are_silent_agree() -> None:
    both = asked(0, 5, "one", -9.0), asked(12, 16, "two", -9.0)
    assert agreement(*both) == "Both say that the text does not answer it."
    assert "<mark" not in beside(*both, TEXT)


def test_both_answers_are_marked_in_the_text_which_stays_text() -> None:
    html = beside(asked(LAST, LAST + 5, "one"), asked(12, 16, "two"), TEXT)
    assert html.count('class="predicted"') == 2 and html.count('class="compared"') == 2, "and in the legend"
    assert "<b>" not in html and "&lt;b&gt;" in html
    assert html.count("stretch") == 1, "they are near"


def test_answers_far_apart_are_shown_each_by_itself() -> None:
    text = "Rouen " + "word " * 5_000 + "Lyon"
    end = len(text)
    readers = []
    for span in (Span(0, 5, "Rouen", 3.0, 0.7), Span(end - 4, end, "Lyon", 3.0, 0.7)):
        shelf, _ = shelf_with(answer_of(span))
        readers.append(ask(shelf, "embedded", "Where?", text, None))
    html = beside(readers[0], readers[1], text)
    assert html.count("stretch") == 2 and len(html) < 4_000
