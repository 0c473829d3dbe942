"""The readers that are here, and what the Hub has: listed, asked, unloaded, removed, looked up, fetched.

Visitors see the readers that they may ask. What lies in the Hub's cache is the machine's own business: its names are
shown to those who may train, and to others once one of them is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from pages.access import Access, hub_token, may, require
from pages.ask.reader_cards import card, fetching, listing, size
from pages.ask.standing import Standing
from pages.events import PLAIN, QUIET
from pages.phrases import notice
from pages.readers import LONGEST_NAME, Shelf, find_reader, key_of, label_of
from reader.errors import BadReader, ReaderboardError
from reader.hub_readers import HubReader, fetch, is_cached, look_up
from reader.inventory import remove

EXAMPLE = "deepset/roberta-base-squad2"
FAULT = "Something went wrong in Readerboard itself. What it was stands in the terminal that it was started from."

# Whether somebody is sure is asked on the page itself; only then the server hears of it.
CLICK_READER = """
element.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    const {act, name} = button.dataset;
    if (act !== "sure" && act !== "keep") {
        trigger("click", {act, name});
        return;
    }
    const [acts, confirm] = [".acts", ".confirm"].map(each => button.closest("li").querySelector(each));
    acts.hidden = act === "sure";
    confirm.hidden = act === "keep";
    (act === "sure" ? confirm.querySelector("[data-act=keep]") : acts.querySelector("[data-act=sure]")).focus();
});
"""

Picked = tuple[str, int]  # a reader's name, and how many were picked before it
Changes = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """The section's components."""

    listing: gr.HTML
    says: gr.HTML
    wanted: gr.Textbox
    look: gr.Button
    found: gr.HTML
    fetch: gr.Button
    looked: gr.State
    picked: gr.State


def build(demo: gr.Blocks, tab: gr.Tab, standing: Standing, access: Access, shelf: Shelf) -> gr.State:
    """Lay the section out and wire it; to be called inside its gr.Tab.

    Returns the state that holds what was picked last, `Picked`: its ``change`` says that ``standing.reader`` holds
    that name now, the same one once more included.
    """
    parts = _layout()
    _wire_list(tab, parts, standing, access, shelf)
    _wire_hub(parts, standing, access, shelf)
    return parts.picked


def _layout() -> Parts:
    with gr.Column(elem_id="shelf"):
        listing = gr.HTML(elem_id="shelf-list", js_on_load=CLICK_READER)
        says = gr.HTML(elem_id="shelf-says")
        gr.HTML("<h2>From the Hugging Face Hub</h2>")
        with gr.Row(elem_id="shelf-hub"):
            wanted = gr.Textbox(
                label=f"Hub id, such as {EXAMPLE}", lines=1, max_lines=1, elem_id="shelf-wanted", scale=1
            )
            look = gr.Button("Look up", elem_id="shelf-look", scale=0, min_width=110)
        found = gr.HTML(elem_id="shelf-found")
        fetch_it = gr.Button("Fetch and ask it", visible=False, elem_id="shelf-fetch", scale=0)
    return Parts(listing, says, wanted, look, found, fetch_it, gr.State(""), gr.State(("", 0)))


# What is here


def _wire_list(tab: gr.Tab, parts: Parts, standing: Standing, access: Access, shelf: Shelf) -> None:
    def listed(request: gr.Request) -> str:
        return listing(shelf, may(request, access))

    def act(picked: Picked, clicked: gr.EventData, request: gr.Request) -> Any:
        asked = clicked._data if isinstance(clicked._data, dict) else {}
        try:
            name = _named(asked.get("name"))
            if asked.get("act") == "ask":
                label = label_of(find_reader(name, shelf, request, access))
                says = notice(f"{label} is picked. Press Ask above.")
                return {standing.reader: name, parts.picked: _next(picked, name), parts.says: says}
            says = {"unload": unload, "remove": remove_cached}[str(asked.get("act"))](name, shelf, request, access)
        except ReaderboardError as error:
            return {parts.says: notice(str(error), "alarm"), parts.listing: listed(request)}
        except KeyError:
            return gr.skip()
        return {parts.says: notice(says), parts.listing: listed(request)}

    tab.select(listed, outputs=parts.listing, **PLAIN)
    parts.listing.click(
        act,
        inputs=parts.picked,
        outputs=[parts.listing, parts.says, parts.picked, standing.reader],
        trigger_mode="once",
        concurrency_limit=None,
        **QUIET,  # only what goes through the queue makes a state tell of its change
    ).failure(lambda: notice(FAULT, "alarm"), outputs=parts.says, **PLAIN)


def unload(name: str, shelf: Shelf, request: gr.Request | None, access: Access) -> str:
    """Take a reader off the shelf, for those who may; what to say then. Raises `NotAllowed`."""
    require(request, access)
    there = shelf.drop(key_of(name))
    return f"{label_of(key_of(name))} is unloaded." if there else f"{label_of(key_of(name))} was not loaded any more."


def remove_cached(name: str, shelf: Shelf, request: gr.Request | None, access: Access) -> str:
    """Remove a Hub reader's copy, for those who may; what to say then. Raises `ReaderboardError`."""
    require(request, access)
    freed = remove(name)
    repository = name.partition("@")[0]
    for loaded in shelf.loaded():
        if loaded.name.partition("@")[0] == repository:
            shelf.drop(loaded.name)
    return f"{name} was removed: {size(freed)} are free again."


# What the Hub has


def _wire_hub(parts: Parts, standing: Standing, access: Access, shelf: Shelf) -> None:
    def look(wanted: str | None, request: gr.Request) -> Changes:
        try:
            found = look_up(_named(wanted), token=_token(request, access))
        except ReaderboardError as error:
            return {parts.found: notice(str(error), "alarm"), parts.fetch: gr.Button(visible=False), parts.looked: ""}
        allowed = may(request, access)
        return {
            parts.found: card(found, "" if allowed else "Fetching is for those who may train here."),
            parts.fetch: gr.Button(_fetching(found), visible=allowed and not found.refusal),
            parts.looked: found.name,
        }

    def fetch_and_ask(looked: str, picked: Picked, request: gr.Request) -> Iterator[Changes]:
        try:
            require(request, access)
            token = _token(request, access)
            found = look_up(_named(looked), token=token)
            for arrived in fetch(found, token=token):
                yield {parts.found: fetching(found, arrived), parts.fetch: gr.Button(visible=False)}
            yield {parts.found: notice(f"{found.name} is here. Loading it: a few seconds…", "busy")}
            shelf.take(found.name)
        except ReaderboardError as error:
            yield {parts.found: notice(str(error), "alarm"), parts.fetch: gr.Button(visible=False)}
            return
        yield {
            parts.found: notice(f"{found.name} is loaded and picked. Press Ask above."),
            parts.listing: listing(shelf, True),
            standing.reader: found.name,
            parts.picked: _next(picked, found.name),
        }

    outputs = [parts.found, parts.fetch, parts.looked]
    asking = gr.on(
        [parts.look.click, parts.wanted.submit],
        lambda: {parts.found: notice("Asking the Hub…", "busy"), parts.fetch: gr.Button(visible=False)},
        outputs=[parts.found, parts.fetch],
        **PLAIN,
    ).then(
        look,
        inputs=parts.wanted,
        outputs=outputs,
        trigger_mode="once",
        concurrency_id="looking-up",
        concurrency_limit=2,
        **QUIET,
    )
    fetching_it = parts.fetch.click(
        fetch_and_ask,
        inputs=[parts.looked, parts.picked],
        outputs=[parts.found, parts.fetch, parts.listing, standing.reader, parts.picked],
        trigger_mode="once",
        concurrency_id="fetching",
        concurrency_limit=1,
        **QUIET,
    )
    for event in (asking, fetching_it):
        event.failure(lambda: notice(FAULT, "alarm"), outputs=parts.found, **PLAIN)


def _fetching(found: HubReader) -> str:
    return "Ask it" if is_cached(found.id, found.revision or None) else f"Fetch {size(found.bytes)} and ask it"


def _token(request: gr.Request | None, access: Access) -> str | bool:
    """Whose eyes the Hub is looked at with: this machine's own login where it is alone, else everybody's."""
    return (hub_token(request, access) if access.mode == "on" else "") or False


# Words


def _named(name: object) -> str:
    """What came over HTTP as the name of a reader. Raises `BadReader` where it cannot be one."""
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadReader(f"Type the Hub id of a reader, such as {EXAMPLE}.")
    return name.strip()


def _next(picked: Picked, name: str) -> Picked:
    return name, picked[1] + 1
