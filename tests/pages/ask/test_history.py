"""What the browser keeps of a question, and what may come back from it."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest

from pages.ask.asking import ask
from pages.ask.history import LONGEST_KEPT, entry, read_draft, reopened
from tests.pages.ask.test_tab import CONTEXT, THIRD_PARIS, shelf_with


def kept(text: str, chosen: float | None = None) -> dict[str, Any]:
    shelf, _ = shelf_with(THIRD_PARIS)
    asked = ask(shelf, "embedded", 'Which "Paris"?', text, chosen, name="jobs/1/reader")
    found = re.search(r'data-entry="([^"]*)"', entry(asked, chosen, text))
    assert found is not None
    return json.loads(unescape(found[1]))  # type: ignore[no-any-return]


def test_an_entry_opens_as_it_was_asked() -> None:
    noted = kept(CONTEXT, -1.5)
    assert (noted["says"], noted["label"]) == ("Paris", "embedded")
    opening = reopened(json.dumps(noted))
    assert opening is not None
    assert (opening.question, opening.context) == ('Which "Paris"?', CONTEXT)
    assert (opening.reader, opening.threshold, opening.hint) == ("jobs/1/reader", -1.5, "")


def test_a_text_that_is_too_long_is_not_kept_and_that_is_said() -> None:
    noted = kept(CONTEXT + " " * LONGEST_KEPT)
    assert noted["context"] == ""
    opening = reopened(json.dumps(noted))
    assert opening is not None and "too long to keep" in opening.hint


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"question"', "{}", '{"question": 3}', '{"question": ""}', "[" * 100_000, None, 7, ["a"]],
)
def test_what_is_no_entry_changes_nothing(text: object) -> None:
    assert reopened(text) is None


@pytest.mark.parametrize(
    "strange", [{"threshold": "high"}, {"threshold": 1e999}, {"reader": 5}, {"context": {}}, {"threshold": True}]
)
def test_a_strange_value_counts_as_none(strange: dict[str, Any]) -> None:
    opening = reopened(json.dumps({"question": "Who?"} | strange))
    assert opening is not None
    assert (opening.threshold, opening.reader, opening.context) == (None, "embedded", "")


def test_a_draft_may_have_no_question_yet() -> None:
    draft = read_draft(json.dumps({"question": "", "context": "In Rouen.", "linked": "[]"}))
    assert draft is not None and draft.context == "In Rouen."
    assert read_draft("") is None and read_draft(json.dumps({"reader": "embedded"})) is None
