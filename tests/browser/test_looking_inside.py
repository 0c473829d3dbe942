"""The sections Windows and Inside in a browser: drawn as answers come, and where the reader looks when asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE

pytestmark = pytest.mark.browser

QUESTION = "When were the Normans in Normandy?"
# The article's own example, and what it says that its reader answers: "10th and 11th centuries gave".
TEXT = "The Normans were the people who in the 10th and 11th centuries gave their name to Normandy, a region in France."
FILLER = "The kettle holds 1.7 litres. Never open its lid while it boils, and do not fill it above the mark. " * 30


def ask(page: Page) -> None:
    page.locator("#ask-button:not([disabled])").click()
    expect(page.locator("#ask-verdict .verdict.yes")).to_be_visible(timeout=PATIENCE)


def open_section(page: Page, name: str) -> None:
    page.locator("#ask-sections").get_by_role("tab", name=name).click()


def test_windows_are_drawn_and_one_of_them_is_looked_into(open_page: Callable[..., Page]) -> None:
    page = open_page(width=390, tab="ask", question=QUESTION, context=f"{FILLER}{TEXT}")
    open_section(page, "Windows")
    ask(page)
    drawn = page.locator("#windows-drawn")
    won = drawn.locator(".bar.won")
    expect(won).to_have_attribute("aria-pressed", "true", timeout=PATIENCE)
    assert "11th centuries" in (won.get_attribute("aria-label") or "")
    page.locator("#windows-look").click()
    ends = page.locator("#windows-looked table").nth(1)
    expect(ends.locator("tr").first).to_contain_text("centuries", timeout=PATIENCE)
    drawn.get_by_role("button", name="Next").click()
    expect(page.locator("#windows-looked .heat")).to_have_count(0)
    expect(drawn.get_by_role("button", name="Next")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_both_labelings_stand_beside_each_other(open_page: Callable[..., Page]) -> None:
    page = open_page(tab="ask", question=QUESTION, context=TEXT)
    ask(page)
    open_section(page, "Inside")
    quotes = page.locator("#inside-drawn .inside-recipe .says q")
    expect(quotes).to_have_count(2, timeout=PATIENCE)
    page.locator("#inside-gold input, #inside-gold textarea").fill("10th and 11th centuries")
    page.keyboard.press("Enter")
    expect(quotes.first).to_have_text("10th and 11th centuries", timeout=PATIENCE)
    expect(quotes.last).to_have_text("10th and 11th centuries gave")
    page.locator("#inside-gold input, #inside-gold textarea").fill("Normanby")
    page.keyboard.press("Enter")
    expect(page.locator("#inside-drawn")).to_contain_text("does not stand", timeout=PATIENCE)
