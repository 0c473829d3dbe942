"""The true state of a job: what its status says, corrected by whether its process still runs.

One file lock guards every change of a status. It is held for milliseconds, and the system frees it when its
holder dies.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from reader.errors import JobError
from reader.job_files import Job, load_job, write_job
from reader.processes import is_alive, kill_session

GRACE = 60.0  # seconds that a job has to finish its step and save, from the stop to the kill
_LOCK_PATIENCE = 30.0  # seconds; so much longer than the lock is ever held that something must be stuck
SAVING = ("train", "predict")  # kinds of jobs that save as they go, and go on from there


@contextmanager
def locked(jobs: Path) -> Iterator[None]:
    """Hold the lock of this folder of jobs. What cannot be written inside raises `JobError`."""
    try:
        with FileLock(jobs / ".lock", timeout=_LOCK_PATIENCE):
            yield
    except Timeout:
        raise JobError(
            f"The jobs in {jobs} are locked by another process for {_LOCK_PATIENCE:.0f} s already."
        ) from None
    except OSError as error:
        raise JobError(f"The jobs in {jobs} cannot be changed: {error.strerror or error}.") from error


def write(job: Job) -> Job:
    """Write the job's status and return the job; the caller holds the lock."""
    write_job(job)
    return job


def true_state(job: Job) -> Job:
    """Return the job as it is now; the lock is taken only where its status has to change."""
    if not job.active or (_lives(job) and not _grace_is_over(job)):
        return job
    try:
        with locked(job.folder.parent):
            return settle(load_job(job.folder))
    except JobError:
        # A full or read-only disk is no reason to show what is not true.
        return _verdict(job)


def settle(job: Job) -> Job:
    """Bring status and processes in line with each other; the caller holds the lock."""
    if not job.active or (_lives(job) and not _grace_is_over(job)):
        return job
    if job.process is not None:
        kill_session(job.process)  # the process past its grace, or what a dead one left behind
    now = _verdict(job)
    if now != job:
        with suppress(OSError):
            write(now)
    return now


def violent_end(kind: str, exit_code: int | None) -> str:
    """Say how a job's process ended that did not say so itself; ``exit_code`` is negative where a signal ended it."""
    kept = "What it saved is kept: resume it to go on from there." if kind in SAVING else "Start it again."
    if exit_code is None or exit_code >= 0:
        return f"The process is gone and did not say why; perhaps it was killed, or the machine went down. {kept}"
    name = signal.Signals(-exit_code).name
    memory = ", as the system does when memory runs out" if -exit_code == signal.SIGKILL else ""
    return f"The process was ended by signal {-exit_code} ({name}){memory}. {kept}"


def _verdict(job: Job) -> Job:
    if not job.active or _lives(job):
        return job
    if job.state == "running":
        return replace(job, state="lost", error=violent_end(job.kind, None), ended=time.time())
    killed = f"It did not end within {GRACE:.0f} s of being asked to, and was killed." if _grace_is_over(job) else ""
    return replace(job, state="stopped", error=killed, ended=time.time())


def _lives(job: Job) -> bool:
    return job.process is not None and is_alive(job.process)


def _grace_is_over(job: Job) -> bool:
    return job.state == "stopping" and (job.stop_asked is None or time.monotonic() - job.stop_asked > GRACE)
