"""The Train tab: a form that becomes a job, and a look at what the jobs do.

A job is a process of its own, and all that is known about it lies in its folder. So the page keeps nothing but the
name of the job that is looked at, in its address: reload it, open it in another browser, restart the server, and it
shows what is true. While something runs, a timer looks at the files, and redraws only what has changed.
Where things stand is in train_layout.py, what comes before a run in training.py, what is seen of it in watching.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from pages.access import Access, may, require, why_not
from pages.events import CLICK_DOWNLOAD, QUIET
from pages.phrases import notice
from pages.readers import Shelf, list_readers
from pages.train.comparing import comparison
from pages.train.finished import has_reader, push, zip_of
from pages.train.form import config_from, listed, opened, wire_form
from pages.train.layout import Parts, layout
from pages.train.progress import curves, jobs_table, log_tail, probes, status
from pages.train.training import start_once
from pages.watching import View, Watcher, look, needs_a_start
from reader.errors import ReaderboardError
from reader.jobs import (
    config_at_half,
    delete_job,
    resume_job,
    start_waiting,
    stop_job,
    tail_log,
)

Changes = dict[Any, Any]

TAB = "train"

FAULT = "Something went wrong in Readerboard itself. What it was stands in the terminal that it was started from."

# The address names the job and what it is compared with, so that a reload and a copied link show them again.
NOTE_JOB = """(job, compared) => {
    const address = new URL(window.location);
    if (job) address.searchParams.set("job", job); else address.searchParams.delete("job");
    if (compared) address.searchParams.set("compare", compared); else address.searchParams.delete("compare");
    history.replaceState(null, "", address);
}"""
SHOW_JOB = """() => requestAnimationFrame(() => {
    const job = document.querySelector("#job");
    if (job && job.getBoundingClientRect().top > innerHeight - 160) job.scrollIntoView({block: "start"});
})"""


def build(demo: gr.Blocks, tab: gr.Tab, access: Access, shelf: Shelf) -> None:
    """Lay the tab out and wire it; to be called inside its gr.Tab."""
    parts = layout(access)
    watcher = Watcher()
    wire_form(parts.form, access, shelf)
    _wire_jobs(parts, access, shelf, watcher)
    _wire_results(parts, access)
    _wire_opening(demo, tab, parts, access, watcher)


# The jobs


def _wire_jobs(parts: Parts, access: Access, shelf: Shelf, watcher: Watcher) -> None:
    """Training, and what can be done with a job that is there."""

    def acting(act: Callable[[str], str | None]) -> Callable[[str, str, dict[str, str], gr.Request], Changes]:
        """Make a handler that does something with the chosen job, if this visitor may."""

        def handle(job_id: str, compared: str, shown: dict[str, str], request: gr.Request) -> Changes:
            trouble = ""
            try:
                require(request, access)
                job_id = act(job_id) or ""
            except ReaderboardError as error:
                trouble = notice(str(error), "alarm")
            view = look(watcher, job_id, compared)
            return _shown(parts, view, shown, request, access) | _settled(parts, trouble)

        return handle

    def train(request: gr.Request, compared: str, shown: dict[str, str], *values: Any) -> Changes:
        try:
            require(request, access)
            job = start_once(config_from(parts.form, values, shelf, request, access))
        except ReaderboardError as error:
            return _settled(parts, notice(str(error), "alarm"))
        return _shown(parts, look(watcher, job.id, compared), shown, request, access) | _settled(parts)

    def choose(
        event: gr.EventData, job_id: str, compared: str, shown: dict[str, str], log_open: bool, request: gr.Request
    ) -> Changes:
        asked = event._data if isinstance(event._data, dict) else {}
        view = look(watcher, str(asked.get("job", job_id)), str(asked.get("compare", compared)))
        return _shown(parts, view, shown, request, access, log_open) | _settled(parts)

    def tick(job_id: str, compared: str, shown: dict[str, str], log_open: bool, request: gr.Request) -> Changes:
        if _address(request).get("tab") != TAB:
            return {parts.timer: gr.Timer(active=False)}
        view = look(watcher, job_id, compared)
        trouble = {}
        if needs_a_start(view):
            try:
                start_waiting()
            except ReaderboardError as error:
                trouble = {parts.trouble: notice(str(error), "alarm")}
            view = look(watcher, job_id, compared)
        return {**_shown(parts, view, shown, request, access, log_open), **trouble} or gr.skip()

    def unfold(job_id: str, compared: str, shown: dict[str, str], request: gr.Request) -> Changes:
        return {**_shown(parts, look(watcher, job_id, compared), shown, request, access, True), parts.log_open: True}

    looked_at = [parts.job, parts.compared, parts.shown]
    started = parts.form.train.click(
        train,
        inputs=[parts.compared, parts.shown, *parts.form.fields.values()],
        outputs=parts.watched,
        trigger_mode="once",
        concurrency_id="starting",
        concurrency_limit=1,
        **QUIET,
    )
    started.failure(lambda: notice(FAULT, "alarm"), outputs=parts.trouble, queue=False, **QUIET)
    chosen = parts.jobs.select(choose, inputs=[*looked_at, parts.log_open], outputs=parts.watched, queue=False, **QUIET)
    pointed = parts.comparison.select(
        choose, inputs=[*looked_at, parts.log_open], outputs=parts.watched, queue=False, **QUIET
    )
    changed = [started, chosen, pointed]
    for button, act in (
        (parts.stop, lambda job_id: stop_job(job_id).id),
        (parts.resume, lambda job_id: resume_job(job_id).id),
        (parts.resume_at_half, lambda job_id: resume_job(job_id, at_half=True).id),
        (parts.delete_now, delete_job),
    ):
        done = button.click(
            acting(act),
            inputs=looked_at,
            outputs=parts.watched,
            trigger_mode="once",
            queue=False,
            **QUIET,
        )
        done.failure(lambda: notice(FAULT, "alarm"), outputs=parts.trouble, queue=False, **QUIET)
        changed.append(done)
    for event in changed:
        event.then(None, inputs=[parts.job, parts.compared], js=NOTE_JOB, api_visibility="private")
    for event in (started, pointed):
        event.then(None, js=SHOW_JOB, api_visibility="private")
    parts.delete.click(lambda: gr.Row(visible=True), outputs=parts.confirm, queue=False, **QUIET)
    parts.keep.click(lambda: gr.Row(visible=False), outputs=parts.confirm, queue=False, **QUIET)
    parts.timer.tick(
        tick,
        inputs=[*looked_at, parts.log_open],
        outputs=parts.watched,
        trigger_mode="once",
        queue=False,
        **QUIET,
    )
    parts.log_fold.expand(unfold, inputs=looked_at, outputs=[*parts.watched, parts.log_open], queue=False, **QUIET)
    parts.log_fold.collapse(lambda: False, outputs=parts.log_open, queue=False, **QUIET)


def _wire_results(parts: Parts, access: Access) -> None:
    """What a finished reader can be taken away by."""

    def download(job_id: str, request: gr.Request) -> Changes:
        try:
            file = zip_of(job_id, request, access)
        except ReaderboardError as error:
            return {parts.trouble: notice(str(error), "alarm")}
        return {parts.zipped: gr.DownloadButton(value=str(file)), parts.trouble: ""}

    def take_to_hub(job_id: str, name: str, token: str, private: bool, request: gr.Request) -> Changes:
        try:
            says = push(job_id, name, token, private, request, access)
        except ReaderboardError as error:
            says = notice(str(error), "alarm")
        # The token does not stay on the page either.
        return {parts.pushed: says, parts.push_token: ""}

    zipped = parts.download.click(
        download, inputs=parts.job, outputs=[parts.zipped, parts.trouble], trigger_mode="once", queue=False, **QUIET
    )
    zipped.failure(lambda: notice(FAULT, "alarm"), outputs=parts.trouble, queue=False, **QUIET)
    zipped.success(None, js=CLICK_DOWNLOAD.format("zipped-reader"), api_visibility="private")
    parts.push.click(
        lambda: '<p class="busy" role="status">Pushing …</p>', outputs=parts.pushed, queue=False, **QUIET
    ).then(
        take_to_hub,
        inputs=[parts.job, parts.push_name, parts.push_token, parts.push_private],
        outputs=[parts.pushed, parts.push_token],
        trigger_mode="once",
        concurrency_id="pushing",
        concurrency_limit=2,
        **QUIET,
    )


def _shown(
    parts: Parts, view: View, shown: Mapping[str, str], request: gr.Request, access: Access, log_open: bool = False
) -> Changes:
    """What has to be redrawn since ``shown``, the digests of what this page shows; nothing where nothing changed."""
    allowed = may(request, access)
    job = view.chosen
    state = job.state if job else ""
    finished = allowed and job is not None and has_reader(job)
    halves = state == "lost" and job is not None and config_at_half(job) is not None
    ticked = [(each, view.courses[each.id]) for each in view.jobs if each.id in view.compared]
    pieces: dict[str, tuple[Any, Callable[[Any], Any], Any]] = {
        "job": (parts.job, str, job.id if job else ""),
        "compared": (parts.compared, str, ",".join(view.compared)),
        "status": (parts.status, str, status(view, allowed)),
        "probes": (parts.probes, str, probes(view)),
        "curves": (parts.curves, str, curves(view)),
        "jobs": (parts.jobs, str, jobs_table(view)),
        "comparison": (parts.comparison, str, comparison(ticked) if ticked else ""),
        "stop": (parts.stop, _visible(gr.Button), allowed and state in ("queued", "running")),
        "resume": (parts.resume, _visible(gr.Button), allowed and state in ("stopped", "failed", "lost")),
        "resume_at_half": (parts.resume_at_half, _visible(gr.Button), allowed and halves),
        "download": (parts.download, _visible(gr.Button), finished),
        "delete": (parts.delete, _visible(gr.Button), allowed and state not in ("", "running", "stopping")),
        "push": (parts.push_fold, _visible(gr.Accordion), finished),
        "pushed": (parts.pushed, lambda _: "", job.id if job else ""),  # what was pushed before is another job's
        "log_fold": (parts.log_fold, _visible(gr.Accordion), allowed and state not in ("", "queued")),
        "timer": (parts.timer, lambda active: gr.Timer(active=active), view.moving),
        "base": (parts.form.base, _choices, [(choice.label, choice.name) for choice in list_readers()]),
    }
    if log_open and allowed and job:
        pieces["log"] = (parts.log, str, log_tail(tail_log(job)))
    digests = {name: hashlib.md5(repr(value).encode()).hexdigest() for name, (_, _, value) in pieces.items()}
    changed = [name for name in pieces if shown.get(name) != digests[name]]
    if not changed:
        return {}
    changes: Changes = {component: make(value) for component, make, value in (pieces[name] for name in changed)}
    return {**changes, parts.shown: {**shown, **digests}}


def _choices(pairs: list[tuple[str, str]]) -> gr.Dropdown:
    return gr.Dropdown(pairs)


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
        asked = _address(request)
        view = look(watcher, asked.get("job"), asked.get("compare", ""))
        named = asked.get("job", "")
        gone = named and named not in {job.id for job in view.jobs}
        says = f"There is no training job “{named[:40]}” here any more; this is another one." if view.jobs else ""
        return {
            **opened(parts.form, asked.get("data", "")),
            **_shown(parts, view, {}, request, access),
            parts.trouble: notice(says) if gone and says else "",
            parts.form.column: gr.Column(visible=allowed),
            parts.refused: gr.HTML(notice(why_not(access)), visible=not allowed),
        }

    def come_back(job_id: str, compared: str, shown: dict[str, str], log_open: bool, request: gr.Request) -> Changes:
        # While the page is being filled, the address alone knows the job; and the timer rested on another tab.
        asked = _address(request)
        view = look(watcher, asked.get("job") or job_id, asked.get("compare") or compared)
        shown = {name: digest for name, digest in shown.items() if name != "timer"}
        return {**_shown(parts, view, shown, request, access, log_open), **listed(parts.form)}

    form = parts.form
    demo.load(
        open_page,
        outputs=list(
            dict.fromkeys(
                [*parts.watched, form.column, parts.refused, form.data, form.eval_data, form.data_check, form.command]
            )
        ),
        queue=False,
        **QUIET,
    )
    tab.select(
        come_back,
        inputs=[parts.job, parts.compared, parts.shown, parts.log_open],
        outputs=[*parts.watched, form.base, form.data, form.eval_data],
        queue=False,
        **QUIET,
    )
