"""Teach: the right answer to the question that stands there, marked by a person and put into a set of their own.

This closes the circle: ask, correct, train, ask. How an answer is marked is in marking.py, what the sets hold and how
that is changed in taught.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from pages.access import Access, may, require, why_not
from pages.ask import marking, taught
from pages.ask.marking import Changes, Marking, quoted
from pages.ask.standing import Standing, digest_of, text_of
from pages.ask.taught import MINE, Looking, set_names
from pages.ask.verdict import Asked
from pages.events import PLAIN
from pages.phrases import notice
from pages.readers import Shelf
from reader.errors import BadUsage, ReaderboardError
from reader.examples import Example, Gold
from reader.teaching import Taught, add_question, read_set

FAULT = "Something went wrong in Readerboard itself. What it was stands in the terminal that it was started from."
INTRODUCTION = (
    "<p class='quiet'>Where the reader is wrong, mark what is right. It goes into a set of yours, to train and to "
    "judge readers on.</p>"
)
OTHER_QUESTION = "The question or the text is not the one that was answered. Press Ask again."

SHOW_QUESTION = """question => {
    const shown = document.createElement("p");
    shown.dir = "auto";
    shown.textContent = question.trim() || "No question yet: type it above.";
    return shown.outerHTML;
}"""
# So that typing gives a new name, instead of going on after the one that stands there.
SELECT_NAME = "() => document.querySelector('#teach-set-name input').select()"


@dataclass(frozen=True, slots=True)
class Parts:
    """The section's components."""

    refused: gr.HTML
    column: gr.Column
    question: gr.HTML
    right: gr.Button
    marking: Marking
    name: gr.Dropdown
    add: gr.Button
    says: gr.HTML
    about: gr.State
    taught: taught.Parts

    @property
    def opened(self) -> list[Any]:
        """What changes when the section is opened."""
        return [self.refused, self.column, self.name, *self.taught.drawn]


def build(demo: gr.Blocks, tab: gr.Tab, standing: Standing, access: Access, shelf: Shelf) -> None:
    """Lay the section out and wire it; to be called inside its tab. ``shelf`` is not needed: nothing is read here."""
    parts = _layout()
    _wire_marking(tab, parts, standing, access)
    _wire_adding(parts, standing, access)
    _wire_opening(demo, tab, parts, access)
    taught.wire(parts.taught, access)


def _layout() -> Parts:
    own: dict[str, Any] = {"refused": gr.HTML(visible=False, elem_id="teach-refused")}
    with gr.Column(visible=False, elem_id="teach") as own["column"]:
        with gr.Column(elem_id="teach-mark"):
            gr.HTML(f"<h2>The right answer</h2>{INTRODUCTION}")
            own["question"] = gr.HTML(elem_id="teach-question")
            own["right"] = gr.Button(
                "The reader's answer is right", size="sm", scale=0, visible=False, elem_id="teach-right"
            )
            own["marking"] = marking.lay_out("teach", "#ask-reading")
            with gr.Row(elem_id="teach-add"):
                own["name"] = gr.Dropdown(
                    [MINE],
                    value=MINE,
                    label="Set, or a new name",
                    allow_custom_value=True,
                    elem_id="teach-set-name",
                )
                own["add"] = gr.Button(
                    "Add to the set", variant="primary", scale=0, min_width=150, elem_id="teach-add-now"
                )
            own["says"] = gr.HTML(elem_id="teach-says")
        own["taught"] = taught.lay_out(own["name"])
    own["about"] = gr.State()
    return Parts(**own)


# Marking


def _wire_marking(tab: gr.Tab, parts: Parts, standing: Standing, access: Access) -> None:
    part = parts.marking

    def context_of(request: gr.Request, typed: str | None, held: str) -> str:
        require(request, access)
        return text_of(typed, held)

    def follow(asked: Asked | None, about: bytes | None, typed: str | None, held: str, request: gr.Request) -> Changes:
        """Another text has other answers."""
        if not may(request, access):
            return gr.skip()
        digest = digest_of(text_of(typed, held))
        changes: Changes = {parts.right: gr.Button(visible=asked is not None), parts.about: digest}
        return changes if about in (None, digest) else changes | marking.cleared(part)

    def take_right(
        asked: Asked | None, question: str | None, typed: str | None, held: str, request: gr.Request
    ) -> Changes:
        try:
            text = context_of(request, typed, held)
            if asked is None or asked.question.strip() != (question or "").strip() or asked.digest != digest_of(text):
                raise BadUsage(OTHER_QUESTION)
        except ReaderboardError as error:
            return {part.picked: notice(str(error), "alarm")}
        return marking.chosen(part, Gold(asked.shown.text, asked.shown.start) if asked.shown else None, text)

    marking.wire(part, standing.texts, context_of)
    gr.on(
        [standing.changed.change, tab.select],
        follow,
        inputs=[standing.asked, parts.about, *standing.texts],
        outputs=[parts.right, parts.about, *part.outputs],
        trigger_mode="always_last",
        **PLAIN,
    )
    parts.right.click(
        take_right, inputs=[standing.asked, standing.question, *standing.texts], outputs=part.outputs, **PLAIN
    )
    standing.question.change(
        None, inputs=standing.question, outputs=parts.question, js=SHOW_QUESTION, api_visibility="private"
    )


# Adding


def _wire_adding(parts: Parts, standing: Standing, access: Access) -> None:
    def add(
        question: str | None,
        typed: str | None,
        held: str,
        name: str | None,
        looking: Looking,
        words: str,
        unanswerable: bool,
        picked: str,
        request: gr.Request,
    ) -> Changes:
        try:
            require(request, access)
            context = text_of(typed, held)
            if not context.strip():
                raise BadUsage("There is no text yet that an answer could stand in. Paste one above.")
            if not (question or "").strip():
                raise BadUsage("There is no question yet. Type it above.")
            if not isinstance(name, str):
                raise BadUsage(f"Give the set a name, such as “{MINE}”.")
            answer = marking.marked(words, unanswerable, picked, context)
            done = add_question(name, question or "", context, answer)
        except ReaderboardError as error:
            return {parts.says: notice(str(error), "alarm")}
        return {
            **marking.cleared(parts.marking),
            **taught.shown(parts.taught, looking),
            parts.name: gr.Dropdown(set_names(), value=done.set),
            parts.says: notice(what_happened(done)),
        }

    adding = parts.add.click(
        add,
        inputs=[standing.question, *standing.texts, parts.name, parts.taught.looking, *parts.marking.inputs],
        outputs=[*parts.marking.outputs, parts.name, parts.says, *parts.taught.drawn],
        js=parts.marking.read,
        trigger_mode="once",
        **PLAIN,
    )
    adding.failure(lambda: notice(FAULT, "alarm"), outputs=parts.says, **PLAIN)
    parts.name.focus(None, js=SELECT_NAME, api_visibility="private")


def what_happened(done: Taught) -> str:
    """What an answer changed in its set, in a sentence."""
    if done.happened == "kept":
        return f"“{done.set}” holds exactly this already: nothing has changed."
    if done.before is not None:
        return (
            f"“{done.set}” held this question with another answer: {said(done.before)} has become {said(done.example)}."
        )
    count = len(read_set(done.set))
    holds = "its first question" if count == 1 else f"{count:,} questions now"
    return f"Added to “{done.set}”, {holds}: {said(done.example)}."


def said(example: Example) -> str:
    """The right answer of a question, in a sentence."""
    return quoted(example.answers[0].text) if example.answers else "not answerable"


# The section


def _wire_opening(demo: gr.Blocks, tab: gr.Tab, parts: Parts, access: Access) -> None:
    def open_section(looking: Looking, request: gr.Request) -> Changes:
        if not may(request, access):
            why = f'<p class="quiet">{escape(why_not(access))}</p>'
            return {parts.refused: gr.HTML(why, visible=True), parts.column: gr.Column(visible=False)}
        return {
            parts.refused: gr.HTML(visible=False),
            parts.column: gr.Column(visible=True),
            parts.name: gr.Dropdown(set_names()),
            **taught.shown(parts.taught, looking),
        }

    # Once with the page, and again for what others have changed since.
    gr.on([demo.load, tab.select], open_section, inputs=parts.taught.looking, outputs=parts.opened, **PLAIN)
