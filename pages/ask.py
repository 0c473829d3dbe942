"""The Ask tab: one question, one text, the answer marked where it stands, and how sure the reader is.

The reader reads once. What it found, the `Asked` of this visitor, stays in the session, and the threshold decides
over it again as often as somebody moves the slider, without the model. What asking does is in asking.py, how an
answer looks in verdict.py; here the tab is laid out and wired.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from pages.access import Access
from pages.asking import ask, endpoint, example_label, is_number, open_with, what_is_missing, what_takes_time
from pages.readers import EMBEDDED, Shelf, find_reader, list_readers
from pages.verdict import WIDEST, Asked, marked, notice, plain, readings, scale, signed, verdict
from reader.errors import ReaderboardError
from reader.examples import load_examples

READING_AT_ONCE = 4  # questions read at the same time; the others wait their turn

# What only lays things out does not wait in the queue behind what reads.
PLAIN: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

READY = "Press Ask: the answer will be marked in the text."
FAULT = "Something went wrong in Readerboard itself. What it was stands in the terminal that it was started from."

# So that typing searches a picker's list, instead of going on after the name that stands there.
SELECT_NAME = "() => document.querySelector('#%s input').select()"
# A verdict on another question than the one that stands there now is shown paler.
AGE_VERDICT = """() => document.querySelector("#ask-verdict .verdict:is(.yes, .no)")?.classList.add("stale")"""
# Only the text's own box is scrolled, so that the question stays in view.
SCROLL_TO_ANSWER = """() => requestAnimationFrame(() => {
    const mark = document.querySelector("#ask-reading mark.predicted");
    const box = mark?.closest(".reading");
    if (box) box.scrollTop += mark.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3;
})"""


# How it is laid out


@dataclass(frozen=True, slots=True)
class Parts:
    """The tab's components."""

    question: gr.Textbox
    ask: gr.Button
    example: gr.Dropdown
    reader: gr.Dropdown
    verdict: gr.HTML
    decision: gr.Column
    scale: gr.HTML
    threshold: gr.Slider
    own: gr.Button
    edit: gr.Button
    done: gr.Button
    text: gr.HTML
    context: gr.Textbox
    readings: gr.HTML
    asked: gr.State
    chosen: gr.State

    @property
    def answered(self) -> list[Any]:
        """What changes with an answer, and with its absence."""
        return [
            self.asked,
            self.chosen,
            self.verdict,
            self.text,
            self.context,
            self.edit,
            self.done,
            self.decision,
            self.scale,
            self.threshold,
            self.own,
            self.readings,
        ]


def layout() -> Parts:
    """One column on a phone; two from a tablet on, by the grid in style.css."""
    with gr.Column(elem_id="ask"):
        with gr.Row(elem_id="ask-question"):
            question = gr.Textbox(
                label="Question",
                placeholder="What would you like to know from the text?",
                lines=1,  # so Enter asks, and Shift + Enter breaks the line
                max_lines=4,
                autofocus=True,
                elem_id="ask-question-text",
                scale=1,
            )
            # Asking waits until the page is filled.
            button = gr.Button(
                "Ask", variant="primary", interactive=False, elem_id="ask-button", scale=0, min_width=110
            )
        with gr.Column(elem_id="ask-pick"):
            example = gr.Dropdown([], label="Example", elem_id="ask-example", num_choices_shown=None)
            reader = gr.Dropdown(
                [("embedded", EMBEDDED)],
                value=EMBEDDED,
                label="Reader: pick one, or type a Hub id",
                allow_custom_value=True,
                elem_id="ask-reader",
            )
        verdict = gr.HTML(notice(READY), elem_id="ask-verdict")
        with gr.Column(visible=False, elem_id="ask-decision") as decision:
            scale = gr.HTML(elem_id="ask-scale")
            threshold = gr.Slider(
                -WIDEST,
                WIDEST,
                0.0,
                step=0.01,
                label="Threshold: answers while the margin is left of it",
                buttons=[],
                elem_id="ask-threshold",
            )
            own = gr.Button("", size="sm", visible=False, elem_id="ask-own-threshold")
        with gr.Column(elem_id="ask-text"):
            with gr.Row(elem_id="ask-text-head"):
                gr.HTML("<h2>Text</h2>")
                edit = gr.Button("Edit text", size="sm", scale=0, min_width=100, elem_id="ask-edit")
                done = gr.Button("Done", size="sm", scale=0, min_width=100, visible=False, elem_id="ask-done")
            text = gr.HTML(elem_id="ask-reading")
            context = gr.Textbox(
                label="Text",
                show_label=False,
                placeholder="Paste the text to read here.",
                lines=14,
                max_lines=24,
                visible=False,
                elem_id="ask-context",
            )
        readings = gr.HTML(elem_id="ask-readings")
    return Parts(
        question=question,
        ask=button,
        example=example,
        reader=reader,
        verdict=verdict,
        decision=decision,
        scale=scale,
        threshold=threshold,
        own=own,
        edit=edit,
        done=done,
        text=text,
        context=context,
        readings=readings,
        asked=gr.State(),
        chosen=gr.State(),
    )


# How it is wired


def reader_choices() -> list[tuple[str, str]]:
    """The readers to pick from, for a dropdown."""
    return [(choice.label, choice.name) for choice in list_readers()]


def build(demo: gr.Blocks, tab: gr.Tab, access: Access, shelf: Shelf) -> None:
    """Lay the tab out and wire it; to be called inside it."""
    parts = layout()
    _wire_asking(parts, access, shelf)
    _wire_threshold(parts)
    _wire_text(parts)
    _wire_opening(demo, tab, parts)
    _offer_endpoint(access, shelf)


def _shown(parts: Parts, asked: Asked, chosen: float | None) -> dict[Any, Any]:
    """What the page shows once a reader has answered."""
    return _decided(parts, asked, chosen) | {
        parts.text: gr.HTML(marked(asked), visible=True),
        parts.context: gr.Textbox(visible=False),
        parts.edit: gr.Button(visible=True),
        parts.done: gr.Button(visible=False),
        parts.decision: gr.Column(visible=asked.answer.best is not None),
        parts.scale: scale(asked),
        parts.threshold: gr.Slider(minimum=-asked.ends, maximum=asked.ends, value=asked.answer.threshold),
    }


def _decided(parts: Parts, asked: Asked, chosen: float | None) -> dict[Any, Any]:
    """What changes with the decision alone. The slider is not in it: it would jump back under a moving finger."""
    own = asked.own_threshold
    return {
        parts.asked: asked,
        parts.chosen: chosen,
        parts.verdict: verdict(asked),
        parts.readings: readings(asked),
        parts.own: gr.Button(
            f"Back to the reader's own threshold, {signed(own)}", visible=asked.answer.threshold != own
        ),
    }


def _unasked(parts: Parts, says: str = "") -> dict[Any, Any]:
    """What the page shows while there is no answer to the question and text that stand there."""
    return {
        parts.asked: None,
        parts.verdict: says or notice(READY),
        parts.decision: gr.Column(visible=False),
        parts.readings: "",
    }


def _wire_asking(parts: Parts, access: Access, shelf: Shelf) -> None:
    def answer(
        question: str | None, context: str | None, name: str | None, chosen: float | None, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        # None where Enter was quicker than the page.
        question, context = question or "", context or ""
        missing = what_is_missing(question, context)
        if missing:
            yield _unasked(parts, notice(missing))
            return
        try:
            found = find_reader(name or EMBEDDED, shelf, request, access)
            yield {
                parts.verdict: notice(what_takes_time(shelf, found, context), "busy"),
                parts.ask: gr.Button("Reading…", interactive=False),
            }
            asked = ask(shelf, found, question, context, chosen)
        except ReaderboardError as error:
            yield _unasked(parts, notice(str(error), "alarm"))
            return
        yield _shown(parts, asked, chosen)

    asking = gr.on(
        [parts.ask.click, parts.question.submit],
        answer,
        inputs=[parts.question, parts.context, parts.reader, parts.chosen],
        outputs=[*parts.answered, parts.ask],
        show_progress="hidden",
        trigger_mode="once",
        concurrency_id="reading",
        concurrency_limit=READING_AT_ONCE,
        api_visibility="private",
    )
    # An event of its own, so that the button comes back whatever happened.
    asking.then(
        lambda: gr.Button("Ask", interactive=True),
        outputs=parts.ask,
        **PLAIN,
    ).then(None, js=SCROLL_TO_ANSWER, api_visibility="private")
    parts.question.input(None, js=AGE_VERDICT, api_visibility="private")
    asking.failure(
        lambda: _unasked(parts, notice(FAULT, "alarm")),
        outputs=parts.answered,
        **PLAIN,
    )


def _wire_threshold(parts: Parts) -> None:
    def decide(asked: Asked | None, typed: Any) -> Any:
        if asked is None or not is_number(typed):  # such as the nothing between one number and the next
            return gr.skip()
        threshold = float(typed)
        again = asked.at_threshold(threshold)
        changes = _decided(parts, again, threshold)
        if again.answer.answered != asked.answer.answered:
            changes[parts.text] = marked(again)
        return changes

    def decide_as_reader(asked: Asked | None) -> Any:
        if asked is None:
            return gr.skip()
        return _shown(parts, asked.at_threshold(asked.own_threshold), None)

    parts.threshold.input(
        decide,
        inputs=[parts.asked, parts.threshold],
        outputs=[parts.asked, parts.chosen, parts.verdict, parts.readings, parts.own, parts.text],
        trigger_mode="always_last",
        preprocess=False,  # which would refuse what is not a number with an error
        **PLAIN,
    )
    parts.own.click(
        decide_as_reader,
        inputs=parts.asked,
        outputs=parts.answered,
        **PLAIN,
    )
    # The margins of two readers are not comparable, so a threshold chosen for one says nothing to the next.
    parts.reader.input(
        lambda: {parts.chosen: None, **_unasked(parts)},
        outputs=parts.answered,
        **PLAIN,
    )


def _wire_text(parts: Parts) -> None:
    def edit() -> dict[Any, Any]:
        return {
            parts.text: gr.HTML(visible=False),
            parts.context: gr.Textbox(visible=True),
            parts.edit: gr.Button(visible=False),
            parts.done: gr.Button(visible=True),
        }

    def done(context: str, asked: Asked | None) -> dict[Any, Any]:
        if not context.strip():
            return _unasked(parts, notice(what_is_missing("", context)))
        if asked is not None and asked.excerpt.is_of(context):
            return _reading(parts, context) | {parts.text: gr.HTML(marked(asked), visible=True)}
        return _reading(parts, context) | _unasked(parts)

    parts.edit.click(
        edit,
        outputs=[parts.text, parts.context, parts.edit, parts.done],
        **PLAIN,
    )
    parts.done.click(
        done,
        inputs=[parts.context, parts.asked],
        outputs=parts.answered,
        **PLAIN,
    )


def _reading(parts: Parts, context: str) -> dict[Any, Any]:
    """The text to read, rather than to edit; to edit where there is none."""
    there = bool(context.strip())
    return {
        parts.text: gr.HTML(plain(context), visible=there),
        parts.context: gr.Textbox(context, visible=not there),
        parts.edit: gr.Button(visible=there),
        parts.done: gr.Button(visible=False),
    }


def _wire_opening(demo: gr.Blocks, tab: gr.Tab, parts: Parts) -> None:
    def open_page(request: gr.Request) -> dict[Any, Any]:
        examples = load_examples("starter").examples
        opening = open_with(dict(request.query_params), examples)
        return {
            parts.question: opening.question,
            parts.example: gr.Dropdown([(example_label(e), e.id) for e in examples], value=opening.example),
            parts.reader: gr.Dropdown(reader_choices(), value=opening.reader),
            **_reading(parts, opening.context),
            **_unasked(parts, notice(opening.hint or READY)),
            parts.chosen: opening.threshold,
            parts.ask: gr.Button(interactive=True),
        }

    def take_example(example_id: str | None) -> Any:
        chosen = [example for example in load_examples("starter").examples if example.id == example_id]
        if not chosen:
            return gr.skip()
        example = chosen[0]
        return {
            parts.question: example.question,
            **_reading(parts, example.context),
            **_unasked(parts),
        }

    # A training may have ended since.
    tab.select(
        lambda: gr.Dropdown(reader_choices()),
        outputs=parts.reader,
        **PLAIN,
    )
    for picker in (parts.example, parts.reader):
        picker.focus(None, js=SELECT_NAME % picker.elem_id, api_visibility="private")
    demo.load(
        open_page,
        outputs=[parts.question, parts.example, parts.reader, parts.ask, *parts.answered],
        **PLAIN,
    )
    parts.example.input(
        take_example,
        inputs=parts.example,
        outputs=[parts.question, *parts.answered],
        **PLAIN,
    )


def _offer_endpoint(access: Access, shelf: Shelf) -> None:
    def answer(
        question: str,
        context: str,
        reader: str = EMBEDDED,
        threshold: float | None = None,
        top_k: int | None = None,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Answer a question from a text.

        Returns answer, start, end (offsets in the text), answered, score, probability, null_score, null_score_diff,
        no_answer_probability, threshold, alternatives and windows. The answer is "" where the text does not hold it.
        """
        try:
            name = find_reader(reader, shelf, request, access)
            return endpoint(shelf, name, question, context, threshold, top_k)
        except ReaderboardError as error:
            raise gr.Error(str(error), print_exception=False) from None

    gr.api(answer, api_name="ask", concurrency_id="reading", concurrency_limit=READING_AT_ONCE)
