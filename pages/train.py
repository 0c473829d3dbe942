"""The Train tab: a form that becomes a job, and a look at what the jobs do.

A job is a process of its own, and all that is known about it lies in its folder. So the page keeps nothing but the
name of the job that is looked at, in its address: reload it, open it in another browser, restart the server, and it
shows what is true. While something runs, a timer looks at the files, and redraws only what has changed.
Where things stand is in train_layout.py, what comes before a run in training.py, what is seen of it in watching.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from pages.access import Access, may, require, why_not
from pages.progress import curves, jobs_table, log_tail, status
from pages.readers import EMBEDDED, Choice, Shelf, find_reader, list_readers
from pages.train_layout import RECIPE_SAYS, Parts, layout
from pages.training import (
    ARTICLE,
    HELD_OUT,
    PRESETS,
    QUICK,
    STARTER,
    UPLOAD,
    check_data,
    config_of,
    find_data,
    form_of,
    keep_upload,
    list_data,
    needs_of_the_article,
    start_once,
)
from pages.verdict import notice
from pages.watching import View, Watcher, look, needs_a_start
from reader.errors import ReaderboardError
from reader.jobs import (
    command_line,
    config_at_half,
    delete_job,
    resume_job,
    start_waiting,
    stop_job,
    tail_log,
)

Changes = dict[Any, Any]

TAB = "train"

COLUMNS = (
    "CSV, JSONL or Parquet with the columns question, context and answer, or SQuAD's JSON. An empty answer says that "
    "the text holds none."
)
FAULT = "Something went wrong in Readerboard itself. What it was stands in the terminal that it was started from."

# The address names the job, so that a reload and a copied link open it again.
NOTE_JOB = """(job) => {
    const address = new URL(window.location);
    if (job) address.searchParams.set("job", job); else address.searchParams.delete("job");
    history.replaceState(null, "", address);
}"""
SHOW_JOB = """() => requestAnimationFrame(() => {
    const job = document.querySelector("#job");
    if (job && job.getBoundingClientRect().top > innerHeight - 160) job.scrollIntoView({block: "start"});
})"""
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def build(demo: gr.Blocks, tab: gr.Tab, access: Access, shelf: Shelf) -> None:
    """Lay the tab out and wire it; to be called inside its gr.Tab."""
    parts = layout(access)
    watcher = Watcher()
    _wire_form(parts, access, shelf)
    _wire_jobs(parts, access, shelf, watcher)
    _wire_opening(demo, tab, parts, access, watcher)


# The form


def _wire_form(parts: Parts, access: Access, shelf: Shelf) -> None:
    def take_preset(name: str) -> Changes:
        preset = PRESETS.get(name, PRESETS[QUICK])
        return {
            **{field: getattr(preset.form, key) for key, field in parts.fields.items()},
            parts.says: _quiet(preset.says),
            parts.recipe_says: RECIPE_SAYS[preset.form.recipe],
        }

    def tell_needs(name: str) -> Any:
        return _quiet(PRESETS[ARTICLE].says) + notice(needs_of_the_article()) if name == ARTICLE else gr.skip()

    def take_data(name: str | None, request: gr.Request) -> Changes:
        if name == UPLOAD:
            return {**_checked(parts, _quiet(COLUMNS)), parts.upload: gr.File(None, visible=True)}
        hidden = {parts.upload: gr.File(visible=False)}
        try:
            check = check_data(find_data(name, request, access))
        except ReaderboardError as error:
            return hidden | _checked(parts, notice(str(error), "alarm"))
        if check.good:
            return hidden | _checked(parts, _quiet(check.says))
        rows = "".join(f"<li>{escape(row)}</li>" for row in check.rows)
        return hidden | _checked(parts, notice(check.says, "alarm") + f'<ul class="rows">{rows}</ul>', check.can_skip)

    def take_upload(path: str | None, request: gr.Request) -> Changes:
        if path is None:
            return gr.skip()
        try:
            require(request, access)
            name = keep_upload(Path(path))
        except ReaderboardError as error:
            return _checked(parts, notice(str(error), "alarm"))
        # What is in it is told when the picker changes to it.
        return {parts.data: gr.Dropdown(_pairs(list_data()), value=name)}

    def tell_command(request: gr.Request, *values: Any) -> gr.Textbox:
        try:
            return gr.Textbox(command_line(_config(parts, values, shelf, request, access)))
        except ReaderboardError as error:
            return gr.Textbox("", placeholder=str(error))

    preset = parts.preset.input(
        take_preset,
        inputs=parts.preset,
        outputs=[*parts.fields.values(), parts.says, parts.recipe_says],
        queue=False,
        **QUIET,
    )
    preset.then(tell_needs, inputs=parts.preset, outputs=parts.says, **QUIET)
    checked = [parts.upload, parts.check, parts.skip_bad]
    parts.data.change(take_data, inputs=parts.data, outputs=checked, **QUIET)
    parts.upload.upload(take_upload, inputs=parts.upload, outputs=[parts.data, *checked], **QUIET)
    parts.recipe.input(
        lambda recipe: RECIPE_SAYS.get(recipe, ""),
        inputs=parts.recipe,
        outputs=parts.recipe_says,
        queue=False,
        **QUIET,
    )
    gr.on(
        [field.change for field in parts.fields.values()],
        tell_command,
        inputs=list(parts.fields.values()),
        outputs=parts.command,
        queue=False,
        trigger_mode="always_last",
        **QUIET,
    )


def _config(
    parts: Parts, values: Sequence[Any], shelf: Shelf, request: gr.Request, access: Access
) -> Mapping[str, Any]:
    """The job's config for the form's values. Raises `ReaderboardError` with a sentence."""
    form = form_of(dict(zip(parts.fields, values, strict=True)))
    return config_of(
        form,
        base=find_reader(form.base or EMBEDDED, shelf, request, access),
        data=find_data(form.data, request, access),
        eval_data=find_data(form.eval_data, request, access) if form.eval_data else None,
    )


def _checked(parts: Parts, says: str, can_skip: bool = False) -> Changes:
    return {parts.check: says, parts.skip_bad: gr.Checkbox(False, visible=can_skip)}


def _quiet(text: str) -> str:
    return f'<p class="quiet">{escape(text)}</p>'


def _pairs(choices: Sequence[Choice]) -> list[tuple[str, str]]:
    return [(choice.label, choice.name) for choice in choices]


# The jobs


def _wire_jobs(parts: Parts, access: Access, shelf: Shelf, watcher: Watcher) -> None:
    """Training, and what can be done with a job that is there."""

    def acting(act: Callable[[str], str | None]) -> Callable[[str, dict[str, str], gr.Request], Changes]:
        """Make a handler that does something with the chosen job, if this visitor may."""

        def handle(job_id: str, shown: dict[str, str], request: gr.Request) -> Changes:
            trouble = ""
            try:
                require(request, access)
                job_id = act(job_id) or ""
            except ReaderboardError as error:
                trouble = notice(str(error), "alarm")
            view = look(watcher, job_id)
            return _shown(parts, view, shown, request, access) | _settled(parts, trouble)

        return handle

    def train(request: gr.Request, shown: dict[str, str], *values: Any) -> Changes:
        try:
            require(request, access)
            job = start_once(_config(parts, values, shelf, request, access))
        except ReaderboardError as error:
            return _settled(parts, notice(str(error), "alarm"))
        return _shown(parts, look(watcher, job.id), shown, request, access) | _settled(parts)

    def choose(event: gr.EventData, shown: dict[str, str], log_open: bool, request: gr.Request) -> Changes:
        view = look(watcher, str(event._data.get("job", "")))
        return _shown(parts, view, shown, request, access, log_open) | _settled(parts)

    def tick(job_id: str, shown: dict[str, str], log_open: bool, request: gr.Request) -> Changes:
        if _address(request).get("tab") != TAB:
            return {parts.timer: gr.Timer(active=False)}
        view = look(watcher, job_id)
        if needs_a_start(view):
            start_waiting()
            view = look(watcher, job_id)
        return _shown(parts, view, shown, request, access, log_open) or gr.skip()

    def unfold(job_id: str, shown: dict[str, str], request: gr.Request) -> Changes:
        return {**_shown(parts, look(watcher, job_id), shown, request, access, True), parts.log_open: True}

    started = parts.train.click(
        train,
        inputs=[parts.shown, *parts.fields.values()],
        outputs=parts.watched,
        trigger_mode="once",
        concurrency_id="starting",
        concurrency_limit=1,
        **QUIET,
    )
    started.failure(lambda: notice(FAULT, "alarm"), outputs=parts.trouble, queue=False, **QUIET)
    chosen = parts.jobs.select(
        choose, inputs=[parts.shown, parts.log_open], outputs=parts.watched, queue=False, **QUIET
    )
    changed = [started, chosen]
    for button, act in (
        (parts.stop, lambda job_id: stop_job(job_id).id),
        (parts.resume, lambda job_id: resume_job(job_id).id),
        (parts.resume_at_half, lambda job_id: resume_job(job_id, at_half=True).id),
        (parts.delete_now, delete_job),
    ):
        done = button.click(
            acting(act),
            inputs=[parts.job, parts.shown],
            outputs=parts.watched,
            trigger_mode="once",
            queue=False,
            **QUIET,
        )
        done.failure(lambda: notice(FAULT, "alarm"), outputs=parts.trouble, queue=False, **QUIET)
        changed.append(done)
    for event in changed:
        event.then(None, inputs=parts.job, js=NOTE_JOB, api_visibility="private")
    for event in (started, chosen):
        event.then(None, js=SHOW_JOB, api_visibility="private")
    parts.delete.click(lambda: gr.Row(visible=True), outputs=parts.confirm, queue=False, **QUIET)
    parts.keep.click(lambda: gr.Row(visible=False), outputs=parts.confirm, queue=False, **QUIET)
    parts.timer.tick(
        tick,
        inputs=[parts.job, parts.shown, parts.log_open],
        outputs=parts.watched,
        trigger_mode="once",
        queue=False,
        **QUIET,
    )
    parts.log_fold.expand(
        unfold, inputs=[parts.job, parts.shown], outputs=[*parts.watched, parts.log_open], queue=False, **QUIET
    )
    parts.log_fold.collapse(lambda: False, outputs=parts.log_open, queue=False, **QUIET)


def _shown(
    parts: Parts, view: View, shown: Mapping[str, str], request: gr.Request, access: Access, log_open: bool = False
) -> Changes:
    """What has to be redrawn since ``shown``, the digests of what this page shows; nothing where nothing changed."""
    allowed = may(request, access)
    state = view.chosen.state if view.chosen else ""
    pieces: dict[str, tuple[Any, Callable[[Any], Any], Any]] = {
        "job": (parts.job, str, view.chosen.id if view.chosen else ""),
        "status": (parts.status, str, status(view, allowed)),
        "curves": (parts.curves, str, curves(view)),
        "jobs": (parts.jobs, str, jobs_table(view)),
        "stop": (parts.stop, _visible(gr.Button), allowed and state in ("queued", "running")),
        "resume": (parts.resume, _visible(gr.Button), allowed and state in ("stopped", "failed", "lost")),
        "resume_at_half": (
            parts.resume_at_half,
            _visible(gr.Button),
            allowed and state == "lost" and view.chosen is not None and config_at_half(view.chosen) is not None,
        ),
        "delete": (parts.delete, _visible(gr.Button), allowed and state not in ("", "running", "stopping")),
        "log_fold": (parts.log_fold, _visible(gr.Accordion), allowed and state not in ("", "queued")),
        "timer": (parts.timer, lambda active: gr.Timer(active=active), view.moving),
        "base": (parts.base, lambda pairs: gr.Dropdown(pairs), _pairs(list_readers())),
    }
    if log_open and allowed and view.chosen:
        pieces["log"] = (parts.log, str, log_tail(tail_log(view.chosen)))
    digests = {name: hashlib.md5(repr(value).encode()).hexdigest() for name, (_, _, value) in pieces.items()}
    changed = [name for name in pieces if shown.get(name) != digests[name]]
    if not changed:
        return {}
    changes: Changes = {component: make(value) for component, make, value in (pieces[name] for name in changed)}
    return {**changes, parts.shown: {**shown, **digests}}


def _visible(kind: Callable[..., Any]) -> Callable[[bool], Any]:
    return lambda visible: kind(visible=visible)


def _settled(parts: Parts, trouble: str = "") -> Changes:
    return {parts.trouble: trouble, parts.confirm: gr.Row(visible=False)}


# The page


def _address(request: gr.Request) -> dict[str, str]:
    """The query parameters of the page's address, as they are now: Gradio's pages send them with every request."""
    return dict(request.query_params)


def _wire_opening(demo: gr.Blocks, tab: gr.Tab, parts: Parts, access: Access, watcher: Watcher) -> None:
    def open_page(request: gr.Request) -> Changes:
        allowed = may(request, access)
        view = look(watcher, _address(request).get("job"))
        data = _pairs(list_data())
        first = PRESETS[QUICK].form
        return {
            **_shown(parts, view, {}, request, access),
            parts.form: gr.Column(visible=allowed),
            parts.refused: gr.HTML(notice(why_not(access)), visible=not allowed),
            parts.data: gr.Dropdown(data),
            parts.eval_data: gr.Dropdown([("the held-out questions", HELD_OUT), *data[:-1]]),
            parts.check: _quiet(check_data(STARTER).says),
            parts.command: command_line(config_of(first, EMBEDDED, STARTER)),
        }

    def come_back(job_id: str, shown: dict[str, str], log_open: bool, request: gr.Request) -> Changes:
        # While the page is being filled, the address alone knows the job; and the timer rested on another tab.
        view = look(watcher, _address(request).get("job") or job_id)
        shown = {name: digest for name, digest in shown.items() if name != "timer"}
        return _shown(parts, view, shown, request, access, log_open)

    demo.load(
        open_page,
        outputs=[
            *parts.watched,
            parts.form,
            parts.refused,
            parts.data,
            parts.eval_data,
            parts.check,
            parts.command,
        ],
        queue=False,
        **QUIET,
    )
    tab.select(
        come_back,
        inputs=[parts.job, parts.shown, parts.log_open],
        outputs=parts.watched,
        queue=False,
        **QUIET,
    )
