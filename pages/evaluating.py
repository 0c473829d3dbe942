"""Evaluations that run here, seen from the page: started and stopped by those who may, shown from their files."""

from __future__ import annotations

import time
from dataclasses import dataclass
from html import escape
from pathlib import Path

import gradio as gr

from pages.access import Access, require
from pages.readers import EMBEDDED, Shelf, find_reader, label_of
from pages.runs import data_name
from reader.errors import BadUsage
from reader.hub import is_hub_id
from reader.jobs import Job, create_job, list_jobs, read_job, read_progress, stop_job
from reader.settings import home

STARTER_SET = "starter"
RECENT = 600.0  # seconds for which an evaluation that has ended is still told of
LONGEST_NAME = 500

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


def list_data() -> list[tuple[str, str]]:
    """The data sets to pick, as (label, value): the starter set and what was uploaded, the newest first."""
    uploads = home() / "uploads"
    files = [path for path in uploads.rglob("*") if path.is_file()] if uploads.is_dir() else []
    files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [("starter set", STARTER_SET), *((path.name, path.relative_to(home()).as_posix()) for path in files)]


def start_evaluation(reader: str, data: str, shelf: Shelf, request: gr.Request | None, access: Access) -> Job:
    """Start an evaluation as a job of its own. Raises `NotAllowed` for those who may not, and `ReaderboardError`."""
    require(request, access)
    name = find_reader(reader or EMBEDDED, shelf, request, access)
    return create_job("evaluate", {"reader": name, "data": find_data(data, access)})


def stop_evaluation(job_id: str, request: gr.Request | None, access: Access) -> None:
    """Stop an evaluation. Raises `NotAllowed` for those who may not, and `JobError` where there is none."""
    require(request, access)
    if not isinstance(job_id, str) or read_job(job_id).kind != "evaluate":
        raise BadUsage("That is no evaluation.")
    stop_job(job_id)


def find_data(name: str, access: Access) -> str:
    """Turn a picked or typed data set into one that a job can load; for those who passed `require`.

    Files outside READER_HOME are for those at this machine alone.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadUsage("Pick a data set, or type a Hub id such as rajpurkar/squad_v2:validation.")
    name = name.strip()
    if name == STARTER_SET:
        return name
    here = (home() / name).resolve()
    if here.is_relative_to(home()) and here.is_file():
        return str(here)
    if access.mode == "on" and Path(name).expanduser().exists():
        return name
    if not is_hub_id(name):
        raise BadUsage(f"There is no data set “{name}” here: pick one from the list, or type a Hub id.")
    return name


def evaluations() -> list[Job]:
    """The evaluations that run or wait, and those that ended just now, the newest first."""
    since = time.time() - RECENT
    return [job for job in list_jobs() if job.kind in KINDS and (is_going(job) or (job.ended or 0.0) > since)]


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
