"""The sets that were taught: which there are, what is in them, and how that is changed, taken away and deleted.

The page keeps only what is looked at; everything else is read from the files whenever it is shown, so that it is true
whoever has changed it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from pages.access import Access, NotAllowed, require
from pages.ask import marking
from pages.ask.marking import Changes, Marking, quoted
from pages.ask.taught_view import about_to_go, heading, question_list, sets_table
from pages.events import CLICK_DOWNLOAD, PLAIN
from pages.highlight import Mark, reading_view, surroundings
from pages.phrases import notice
from pages.scratch import scratch
from reader.errors import BadData, BadUsage, ReaderboardError
from reader.examples import Example
from reader.teaching import (
    LONGEST_NAME,
    change_question,
    checked_name,
    delete_question,
    delete_set,
    list_sets,
    read_set,
    rename_set,
    set_path,
)

MINE = "my questions"  # the set that answers go into until somebody picks or names another
PAGE = 10  # questions shown at once

FAULT = "Something went wrong in Readerboard itself. What it was stands in the terminal that it was started from."

CLICK_SET = """
element.addEventListener("click", event => {
    const set = event.target.closest("[data-set]");
    if (set) trigger("click", {set: set.getAttribute("aria-expanded") === "true" ? "" : set.dataset.set});
});
"""
CLICK_QUESTION = """
element.addEventListener("click", event => {
    const edit = event.target.closest("[data-edit]"), drop = event.target.closest("[data-drop]");
    if (edit) trigger("click", {edit: edit.dataset.edit});
    if (drop) trigger("click", {drop: drop.dataset.drop});
});
"""
# What a click has opened is gone on with, also where it is below the fold.
SHOW_SET = "() => setTimeout(() => document.querySelector('#teach-set')?.scrollIntoView({block: 'nearest'}), 50)"
FOCUS = (
    "() => setTimeout(() => document.querySelector('#teach-keep, #edit-question :is(input, textarea)')?.focus(), 50)"
)


@dataclass(frozen=True, slots=True)
class Looking:
    """What is looked at: a set's name, a page of it (from 0), and the ids of the questions to edit and to delete.

    ``going`` is None where nothing is about to be deleted, and "" where it is the set itself.
    """

    set: str = ""
    page: int = 0
    edited: str = ""
    going: str | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """The components of the list of sets, of the set that is open, and of the question that is edited.

    ``target`` picks the set that an answer goes into.
    """

    target: gr.Dropdown
    sets: gr.HTML
    says: gr.HTML
    opened: gr.Column
    heading: gr.HTML
    name: gr.Textbox
    rename: gr.Button
    download: gr.Button
    downloaded: gr.DownloadButton
    delete: gr.Button
    confirm: gr.Row
    going: gr.HTML
    delete_now: gr.Button
    keep: gr.Button
    listed: gr.Column
    questions: gr.HTML
    paging: gr.Row
    back: gr.Button
    page: gr.HTML
    on: gr.Button
    editor: gr.Column
    text: gr.HTML
    question: gr.Textbox
    marking: Marking
    save: gr.Button
    cancel: gr.Button
    looking: gr.State

    @property
    def drawn(self) -> list[Any]:
        """What `shown` changes."""
        return [
            self.sets, self.says, self.opened, self.heading, self.name, self.confirm, self.going, self.listed,
            self.questions, self.paging, self.back, self.page, self.on, self.editor, self.looking,
        ]  # fmt: skip

    @property
    def edited(self) -> list[Any]:
        """What changes with the question that is edited."""
        return [*self.drawn, self.text, self.question, *self.marking.outputs]


def lay_out(target: gr.Dropdown) -> Parts:
    """The sets beside what is marked, and the open one below."""
    own: dict[str, Any] = {"target": target}
    with gr.Column(elem_id="teach-sets"):
        own["sets"] = gr.HTML(elem_id="teach-set-list", js_on_load=CLICK_SET)
        own["says"] = gr.HTML(elem_id="teach-sets-say")
    with gr.Column(visible=False, elem_id="teach-set") as own["opened"]:
        own["heading"] = gr.HTML(elem_id="teach-set-heading")
        with gr.Row(elem_id="teach-set-buttons"):
            own["name"] = gr.Textbox(label="Name", max_lines=1, max_length=2 * LONGEST_NAME, elem_id="teach-rename")
            own["rename"] = gr.Button("Rename", size="sm", scale=0, min_width=100)
            own["download"] = gr.Button("Download", size="sm", scale=0, min_width=100, elem_id="teach-download")
            own["delete"] = gr.Button("Delete set", size="sm", scale=0, min_width=100, elem_id="teach-delete")
            # Shown, but out of sight: a hidden one is not on the page, and cannot be clicked by the other.
            own["downloaded"] = gr.DownloadButton("Set", elem_id="taught-set", elem_classes="unseen", scale=0)
        with gr.Row(visible=False, elem_id="teach-confirm") as own["confirm"]:
            own["going"] = gr.HTML(elem_id="teach-going")
            own["delete_now"] = gr.Button(
                "Delete", variant="stop", size="sm", scale=0, min_width=100, elem_id="teach-delete-now"
            )
            own["keep"] = gr.Button("Keep", size="sm", scale=0, min_width=100, elem_id="teach-keep")
        with gr.Column(elem_id="teach-listed") as own["listed"]:
            own["questions"] = gr.HTML(elem_id="teach-questions", js_on_load=CLICK_QUESTION)
            with gr.Row(elem_id="teach-paging") as own["paging"]:
                own["back"] = gr.Button(f"Previous {PAGE}", size="sm", scale=0, min_width=110)
                own["page"] = gr.HTML(elem_id="teach-page")
                own["on"] = gr.Button(f"Next {PAGE}", size="sm", scale=0, min_width=110)
        with gr.Column(visible=False, elem_id="teach-editor") as own["editor"]:
            own["text"] = gr.HTML(elem_id="teach-reading")
            own["question"] = gr.Textbox(label="The question", lines=1, max_lines=4, elem_id="edit-question")
            own["marking"] = marking.lay_out("edit", "#teach-reading")
            with gr.Row(elem_id="teach-edit-buttons"):
                own["save"] = gr.Button("Save", variant="primary", scale=0, min_width=110, elem_id="teach-save")
                own["cancel"] = gr.Button("Cancel", scale=0, min_width=110, elem_id="teach-cancel")
    own["looking"] = gr.State(Looking())
    return Parts(**own)


# What is shown


def shown(parts: Parts, looking: Looking, says: str = "") -> Changes:
    """The sets, and the open one, as they are now; ``says`` is HTML. For those who may."""
    sets = list_sets()
    changes: Changes = {parts.sets: sets_table(sets, looking.set), parts.says: says, parts.looking: looking}
    one = next((each for each in sets if each.name == looking.set), None)
    if one is None:
        return changes | {parts.opened: gr.Column(visible=False), parts.looking: Looking()}
    examples: Sequence[Example] = ()
    if not one.trouble:
        try:
            examples = read_set(one.name)
        except BadData as error:
            changes[parts.says] = says or notice(str(error), "alarm")
    pages = max(1, -(-len(examples) // PAGE))
    page = max(0, min(looking.page, pages - 1))
    first = page * PAGE
    editing = bool(looking.edited)
    return changes | {
        parts.opened: gr.Column(visible=True),
        parts.heading: heading(one),
        parts.name: one.name,
        parts.confirm: gr.Row(visible=looking.going is not None),
        parts.going: about_to_go(one, examples, looking.going),
        parts.listed: gr.Column(visible=not editing),
        parts.editor: gr.Column(visible=editing),
        parts.questions: question_list(examples[first : first + PAGE], first),
        parts.paging: gr.Row(visible=pages > 1),
        parts.back: gr.Button(interactive=page > 0),
        parts.page: f'<p class="quiet">{first + 1:,}–{min(first + PAGE, len(examples)):,} of {len(examples):,}</p>',
        parts.on: gr.Button(interactive=page < pages - 1),
        parts.looking: replace(looking, page=page),
    }


def set_names() -> list[str]:
    """The sets that an answer can go into."""
    return [each.name for each in list_sets()] or [MINE]


# What can be done


def wire(parts: Parts, access: Access) -> None:
    """Wire everything in the list, the open set and the editor."""
    _wire_looking(parts, access)
    _wire_set(parts, access)
    _wire_editor(parts, access)


def _acting(parts: Parts, access: Access, act: Callable[..., tuple[Looking, str]]) -> Callable[..., Changes]:
    """Make a handler of ``act(looking, clicked, *values)``, for those who may; it draws anew all that is shown."""

    def handle(request: gr.Request, event: gr.EventData, looking: Looking, *values: Any) -> Changes:
        clicked = event._data if isinstance(event._data, dict) else {}
        try:
            require(request, access)
        except ReaderboardError as error:
            return {parts.says: notice(str(error), "alarm")}
        try:
            looking, says = act(looking, clicked, *values)
        except ReaderboardError as error:
            return shown(parts, replace(looking, going=None), notice(str(error), "alarm"))
        return shown(parts, looking, notice(says) if says else "")

    return handle


def _wire_looking(parts: Parts, access: Access) -> None:
    def open_set(looking: Looking, clicked: dict[str, Any]) -> tuple[Looking, str]:
        return Looking(str(clicked.get("set", ""))), ""

    def turn(by: int) -> Callable[..., tuple[Looking, str]]:
        return lambda looking, clicked: (replace(looking, page=looking.page + by, going=None), "")

    opening = parts.sets.click(_acting(parts, access, open_set), inputs=parts.looking, outputs=parts.drawn, **PLAIN)
    opening.then(None, js=SHOW_SET, api_visibility="private")
    for button, by in ((parts.back, -1), (parts.on, 1)):
        button.click(_acting(parts, access, turn(by)), inputs=parts.looking, outputs=parts.drawn, **PLAIN)


def _wire_set(parts: Parts, access: Access) -> None:
    def rename(looking: Looking, clicked: dict[str, Any], name: Any) -> tuple[Looking, str]:
        wanted = checked_name(name if isinstance(name, str) else "")
        if wanted == looking.set:
            return looking, f"“{wanted}” is its name already."
        return replace(looking, set=rename_set(looking.set, wanted)), f"“{looking.set}” is called “{wanted}” now."

    def ask_whether(looking: Looking, clicked: dict[str, Any]) -> tuple[Looking, str]:
        return replace(looking, going=""), ""

    def keep(looking: Looking, clicked: dict[str, Any]) -> tuple[Looking, str]:
        return replace(looking, going=None), ""

    def delete(looking: Looking, clicked: dict[str, Any]) -> tuple[Looking, str]:
        if looking.going is None:
            raise BadUsage("Say first what to delete.")
        if not looking.going:
            delete_set(looking.set)
            return Looking(), f"“{looking.set}” is deleted."
        gone = delete_question(looking.set, looking.going)
        return replace(looking, going=None), f"Deleted: {quoted(gone.question)}"

    def download(looking: Looking, request: gr.Request) -> Changes:
        try:
            require(request, access)
            file = scratch() / f"{looking.set}.json"
            shutil.copyfile(set_path(looking.set), file)
        except ReaderboardError as error:
            return {parts.says: notice(str(error), "alarm")}
        return {parts.downloaded: gr.DownloadButton(value=str(file)), parts.says: ""}

    def moving(act: Callable[..., tuple[Looking, str]]) -> Callable[..., Changes]:
        """A handler for what changes the sets' names: what is answered next goes where it would have gone."""
        acting = _acting(parts, access, act)

        def handle(request: gr.Request, event: gr.EventData, looking: Looking, target: Any, *values: Any) -> Changes:
            changes = acting(request, event, looking, *values)
            if parts.looking not in changes:
                return changes
            now, names = changes[parts.looking].set, set_names()
            moved = target == looking.set and now != target
            return changes | {parts.target: gr.Dropdown(names, value=(now or names[0]) if moved else target)}

        return handle

    for event, act, values in (
        (parts.rename.click, rename, [parts.name]),
        (parts.name.submit, rename, [parts.name]),
        (parts.delete_now.click, delete, []),
    ):
        done = event(
            moving(act),
            inputs=[parts.looking, parts.target, *values],
            outputs=[*parts.drawn, parts.target],
            trigger_mode="once",
            **PLAIN,
        )
        done.failure(lambda: notice(FAULT, "alarm"), outputs=parts.says, **PLAIN)
    asking = parts.delete.click(_acting(parts, access, ask_whether), inputs=parts.looking, outputs=parts.drawn, **PLAIN)
    asking.then(None, js=FOCUS, api_visibility="private")
    parts.keep.click(_acting(parts, access, keep), inputs=parts.looking, outputs=parts.drawn, **PLAIN)
    saved = parts.download.click(
        download, inputs=parts.looking, outputs=[parts.downloaded, parts.says], trigger_mode="once", **PLAIN
    )
    saved.failure(lambda: notice(FAULT, "alarm"), outputs=parts.says, **PLAIN)
    saved.success(None, js=CLICK_DOWNLOAD.format("taught-set"), api_visibility="private")


def _wire_editor(parts: Parts, access: Access) -> None:
    part = parts.marking

    def context_of(request: gr.Request, looking: Looking) -> str:
        require(request, access)
        return _question_in(looking, looking.edited).context

    def click(looking: Looking, clicked: gr.EventData, request: gr.Request) -> Changes:
        asked = clicked._data if isinstance(clicked._data, dict) else {}
        try:
            require(request, access)
            if "drop" in asked:
                return shown(parts, replace(looking, going=_question_in(looking, asked["drop"]).id))
            example = _question_in(looking, asked.get("edit"))
        except NotAllowed as error:
            return {parts.says: notice(str(error), "alarm")}
        except ReaderboardError as error:
            return shown(parts, replace(looking, going=None), notice(str(error), "alarm"))
        gold = example.answers[0] if example.answers else None
        around = (gold.start, gold.start + len(gold.text)) if gold else (0, 0)
        return {
            **shown(parts, replace(looking, edited=example.id, going=None)),
            **marking.chosen(part, gold, example.context),
            parts.text: reading_view(surroundings(example.context, *around), [Mark(*around, "gold")] if gold else []),
            parts.question: example.question,
        }

    def save(
        looking: Looking, clicked: dict[str, Any], question: Any, words: str, unanswerable: bool, picked: str
    ) -> tuple[Looking, str]:
        context = _question_in(looking, looking.edited).context
        answer = marking.marked(words, unanswerable, picked, context)
        done = change_question(looking.set, looking.edited, question if isinstance(question, str) else "", answer)
        says = "Nothing was changed." if done.happened == "kept" else f"Changed: {quoted(done.example.question)}"
        return replace(looking, edited=""), says

    def cancel(looking: Looking, clicked: dict[str, Any]) -> tuple[Looking, str]:
        return replace(looking, edited=""), ""

    marking.wire(part, [parts.looking], context_of)
    clicking = parts.questions.click(click, inputs=parts.looking, outputs=parts.edited, **PLAIN)
    clicking.then(None, js=FOCUS, api_visibility="private")
    saving = parts.save.click(
        _acting(parts, access, save),
        inputs=[parts.looking, parts.question, *part.inputs],
        outputs=parts.drawn,
        js=part.read,
        trigger_mode="once",
        **PLAIN,
    )
    saving.failure(lambda: notice(FAULT, "alarm"), outputs=parts.says, **PLAIN)
    parts.cancel.click(_acting(parts, access, cancel), inputs=parts.looking, outputs=parts.drawn, **PLAIN)


def _question_in(looking: Looking, question_id: Any) -> Example:
    """A question of the open set. Raises `BadData` where it, or the set, is gone."""
    for example in read_set(looking.set):
        if example.id == question_id:
            return example
    raise BadData("That question is not in the set any more.")
