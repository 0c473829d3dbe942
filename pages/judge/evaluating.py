"""Evaluations that run here, seen from the page: started and stopped by those who may, shown from their files."""

from __future__ import annotations

import time
from dataclasses import dataclass
from html import escape

import gradio as gr

from pages.access import Access, require
from pages.data_sets import UPLOAD, find_data, list_data
from pages.judge.runs import data_name
from pages.readers import EMBEDDED, Shelf, find_reader, label_of
from reader.errors import BadUsage
from reader.jobs import Job, create_job, list_jobs, read_job, read_progress, stop_job

ENDED_SHOWN = 3
RECENT = 600.0  # seconds for which an evaluation that has ended is still told of

KINDS = {"evaluate": "", "behave": "behaviour of "}  # of jobs that are told of here, and how their lines begin
STATES = {
    "queued": "waiting for its turn",
    "running": "reading",
    "stopping": "stopping",
    "succeeded": "done",
    "stopped": "stopped",
    "failed": "failed",
    "lost": "lost",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an evaluation is: questions read, of how many, and the seconds left; None where not known yet."""

    done: int = 0
    total: int | None = None
    seconds_left: float | None = None


def start_evaluation(reader: str, data: str, shelf: Shelf, request: gr.Request | None, access: Access) -> Job:
    """Start an evaluation as a job of its own. Raises `NotAllowed` for those who may not, and `ReaderboardError`."""
    require(request, access)
    name = find_reader(reader or EMBEDDED, shelf, request, access)
    return create_job("evaluate", {"reader": name, "data": data_asked_for(data, request, access)})


def stop_evaluation(job_id: str, request: gr.Request | None, access: Access) -> None:
    """Stop an evaluation. Raises `NotAllowed` for those who may not, and `JobError` where there is none."""
    require(request, access)
    if not isinstance(job_id, str) or read_job(job_id).kind != "evaluate":
        raise BadUsage("That is no evaluation.")
    stop_job(job_id)


def data_choices() -> list[tuple[str, str]]:
    """The data sets to evaluate on, as (label, value)."""
    return [(choice.label, choice.name) for choice in list_data() if choice.name != UPLOAD]


def data_asked_for(name: object, request: gr.Request | None, access: Access) -> str:
    """What `find_data` makes of a data set that was picked or typed. Raises `BadData`, `BadUsage`, `NotAllowed`."""
    # A name may come straight over HTTP, and so be anything.
    if not isinstance(name, str) or not name.strip():
        raise BadUsage("Pick a data set, or type a Hub id such as rajpurkar/squad_v2:validation.")
    return find_data(name, request, access)


def evaluations() -> list[Job]:
    """The evaluations that run or wait, and those that ended just now, the newest first."""
    since = time.time() - RECENT
    told = [job for job in list_jobs() if job.kind in KINDS and (is_going(job) or (job.ended or 0.0) > since)]
    ended = [job for job in told if not is_going(job)]
    return [job for job in told if job not in ended[ENDED_SHOWN:]]


def is_going(job: Job) -> bool:
    """Whether the job has yet to end."""
    return job.state in ("queued", "running", "stopping")


def progress_of(job: Job) -> Progress:
    """Read how far an evaluation is."""
    events = [event for event in read_progress(job).events if event["event"] == "progress"]
    if not events:
        return Progress()
    first, last = events[0], events[-1]
    done, total = int(last["done"]), int(last["total"])
    read, took = done - int(first["done"]), float(last["time"]) - float(first["time"])
    return Progress(done, total, (total - done) * took / read if read > 0 else None)


def evaluation_lines(jobs: list[Job]) -> str:
    """One line per evaluation: what, how far, and the button that stops it or opens its run."""
    return "".join(_line(job) for job in jobs)


def _line(job: Job) -> str:
    reader, data = label_of(str(job.config.get("reader", "?"))), data_name(str(job.config.get("data", "?")))
    says, bar, button = STATES[job.state], "", ""
    if job.state in ("running", "stopping"):
        progress = progress_of(job)
        if progress.total:
            says += f", {progress.done:,} of {progress.total:,} questions"
            bar = f'<progress value="{progress.done}" max="{progress.total}" aria-label="questions read"></progress>'
        else:
            bar = '<progress aria-label="starting"></progress>'
            says = "starting" if job.state == "running" else says
        if progress.seconds_left is not None and job.state == "running":
            says += f", {_left(progress.seconds_left)} left"
    if job.state in ("queued", "running"):
        button = f'<button class="small" data-stop="{escape(job.id)}">Stop</button>'
    if job.state == "succeeded" and (job.folder / "evaluation" / "run.json").is_file():
        button = f'<button class="small" data-show="jobs/{escape(job.id)}/evaluation">Judge it</button>'
    error = f'<p class="error">{escape(job.error)}</p>' if job.error else ""
    what = f"{KINDS[job.kind]}<b>{escape(reader)}</b> on <b>{escape(data)}</b>"
    return f'<div class="evaluation {job.state}"><p>{what}: {says}</p>{bar}{button}{error}</div>'


def _left(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(1, round(seconds))} s"
