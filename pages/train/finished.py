"""What a finished training is good for beside asking and judging: a zip of its reader, and a place on the Hub."""

from __future__ import annotations

from html import escape
from pathlib import Path

import gradio as gr

from pages.access import Access, hub_token, require
from pages.scratch import scratch
from reader.errors import BadUsage, JobError
from reader.jobs import Job, read_job
from reader.publish import push_reader, zip_reader


def has_reader(job: Job) -> bool:
    """Whether a job has left a whole reader."""
    return job.state == "succeeded" and (job.folder / "reader" / "config.json").is_file()


def zip_of(job_id: str, request: gr.Request, access: Access) -> Path:
    """Zip the job's reader, for those who may. Raises `ReaderboardError`."""
    require(request, access)
    job = _finished(job_id)
    return zip_reader(job.folder / "reader", scratch() / f"reader-{job.id}.zip")


def push(job_id: str, name: str, token: str, private: bool, request: gr.Request, access: Access) -> str:
    """Push the job's reader with the person's own token; what to show then. Raises `ReaderboardError`."""
    require(request, access)
    job = _finished(job_id)
    own = (token or "").strip() or hub_token(request, access)
    if not own:
        raise BadUsage(
            "There is no token: enter one that may write, from https://huggingface.co/settings/tokens."
            + (" Signing in gives one, too." if access.sign_in else "")
        )
    address = push_reader(job.folder / "reader", (name or "").strip(), own, private=private is not False)
    seen = "" if private is False else " Only you can see it until you make it public there."
    return f'<p>It is at <a href="{escape(address)}" target="_blank" rel="noopener">{escape(address)}</a>.{seen}</p>'


def _finished(job_id: str) -> Job:
    job = read_job(job_id)
    if not has_reader(job):
        raise JobError(f"Job {job.id} is {job.state} and has no finished reader.")
    return job
