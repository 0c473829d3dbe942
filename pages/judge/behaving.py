"""Behaviour tests from the page: started as jobs by those who may, and found again for the reader of a run."""

from __future__ import annotations

import gradio as gr

from pages.access import Access, require
from pages.judge.behaviour_view import behaviour
from pages.judge.evaluating import data_asked_for
from pages.judge.runs import OpenedRun
from pages.phrases import notice
from pages.readers import Shelf, find_reader
from reader.behaviour import Behaviour, open_behaviour
from reader.errors import BadRun, BadUsage, ReaderboardError
from reader.jobs import Job, create_job, list_jobs


def start_behaviour(opened: OpenedRun, data: str, shelf: Shelf, request: gr.Request | None, access: Access) -> Job:
    """Start a test of the run's reader as a job. Raises `NotAllowed` for those who may not, and `ReaderboardError`."""
    require(request, access)
    if opened.run.info.get("imported"):
        raise BadUsage("This run was made from somebody's predictions: there is no reader here to test.")
    reader = find_reader(opened.run.info["reader"], shelf, request, access)
    return create_job("behave", {"reader": reader, "data": data_asked_for(data, request, access)})


def behaviour_of(opened: OpenedRun, change: str = "") -> str:
    """The newest tests of the run's reader, as HTML; what to do where there are none."""
    try:
        found = _newest(str(opened.run.info["reader"]))
    except ReaderboardError as error:
        return notice(str(error), "alarm")
    return behaviour(found, change)


def _newest(reader: str) -> Behaviour | None:
    for job in list_jobs():
        folder = job.folder / "behaviour"
        if job.kind == "behave" and job.state == "succeeded" and job.config.get("reader") == reader:
            try:
                return open_behaviour(folder)
            except BadRun:
                continue  # of an older format, or damaged: the one before may do
    return None
