"""Links: what one carries is what it opens with, and what is too long for one is said."""

from __future__ import annotations

from html import unescape
from urllib.parse import parse_qsl

import pytest

from pages.ask.links import LONGEST_ADDRESS, link_shown, link_to, open_with
from reader.examples import Example, Gold

EXAMPLES = [
    Example("a", "Where?", "In Rouen.", (Gold("Rouen", 3),)),
    Example("b", "When?", "In Rouen."),
]


def test_the_page_opens_on_an_example() -> None:
    opening = open_with({}, EXAMPLES)
    assert (opening.question, opening.context, opening.example) == ("Where?", "In Rouen.", "a")


def test_a_link_reproduces_question_text_reader_and_threshold() -> None:
    link = {"question": "Wer? 👩‍👩‍👧", "context": "a\r\nb", "reader": "jobs/1/reader", "threshold": "-1.5"}
    opening = open_with(link, EXAMPLES)
    assert (opening.question, opening.context) == ("Wer? 👩‍👩‍👧", "a\r\nb")
    assert (opening.reader, opening.threshold, opening.example) == ("jobs/1/reader", -1.5, None)


def test_a_link_with_a_text_that_is_too_long_says_so() -> None:
    opening = open_with({"question": "Why?", "context": "x" * 6000}, EXAMPLES)
    assert opening.context == "In Rouen." and "6,000" in opening.hint


@pytest.mark.parametrize("threshold", ["abc", "nan", "inf", "1,5"])
def test_a_link_with_a_bad_threshold_says_so(threshold: str) -> None:
    opening = open_with({"threshold": threshold}, EXAMPLES)
    assert opening.threshold is None and "is not a number" in opening.hint


@pytest.mark.parametrize("text", ["a\r\nb\tc", "Wer? 👩‍👩‍👧 & <b>=+%", "مدينة روان", "x" * 5_900])
@pytest.mark.parametrize("threshold", [None, -2.59, 0.0])
def test_a_written_link_opens_on_the_same(text: str, threshold: float | None) -> None:
    link = link_to("Where is it?", text, "jobs/1/reader", threshold)
    assert link.whole
    opening = open_with(dict(parse_qsl(link.query, keep_blank_values=True)), EXAMPLES)
    assert (opening.question, opening.context) == ("Where is it?", text)
    assert (opening.reader, opening.threshold, opening.hint) == ("jobs/1/reader", threshold, "")


@pytest.mark.parametrize("text", ["x" * 6_000, "🥐" * 1_000, "ü" * 2_000])
def test_a_text_that_is_too_long_for_an_address_is_left_out(text: str) -> None:
    link = link_to("Where is it?", text, "embedded", None)
    assert not link.whole and len(link.query) <= LONGEST_ADDRESS
    opening = open_with(dict(parse_qsl(link.query)), EXAMPLES)
    assert (opening.question, opening.context) == ("Where is it?", "")
    assert "paste the text" in opening.hint
    assert "It holds no text" in link_shown(link)


def test_on_a_space_the_link_is_to_the_page_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    link = link_to("Who?", '"><script>', "embedded", None)
    assert 'data-base=""' in link_shown(link)
    monkeypatch.setenv("SPACE_ID", "somebody/readers")
    shown = link_shown(link)
    assert 'data-base="https://huggingface.co/spaces/somebody/readers"' in shown
    assert "<script>" not in unescape(shown), "the text is percent-encoded"
