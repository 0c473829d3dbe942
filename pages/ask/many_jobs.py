"""Many questions at once, without a page: the file that was dropped, the job that answers it, what comes of it.

A job's answers lie in its folder, and so does the list of rows that could not be used; the questions themselves are
kept beside the jobs, and go with the last job that reads them.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pages.data_sets import QUESTIONS, data_label, keep_file
from pages.scratch import scratch
from pages.watching import Course, Watcher
from reader.answers import SKIPPED, copy_answers, count_answers, first_answers, first_skipped
from reader.errors import BadData, BadRow, BadUsage, JobError
from reader.examples import load_question_set
from reader.job_options import checked_config
from reader.jobs import Job, create_job, delete_job, list_jobs, read_job, resume_job, stop_job
from reader.settings import home

KIND = "predict"
ROWS = 8  # shown of the answers and of the bad rows
PREVIEW = 5  # rows of a file that are shown before it is answered
BEGINNING = 400  # characters of a text
UNUSED = 86_400.0  # seconds for which a file is kept that nobody had answered
ENDED = ("succeeded", "stopped", "failed", "lost")
CSV, JSONL, BAD_ROWS = "csv", "jsonl", "skipped"  # what can be taken away


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file of questions that is kept here: its name under READER_HOME, and what is in it.

    ``first``: the first rows that can be used, as id, question and the beginning of the text.
    """

    name: str
    questions: int
    bad: int
    first: tuple[tuple[str, str, str], ...]
    first_bad: tuple[BadRow, ...]


def take_in(path: Path) -> Dropped:
    """Look into a dropped file and keep it. Raises `BadData` where none of its rows can be used."""
    _clear_away()
    try:
        found = load_question_set(path, skip_bad=True)
    except BadData as error:
        raise BadData(str(error).replace(str(path), path.name), error.rows) from None
    kept = keep_file(path, QUESTIONS)
    first = tuple((each.id, each.question[:BEGINNING], each.context[:BEGINNING]) for each in found.examples[:PREVIEW])
    return Dropped(kept, len(found.examples), len(found.skipped), first, found.skipped[:ROWS])


def start(dropped: Dropped | None, reader: str) -> Job:
    """Have a dropped file answered by a reader that `find_reader` allowed; the same one twice is one job."""
    if dropped is None:
        raise BadUsage("There is no file yet: drop one with a question and a text in each row.")
    path = home() / dropped.name
    if not path.is_file():
        raise BadUsage("That file is not here any more. Drop it again.")
    config = checked_config(KIND, {"reader": reader, "data": str(path), "skip_bad": dropped.bad > 0})
    for job in list_jobs():
        if job.config == config and job.state in ("queued", "running"):
            return job
    return create_job(KIND, config)


def stop(job_id: str) -> None:
    """Stop a job after the questions that it reads just now; what it has answered stays."""
    stop_job(_found(job_id).id)


def go_on(job_id: str) -> None:
    """Let a job that was cut off answer the rest."""
    resume_job(_found(job_id).id)


def delete(job_id: str) -> None:
    """Remove a job with its answers, and its questions where no other job reads them."""
    job = _found(job_id)
    delete_job(job.id)
    path = Path(str(job.config.get("data", "")))
    if path.parent == home() / QUESTIONS and path not in _in_use():
        path.unlink(missing_ok=True)


def take_out(job_id: str, form: str) -> Path:
    """Write what a job has answered so far (`CSV`, `JSONL`), or its `BAD_ROWS`, for a browser; return the file."""
    job = _found(job_id)
    stem = re.sub(r"[^\w.]+", "-", Path(data_of(job)).stem).strip("-.") or "questions"
    if form == BAD_ROWS:
        if not (job.folder / SKIPPED).is_file():
            raise JobError("There is no list of rows that could not be used.")
        return Path(shutil.copyfile(job.folder / SKIPPED, scratch() / f"unusable-rows-{stem}.csv"))
    if form not in (CSV, JSONL):
        raise BadUsage("Answers are taken away as CSV or JSONL.")
    target = scratch() / f"answers-{stem}.{form}"
    copy_answers(job.folder, target)
    return target


def data_of(job: Job) -> str:
    """What the questions of a job are called: by the name that the file came with."""
    return data_label(str(job.config.get("data", "?")))


def _found(job_id: str) -> Job:
    # An id may come straight over HTTP, and so be anything.
    if not isinstance(job_id, str) or not job_id:
        raise BadUsage("Pick one of the files first.")
    job = read_job(job_id)
    if job.kind != KIND:
        raise BadUsage("That job answers no file of questions.")
    return job


def _in_use() -> set[Path]:
    return {Path(str(job.config.get("data", ""))) for job in list_jobs() if job.kind == KIND}


def _clear_away() -> None:
    """Files that nobody had answered go after a day."""
    folder = home() / QUESTIONS
    if not folder.is_dir():
        return
    in_use = _in_use()
    for file in folder.iterdir():
        if file not in in_use and time.time() - file.stat().st_mtime > UNUSED:
            file.unlink(missing_ok=True)


# Looking


@dataclass(frozen=True, slots=True)
class View:
    """All that the page shows: the jobs, the newest first, how far each is, and the one that is looked at.

    ``read``: questions answered so far, by job; ``ahead``: the kinds of the jobs that run before the chosen one;
    ``waiting``: how many wait before it.
    """

    jobs: tuple[Job, ...]
    courses: Mapping[str, Course]
    read: Mapping[str, int]
    chosen: Job | None
    ahead: tuple[str, ...] = ()
    waiting: int = 0
    rows: tuple[Mapping[str, Any], ...] = ()
    bad: tuple[BadRow, ...] = ()
    stuck: bool = False  # somebody waits, and nothing runs that would start it

    @property
    def moving(self) -> bool:
        """Whether anything may change by itself."""
        return any(job.state not in ENDED for job in self.jobs)

    def total(self, job: Job) -> int | None:
        """How many questions a job has; None before it has looked."""
        told = self.courses[job.id].start.get("questions")
        return told if isinstance(told, int) else None


def look(watcher: Watcher, job_id: str | None) -> View:
    """Look at all jobs that answer files, and closer at one: the named one, else one on its way, else the newest."""
    everything = list_jobs()
    jobs = tuple(job for job in everything if job.kind == KIND)
    moving = [job for job in jobs if job.state not in ENDED]
    named = [job for job in jobs if job.id == job_id]
    chosen = next(iter([*named, *[job for job in moving if job.active], *moving, *jobs]), None)
    courses = watcher.courses(jobs)
    read = {job.id: _read(job, courses[job.id]) for job in jobs}
    running = [job.kind for job in everything if job.active]
    stuck = not running and any(job.state == "queued" for job in everything)
    if chosen is None:
        return View(jobs, courses, read, None, stuck=stuck)
    waits = chosen.state == "queued"
    return View(
        jobs,
        courses,
        read,
        chosen,
        ahead=tuple(running) if waits else (),
        waiting=sum(job.state == "queued" and job.turn < chosen.turn for job in everything) if waits else 0,
        rows=tuple(first_answers(chosen.folder, ROWS)),
        bad=tuple(first_skipped(chosen.folder, ROWS)),
        stuck=stuck,
    )


def _read(job: Job, course: Course) -> int:
    """Told by the job while it runs; counted once it has ended, whatever ended it."""
    if job.active:
        before = course.start.get("before")
        return course.done[0] if course.done else before if isinstance(before, int) else 0
    told = course.end.get("questions") if job.state == "succeeded" else None
    return told if isinstance(told, int) else count_answers(job.folder)
