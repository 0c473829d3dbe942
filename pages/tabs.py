"""Tabs that an address can name: ``?tab=judge`` opens Judge, and whoever opens another tab can copy its address."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

TABS = "tabs"  # the element's id, also in style.css

# What the address named when the page was opened; since then the first tab may have put its own name there.
OPEN_TAB = """() => {
    const named = new URL(performance.getEntriesByType("navigation")[0].name).searchParams.get("tab");
    const give_up = Date.now() + 10000;
    const open = () => {
        const tabs = [...document.querySelectorAll("#tabs button[role=tab]")];
        const tab = tabs.find(each => each.dataset.tabId === named);
        if (!named || tab?.getAttribute("aria-selected") === "true" || Date.now() > give_up) return;
        tab?.click();
        setTimeout(open, 100);
    };
    open();
}"""
NOTE_TAB = """() => {
    const address = new URL(window.location);
    address.searchParams.set("tab", "%s");
    history.replaceState(null, "", address);
}"""


def follow_address(demo: gr.Blocks, tabs: Sequence[gr.Tab]) -> None:
    """Open the tab that the page's address names, and name in the address the one that is opened."""
    demo.load(None, js=OPEN_TAB, api_visibility="private")
    for tab in tabs:
        tab.select(None, js=NOTE_TAB % tab.id, api_visibility="private")
