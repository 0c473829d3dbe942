"""The Ask tab's parts and where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from pages.ask.history import NOTE_DRAFT, NOTE_ENTRY
from pages.ask.links import COPY_LINK
from pages.ask.standing import Standing
from pages.ask.verdict import WIDEST
from pages.phrases import notice
from pages.readers import EMBEDDED
from reader.texts import ENDINGS

READY = "Press Ask: the answer will be marked in the text."

# A click on a reading, or on the way back from one.
CLICK_READING = """
element.addEventListener("click", event => {
    const picked = event.target.closest("[data-reading]");
    if (picked) trigger("click", {reading: picked.dataset.reading});
});
"""
# The parts of a long text that are not shown; and a file that is dropped on the text goes where "Open a file" leads.
CLICK_TEXT = """
element.addEventListener("click", event => {
    const way = event.target.closest("[data-go]");
    if (way) trigger("click", {place: Number(way.dataset.go)});
});
// What is pasted while the text is in focus takes its place.
element.addEventListener("paste", event => {
    const text = event.clipboardData?.getData("text/plain");
    if (!text) return;
    event.preventDefault();
    trigger("input", {text});
});
const column = document.querySelector("#ask-text");
const carries = event => event.dataTransfer?.types.includes("Files");
column.addEventListener("dragover", event => {
    if (!carries(event)) return;
    event.preventDefault();
    column.classList.add("dropping");
});
column.addEventListener("dragleave", event => {
    if (!column.contains(event.relatedTarget)) column.classList.remove("dropping");
});
column.addEventListener("drop", event => {
    if (!carries(event)) return;
    event.preventDefault();
    column.classList.remove("dropping");
    const input = document.querySelector("#ask-text-head input[type=file]");
    const one = new DataTransfer();
    one.items.add(event.dataTransfer.files[0]);
    input.files = one.files;
    input.dispatchEvent(new Event("change", {bubbles: true}));
});
"""


@dataclass(frozen=True, slots=True)
class Parts:
    """The tab's components."""

    question: gr.Textbox
    ask: gr.Button
    stop: gr.Button
    example: gr.Dropdown
    reader: gr.Dropdown
    verdict: gr.HTML
    decision: gr.Column
    scale: gr.HTML
    threshold: gr.Slider
    own: gr.Button
    open: gr.UploadButton
    edit: gr.Button
    done: gr.Button
    copy: gr.Button
    note: gr.HTML
    text: gr.HTML
    context: gr.Textbox
    readings: gr.HTML
    held: gr.State
    source: gr.State
    asked: gr.State
    chosen: gr.State
    entry: gr.HTML
    draft: gr.Textbox

    @property
    def standing(self) -> Standing:
        """What the sections below read and change."""
        return Standing(self.question, self.context, self.held, self.reader, self.asked, self.entry)

    @property
    def answered(self) -> list[Any]:
        """What changes with an answer, and with its absence."""
        return [
            self.asked, self.chosen, self.verdict, self.text, self.context, self.held, self.edit, self.done,
            self.copy, self.note, self.decision, self.scale, self.threshold, self.own, self.readings, self.entry,
        ]  # fmt: skip

    @property
    def decided(self) -> list[Any]:
        """What changes with the decision alone."""
        return [
            self.asked,
            self.chosen,
            self.verdict,
            self.scale,
            self.readings,
            self.own,
            self.text,
            self.note,
            self.entry,
        ]


def layout() -> Parts:
    """One column on a phone; two from a tablet on, by the grid in style.css."""
    own: dict[str, Any] = {}
    with gr.Column(elem_id="ask"):
        with gr.Row(elem_id="ask-question"):
            own["question"] = gr.Textbox(
                label="Question",
                placeholder="What would you like to know from the text?",
                lines=1,  # so Enter asks, and Shift + Enter breaks the line
                max_lines=4,
                autofocus=True,
                elem_id="ask-question-text",
                scale=1,
            )
            # Asking waits until the page is filled.
            own["ask"] = gr.Button(
                "Ask", variant="primary", interactive=False, elem_id="ask-button", scale=0, min_width=110
            )
            # There while a long text is read.
            own["stop"] = gr.Button("Stop", visible=False, elem_id="ask-stop", scale=0, min_width=90)
        with gr.Column(elem_id="ask-pick"):
            own["example"] = gr.Dropdown([], label="Example", elem_id="ask-example", num_choices_shown=None)
            own["reader"] = gr.Dropdown(
                [("embedded", EMBEDDED)],
                value=EMBEDDED,
                label="Reader: pick one, or type a Hub id",
                allow_custom_value=True,
                elem_id="ask-reader",
            )
        own["verdict"] = gr.HTML(notice(READY), elem_id="ask-verdict", js_on_load=CLICK_READING)
        with gr.Column(visible=False, elem_id="ask-decision") as own["decision"]:
            own["scale"] = gr.HTML(elem_id="ask-scale")
            own["threshold"] = gr.Slider(
                -WIDEST,
                WIDEST,
                0.0,
                step=0.01,
                label="Threshold: answers while the margin is left of it",
                buttons=[],
                elem_id="ask-threshold",
            )
            own["own"] = gr.Button("", size="sm", visible=False, elem_id="ask-own-threshold")
        with gr.Column(elem_id="ask-text"):
            _lay_out_text(own)
        own["readings"] = gr.HTML(elem_id="ask-readings", js_on_load=CLICK_READING)
    own["held"] = gr.State("")
    own["source"] = gr.State()
    own["asked"] = gr.State()
    own["chosen"] = gr.State()
    own["entry"] = gr.HTML(elem_id="ask-entry", elem_classes="unseen", js_on_load=NOTE_ENTRY)
    own["draft"] = gr.Textbox(visible=False)
    return Parts(**own)


def _lay_out_text(own: dict[str, Any]) -> None:
    with gr.Row(elem_id="ask-text-head"):
        gr.HTML("<h2>Text</h2>")
        own["open"] = gr.UploadButton(
            "Open a file", file_types=list(ENDINGS), size="sm", scale=0, min_width=110, elem_id="ask-open"
        )
        own["edit"] = gr.Button("Edit text", size="sm", scale=0, min_width=100, elem_id="ask-edit")
        own["done"] = gr.Button("Done", size="sm", scale=0, min_width=100, visible=False, elem_id="ask-done")
        own["copy"] = gr.Button("Copy link", size="sm", scale=0, min_width=100, visible=False, elem_id="ask-copy")
    own["note"] = gr.HTML(elem_id="ask-note", js_on_load=COPY_LINK)
    own["text"] = gr.HTML(elem_id="ask-reading", js_on_load=CLICK_TEXT + NOTE_DRAFT)
    own["context"] = gr.Textbox(
        label="Text",
        show_label=False,
        placeholder="Paste the text to read here, or drop a file: txt, md, html, pdf, docx.",
        lines=14,
        max_lines=24,
        visible=False,
        elem_id="ask-context",
    )
