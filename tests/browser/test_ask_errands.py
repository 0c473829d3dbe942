"""Whole errands on the Ask tab, with the reader that ships and from a person's first click to what they wanted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Page, expect

from reader.examples import Gold
from reader.teaching import add_question
from tests.browser.conftest import App
from tests.browser.hand_made_reader import make
from tests.made_pdf import make_pdf

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OpenPage = Callable[..., Page]

PAGE = """The old lighthouse of Skerry Point

The lighthouse was built in 1861 by the engineer Agnes Dunmore, after two ships had been lost on the rocks below.
Its lamp burned rapeseed oil until 1904, when it was replaced by a paraffin burner; electricity came in 1957.
The tower is 31 metres high and has 164 steps. Three families lived beside it until the light became automatic in 1988.
Today the keepers' cottages are a small museum, which is open from April to October."""


ANSWERED = """asked => {
    const entry = document.querySelector("#ask-entry [data-entry]")?.dataset.entry;
    return entry && JSON.parse(entry).question === asked;
}"""


def ask(page: Page, question: str) -> None:
    page.get_by_label("Question", exact=True).fill(question)
    page.get_by_label("Question", exact=True).press("Enter")
    page.wait_for_function(ANSWERED, arg=question)
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    expect(page.locator("#ask-verdict .says")).to_be_visible()


def says(page: Page) -> str:
    return page.locator("#ask-verdict .says span").first.inner_text()


def test_a_pasted_page_three_questions_a_threshold_and_the_link(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    page.get_by_role("button", name="Edit text").click()
    page.get_by_placeholder("Paste the text to read here").fill(PAGE)
    ask(page, "Who built the lighthouse?")
    assert "Agnes Dunmore" in says(page)
    ask(page, "Who wrote the opera about the lighthouse?")
    assert says(page) == "Not answerable from this text"
    ask(page, "How many steps does the tower have?")
    assert "164" in says(page)

    margin = page.locator("#ask-verdict .facts").last.inner_text()
    found = re.search(r"([−+]\d+\.\d+)", margin)
    assert found is not None
    below = float(found[1].replace("−", "-")) - 0.5
    page.locator("#ask-threshold input[type=range]").fill(str(round(below, 2)))
    expect(page.locator("#ask-verdict .says")).to_contain_text("Not answerable from this text")
    expect(page.locator("#ask-reading mark")).to_have_count(0)

    page.get_by_role("button", name="Copy link").click()
    link = page.get_by_label("Link to what is asked here")
    expect(link).to_have_value(re.compile("^http"))
    somebody = open_page(**dict(parse_qsl(urlsplit(link.input_value()).query)))
    expect(somebody.locator("#ask-reading .reading-text")).to_have_text(PAGE, use_inner_text=False)
    somebody.get_by_role("button", name="Ask", exact=True).click()
    expect(somebody.locator("#ask-verdict .says")).to_contain_text("Not answerable from this text")
    somebody.get_by_role("button", name="Back to the reader's own threshold").click()
    expect(somebody.locator("#ask-verdict .says")).to_contain_text("164")


def test_a_pdf_of_forty_pages_and_the_window_that_answered(open_page: OpenPage, tmp_path: Path) -> None:
    filler = "The harbour book of that year lists the ships, their masters and the weather on each day. " * 25
    pages = [f"Chapter {number}. {filler}" for number in range(1, 41)]
    pages[26] = f"{filler}\n{PAGE}\n{filler}"
    file = tmp_path / "harbour.pdf"
    file.write_bytes(make_pdf(pages))

    page = open_page()
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    page.locator("#ask-text-head input[type=file]").set_input_files(file)
    expect(page.locator("#ask-verdict")).to_contain_text("harbour.pdf")
    expect(page.locator("#ask-verdict")).to_contain_text("40 pages")
    ask(page, "Who built the lighthouse?")
    assert "Agnes Dunmore" in says(page)
    expect(page.locator("#ask-verdict")).to_contain_text("page 27 of 40")
    expect(page.locator("#ask-reading mark.predicted")).to_be_in_viewport()

    told = page.locator("#ask-verdict").inner_text()
    found = re.search(r"window (\d+) of (\d+)", told)
    assert found is not None and int(found[2]) > 40
    page.get_by_role("tab", name="Windows").click()
    drawn = page.locator("#windows-drawn")
    expect(drawn).to_contain_text(re.compile(rf"\b{found[1]}\b"))
    drawn.locator("button[data-window]").first.click()
    expect(page.locator("#ask-reading mark.window").first).to_be_visible()


def ticket(number: int) -> tuple[str, Gold]:
    """A text in a workshop's own manner, and the part that it says is on order."""
    part = f"VX-{300 + 11 * number}"
    text = (
        f"Ticket {400 + 7 * number}. Ada wrote on Monday that the pump in hall {number + 1} leaks. "
        f"The valve was closed at {6 + number} o'clock; part {part} is on order."
    )
    return text, Gold(part, text.index(part))


def test_a_wrong_answer_is_marked_trained_on_and_right_then(open_page: OpenPage, running_app: App) -> None:
    question, (text, gold) = "What has to be ordered?", ticket(0)
    page = open_page(question=question, context=text)
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    ask(page, question)
    assert says(page) == "Not answerable from this text", "the wrong answer"

    page.get_by_role("tab", name="Teach").click()
    page.locator("#teach-answer").get_by_label("The right answer").fill(gold.text)
    box = page.get_by_role("combobox", name="Set, or a new name")
    box.click()
    box.press_sequentially("tickets")
    box.press("Enter")
    page.get_by_role("button", name="Add to the set").click()
    expect(page.locator("#teach-says")).to_contain_text("“tickets”")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("READER_HOME", str(running_app.home))
        for number in range(1, 10):  # nine more of the kind
            add_question("tickets", question, *ticket(number))

    page.goto(running_app.link(tab="train", data="sets/tickets.json"))
    expect(page.locator("#data-check")).to_contain_text("10 questions")
    page.locator("#train-form").get_by_text("steps", exact=True).click()
    page.get_by_label("How long").fill("30")
    expect(page.locator("#command textarea")).to_have_value(re.compile(r"sets/tickets\.json[\s\S]*--max-steps 30\b"))
    page.locator("#train-button").click()
    expect(page.locator("#job .state")).to_contain_text("Finished", timeout=240_000)

    page.get_by_role("link", name="Ask it").click()
    expect(page.get_by_role("combobox", name=re.compile("^Reader"))).not_to_have_value("embedded")
    page.get_by_role("button", name="Edit text").click()
    page.get_by_placeholder("Paste the text to read here").fill(text)
    ask(page, question)
    assert says(page).rstrip(".") == gold.text


def test_two_readers_that_differ(open_page: OpenPage, running_app: App) -> None:
    """One loves the word "Rouen", the other reads."""
    make(running_app.home / "jobs/loves-rouen/reader")
    page = open_page(question="Where does Ada live?", context="Ada was born in Rouen. She lives in Turin.")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    ask(page, "Where does Ada live?")
    assert says(page).rstrip(".") in ("Turin", "in Turin")
    page.get_by_role("tab", name="Second reader").click()
    picker = page.get_by_role("combobox", name="Second reader")
    picker.fill("jobs/loves-rouen/reader")
    picker.press("Enter")
    expect(page.locator("#second-shown .agreement")).to_have_text("They answer with different places of the text.")
    cards = page.locator("#second-shown .second-card")
    expect(cards.nth(0)).to_contain_text("Turin")
    expect(cards.nth(1)).to_contain_text("Rouen")
    expect(page.locator("#second-shown .stretch mark.compared")).to_have_text("Rouen")
    expect(page.locator("#second-shown .stretch mark.predicted")).to_contain_text("Turin")
