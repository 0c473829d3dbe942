"""A second reader on the same question: both beside each other, each at its own threshold, and how they differ.

The margins of two readers are sums of other logits, so they are never compared; their decisions and places are.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from pages.access import Access
from pages.ask.asking import READING, ask, is_number, what_takes_time
from pages.ask.standing import Standing, text_of
from pages.ask.verdict import WIDEST, Asked, scale
from pages.events import PLAIN
from pages.highlight import Excerpt, Kind, Mark, legend, marked_text, surroundings
from pages.phrases import notice, percent, signed
from pages.readers import Shelf, find_reader, list_readers
from reader.errors import ReaderboardError

NONE = ""
AROUND = 300  # characters shown to both sides of the two answers
FAR = 2_000  # characters between two answers from which each is shown by itself

# What is drawn again does not wait in the queue; only what is still to be read does.
READ_WANTED = """
watch("value", () => { if (element.querySelector("[data-wanted]")) trigger("submit", {}); });
"""
EMPTY = "Pick a second reader: it is asked what the first is asked, and stands beside it."


def build(tab: gr.Tab, standing: Standing, access: Access, shelf: Shelf) -> None:
    """Lay the section out and wire it; to be called inside its tab."""
    picked = gr.Dropdown(
        [("none", NONE)],
        value=NONE,
        label="Second reader: pick one, or type a Hub id",
        allow_custom_value=True,
        elem_id="second-reader",
    )
    shown = gr.HTML(notice(EMPTY), elem_id="second-shown", js_on_load=READ_WANTED)
    with gr.Column(visible=False, elem_id="second-decision") as decision:
        axis = gr.HTML(elem_id="second-scale")
        threshold = gr.Slider(
            -WIDEST,
            WIDEST,
            0.0,
            step=0.01,
            label="The second reader's threshold",
            buttons=[],
            elem_id="second-threshold",
        )
    second = gr.State()
    outputs = [shown, second, decision, axis, threshold]

    def drawn(one: Asked, two: Asked, text: str) -> dict[Any, Any]:
        return {shown: beside(one, two, text), second: two, axis: scale(two)}

    def closed(says: str) -> dict[Any, Any]:
        return {shown: says, second: None, decision: gr.Column(visible=False)}

    def look(one: Asked | None, name: str | None, two: Asked | None, text: str) -> Any:
        """Draw again what is known, and say what is to be read; nothing waits in the queue for that."""
        if not name:
            return closed(notice(EMPTY))
        if one is None:
            return closed(notice("Press Ask: both readers will answer."))
        if two is not None and (two.name, two.question, two.digest) == (name, one.question, one.digest):
            return drawn(one, two, text)
        return {shown: f"<div data-wanted>{notice('Reading…', 'busy')}</div>", decision: gr.Column(visible=False)}

    def read(
        one: Asked | None, typed: str | None, held: str, name: str | None, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        if one is None or not name:
            yield {}
            return
        text = text_of(typed, held)
        try:
            found = find_reader(name, shelf, request, access)
            yield {shown: notice(what_takes_time(shelf, found, text), "busy")}
            two = ask(shelf, found, one.question, text, None, name=name, pages=one.pages)
        except ReaderboardError as error:
            yield closed(notice(str(error), "alarm"))
            return
        yield drawn(one, two, text) | {
            decision: gr.Column(visible=two.answer.best is not None),
            threshold: gr.Slider(minimum=-two.ends, maximum=two.ends, value=two.answer.threshold),
        }

    def decide(one: Asked | None, two: Asked | None, text: str, value: Any) -> Any:
        if one is None or two is None or not is_number(value):
            return gr.skip()
        return drawn(one, two.at_threshold(float(value)), text)

    gr.on(
        [picked.input, standing.changed.change],
        look,
        inputs=[standing.asked, picked, second, standing.held],
        outputs=outputs,
        trigger_mode="always_last",
        **PLAIN,
    )
    shown.submit(
        read,
        inputs=[standing.asked, *standing.texts, picked],
        outputs=outputs,
        show_progress="hidden",
        trigger_mode="always_last",
        **READING,
    )
    threshold.input(
        decide,
        inputs=[standing.asked, second, standing.held, threshold],
        outputs=outputs,
        trigger_mode="always_last",
        preprocess=False,
        **PLAIN,
    )
    tab.select(lambda: gr.Dropdown(choices()), outputs=picked, **PLAIN)


def choices() -> list[tuple[str, str]]:
    """The readers to pick from, for a dropdown."""
    return [("none", NONE), *((choice.label, choice.name) for choice in list_readers())]


def beside(one: Asked, two: Asked, text: str) -> str:
    """Both decisions, a sentence on how they differ, and the text with both answers marked."""
    cards = _card(one, "the first") + _card(two, "the second")
    return (
        f'<div class="second"><p class="agreement">{escape(agreement(one, two))}</p>'
        f'<div class="second-cards">{cards}</div>{_places(one, two, text)}</div>'
    )


def agreement(one: Asked, two: Asked) -> str:
    """Where two readers agree and differ, in a sentence."""
    first, second = one.answer, two.answer
    if not first.answered and not second.answered:
        return "Both say that the text does not answer it."
    if not first.answered or not second.answered:
        silent, speaks = (one, two) if second.answered else (two, one)
        return f"{silent.reader} says that the text does not answer it; {speaks.reader} answers."
    if (first.start, first.end) == (second.start, second.end):
        return "Both give the same words at the same place."
    if first.text == second.text:
        return "Both give the same words, at different places of the text."
    if first.start < second.end and second.start < first.end:
        return "Both point to the same place, with other bounds."
    return "They answer with different places of the text."


def _card(asked: Asked, which: str) -> str:
    answer = asked.answer
    says = escape(answer.text) if answer.answered else "Not answerable from this text"
    share = percent(answer.probability if answer.answered else answer.no_answer_probability)
    margin = ""
    if answer.best is not None:
        margin = f"margin {signed(answer.null_score_diff)}, threshold {signed(answer.threshold)}"
    return (
        f'<section class="second-card {"yes" if answer.answered else "no"}" aria-label="{which} reader">'
        f'<h3>{escape(asked.reader)}</h3><p class="says"><span dir="auto">{says}</span> '
        f'<span class="share">{share}</span></p><p class="facts">{margin}</p></section>'
    )


def _places(one: Asked, two: Asked, text: str) -> str:
    """The text around both answers: one stretch where they are near, else one for each."""
    kinds: list[tuple[Asked, Kind]] = [(one, "predicted"), (two, "compared")]
    marks = [Mark(asked.answer.start, asked.answer.end, kind) for asked, kind in kinds if asked.answer.answered]
    if not marks:
        return ""
    first, last = min(mark.start for mark in marks), max(mark.end for mark in marks)
    stretches = [(first, last)] if last - first <= FAR else [(mark.start, mark.end) for mark in marks]
    shown = "".join(_stretch(surroundings(text, *each, reach=AROUND), marks) for each in stretches)
    return f"{shown}{legend(mark.kind for mark in marks)}"


def _stretch(excerpt: Excerpt, marks: list[Mark]) -> str:
    before, after = "… " * (excerpt.start > 0), " …" * (excerpt.end < excerpt.total)
    return f'<p class="reading-text stretch" dir="auto">{before}{marked_text(excerpt, marks)}{after}</p>'
