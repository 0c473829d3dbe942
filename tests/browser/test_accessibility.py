"""Every tab and section through axe-core, in both themes: no serious finding."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]

ASK = ("Windows", "Inside", "Second reader", "Teach", "Many", "Readers", "History")
JUDGE = ("Examples", "Slices", "Threshold", "Comparison", "The article", "Behaviour", "All runs")


def findings(page: Page) -> list[str]:
    """What axe-core finds serious or worse, as rule: element."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]} … {node.get('failureSummary', '')[:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def open_section(page: Page, sections: str, name: str) -> None:
    page.locator(sections).get_by_role("tab", name=name, exact=True).click()
    page.wait_for_timeout(500)  # what it shows is drawn by the server


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_ask(open_page: OpenPage, theme: str) -> None:
    page = open_page(__theme=theme)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#ask-verdict .says")).to_be_visible()
    assert findings(page) == []
    for name in ASK:
        open_section(page, "#ask-sections", name)
        assert findings(page) == [], name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_train(open_page: OpenPage, theme: str) -> None:
    page = open_page(__theme=theme, tab="train")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()
    assert findings(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_judge(open_page: OpenPage, theme: str) -> None:
    page = open_page(__theme=theme, tab="judge")
    expect(page.locator("#judge-overview")).to_contain_text("F1")
    for name in JUDGE:
        open_section(page, "#judge-sections", name)
        if name == "Threshold":
            expect(page.locator("#judge-charts .js-plotly-plot")).to_have_count(4)
        assert findings(page) == [], name
