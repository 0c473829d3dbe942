"""Teach, in a real browser: a wrong answer is corrected with the mouse or the keyboard, kept, and found in Train."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from reader.examples import Gold, load_examples
from tests.browser.conftest import App
from tests.browser.hand_made_reader import make

pytestmark = pytest.mark.browser

QUESTION = "Which town is it about?"
TEXT = "Not Rouen in Texas,\r\nnot Rouen 🥐 elsewhere:\t<b>Rouen</b> & مدينة روان."
READER = "jobs/known/reader"

OpenPage = Callable[..., Page]

# Where words stand on the screen, whatever marks cut them up; by code units of the text as it is read.
PLACE = """([view, start, end]) => {
    const walker = document.createTreeWalker(document.querySelector(`${view} .reading-text`), NodeFilter.SHOW_TEXT);
    const range = document.createRange();
    let before = 0;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const after = before + node.data.length;
        if (before <= start && start < after) range.setStart(node, start - before);
        if (before < end && end <= after) range.setEnd(node, end - before);
        before = after;
    }
    const boxes = range.getClientRects(), first = boxes[0], last = boxes[boxes.length - 1];
    return [first.left + 1, first.top + first.height / 2, last.right - 1, last.top + last.height / 2];
}"""


@pytest.fixture(scope="module", autouse=True)
def known_reader(running_app: App) -> Path:
    folder = running_app.home / READER
    return folder if folder.exists() else make(folder)


def open_teach(open_page: OpenPage, question: str = QUESTION, context: str = TEXT, **more: str) -> Page:
    page = open_page(question=question, context=context, reader=READER, **more)
    expect(page.locator("#ask-reading .reading-text")).to_have_text(context, use_inner_text=False)
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    if page.viewport_size and page.viewport_size["width"] < 600:
        page.locator("#ask-sections .overflow-menu > button").click()
        page.locator("#ask-sections .overflow-dropdown button", has_text="Teach").click()
    else:
        page.locator("#ask-sections").get_by_role("tab", name="Teach").click()
    expect(page.locator("#teach-question")).to_have_text(question)
    return page


def answer(page: Page) -> Locator:
    return page.locator("#teach-answer").get_by_label("The right answer")


def select(page: Page, words: str, text: str = TEXT, view: str = "#ask-reading") -> None:
    """Drag the mouse over the words, as a person does."""
    page.locator(view).scroll_into_view_if_needed()
    start = len(text[: text.index(words)].encode("utf-16-le")) // 2
    end = start + len(words.encode("utf-16-le")) // 2
    left, top, right, bottom = page.evaluate(PLACE, [view, start, end])
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move((left + right) / 2, bottom, steps=4)
    page.mouse.move(right, bottom, steps=4)
    page.mouse.up()


def add_to(page: Page, name: str) -> None:
    box = page.get_by_role("combobox", name="Set, or a new name")
    box.click()
    box.press_sequentially(name)
    box.press("Enter")
    page.get_by_role("button", name="Add to the set").click()
    expect(page.locator("#teach-says")).to_contain_text(f"“{name}”")


def taught(app: App, name: str) -> list[tuple[str, tuple[Gold, ...]]]:
    return [(e.question, e.answers) for e in load_examples(app.home / "sets" / f"{name}.json").examples]


def test_ask_correct_keep_edit_and_find_it_in_train(open_page: OpenPage, running_app: App) -> None:
    page = open_teach(open_page)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#ask-reading mark.predicted")).to_have_count(1)

    # The reader likes the last Rouen; the second is right.
    select(page, "Rouen 🥐")
    expect(answer(page)).to_have_value("Rouen 🥐")
    expect(page.locator("#teach-picked mark")).to_have_text("Rouen 🥐")
    add_to(page, "corrected")
    expect(answer(page)).to_have_value("")
    expect(page.locator("#teach-picked mark")).to_have_count(0)
    start = TEXT.index("Rouen 🥐")
    assert taught(running_app, "corrected") == [(QUESTION, (Gold("Rouen 🥐", start),))]

    page.get_by_role("button", name="corrected").click()
    expect(page.locator("#teach-questions li")).to_have_count(1)
    expect(page.locator("#teach-questions mark.gold")).to_have_text("Rouen 🥐")

    page.get_by_role("button", name=f"Edit: {QUESTION}").click()
    expect(page.locator("#teach-reading mark.gold")).to_have_text("Rouen 🥐")
    select(page, "Texas", view="#teach-reading")
    expect(page.locator("#edit-answer").get_by_label("The right answer")).to_have_value("Texas")
    page.get_by_label("The question", exact=True).fill("Which state is it about?")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#teach-questions li")).to_contain_text("Which state is it about?")
    assert taught(running_app, "corrected") == [("Which state is it about?", (Gold("Texas", TEXT.index("Texas")),))]

    page.get_by_label("Not answerable from this text").first.check()
    add_to(page, "corrected")
    expect(page.locator("#teach-questions li")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "corrected.json"
    squad = json.loads(download.value.path().read_text("utf-8"))
    assert [qa["is_impossible"] for qa in squad["data"][0]["paragraphs"][0]["qas"]] == [False, True]

    page.get_by_role("button", name="Delete: Which state is it about?").click()
    expect(page.get_by_role("button", name="Keep")).to_be_focused()
    page.locator("#teach-delete-now").click()
    expect(page.locator("#teach-questions li")).to_have_count(1)
    assert taught(running_app, "corrected") == [(QUESTION, ())]

    train = open_page(tab="train")
    train.get_by_role("combobox", name="Data: pick some").click()
    train.get_by_role("option", name="corrected").click()
    expect(train.locator("#data-check")).to_contain_text("corrected: 1 question · 100 % not answerable")


def test_a_selection_over_marks_line_breaks_and_other_scripts_counts_code_points(
    open_page: OpenPage, running_app: App
) -> None:
    page = open_teach(open_page)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#ask-reading mark.predicted")).to_have_count(1)
    for words in ("Texas,\r\nnot Rouen 🥐", "<b>Rouen</b> &", "روان"):
        select(page, words)
        expect(page.locator("#teach-picked mark")).to_have_text(re.compile(re.escape(words[:5])))
        picked = page.locator("#teach-picked .picked")
        expect(picked).to_have_attribute("data-start", str(TEXT.index(words)))
        assert picked.locator("mark").evaluate("mark => mark.textContent") == words
        expect(answer(page)).to_have_value(words.replace("\r\n", "\n"))
    add_to(page, "spans")
    select(page, "Texas,\r\nnot")
    expect(answer(page)).to_have_value("Texas,\nnot")
    add_to(page, "spans")
    expect(page.locator("#teach-says")).to_contain_text("has become “Texas, not”")
    assert taught(running_app, "spans") == [(QUESTION, (Gold("Texas,\r\nnot", TEXT.index("Texas")),))]


def test_in_a_part_of_a_long_text_offsets_are_of_the_whole(open_page: OpenPage, running_app: App) -> None:
    page = open_teach(open_page)
    filler = "Lyon 🥐 and Nantes and Lille are towns. " * 1_000
    text = f"{filler}Rouen is in Normandy. {filler}"
    page.get_by_role("button", name="Edit text").click()
    page.locator("#ask-context textarea").fill(text)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#ask-reading mark.predicted")).to_be_in_viewport()
    shown = page.locator("#ask-reading .reading-text").evaluate("text => text.textContent")
    assert len(shown) < len(text)
    select(page, "Normandy", shown)
    expect(answer(page)).to_have_value("Normandy")
    add_to(page, "long")
    assert taught(running_app, "long") == [(QUESTION, (Gold("Normandy", text.index("Normandy")),))]


def test_the_keyboard_is_enough(open_page: OpenPage, running_app: App) -> None:
    page = open_teach(open_page)
    answer(page).focus()
    page.keyboard.insert_text("Rouen")
    expect(page.locator("#teach-which input")).to_have_count(3)
    add = page.get_by_role("button", name="Add to the set")
    add.press("Enter")
    expect(page.locator("#teach-says")).to_contain_text("more than once")
    page.locator("#teach-which input").nth(1).press("Space")
    second = TEXT.index("Rouen 🥐")
    expect(page.locator("#teach-picked .picked")).to_have_attribute("data-start", str(second))
    add_to(page, "typed")
    assert taught(running_app, "typed") == [(QUESTION, (Gold("Rouen", second),))]
    answer(page).fill("Lyon")
    expect(page.locator("#teach-picked")).to_contain_text("does not hold “Lyon”")


def test_the_reader_s_answer_is_taken_for_right(open_page: OpenPage, running_app: App) -> None:
    page = open_teach(open_page)
    right = page.get_by_role("button", name="The reader's answer is right")
    expect(right).to_have_count(0)
    page.get_by_role("button", name="Ask", exact=True).click()
    right.click()
    expect(page.locator("#teach-picked .picked")).to_have_attribute("data-start", str(TEXT.rindex("Rouen")))
    add_to(page, "right")
    page.locator("#ask-threshold input[type=range]").fill("-14")
    expect(page.locator("#ask-verdict .says")).to_contain_text("Not answerable")
    right.click()
    expect(page.locator("#teach-unanswerable input")).to_be_checked()
    add_to(page, "right")
    expect(page.locator("#teach-says")).to_contain_text("“Rouen” has become not answerable")
    assert taught(running_app, "right") == [(QUESTION, ())]


def test_a_text_that_is_being_edited_is_taught_by_typing(open_page: OpenPage, running_app: App) -> None:
    page = open_teach(open_page)
    page.get_by_role("button", name="Edit text").click()
    page.locator("#ask-context textarea").fill("Only Lyon is named here.")
    answer(page).fill("lyon")
    expect(page.locator("#teach-picked mark")).to_have_text("Lyon")
    add_to(page, "edited")
    assert taught(running_app, "edited") == [(QUESTION, (Gold("Lyon", 5),))]


def test_another_text_clears_what_was_marked(open_page: OpenPage) -> None:
    page = open_teach(open_page)
    select(page, "Texas")
    expect(answer(page)).to_have_value("Texas")
    picker = page.get_by_role("combobox", name="Example")
    picker.click()
    page.get_by_role("option").first.click()
    expect(page.locator("#ask-reading .reading-text")).not_to_contain_text("Rouen")
    expect(answer(page)).to_have_value("")
    expect(page.locator("#teach-picked mark")).to_have_count(0)


def test_a_set_is_renamed_and_deleted_after_a_question(open_page: OpenPage, running_app: App) -> None:
    page = open_teach(open_page)
    select(page, "Texas")
    expect(answer(page)).to_have_value("Texas")
    add_to(page, "first name")
    page.get_by_role("button", name="first name").click()
    page.get_by_label("Name", exact=True).fill("second name")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("#teach-set h2")).to_have_text("second name")
    expect(page.get_by_role("combobox", name="Set, or a new name")).to_have_value("second name")
    page.get_by_role("button", name="Delete set").click()
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("#teach-confirm")).to_have_count(0)
    assert (running_app.home / "sets" / "second name.json").exists()
    page.get_by_role("button", name="Delete set").click()
    page.locator("#teach-delete-now").click()
    expect(page.locator("#teach-sets-say")).to_contain_text("“second name” is deleted")
    expect(page.locator("#teach-set")).to_have_count(0)
    assert not (running_app.home / "sets" / "second name.json").exists()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone(open_page: OpenPage, theme: str) -> None:
    page = open_teach(open_page, width=390, height=844, __theme=theme)
    answer(page).fill("Rouen")
    expect(page.locator("#teach-which input")).to_have_count(3)
    page.get_by_label("Not answerable from this text").first.check()
    add_to(page, f"a rather long name of a set in {theme} colours")
    page.get_by_role("button", name=f"in {theme} colours").click()
    expect(page.locator("#teach-questions li")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = page.evaluate(
        """() => [...document.querySelectorAll("#teach :is(button, textarea, input[role=listbox], label:has(> input))")]
            .filter(control => control.checkVisibility() && control.getBoundingClientRect().height < 40)
            .map(control => control.outerHTML.slice(0, 120))"""
    )
    assert small == []
