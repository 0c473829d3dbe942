"""The queue: who waits is started when a device is free, one job per GPU or one per machine without GPUs.

Nobody has to stay around for this. The server starts jobs and so does every job at its own end; each looks at
the folders under the lock, so that two of them never start the same job.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from reader.errors import ReaderboardError
from reader.job_files import LOG, Job, load_job, load_jobs, tail_log
from reader.job_options import options_from_config
from reader.job_state import locked, settle, true_state, violent_end, write
from reader.processes import ProcessIdentity, kill_session, own_identity, usable_devices

PROGRAM = (sys.executable, "-m", "reader")

UNKNOWN = "unknown"  # stands for the device of a job that does not name it

_REPOSITORY = Path(__file__).resolve().parents[1]


def command(job: Job, program: Sequence[str] = PROGRAM) -> list[str]:
    """Return the words that start the job's process; no shell ever reads them."""
    options = options_from_config(job.config)
    if job.resumed and job.kind == "train" and "--resume" not in options:
        options.append("--resume")
    return [*program, job.kind, *options, "--job", str(job.folder)]


def start_next(jobs: Path, program: Sequence[str] = PROGRAM) -> list[Job]:
    """Start as many waiting jobs of this folder as devices are free, in the order of the queue; return them."""
    looked_at = [true_state(job) for job in load_jobs(jobs)]
    if not any(job.state == "queued" for job in looked_at):
        return []
    devices = usable_devices()  # may take a second: asked before the lock is taken
    started = []
    trouble = None
    with locked(jobs):
        everybody = [settle(job) for job in load_jobs(jobs)]
        busy = [device for job in everybody if job.active for device in (job.device or UNKNOWN).split(",")]
        for job in sorted((job for job in everybody if job.state == "queued"), key=lambda job: job.turn):
            free = [device for device in devices if device not in busy]
            wanted = _devices_for(job, devices)
            # A running job whose device nobody knows could be anywhere.
            if len(free) < wanted <= len(devices) or not free or UNKNOWN in busy:
                break
            try:
                if wanted > len(devices):
                    error = f"It wants {wanted} GPUs, one for each of its processes; this machine has {len(devices)}."
                    write(replace(job, state="failed", error=error, ended=time.time()))
                    continue
                job = _start(job, ",".join(free[:wanted]), program)
            except OSError as error:
                trouble = error  # its folder cannot be written; those behind it need not wait for that
                continue
            if job.active:
                busy += free[:wanted]
                started.append(job)
        if trouble is not None and not started:
            raise trouble
    return started


def _devices_for(job: Job, devices: Sequence[str]) -> int:
    """How many devices a job takes: a GPU for each of its processes; the processes of a CPU share it."""
    processes = job.config.get("processes", 1)
    return processes if devices != ("cpu",) and isinstance(processes, int) else 1


def _start(job: Job, device: str, program: Sequence[str]) -> Job:
    """Start the process of a queued job; the caller holds the lock. Where nothing can be written, nothing runs."""
    try:
        words = command(job, program)
        with (job.folder / LOG).open("ab") as log:
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=_REPOSITORY,
                env=_environment(job, device),
                start_new_session=True,
            )
    except (OSError, ReaderboardError) as error:
        return write(
            replace(job, state="failed", error=f"The process could not be started: {error}", ended=time.time())
        )
    process = own_identity(child.pid)
    try:
        job = write(replace(job, state="running", device=device, process=process, started=time.time()))
    except OSError:
        # A process that nobody could find again must not run on; nor be watched, which would start it again at once.
        kill_session(process)
        child.wait()
        raise
    # The thread takes the child's exit status, so that no zombie stays, and hears at once of a violent end.
    watched = (child, job.folder, process, program)
    threading.Thread(target=_watch, args=watched, name=f"watch {job.id}", daemon=True).start()
    return job


def _environment(job: Job, device: str) -> dict[str, str]:
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", str(_REPOSITORY))]
    environment = {
        **os.environ,
        "READER_HOME": str(job.folder.parents[1]),
        "PYTHONPATH": os.pathsep.join([str(_REPOSITORY), *paths]),
        "PYTHONUNBUFFERED": "1",
    }
    if device != "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = device
    return environment


def _watch(child: subprocess.Popen[bytes], folder: Path, process: ProcessIdentity, program: Sequence[str]) -> None:
    exit_code = child.wait()
    if not folder.parent.is_dir():
        return
    # What cannot be written now (a full disk, a deleted folder) is found again by whoever looks next.
    with suppress(ReaderboardError):
        _note_end(folder, process, exit_code)
    with suppress(ReaderboardError):
        start_next(folder.parent, program)


def _note_end(folder: Path, process: ProcessIdentity, exit_code: int) -> None:
    """Clear up behind a process that has ended, and correct its job's status if it did not write that itself."""
    with locked(folder.parent):
        kill_session(process)
        job = load_job(folder)
        if job.process != process or job.state not in ("running", "stopping", "lost"):
            return
        if job.state == "stopping":
            settle(job)
        elif exit_code > 0:
            last_words = next((line for line in reversed(tail_log(job)) if line.strip()), "It wrote nothing.")
            error = f"The process ended with exit code {exit_code}. Its last words: {last_words:.500}"
            write(replace(job, state="failed", error=error, exit_code=exit_code, ended=time.time()))
        else:
            error = violent_end(job.kind, exit_code)
            write(replace(job, state="lost", error=error, exit_code=exit_code, ended=time.time()))
