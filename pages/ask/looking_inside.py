"""Two sections of the Ask tab that look inside the reading: "Windows" and "Inside".

Windows draws what the answer's reading holds already; where the reader looks in one of them costs a pass of the model
over that window, so somebody has to ask for it. Inside cuts question and text into tokens, without the model. Both
work only while their tab is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from pages.access import Access
from pages.ask.asking import READING, check_length, is_number, what_is_missing
from pages.ask.heat_view import heat
from pages.ask.inside_view import labels
from pages.ask.standing import Standing, digest_of, text_of
from pages.ask.verdict import Asked
from pages.ask.windows_view import first_look, windows_map, windows_table
from pages.events import PLAIN
from pages.phrases import notice
from pages.readers import EMBEDDED, Shelf, find_reader
from reader.errors import BadData, BadUsage, ReaderboardError
from reader.examples import Gold, load_examples
from reader.inspection import inspect_features, token_probabilities
from reader.postprocess import WindowReading

ASK_FIRST = "Press Ask: what the reader saw is shown here then."
CHANGED = "The text is not the one that was asked about any more. Ask again."

# The very button that was pressed goes when the drawing is made anew, so its twin gets the focus.
CLICK_WINDOW = """
let pressed = null;
element.addEventListener("click", event => {
    const button = event.target.closest("[data-window]");
    if (!button) return;
    const alike = [...element.querySelectorAll("button." + button.className.split(" ")[0])];
    pressed = {kind: button.className.split(" ")[0], place: alike.indexOf(button)};
    trigger("click", {window: Number(button.dataset.window), place: Number(button.dataset.place)});
});
watch("value", () => {
    if (pressed) element.querySelectorAll("button." + pressed.kind)[pressed.place]?.focus({preventScroll: true});
    pressed = null;
});
"""
# What is laid out does not wait in the queue; what is still to be cut into tokens does.
READ_WANTED = """
watch("value", () => { if (element.querySelector("[data-wanted]")) trigger("submit", {}); });
"""


@dataclass(frozen=True, slots=True)
class WindowsSection:
    """What the tab may use of the section.

    ``drawn``'s click event has ``window`` (an index) and ``place``, the offset in the text of what to look at there.
    """

    drawn: gr.HTML


# Windows


def build_windows(demo: gr.Blocks, tab: gr.Tab, standing: Standing, access: Access, shelf: Shelf) -> WindowsSection:
    """Lay the section out and wire it; to be called inside its tab."""
    drawn = gr.HTML(notice(ASK_FIRST), elem_id="windows-drawn", js_on_load=CLICK_WINDOW)
    look = gr.Button("Show where it looks", visible=False, scale=0, elem_id="windows-look")
    looked = gr.HTML(elem_id="windows-looked")
    shown: gr.State = gr.State(())  # the windows that are drawn
    chosen: gr.State = gr.State(0)
    parts = [drawn, look, looked, shown, chosen]

    def draw(is_open: bool, asked: Asked | None, before: tuple[WindowReading, ...]) -> Any:
        if not is_open:
            return gr.skip()
        if asked is None:
            return {drawn: notice(ASK_FIRST), look: gr.Button(visible=False), looked: "", shown: ()}
        if asked.windows == before:  # only the decision is another
            return gr.skip()
        return draw_at(asked, first_look(asked.windows)) | {shown: asked.windows}

    def draw_at(asked: Asked, window: int) -> dict[Any, Any]:
        several = len(asked.windows) > 1
        table = windows_table(asked.windows, window) if several else ""
        return {
            drawn: windows_map(asked.windows, asked.excerpt.total, window) + table,
            look: gr.Button(f"Show where it looks{f' in window {window + 1:,}' if several else ''}", visible=True),
            looked: "",
            chosen: window,
        }

    def choose(asked: Asked | None, clicked: gr.EventData) -> Any:
        window = clicked.window
        if asked is None or not is_number(window) or not 0 <= window < len(asked.windows):
            return gr.skip()
        return draw_at(asked, int(window))

    def look_inside(
        asked: Asked | None, window: int, typed: str | None, held: str, request: gr.Request
    ) -> Iterator[str]:
        if asked is None:
            yield notice(ASK_FIRST)
            return
        text = text_of(typed, held)
        if digest_of(text) != asked.digest:
            yield notice(CHANGED)
            return
        yield notice("Reading the window again…", "busy")
        try:
            reader = shelf.take(find_reader(asked.name, shelf, request, access))
            tokens = token_probabilities(reader, asked.question, text, window)
        except ReaderboardError as error:
            yield notice(str(error), "alarm")
            return
        yield heat(text[tokens.start : tokens.end], tokens, tokens.start)

    _while_open(tab, standing, draw, [standing.asked, shown], parts)
    drawn.click(choose, inputs=standing.asked, outputs=parts, **PLAIN)
    look.click(
        look_inside,
        inputs=[standing.asked, chosen, *standing.texts],
        outputs=looked,
        show_progress="hidden",
        trigger_mode="once",
        **READING,
    )
    return WindowsSection(drawn)


# Inside


def build_inside(demo: gr.Blocks, tab: gr.Tab, standing: Standing, access: Access, shelf: Shelf) -> None:
    """Lay the section out and wire it; to be called inside its tab."""
    right = gr.Textbox(
        label="Right answer, as it stands in the text",
        placeholder="Type one to see how a training would label it.",
        max_lines=1,
        elem_id="inside-gold",
    )
    drawn = gr.HTML(elem_id="inside-drawn", js_on_load=READ_WANTED)
    shown: gr.State = gr.State()  # what the drawing was made of

    def wanted(
        question: str | None, name: str | None, asked: Asked | None, answer: str | None, text: str
    ) -> tuple[str, str, Gold | None, str]:
        """Question, reader, right answer and where that is from. Raises `ReaderboardError`."""
        if asked is not None:
            question, name = asked.question, asked.name
        missing = what_is_missing(question or "", text)
        if missing:
            raise BadUsage(missing)
        check_length(question or "", text)
        return question or "", name or EMBEDDED, *gold_of(question or "", text, asked, answer or "")

    def look(
        is_open: bool,
        question: str | None,
        name: str | None,
        asked: Asked | None,
        answer: str | None,
        before: Any,
        typed: str | None,
        held: str,
    ) -> Any:
        if not is_open:
            return gr.skip()
        text = text_of(typed, held)
        try:
            made_of = (*wanted(question, name, asked, answer, text), digest_of(text))
        except ReaderboardError as error:
            return {drawn: notice(str(error)), shown: None}
        if made_of == before:
            return gr.skip()
        sign = digest_of(repr(made_of)).hex()
        return {drawn: f'{notice("Cutting the text into tokens…", "busy")}<i data-wanted="{sign}"></i>', shown: None}

    def cut(
        question: str | None,
        name: str | None,
        asked: Asked | None,
        answer: str | None,
        typed: str | None,
        held: str,
        request: gr.Request,
    ) -> Any:
        text = text_of(typed, held)
        try:
            question, name, gold, says = wanted(question, name, asked, answer, text)
            reader = shelf.take(find_reader(name, shelf, request, access))
            inspection = inspect_features(reader, question, text, gold)
        except ReaderboardError as error:
            return {drawn: notice(str(error), "alarm"), shown: None}
        made_of = (question, name, gold, says, digest_of(text))
        return {drawn: notice(says) + labels(inspection, text), shown: made_of}

    asking = [standing.question, standing.reader, standing.asked, right]
    inputs = [*asking, shown, *standing.texts]
    always = _while_open(tab, standing, look, inputs, [drawn, shown])
    gr.on([right.submit, right.blur], look, inputs=[always, *inputs], outputs=[drawn, shown], **PLAIN)
    drawn.submit(
        cut,
        inputs=[*asking, *standing.texts],
        outputs=[drawn, shown],
        show_progress="hidden",
        trigger_mode="always_last",
        **READING,
    )


def gold_of(question: str, text: str, asked: Asked | None, typed: str) -> tuple[Gold | None, str]:
    """The right answer to label, and a sentence on where it is from.

    What somebody typed, where it stands once in the text; else the starter set's, else the reader's own best span.
    Raises `BadData` where the typed one stands nowhere, or at several places.
    """
    typed = typed.strip()
    if typed:
        places = text.count(typed)
        if places != 1:
            found = f"stands at {places:,} places of the text" if places else "does not stand in the text"
            raise BadData(f"“{typed[:80]}” {found}. Type words that stand there once, exactly as they are written.")
        return Gold(typed, text.index(typed)), "The right answer is the one that you typed."
    known = [
        example.answers[0]
        for example in load_examples("starter").examples
        if example.answers and (example.question, example.context) == (question, text)
    ]
    if known:
        return known[0], "The right answer is the one of the starter set."
    best = asked.answer.best if asked else None
    if best is not None:
        return Gold(best.text, best.start), "No right answer is known: the reader’s own best span stands in for it."
    return None, "No right answer is known. Ask, or type one: its labels are shown then."


# Both


def _while_open(tab: gr.Tab, standing: Standing, draw: Any, inputs: list[Any], outputs: list[Any]) -> gr.State:
    """Draw when the tab is opened, and with every new answer while it is the open one.

    ``draw`` gets, before its inputs, whether to draw at all. Returns a state that always says so.
    """
    tabs = tab.parent
    if not isinstance(tabs, gr.Tabs):
        raise TypeError("A section is to be built inside a tab of gr.Tabs.")
    always: gr.State = gr.State(True)
    is_open: gr.State = gr.State(tabs.children[0] is tab)

    def is_this(opened: gr.SelectData) -> bool:
        return bool(opened.value == tab.label)

    tabs.select(is_this, outputs=is_open, **PLAIN)
    tab.select(draw, inputs=[always, *inputs], outputs=outputs, **PLAIN)
    standing.changed.change(draw, inputs=[is_open, *inputs], outputs=outputs, trigger_mode="always_last", **PLAIN)
    return always
