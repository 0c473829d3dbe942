"""Jobs: training and evaluation in processes of their own, which outlive the page, the browser and the server.

A job is a folder under ``READER_HOME/jobs``; all that is known about it lies there, and nothing in memory. Its
process is started here, writes its own status, and at its end starts whatever waits next. Whoever looks at a job
sees the truth: a process that has vanished is noticed then, and the status corrected.

Here is what the page and the command line use. Below it lie `job_queue` (starting processes), `job_state` (the
true state), `job_files` (what lies in the folder), `job_options` (what a job may be told) and `processes`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from reader.errors import JobError, ReaderboardError
from reader.files import new_folder, write_json
from reader.job_files import (
    CONFIG,
    JOB_ID,
    Job,
    Progress,
    State,
    append_progress,
    disk_usage,
    end_half_line,
    load_job,
    load_jobs,
    read_progress,
    tail_log,
    write_job,
)
from reader.job_options import Config, checked_config, command_line, options_from_config
from reader.job_queue import PROGRAM, command, start_next
from reader.job_state import GRACE, locked, settle, true_state, write
from reader.processes import ask_to_end, is_alive, own_identity
from reader.recipes import RECIPES, parts_at_half
from reader.settings import home

__all__ = [
    "GRACE",
    "Job",
    "Progress",
    "RunningJob",
    "State",
    "append_progress",
    "command",
    "command_line",
    "config_at_half",
    "create_job",
    "delete_job",
    "disk_usage",
    "jobs_folder",
    "list_jobs",
    "options_from_config",
    "read_job",
    "read_progress",
    "resume_job",
    "running_job",
    "start_waiting",
    "stop_job",
    "tail_log",
]

_GOING = ".deleted-"  # prefix of a job's folder on its way out


# Looking


def jobs_folder() -> Path:
    """Return the folder that holds all jobs' folders; it need not exist yet."""
    return home() / "jobs"


def list_jobs() -> list[Job]:
    """Return all jobs, newest first, each in its true state; a damaged one is shown as failed."""
    jobs = [true_state(job) for job in load_jobs(jobs_folder())]
    return sorted(jobs, key=lambda job: (job.id[:15], job.turn, job.id), reverse=True)


def read_job(job_id: str) -> Job:
    """Return one job in its true state. Raises `JobError` where there is none of this name."""
    return true_state(load_job(_folder_of(job_id)))


# Making, stopping, resuming, deleting


def create_job(kind: str, config: Mapping[str, Any], program: Sequence[str] = PROGRAM) -> Job:
    """Check the config, put a new job at the end of the queue and start it if its device is free.

    ``config`` holds the options of ``python -m reader <kind>`` by name (``{"data": ["a.json"], "max_steps": 20}``).
    Raises `BadUsage` where it names an unknown option or a wrong value, `JobError` where nothing can be written.
    """
    checked = checked_config(kind, config)
    jobs = jobs_folder()
    _make(jobs)
    now = time.time()
    job_id = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{secrets.token_hex(3)}"
    with locked(jobs), new_folder(jobs / job_id) as folder:
        write_json(folder / CONFIG, checked)
        write_job(Job(job_id, folder, kind, checked, "queued", created=now, turn=_last_turn(jobs)))
    start_waiting(program)
    return read_job(job_id)


def stop_job(job_id: str) -> Job:
    """Ask a job to finish its step, save and end (SIGTERM); returns at once. A waiting job is taken out of the queue.

    A process that has not ended `GRACE` seconds later is killed, with all that it started, by whoever looks at
    the job then. A job that has ended, or is stopping already, is left as it is.
    """
    folder = _folder_of(job_id)
    with locked(folder.parent):
        job = settle(load_job(folder))
        if job.state == "queued":
            return write(replace(job, state="stopped", ended=time.time()))
        if job.state != "running" or job.process is None:
            return job
        # Asked first: where the disk is full, it still ends, and the sentence says what could not be noted.
        ask_to_end(job.process)
        return write(replace(job, state="stopping", stop_asked=time.monotonic()))


def resume_job(job_id: str, program: Sequence[str] = PROGRAM, *, at_half: bool = False) -> Job:
    """Put a stopped, failed or lost job at the end of the queue again, to go on from its last checkpoint.

    ``at_half``: with at most half as many windows in the memory at a time, and the same batch. An evaluation has no
    checkpoints and starts over. Raises `JobError` where the job is in another state, or cannot be halved.
    """
    folder = _folder_of(job_id)
    with locked(folder.parent):
        job = settle(load_job(folder))
        if job.state not in ("stopped", "failed", "lost"):
            raise JobError(f"Job {job.id} is {job.state}; only a stopped, failed or lost one can be resumed.")
        if not job.kind:
            raise JobError(f"Job {job.id} cannot be resumed. {job.error}")
        config = checked_config(job.kind, job.config)
        if at_half:
            smaller = config_at_half(job)
            if smaller is None:
                raise JobError(
                    f"Job {job.id} cannot be halved: only a training that reads several windows at a time can."
                )
            config = smaller
            write_json(folder / CONFIG, config)
        write(
            Job(
                job.id,
                job.folder,
                job.kind,
                config,
                "queued",
                created=job.created,
                turn=_last_turn(folder.parent),
                # A job that was taken out of the queue has nothing to go on from.
                resumed=job.resumed or job.started is not None,
            )
        )
    start_waiting(program)
    return read_job(job_id)


def config_at_half(job: Job) -> Config | None:
    """The config of a training that holds at most half as many windows in the memory; None where there is none."""
    if job.kind != "train" or job.config.get("recipe", "corrected") not in RECIPES:
        return None
    batch_size = job.config.get("batch_size") or RECIPES[job.config.get("recipe", "corrected")].batch_size
    parts = parts_at_half(batch_size, job.config.get("gradient_accumulation", 1), job.config.get("processes", 1))
    return None if parts is None else {**job.config, "gradient_accumulation": parts}


def delete_job(job_id: str) -> None:
    """Remove a job's folder and all in it. Raises `JobError` while its process runs."""
    folder = _folder_of(job_id)
    with locked(folder.parent):
        job = settle(load_job(folder))
        if job.active:
            raise JobError(f"Job {job.id} is {job.state}. Stop it first, then delete it.")
        # Out of sight in one step; the removal itself may take a while, or be cut short.
        folder.rename(folder.with_name(f"{_GOING}{job.id}-{secrets.token_hex(3)}"))
    for left in folder.parent.glob(f"{_GOING}*"):
        shutil.rmtree(left, ignore_errors=True)


def start_waiting(program: Sequence[str] = PROGRAM) -> list[Job]:
    """Start as many waiting jobs as devices are free, in the order of the queue; return those started.

    May be called by anybody at any time, in several processes at once. ``program`` is what runs a job.
    """
    return start_next(jobs_folder(), program)


# The job's own side


@dataclass(slots=True)
class RunningJob:
    """The job as its own process sees it.

    Work that handles SIGTERM by itself, to finish its step and save, sets ``stop_asked`` when it ended early.
    """

    folder: Path
    stop_asked: bool = False
    at_work: bool = False

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """End the work as Ctrl-C does; but never in the middle of writing the status."""
        self.stop_asked = True
        if self.at_work:
            self.at_work = False
            raise KeyboardInterrupt


@contextmanager
def running_job(folder: Path, program: Sequence[str] = PROGRAM) -> Iterator[RunningJob]:
    """Do a job's work inside: status, SIGTERM and the next job in the queue are seen to. Main thread only.

    SIGTERM raises KeyboardInterrupt in the work, unless that has set a handler of its own. The job is "stopped"
    where KeyboardInterrupt comes out of the work or ``stop_asked`` is set at its end, "failed" with the error's
    sentence where another error comes out, else "succeeded". The error goes on upwards in all cases.
    Raises `JobError` where the job has ended already or another process works on it.
    """
    folder = folder.resolve()
    work = RunningJob(folder)
    before = signal.signal(signal.SIGTERM, work.on_signal)
    try:
        _enter(work)
        try:
            if work.stop_asked:
                raise KeyboardInterrupt
            work.at_work = True
            yield work
            work.at_work = False
        except BaseException as error:
            work.at_work = False
            # If even the status cannot be written, the error of the work is the one to tell.
            with suppress(JobError):
                _leave(folder, *_ending(error))
            raise
        _leave(folder, "stopped" if work.stop_asked else "succeeded", "")
    finally:
        signal.signal(signal.SIGTERM, before)
        with suppress(ReaderboardError):
            start_next(folder.parent, program)


def _enter(work: RunningJob) -> None:
    me = own_identity(os.getpid())
    if not work.folder.is_dir():
        raise JobError(f"There is no job folder {work.folder}.")
    with locked(work.folder.parent):
        job = load_job(work.folder)
        if job.state not in ("queued", "running", "stopping"):
            raise JobError(f"Job {job.id} is {job.state} and cannot be run. {job.error}".rstrip())
        if job.process is not None and job.process != me and is_alive(job.process):
            raise JobError(f"Job {job.id} is run by another process already.")
        end_half_line(work.folder)
        work.stop_asked = work.stop_asked or job.state == "stopping"
        write(
            replace(
                job,
                state="stopping" if job.state == "stopping" else "running",
                process=me,
                started=job.started or time.time(),
            )
        )


def _leave(folder: Path, state: State, error: str) -> None:
    with locked(folder.parent):
        job = load_job(folder)
        if job.process == own_identity(os.getpid()):
            write(replace(job, state=state, error=error, ended=time.time()))


def _ending(error: BaseException) -> tuple[State, str]:
    if isinstance(error, KeyboardInterrupt):
        return "stopped", ""
    if isinstance(error, SystemExit):
        return ("failed", f"The process ended with exit code {error.code}.") if error.code else ("succeeded", "")
    if isinstance(error, ReaderboardError):
        return "failed", str(error)
    return "failed", f"{type(error).__name__}: {error}. The log tells where it happened."


# On disk


def _folder_of(job_id: str) -> Path:
    if not JOB_ID.fullmatch(job_id):
        raise JobError(f"'{job_id:.80}' is no job's name. They look like 20250131-120000-0a1b2c.")
    folder = jobs_folder() / job_id
    if folder.is_symlink() or not folder.is_dir():
        raise JobError(f"There is no job {job_id}.")
    return folder


def _make(jobs: Path) -> None:
    try:
        jobs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JobError(f"The folder {jobs} cannot be made: {error.strerror}. Set READER_HOME to another.") from None


def _last_turn(jobs: Path) -> int:
    return 1 + max((job.turn for job in load_jobs(jobs)), default=0)
