"""The readers that are here, in a real browser, with a Hub on this machine: looked up, fetched, asked, removed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ROOT, App, _wait_until_open
from tests.browser.hand_made_reader import make
from tests.hub_stand_in import hub_of, put_in_cache

pytestmark = pytest.mark.browser

QUESTION, TEXT = "Which town is it about?", "Not Paris, but Rouen."
ON_THE_HUB, HERE, DAMAGED = "some-org/of-the-hub", "some-org/here", "some-org/with-a-name-that-is-long-and-damaged"
OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def running_app(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app of its own: with a Hub, and a Hub's cache that holds a reader and a damaged one."""
    room = tmp_path_factory.mktemp("readers")
    made = make(room / "made")
    put_in_cache(room / "cache", HERE, made)
    damaged = put_in_cache(room / "cache", DAMAGED, made, "1" * 40)
    next(iter(damaged.glob("snapshots/*/model.safetensors"))).resolve().unlink()
    make(room / "home" / "readers" / "known")
    facts = {"pipeline_tag": "question-answering", "config": {"architectures": ["BertForQuestionAnswering"]}}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    with hub_of(ON_THE_HUB, made, "models", facts=facts, chunk_seconds=0.2) as endpoint:
        environment = kept | {
            "READER_HOME": str(room / "home"),
            "READER_TRAINING": "on",
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(room),
            "HF_HUB_CACHE": str(room / "cache"),
            "PYTHONUNBUFFERED": "1",
            "no_proxy": "127.0.0.1",
        }
        log = room / "app.log"
        command = [sys.executable, "app.py", "--port", str(port)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_until_open(process, log)
            yield App(f"http://127.0.0.1:{port}/", room / "home")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)


def open_readers(open_page: OpenPage, width: int = 1280) -> Page:
    page = open_page(width=width, question=QUESTION, context=TEXT)
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    open_section(page, "Readers")
    expect(page.locator("ul.shelf li").first).to_be_visible()
    return page


def open_section(page: Page, name: str) -> None:
    """Open a section of the Ask tab; on a phone, the last ones are in a menu."""
    sections = page.locator("#ask-sections")
    expect(sections.get_by_role("tab").first).to_be_visible()
    if not sections.get_by_role("tab", name=name).is_visible():
        sections.locator(".overflow-menu > button").click()
        sections.locator(".overflow-dropdown button", has_text=name).click()
    else:
        sections.get_by_role("tab", name=name).click()


def row(page: Page, name: str) -> object:
    return page.locator("ul.shelf li").filter(has=page.get_by_role("heading", name=name, exact=True))


def test_a_reader_of_the_list_is_asked_and_then_unloaded(open_page: OpenPage) -> None:
    page = open_readers(open_page)
    page.get_by_role("button", name="Ask it (readers/known)").click()
    expect(page.locator("#ask-reader input")).to_have_value("readers/known")
    expect(page.locator("#shelf-says")).to_contain_text("readers/known is picked")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")
    open_section(page, "History")
    open_section(page, "Readers")
    expect(row(page, "known")).to_contain_text("loaded, 6 kB of memory")
    page.get_by_role("button", name="Unload (readers/known)").click()
    expect(page.locator("#shelf-says")).to_contain_text("readers/known is unloaded.")
    expect(row(page, "known")).not_to_contain_text("of memory")


def test_a_reader_of_the_hub_is_looked_up_fetched_asked_and_removed(open_page: OpenPage) -> None:
    page = open_readers(open_page)
    page.locator("#shelf-wanted input").fill(ON_THE_HUB)
    page.locator("#shelf-wanted input").press("Enter")
    expect(page.locator("#shelf-found dl")).to_contain_text("question answering (BertForQuestionAnswering)")
    page.get_by_role("button", name=re.compile(r"^Fetch \d+.kB and ask it$")).click()
    expect(page.locator("#shelf-found progress")).to_be_visible()
    expect(page.locator("#shelf-found")).to_contain_text(f"{ON_THE_HUB} is loaded and picked.")
    expect(page.locator("#ask-reader input")).to_have_value(ON_THE_HUB)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")

    remove = page.get_by_role("button", name=f"Remove… ({ON_THE_HUB})")
    remove.click()
    expect(page.get_by_role("button", name=f"Keep ({ON_THE_HUB})")).to_be_focused()
    page.keyboard.press("Enter")
    expect(remove).to_be_focused()
    remove.click()
    page.get_by_role("button", name=f"Remove ({ON_THE_HUB})").click()
    expect(page.locator("#shelf-says")).to_contain_text(f"{ON_THE_HUB} was removed")
    expect(row(page, ON_THE_HUB)).to_have_count(0)
    expect(row(page, HERE)).to_have_count(1)


def test_what_is_not_on_the_hub_and_what_is_damaged_get_a_sentence(open_page: OpenPage) -> None:
    page = open_readers(open_page)
    page.locator("#shelf-wanted input").fill("some-org/none")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("#shelf-found")).to_contain_text("The Hub has no public model some-org/none.")
    expect(page.locator("#shelf-fetch")).to_have_count(0)
    expect(row(page, DAMAGED)).to_contain_text("Its copy here is damaged or not whole.")


def test_nothing_scrolls_sideways_on_a_phone(open_page: OpenPage) -> None:
    page = open_readers(open_page, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.evaluate(
        """() => [...document.querySelectorAll("#shelf button, #shelf a")]
            .map(each => each.getBoundingClientRect()).filter(box => box.height && box.height < 40).length"""
    )
    assert small == 0


def test_the_cache_of_a_path_is_not_in_the_page(open_page: OpenPage, running_app: App) -> None:
    page = open_readers(open_page)
    assert str(Path(running_app.home).parent) not in page.content()
