"""Many questions at once: a file goes in, its answers come out as a file.

A section of the Ask tab, for those who may occupy this machine. A job of its own answers the file, so nothing is
lost when the page is closed: whoever comes back sees how far it is. What is done is in many_jobs.py, how it looks
in many_view.py, where it stands in many_layout.py; here the section is wired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from pages.access import Access, may, require
from pages.ask.many_jobs import BAD_ROWS, CSV, JSONL, Dropped, View, delete, go_on, look, start, stop, take_in, take_out
from pages.ask.many_layout import Parts, by, layout, refusal
from pages.ask.many_view import answers_view, bad_count, dropped_view, ended, jobs_table, skipped_view, status
from pages.ask.standing import Standing
from pages.events import CLICK_DOWNLOAD, PLAIN
from pages.phrases import notice
from pages.readers import EMBEDDED, Shelf, find_reader
from pages.watching import Watcher
from reader.errors import ReaderboardError
from reader.jobs import start_waiting

Changes = dict[Any, Any]


FAULT = "Something went wrong in Readerboard itself. What it was stands in the terminal that it was started from."


def build(demo: gr.Blocks, tab: gr.Tab, standing: Standing, access: Access, shelf: Shelf) -> None:
    """Lay the section out and wire it; to be called inside its gr.Tab."""
    parts = layout(access)
    watcher = Watcher()
    _wire_file(parts, standing, access, shelf, watcher)
    _wire_jobs(parts, access, watcher)
    _wire_downloads(parts, access)
    _wire_opening(demo, tab, parts, access, watcher)


# How it is wired


def _wire_file(parts: Parts, standing: Standing, access: Access, shelf: Shelf, watcher: Watcher) -> None:
    """A file comes in, is looked into, and answered."""

    def take_file(path: str | None, request: gr.Request) -> Changes:
        if path is None:
            return gr.skip()
        try:
            require(request, access)
            dropped = take_in(Path(path))
        except ReaderboardError as error:
            return _no_file(parts) | {parts.check: notice(str(error), "alarm")}
        return {
            parts.file: None,  # so that another one may be dropped in its place
            parts.check: dropped_view(dropped),
            parts.go: gr.Row(visible=True),
            parts.dropped: dropped,
            parts.trouble: "",
        }

    def answer(dropped: Dropped | None, reader: str | None, shown: dict[str, str], request: gr.Request) -> Changes:
        try:
            require(request, access)
            job = start(dropped, find_reader(reader or EMBEDDED, shelf, request, access))
        except ReaderboardError as error:
            return {parts.trouble: notice(str(error), "alarm")}
        return _no_file(parts) | _shown(parts, look(watcher, job.id), shown)

    looked_into = parts.file.upload(
        lambda: '<p class="busy" role="status">Looking into the file…</p>', outputs=parts.check, **PLAIN
    ).then(
        take_file,
        inputs=parts.file,
        outputs=parts.of_file,
        concurrency_id="looking",
        concurrency_limit=2,
        show_progress="hidden",
        api_visibility="private",
    )
    started = parts.answer.click(
        answer,
        inputs=[parts.dropped, standing.reader, parts.shown],
        outputs=list(dict.fromkeys([*parts.of_file, *parts.watched])),
        trigger_mode="once",
        concurrency_id="starting",
        concurrency_limit=1,
        show_progress="hidden",
        api_visibility="private",
    )
    looked_into.failure(lambda: notice(FAULT, "alarm"), outputs=parts.check, **PLAIN)
    started.failure(lambda: notice(FAULT, "alarm"), outputs=parts.trouble, **PLAIN)
    standing.reader.change(by, inputs=standing.reader, outputs=parts.by, **PLAIN)


def _no_file(parts: Parts) -> Changes:
    return {
        parts.file: None,
        parts.check: "",
        parts.go: gr.Row(visible=False),
        parts.dropped: None,
        parts.trouble: "",
    }


def _wire_jobs(parts: Parts, access: Access, watcher: Watcher) -> None:
    """What can be done with a job that is there."""

    def acting(act: Callable[[str], object]) -> Callable[[str, dict[str, str], gr.Request], Changes]:
        """Make a handler that does something with the chosen job, if this visitor may."""

        def handle(job_id: str, shown: dict[str, str], request: gr.Request) -> Changes:
            trouble = ""
            try:
                require(request, access)
                act(job_id)
            except ReaderboardError as error:
                trouble = notice(str(error), "alarm")
            return _settled(parts, trouble) | _seen(parts, job_id, shown, request, access, watcher)

        return handle

    def choose(event: gr.EventData, shown: dict[str, str], request: gr.Request) -> Changes:
        asked = event._data if isinstance(event._data, dict) else {}
        return _settled(parts) | _seen(parts, str(asked.get("job", "")), shown, request, access, watcher)

    def tick(job_id: str, shown: dict[str, str], request: gr.Request) -> Changes:
        return _seen(parts, job_id, shown, request, access, watcher) or gr.skip()

    for button, act in (
        (parts.stop, stop),
        (parts.resume, go_on),
        (parts.delete_now, delete),
    ):
        done = button.click(
            acting(act), inputs=[parts.job, parts.shown], outputs=parts.watched, trigger_mode="once", **PLAIN
        )
        done.failure(lambda: notice(FAULT, "alarm"), outputs=parts.trouble, **PLAIN)
    parts.delete.click(lambda: gr.Row(visible=True), outputs=parts.confirm, **PLAIN)
    parts.keep.click(lambda: gr.Row(visible=False), outputs=parts.confirm, **PLAIN)
    parts.jobs.select(choose, inputs=parts.shown, outputs=parts.watched, **PLAIN)
    parts.timer.tick(tick, inputs=[parts.job, parts.shown], outputs=parts.watched, trigger_mode="once", **PLAIN)


def _wire_downloads(parts: Parts, access: Access) -> None:
    """What can be taken away, also while the job runs."""

    def taking(form: str) -> Callable[[str, gr.Request], Changes]:
        def take(job_id: str, request: gr.Request) -> Changes:
            try:
                require(request, access)
                file = take_out(job_id, form)
            except ReaderboardError as error:
                return {parts.trouble: notice(str(error), "alarm")}
            return {parts.taken: gr.DownloadButton(value=str(file)), parts.trouble: ""}

        return take

    for button, form in ((parts.csv, CSV), (parts.jsonl, JSONL), (parts.bad_rows, BAD_ROWS)):
        # A million answers take some seconds to write.
        taken = button.click(
            lambda: '<p class="busy" role="status">Writing the file…</p>', outputs=parts.trouble, **PLAIN
        ).then(taking(form), inputs=parts.job, outputs=[parts.taken, parts.trouble], trigger_mode="once", **PLAIN)
        taken.failure(lambda: notice(FAULT, "alarm"), outputs=parts.trouble, **PLAIN)
        taken.success(None, js=CLICK_DOWNLOAD.format("many-taken"), api_visibility="private")


def _wire_opening(demo: gr.Blocks, tab: gr.Tab, parts: Parts, access: Access, watcher: Watcher) -> None:
    def open_page(request: gr.Request) -> Changes:
        return _seen(parts, "", {}, request, access, watcher)

    def come_back(job_id: str, request: gr.Request) -> Changes:
        return _seen(parts, job_id, {}, request, access, watcher)

    demo.load(open_page, outputs=parts.watched, **PLAIN)
    tab.select(come_back, inputs=parts.job, outputs=parts.watched, **PLAIN)


# What is seen


def _seen(
    parts: Parts, job_id: str, shown: Mapping[str, str], request: gr.Request, access: Access, watcher: Watcher
) -> Changes:
    """What has to be redrawn for this visitor since ``shown``; who may not, sees why, and nobody's questions."""
    if not may(request, access):
        return {parts.refused: gr.HTML(refusal(access), visible=True), parts.body: gr.Column(visible=False)}
    view = look(watcher, job_id)
    trouble = {}
    if view.stuck:
        # As after the machine went down: nobody is there to start who waits.
        try:
            start_waiting()
        except ReaderboardError as error:
            trouble = {parts.trouble: notice(str(error), "alarm")}
        view = look(watcher, job_id)
    return _shown(parts, view, shown) | trouble


def _shown(parts: Parts, view: View, shown: Mapping[str, str]) -> Changes:
    """What has to be redrawn since ``shown``, the digests of what this page shows; nothing where nothing changed."""
    job = view.chosen
    state = job.state if job else ""
    some = bool(view.rows)
    pieces: dict[str, tuple[Any, Callable[[Any], Any], Any]] = {
        "refused": (parts.refused, _visible(gr.HTML), False),
        "body": (parts.body, _visible(gr.Column), True),
        "job": (parts.job, str, job.id if job else ""),
        "status": (parts.status, str, status(view)),
        "answers": (parts.answers, str, answers_view(view)),
        "skipped": (parts.skipped, str, skipped_view(view)),
        "jobs": (parts.jobs, str, jobs_table(view)),
        "stop": (parts.stop, _visible(gr.Button), state in ("queued", "running")),
        "resume": (parts.resume, _visible(gr.Button), state in ("stopped", "failed", "lost")),
        "csv": (parts.csv, _visible(gr.Button), some),
        "jsonl": (parts.jsonl, _visible(gr.Button), some),
        "as_they_are": (parts.as_they_are, _visible(gr.HTML), some),
        "delete": (parts.delete, _visible(gr.Button), ended(view) or state == "queued"),
        "bad_rows": (parts.bad_rows, _visible(gr.Button), bad_count(view) > 0),
        "timer": (parts.timer, lambda active: gr.Timer(active=active), view.moving),
    }
    digests = {name: hashlib.md5(repr(value).encode()).hexdigest() for name, (_, _, value) in pieces.items()}
    changed = [name for name in pieces if shown.get(name) != digests[name]]
    if not changed:
        return {}
    changes: Changes = {component: make(value) for component, make, value in (pieces[name] for name in changed)}
    return {**changes, parts.shown: digests}


def _visible(kind: Callable[..., Any]) -> Callable[[bool], Any]:
    return lambda visible: kind(visible=visible)


def _settled(parts: Parts, trouble: str = "") -> Changes:
    return {parts.trouble: trouble, parts.confirm: gr.Row(visible=False)}
