"""Ask, in a real browser, of a reader whose answers are known."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect

from tests.browser.conftest import App
from tests.browser.hand_made_reader import make

pytestmark = pytest.mark.browser

QUESTION = "Which town is it about?"
TEXT = "Not Rouen in Texas,\r\nnot Rouen 🥐 elsewhere:\t<b>Rouen</b> & <script>document.title='stolen'</script>."
LAST = TEXT.rindex("Rouen")
READER = "jobs/known/reader"

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module", autouse=True)
def known_reader(running_app: App) -> Path:
    return make(running_app.home / READER)


def open_on(open_page: OpenPage, question: str = QUESTION, context: str = TEXT, **more: str) -> Page:
    page = open_page(question=question, context=context, reader=READER, **more)
    expect(page.locator("#ask-reading .reading-text")).to_have_text(context, use_inner_text=False)
    return page


def ask(page: Page) -> None:
    page.get_by_role("button", name="Ask", exact=True).click()


def text_of(page: Page) -> str:
    return str(page.evaluate("document.querySelector('#ask-reading .reading-text').textContent"))


def marked_offsets(page: Page) -> list[list[int]]:
    """Offsets of the marks in code points, measured in the browser's own text."""
    return page.evaluate(
        """() => [...document.querySelectorAll("#ask-reading mark.predicted")].map(mark => {
            const range = document.createRange();
            range.setStart(document.querySelector("#ask-reading .reading-text"), 0);
            range.setEnd(mark.firstChild, 0);
            const start = [...range.toString()].length;
            return [start, start + [...mark.textContent].length];
        })"""
    )


def move_threshold(page: Page, value: str) -> None:
    page.locator("#ask-threshold input[type=range]").fill(value)


def test_the_page_opens_on_an_example_ready_to_ask(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.get_by_label("Question", exact=True)).not_to_have_value("")
    expect(page.locator("#ask-reading .reading-text")).not_to_be_empty()
    expect(page.get_by_role("combobox", name="Example")).to_have_value(re.compile("^answerable · "))
    expect(page.locator("#ask-verdict")).to_contain_text("Press Ask")
    assert page.title() == "Readerboard"


def test_the_answer_is_marked_at_its_offsets_in_the_unchanged_text(open_page: OpenPage) -> None:
    page = open_on(open_page)
    ask(page)
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")
    assert text_of(page) == TEXT
    assert marked_offsets(page) == [[LAST, LAST + 5]], "the last of three"
    assert page.title() == "Readerboard", "the script in the text stayed text"
    assert page.locator("#ask-reading script, #ask-reading b").count() == 0


def test_a_double_click_reads_once(open_page: OpenPage) -> None:
    page = open_on(open_page)
    joined: list[str] = []
    page.on("request", lambda request: joined.append(request.url) if "/queue/join" in request.url else None)
    page.get_by_role("button", name="Ask", exact=True).dblclick()
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    assert len(joined) == 1


def test_another_question_makes_the_verdict_pale(open_page: OpenPage) -> None:
    page = open_on(open_page)
    ask(page)
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")
    page.get_by_label("Question", exact=True).press_sequentially(" And")
    expect(page.locator("#ask-verdict .stale")).to_be_visible()
    page.get_by_label("Question", exact=True).press("Enter")
    expect(page.locator("#ask-verdict .stale")).to_have_count(0)


def test_enter_asks(open_page: OpenPage) -> None:
    page = open_on(open_page)
    page.get_by_label("Question", exact=True).press("Enter")
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")


def test_the_threshold_decides_there_and_back_without_the_model(open_page: OpenPage) -> None:
    page = open_on(open_page)
    ask(page)
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")
    read_in = page.locator("#ask-verdict .facts").last.inner_text().split("read in")[1]
    joined: list[str] = []
    page.on("request", lambda request: joined.append(request.url) if "/queue/join" in request.url else None)

    move_threshold(page, "-14")
    expect(page.locator("#ask-verdict .says")).to_contain_text("Not answerable from this text")
    expect(page.locator("#ask-reading mark")).to_have_count(0)
    assert page.locator("#ask-verdict .facts").last.inner_text().split("read in")[1] == read_in

    move_threshold(page, "14")
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")
    assert marked_offsets(page) == [[LAST, LAST + 5]]
    assert joined == [], "reading is queued, deciding is not: nothing was read again"

    page.get_by_role("button", name="Back to the reader's own threshold").click()
    expect(page.locator("#ask-threshold input[type=range]")).to_have_value("0")


def test_a_text_without_the_answer_is_not_answerable(open_page: OpenPage) -> None:
    page = open_on(open_page, context="Only Lyon is named here.")
    ask(page)
    expect(page.locator("#ask-verdict .says")).to_contain_text("Not answerable from this text")
    expect(page.locator("#ask-reading mark")).to_have_count(0)
    expect(page.locator("#ask-readings")).to_contain_text("not answerable")


def test_an_empty_question_and_an_empty_text_get_a_hint(open_page: OpenPage) -> None:
    page = open_on(open_page)
    page.get_by_label("Question", exact=True).fill("  ")
    ask(page)
    expect(page.locator("#ask-verdict")).to_contain_text("Type a question about the text")
    page.get_by_role("button", name="Edit text").click()
    page.get_by_placeholder("Paste the text to read here").fill("")
    ask(page)
    expect(page.locator("#ask-verdict")).to_contain_text("There is no text to read yet")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()


def test_an_edited_text_is_the_one_that_is_read(open_page: OpenPage) -> None:
    page = open_on(open_page)
    ask(page)
    expect(page.locator("#ask-reading mark")).to_have_count(1)
    page.get_by_role("button", name="Edit text").click()
    page.get_by_placeholder("Paste the text to read here").fill("مدينة Rouen الجميلة")
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#ask-verdict")).to_contain_text("Press Ask")
    expect(page.locator("#ask-readings table")).to_have_count(0)
    ask(page)
    expect(page.locator("#ask-reading mark")).to_have_text("Rouen")
    assert marked_offsets(page) == [[6, 11]]


def test_a_text_that_was_looked_at_only_keeps_its_answer(open_page: OpenPage) -> None:
    page = open_on(open_page)
    ask(page)
    expect(page.locator("#ask-reading mark")).to_have_count(1)
    page.get_by_role("button", name="Edit text").click()
    expect(page.locator("#ask-reading mark")).to_have_count(0)
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#ask-reading mark")).to_have_text("Rouen")
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")


def test_a_threshold_can_be_typed(open_page: OpenPage) -> None:
    page = open_on(open_page)
    ask(page)
    number = page.get_by_role("spinbutton", name="number input for Threshold")
    number.fill("")
    number.press_sequentially("-13")
    number.press("Enter")
    expect(page.locator("#ask-verdict .says")).to_contain_text("Not answerable from this text")


def test_an_example_brings_its_question_and_its_text(open_page: OpenPage) -> None:
    page = open_on(open_page)
    picker = page.get_by_role("combobox", name="Example")
    picker.click()
    picker.press_sequentially("not answerable")
    page.get_by_role("option").first.click()
    expect(page.get_by_label("Question", exact=True)).not_to_have_value(QUESTION)
    expect(page.locator("#ask-reading .reading-text")).not_to_contain_text("Rouen")


def test_a_reader_that_is_not_there_is_said_in_a_sentence(open_page: OpenPage) -> None:
    page = open_page(question=QUESTION, context=TEXT, reader="/no/such/folder")
    expect(page.locator("#ask-reading .reading-text")).to_be_visible()
    ask(page)
    expect(page.locator("#ask-verdict .notice")).to_contain_text("There is no reader")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()


def test_a_long_text_shows_the_surroundings_of_its_answer(open_page: OpenPage) -> None:
    page = open_on(open_page)
    page.get_by_role("button", name="Edit text").click()
    filler = "Lyon and Nantes and Lille are towns. " * 2_000
    page.get_by_placeholder("Paste the text to read here").fill(f"{filler}Rouen. {filler}")
    ask(page)
    expect(page.locator("#ask-reading mark")).to_have_text("Rouen")
    expect(page.locator("#ask-reading mark")).to_be_in_viewport()
    expect(page.locator("#ask-reading")).to_contain_text("characters before")
    assert len(text_of(page)) < 41_000


def test_a_link_reproduces_the_threshold_and_the_tab(open_page: OpenPage) -> None:
    page = open_on(open_page, threshold="-12", tab="ask")
    ask(page)
    expect(page.locator("#ask-verdict .says")).to_contain_text("Not answerable from this text")
    expect(page.locator("#ask-threshold input[type=range]")).to_have_value("-12")
    assert "tab=ask" in page.url


def test_a_link_opens_its_tab_and_the_address_follows_the_tabs(open_page: OpenPage) -> None:
    page = open_page(tab="judge")
    expect(page.get_by_role("tab", name="Judge")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="Ask").click()
    expect(page.locator("#ask-reading .reading-text")).to_be_visible()
    page.wait_for_url("**tab=ask**")


def test_a_reading_is_looked_at_by_a_click_and_left_by_another(open_page: OpenPage) -> None:
    page = open_on(open_page)
    ask(page)
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")
    joined: list[str] = []
    page.on("request", lambda request: joined.append(request.url) if "/queue/join" in request.url else None)
    others = page.locator("#ask-readings button[aria-pressed=false]")
    others.filter(has_text=re.compile("^Rouen$")).last.click()
    expect(page.locator("#ask-verdict")).to_contain_text("another reading")
    [[start, end]] = marked_offsets(page)
    assert TEXT[start:end] == "Rouen" and start != LAST
    page.get_by_role("button", name="Back to the reader’s").click()
    expect(page.locator("#ask-verdict")).not_to_contain_text("another reading")
    assert marked_offsets(page) == [[LAST, LAST + 5]]
    assert joined == [], "nothing was read again"


def test_a_link_is_copied_and_shows_somebody_else_the_same(open_page: OpenPage) -> None:
    page = open_on(open_page)
    ask(page)
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")
    move_threshold(page, "-14")
    expect(page.locator("#ask-verdict .says")).to_contain_text("Not answerable from this text")
    page.get_by_role("button", name="Copy link").click()
    link = page.get_by_label("Link to what is asked here")
    expect(link).to_have_value(re.compile("^http"))

    other = open_page(**dict(parse_qsl(urlsplit(link.input_value()).query)))
    expect(other.locator("#ask-reading .reading-text")).to_have_text(TEXT, use_inner_text=False)
    ask(other)
    expect(other.locator("#ask-verdict .says")).to_contain_text("Not answerable from this text")
    expect(other.locator("#ask-threshold input[type=range]")).to_have_value("-14")


def test_passing_through_the_pickers_changes_nothing(open_page: OpenPage) -> None:
    page = open_on(open_page)
    ask(page)
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")
    for name in ("Example", re.compile("^Reader")):
        page.get_by_role("combobox", name=name).click()
        page.keyboard.press("Tab")
        page.wait_for_timeout(400)
    expect(page.get_by_label("Question", exact=True)).to_have_value(QUESTION)
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")
    assert text_of(page) == TEXT and marked_offsets(page) == [[LAST, LAST + 5]]


def test_what_is_pasted_on_the_text_takes_its_place(open_page: OpenPage) -> None:
    page = open_on(open_page)
    page.locator("#ask-reading .reading").focus()
    page.evaluate(
        """() => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", "Pasted: <b>Rouen</b>.");
            const paste = new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true});
            document.activeElement.dispatchEvent(paste);
        }"""
    )
    expect(page.locator("#ask-reading .reading-text")).to_have_text("Pasted: <b>Rouen</b>.")
    ask(page)
    expect(page.locator("#ask-reading mark")).to_have_text("Rouen")


def test_questions_are_kept_in_this_browser_until_they_are_cleared(open_page: OpenPage) -> None:
    page = open_on(open_page)
    ask(page)
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")
    page.get_by_label("Question", exact=True).fill("And <b>which</b> else?")
    ask(page)
    expect(page.locator("#ask-verdict .stale")).to_have_count(0)
    page.get_by_role("tab", name="History").click()
    kept = page.locator("#ask-history li")
    expect(kept).to_have_count(2)
    expect(kept.first).to_contain_text("And <b>which</b> else?")
    page.reload()
    expect(page.get_by_label("Question", exact=True)).to_have_value("And <b>which</b> else?")
    page.get_by_role("tab", name="History").click()
    kept.last.locator("button").click()
    expect(page.get_by_label("Question", exact=True)).to_have_value(QUESTION)
    assert text_of(page) == TEXT
    page.get_by_role("button", name="Clear history").click()
    expect(page.locator("#ask-history")).to_contain_text("No questions yet")


def test_a_reload_loses_nothing_that_was_typed(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    page.get_by_label("Question", exact=True).fill("Is it kept?")
    page.get_by_role("button", name="Edit text").click()
    page.get_by_placeholder("Paste the text to read here").fill("Half a text,\nstill being typed")
    page.wait_for_function("sessionStorage['readerboard.draft']?.includes('being typed')")
    page.reload()
    expect(page.get_by_label("Question", exact=True)).to_have_value("Is it kept?")
    expect(page.locator("#ask-reading .reading-text")).to_have_text("Half a text,\nstill being typed")


def test_two_readers_stand_beside_each_other(open_page: OpenPage) -> None:
    page = open_on(open_page)
    ask(page)
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")
    page.get_by_role("tab", name="Second reader").click()
    picker = page.get_by_role("combobox", name="Second reader")
    picker.fill(READER)
    picker.press("Enter")
    expect(page.locator("#second-shown .agreement")).to_have_text("Both give the same words at the same place.")
    page.locator("#second-threshold input[type=range]").fill("-14")
    expect(page.locator("#second-shown .agreement")).to_contain_text("says that the text does not answer it")
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")
    page.get_by_label("Question", exact=True).fill("Another question?")
    ask(page)
    expect(page.locator("#second-shown .agreement")).to_have_text("Both give the same words at the same place.")


def test_a_file_is_opened_as_the_text(open_page: OpenPage, tmp_path: Path) -> None:
    file = tmp_path / "Rouen & others.txt"
    file.write_text("Lyon is far. " * 4_000 + "Rouen is near. " + "Nantes too. " * 4_000, "utf-8")
    page = open_on(open_page)
    page.locator("#ask-text-head input[type=file]").set_input_files(file)
    expect(page.locator("#ask-verdict")).to_contain_text("words. Ask it something.")
    ask(page)
    expect(page.locator("#ask-reading mark")).to_have_text("Rouen")
    expect(page.locator("#ask-verdict")).to_contain_text(re.compile(r"window \d+ of \d+"))
    assert len(text_of(page)) < 41_000
    page.locator("#ask-reading").get_by_role("button", name="Later").click()
    expect(page.locator("#ask-reading mark")).to_have_count(0)
    expect(page.locator("#ask-reading")).to_contain_text("Nantes too.")

    file.write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    broken = file.rename(tmp_path / "picture.pdf")
    page.locator("#ask-text-head input[type=file]").set_input_files(broken)
    expect(page.locator("#ask-verdict .alarm")).to_contain_text("picture.pdf")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_scrolls_sideways_on_a_phone(open_page: OpenPage, theme: str) -> None:
    page = open_on(open_page, context="w" * 900 + " Rouen", width=390, height=844, __theme=theme)
    ask(page)
    expect(page.locator("#ask-readings table")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, input, textarea")]
            .filter(control => control.checkVisibility() && control.getBoundingClientRect().height < 40)
            .map(control => control.outerHTML.slice(0, 120))"""
    )
    assert small == [], "everything to be hit is at least 40 px high"


def test_the_endpoint_answers_over_http(running_app: App) -> None:
    with closing(Client(running_app.url, verbose=False)) as client:
        answer = client.predict(QUESTION, TEXT, READER, None, 3, api_name="/ask")
        assert (answer["answer"], answer["start"], answer["end"]) == ("Rouen", LAST, LAST + 5)
        assert answer["score"] > 10 and answer["null_score_diff"] < -10
        assert answer["probability"] + answer["no_answer_probability"] < 1
        assert len(answer["alternatives"]) == 3

        strict = client.predict(QUESTION, TEXT, reader=READER, threshold=-14.0, api_name="/ask")
        assert (strict["answer"], strict["answered"], strict["threshold"]) == ("", False, -14.0)

        with pytest.raises(AppError, match="question must hold text"):
            client.predict("", TEXT, READER, api_name="/ask")
        with pytest.raises(AppError, match="There is no reader"):
            client.predict(QUESTION, TEXT, "/no/such/folder", api_name="/ask")


def test_only_ask_is_offered_to_clients(running_app: App) -> None:
    with closing(Client(running_app.url, verbose=False)) as client:
        offered = client.view_api(return_format="dict", print_info=False)
    assert list(offered["named_endpoints"]) == ["/ask"] and not offered["unnamed_endpoints"]
