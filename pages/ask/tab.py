"""The Ask tab: one question, one text, the answer marked where it stands, and how sure the reader is.

The reader reads once. What it found, the `Asked` of this visitor, stays in the session, and the threshold decides
over it again as often as somebody moves the slider, without the model. What asking does is in asking.py, how an
answer looks in verdict.py, where the parts stand in layout.py; here they are wired. The sections below the text
are each a file of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from pages.access import Access
from pages.ask import history, looking_inside, many, reader_shelf, second, teaching
from pages.ask.asking import (
    READING,
    ask_along,
    check_length,
    endpoint,
    example_label,
    is_number,
    what_is_missing,
    what_takes_time,
)
from pages.ask.dropped import Source, take_in, what_came
from pages.ask.layout import READY, Parts, layout
from pages.ask.links import link_shown, link_to, open_with
from pages.ask.standing import text_of
from pages.ask.verdict import Asked, marked, plain, readings, scale, verdict
from pages.events import PLAIN
from pages.phrases import notice, signed
from pages.readers import EMBEDDED, Shelf, find_reader, list_readers
from reader.errors import ReaderboardError
from reader.examples import load_examples

LONGEST_EDIT = 300_000  # characters that a browser's text box takes well


OTHER_READER = "Another reader was picked while this one read. Press Ask to have it answer."
STOPPED = "Stopped. Press Ask to read the text again."
FAULT = "Something went wrong in Readerboard itself. What it was stands in the terminal that it was started from."

# So that typing searches a picker's list, instead of going on after the name that stands there.
SELECT_NAME = "() => document.querySelector('#%s input').select()"
# A verdict on another question than the one that stands there now is shown paler.
AGE_VERDICT = """() => document.querySelector("#ask-verdict .verdict:is(.yes, .no)")?.classList.add("stale")"""
FOCUS_TEXT = """() => document.querySelector("#ask-context textarea")?.focus()"""
# Only the text's own box is scrolled, so that the question stays in view.
SCROLL_TO_MARK = """() => requestAnimationFrame(() => {
    const mark = document.querySelector("#ask-reading mark.%s");
    const box = mark?.closest(".reading");
    if (box) box.scrollTop += mark.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3;
    mark?.scrollIntoView({block: "nearest"});
})"""
SCROLL_TO_ANSWER = SCROLL_TO_MARK % "predicted"


def reader_choices() -> list[tuple[str, str]]:
    """The readers to pick from, for a dropdown."""
    return [(choice.label, choice.name) for choice in list_readers()]


def build(demo: gr.Blocks, tab: gr.Tab, access: Access, shelf: Shelf) -> None:
    """Lay the tab out and wire it; to be called inside it."""
    parts = layout()
    _wire_asking(parts, access, shelf)
    _wire_decision(parts)
    _wire_text(parts)
    _wire_opening(demo, tab, parts)
    _build_sections(demo, parts, access, shelf)
    _offer_endpoint(access, shelf)


# What is shown


def _shown(parts: Parts, asked: Asked, text: str, chosen: float | None) -> dict[Any, Any]:
    """What the page shows once a reader has answered."""
    return _decided(parts, asked, text, chosen) | {
        parts.text: gr.HTML(marked(asked), visible=True),
        parts.context: gr.Textbox("", visible=False),
        parts.held: text,
        parts.edit: gr.Button(visible=True),
        parts.done: gr.Button(visible=False),
        parts.copy: gr.Button(visible=True),
        parts.decision: gr.Column(visible=asked.answer.best is not None),
        parts.threshold: gr.Slider(minimum=-asked.ends, maximum=asked.ends, value=asked.answer.threshold),
    }


def _decided(parts: Parts, asked: Asked, text: str, chosen: float | None) -> dict[Any, Any]:
    """What changes with the decision alone. The slider is not in it: it would jump back under a moving finger."""
    own = asked.own_threshold
    return {
        parts.asked: asked,
        parts.chosen: chosen,
        parts.verdict: verdict(asked),
        parts.scale: scale(asked),
        parts.readings: readings(asked),
        parts.note: "",
        parts.entry: history.entry(asked, chosen, text),
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
        parts.copy: gr.Button(visible=False),
        parts.note: "",
        parts.entry: history.no_entry(),
        parts.readings: "",
    }


def _reading(parts: Parts, text: str) -> dict[Any, Any]:
    """The text to read, rather than to edit; to edit where there is none."""
    there = bool(text.strip())
    return {
        parts.text: gr.HTML(plain(text), visible=there),
        parts.context: gr.Textbox("" if there else text, visible=not there),
        parts.held: text if there else "",
        parts.edit: gr.Button(visible=there),
        parts.done: gr.Button(visible=False),
    }


# What happens


def _wire_asking(parts: Parts, access: Access, shelf: Shelf) -> None:
    def answer(
        question: str | None,
        typed: str | None,
        held: str,
        source: Source | None,
        name: str | None,
        chosen: float | None,
        request: gr.Request,
    ) -> Iterator[dict[Any, Any]]:
        # None where Enter was quicker than the page.
        question, text, name = question or "", text_of(typed, held), name or EMBEDDED
        missing = what_is_missing(question, text)
        if missing:
            yield _unasked(parts, notice(missing))
            return
        try:
            found = find_reader(name, shelf, request, access)
            yield {
                parts.verdict: notice(what_takes_time(shelf, found, text), "busy"),
                parts.ask: gr.Button("Reading…", interactive=False),
            }
            pages = source.pages_of(text) if source else ()
            for told in ask_along(shelf, found, question, text, chosen, name=name, pages=pages):
                if isinstance(told, Asked):
                    yield _shown(parts, told, text, chosen)
                else:
                    yield {parts.verdict: notice(told, "busy"), parts.stop: gr.Button(visible=True)}
        except ReaderboardError as error:
            unmarked = {} if typed else {parts.text: plain(text)}
            yield _unasked(parts, notice(str(error), "alarm")) | unmarked

    asking = gr.on(
        [parts.ask.click, parts.question.submit],
        answer,
        inputs=[parts.question, *parts.standing.texts, parts.source, parts.reader, parts.chosen],
        outputs=[*parts.answered, parts.ask, parts.stop],
        show_progress="hidden",
        trigger_mode="once",
        **READING,
    )

    def end(asked: Asked | None, name: str | None) -> dict[Any, Any]:
        button = {parts.ask: gr.Button("Ask", interactive=True), parts.stop: gr.Button(visible=False)}
        if asked is None or asked.name == name:
            return button
        return button | {parts.chosen: None, **_unasked(parts, notice(OTHER_READER))}

    # An event of its own, so that the button comes back whatever happened.
    asking.then(
        end,
        inputs=[parts.asked, parts.reader],
        outputs=[parts.ask, parts.stop, *parts.answered],
        **PLAIN,
    ).then(None, js=SCROLL_TO_ANSWER, api_visibility="private")
    parts.stop.click(
        lambda: {
            parts.ask: gr.Button("Ask", interactive=True),
            parts.stop: gr.Button(visible=False),
            **_unasked(parts, notice(STOPPED)),
        },
        outputs=[parts.ask, parts.stop, *parts.answered],
        cancels=asking,
        **PLAIN,
    )
    parts.question.input(None, js=AGE_VERDICT, api_visibility="private")
    asking.failure(
        lambda: _unasked(parts, notice(FAULT, "alarm")),
        outputs=parts.answered,
        **PLAIN,
    )


def _wire_decision(parts: Parts) -> None:
    def decide(asked: Asked | None, text: str, typed: Any) -> Any:
        if asked is None or not is_number(typed):  # such as the nothing between one number and the next
            return gr.skip()
        threshold = float(typed)
        again = asked.at_threshold(threshold)
        changes = _decided(parts, again, text, threshold)
        if again.shown != asked.shown:
            changes[parts.text] = marked(again.look_at(text))
        return changes

    def decide_as_reader(asked: Asked | None, text: str) -> Any:
        if asked is None:
            return gr.skip()
        return _shown(parts, asked.at_threshold(asked.own_threshold).look_at(text), text, None)

    def pick(asked: Asked | None, text: str, chosen: float | None, clicked: gr.EventData) -> Any:
        wanted = str(clicked.reading)
        reading = int(wanted) if wanted.lstrip("-").isdecimal() else None
        if asked is None or (reading is not None and not -1 <= reading < len(asked.answer.alternatives)):
            return gr.skip()
        picked = asked.pick(reading, text)
        if picked.shown == asked.at_threshold(asked.answer.threshold).shown:
            picked = asked.pick(None, text)
        return _decided(parts, picked, text, chosen) | {parts.text: marked(picked)}

    parts.threshold.input(
        decide,
        inputs=[parts.asked, parts.held, parts.threshold],
        outputs=parts.decided,
        trigger_mode="always_last",
        preprocess=False,  # which would refuse what is not a number with an error
        **PLAIN,
    )
    parts.own.click(decide_as_reader, inputs=[parts.asked, parts.held], outputs=parts.answered, **PLAIN)
    for readings_shown in (parts.readings, parts.verdict):
        readings_shown.click(pick, inputs=[parts.asked, parts.held, parts.chosen], outputs=parts.decided, **PLAIN).then(
            None, js=SCROLL_TO_ANSWER, api_visibility="private"
        )
    # The margins of two readers are not comparable, so a threshold chosen for one says nothing to the next. Not
    # ``input``, which also comes when somebody leaves the picker without a choice.
    parts.reader.change(
        lambda name, asked: {parts.chosen: None, **_unasked(parts)} if asked and asked.name != name else gr.skip(),
        inputs=[parts.reader, parts.asked],
        outputs=parts.answered,
        **PLAIN,
    )


def _wire_text(parts: Parts) -> None:
    def edit(text: str) -> dict[Any, Any]:
        short = len(text) <= LONGEST_EDIT
        says = "" if short else notice(f"{len(text):,} characters are too many to edit here: paste another text.")
        return {
            parts.text: gr.HTML(visible=False),
            parts.context: gr.Textbox(text if short else "", visible=True),
            parts.held: "" if short else text,
            parts.note: says,
            parts.edit: gr.Button(visible=False),
            parts.done: gr.Button(visible=True),
        }

    def done(typed: str | None, held: str, asked: Asked | None) -> dict[Any, Any]:
        text = text_of(typed, held)
        if not text.strip():
            return _unasked(parts, notice(what_is_missing("", text)))
        if asked is not None and asked.excerpt.is_of(text):
            return _reading(parts, text) | {parts.text: gr.HTML(marked(asked), visible=True), parts.note: ""}
        return _reading(parts, text) | _unasked(parts)

    def open_file(file: str | None) -> dict[Any, Any]:
        try:
            text, source = take_in(Path(file or ""))
            check_length("", text)
        except ReaderboardError as error:
            return _unasked(parts, notice(str(error), "alarm"))
        return _reading(parts, text) | _unasked(parts, notice(what_came(text, source))) | {parts.source: source}

    def go(asked: Asked | None, text: str, clicked: gr.EventData) -> Any:
        return look_at(asked, text, clicked.place)

    def look_at(asked: Asked | None, text: str, place: Any) -> Any:
        if not is_number(place) or not text:
            return gr.skip()
        at = max(0, min(int(place), len(text)))
        return plain(text, at) if asked is None else marked(asked.look_at(text, at))

    def paste(clicked: gr.EventData) -> Any:
        text = clicked.text
        if not isinstance(text, str) or not text.strip():
            return gr.skip()
        return _reading(parts, text) | _unasked(parts)

    parts.edit.click(
        edit,
        inputs=parts.held,
        outputs=[parts.text, parts.context, parts.held, parts.note, parts.edit, parts.done],
        **PLAIN,
    ).then(None, js=FOCUS_TEXT, api_visibility="private")
    parts.text.input(paste, outputs=parts.answered, **PLAIN)
    parts.done.click(done, inputs=[*parts.standing.texts, parts.asked], outputs=parts.answered, **PLAIN)
    parts.open.upload(
        open_file,
        inputs=parts.open,
        outputs=[*parts.answered, parts.source],
        show_progress="hidden",
        concurrency_id="files",
        concurrency_limit=2,
        api_visibility="private",
    )
    parts.text.click(go, inputs=[parts.asked, parts.held], outputs=parts.text, **PLAIN)


def _wire_opening(demo: gr.Blocks, tab: gr.Tab, parts: Parts) -> None:
    def open_page(draft: str | None, request: gr.Request) -> dict[Any, Any]:
        examples = load_examples("starter").examples
        opening = history.read_draft(draft) or open_with(dict(request.query_params), examples)
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
        return {parts.question: example.question, **_reading(parts, example.context), **_unasked(parts)}

    def copy_link(asked: Asked | None, text: str, chosen: float | None) -> str:
        if asked is None:
            return ""
        return link_shown(link_to(asked.question, text, asked.name, chosen))

    # A training may have ended since.
    tab.select(lambda: gr.Dropdown(reader_choices()), outputs=parts.reader, **PLAIN)
    for picker in (parts.example, parts.reader):
        picker.focus(None, js=SELECT_NAME % picker.elem_id, api_visibility="private")
    demo.load(
        open_page,
        inputs=parts.draft,
        outputs=[parts.question, parts.example, parts.reader, parts.ask, *parts.answered],
        js=history.READ_DRAFT,
        **PLAIN,
    )
    # Not ``input``, which also comes when somebody leaves the picker without a choice.
    parts.example.select(
        take_example,
        inputs=parts.example,
        outputs=[parts.question, *parts.answered],
        **PLAIN,
    )
    parts.reader.change(None, inputs=parts.reader, js=history.NOTE_READER, api_visibility="private")
    parts.copy.click(copy_link, inputs=[parts.asked, parts.held, parts.chosen], outputs=parts.note, **PLAIN)


def _build_sections(demo: gr.Blocks, parts: Parts, access: Access, shelf: Shelf) -> None:
    """What goes deeper than one answer, each in a file of its own."""
    standing = parts.standing
    with gr.Tabs(elem_id="ask-sections"):
        with gr.Tab("Windows", id="windows") as tab:
            windows = looking_inside.build_windows(demo, tab, standing, access, shelf)
        with gr.Tab("Inside", id="inside") as tab:
            looking_inside.build_inside(demo, tab, standing, access, shelf)
        with gr.Tab("Second reader", id="second") as tab:
            second.build(tab, standing, access, shelf)
        with gr.Tab("Teach", id="teach") as tab:
            teaching.build(demo, tab, standing, access, shelf)
        with gr.Tab("Many", id="many") as tab:
            many.build(demo, tab, standing, access, shelf)
        with gr.Tab("Readers", id="readers") as tab:
            reader_shelf.build(demo, tab, standing, access, shelf)
        with gr.Tab("History", id="history"):
            again = history.build()

    def ask_again(clicked: gr.EventData, text: str) -> Any:
        opening = history.reopened(clicked.entry)
        if opening is None:
            return gr.skip()
        hint = opening.hint if text else opening.hint and history.TOO_LONG_AND_GONE
        changes = _reading(parts, opening.context or text) | _unasked(parts, notice(hint or READY))
        return changes | {
            parts.question: opening.question,
            parts.reader: opening.reader,
            parts.chosen: opening.threshold,
        }

    def show_window(asked: Asked | None, text: str, clicked: gr.EventData) -> Any:
        index = clicked.window
        if asked is None or not is_number(index) or not 0 <= index < len(asked.windows):
            return gr.skip()
        window = asked.windows[int(index)]
        return marked(asked.look_at(text, window.best.start if window.best else window.start), window)

    windows.drawn.click(show_window, inputs=[parts.asked, parts.held], outputs=parts.text, **PLAIN).then(
        None, js=SCROLL_TO_MARK % "window", api_visibility="private"
    )
    again.click(ask_again, inputs=parts.held, outputs=[parts.question, parts.reader, *parts.answered], **PLAIN)


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

    gr.api(answer, api_name="ask", **{**READING, "api_visibility": "public"})
