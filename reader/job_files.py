"""What lies in a job's folder: its config and status, its progress, its log, its size.

Much of this is read while another process writes it, so every function copes with a half-written end.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from reader.errors import BadData, JobError
from reader.files import read_json, write_json
from reader.job_options import Config
from reader.processes import ProcessIdentity

State = Literal["queued", "running", "stopping", "succeeded", "stopped", "failed", "lost"]

JOB_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")  # when it was made (UTC), and some chance
CONFIG = "config.json"
STATUS = "status.json"
PROGRESS = "progress.jsonl"
LOG = "process.log"

_LOG_WINDOW = 256 * 1024  # bytes read from the end of a log, whatever its size
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")  # colours and cursor moves (ECMA-48, CSI)


@dataclass(frozen=True, slots=True)
class Job:
    """One job as its folder tells it. Times are seconds since 1970; None where it has not come to that yet."""

    id: str
    folder: Path
    kind: str
    config: Config
    state: State
    error: str = ""  # a sentence; "" where nothing went wrong
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    turn: int = 0  # its place in the queue: the smallest waiting one is next
    resumed: bool = False  # goes on from its checkpoints
    device: str | None = None  # "cpu", or what CUDA_VISIBLE_DEVICES calls its GPUs, separated by commas
    process: ProcessIdentity | None = None
    exit_code: int | None = None  # where somebody saw the process end; negative: the signal that killed it
    stop_asked: float | None = None  # seconds of the monotonic clock of this boot, which no clock change moves

    @property
    def active(self) -> bool:
        """Whether a process of its own should be there."""
        return self.state in ("running", "stopping")


def write_job(job: Job) -> None:
    """Write the job's status; its config is written once, when it is made."""
    process = job.process
    write_json(
        job.folder / STATUS,
        {
            "format_version": 1,
            "state": job.state,
            "error": job.error,
            "created": job.created,
            "started": job.started,
            "ended": job.ended,
            "turn": job.turn,
            "resumed": job.resumed,
            "device": job.device,
            "process": process and {"pid": process.pid, "start": process.start, "boot": process.boot},
            "exit_code": job.exit_code,
            "stop_asked": job.stop_asked,
        },
    )


def load_job(folder: Path) -> Job:
    """Read a job's folder; one whose files are damaged is shown as failed, with a sentence that says so.

    Where only the status is damaged, the job can be resumed: its config and its checkpoints are there. Else its
    kind is "".
    """
    kind, config = "", {}
    try:
        config = _config(read_json(folder / CONFIG))
        kind = str(config["kind"])
        return _job(folder, config, read_json(folder / STATUS))
    except (BadData, KeyError, TypeError, ValueError, OSError) as error:
        reason = f"a value is missing: {error}" if isinstance(error, KeyError) else str(error)
        says = f"The job's folder is damaged: {reason}"
        return Job(folder.name, folder, kind, config, "failed", error=says, resumed=True)


def load_jobs(jobs: Path) -> list[Job]:
    """Read all jobs' folders in this folder, in no order; none where it does not exist yet."""
    if not jobs.is_dir():
        return []
    return [load_job(folder) for folder in jobs.iterdir() if JOB_ID.fullmatch(folder.name) and folder.is_dir()]


def _config(config: Any) -> Config:
    if not isinstance(config, dict):
        raise ValueError(f"{CONFIG} should hold a JSON object.")
    return config


def _job(folder: Path, config: Config, status: Any) -> Job:
    if not isinstance(status, dict):
        raise ValueError(f"{STATUS} should hold a JSON object.")
    if status["state"] not in get_args(State):
        raise ValueError(f"{STATUS} holds the unknown state '{status['state']}'.")
    process = status["process"]
    return Job(
        id=folder.name,
        folder=folder,
        kind=str(config["kind"]),
        config=config,
        state=status["state"],
        error=str(status["error"]),
        created=float(status["created"]),
        started=_number(status["started"]),
        ended=_number(status["ended"]),
        turn=int(status["turn"]),
        resumed=bool(status["resumed"]),
        device=status["device"],
        process=process and ProcessIdentity(int(process["pid"]), int(process["start"]), str(process["boot"])),
        exit_code=status["exit_code"],
        stop_asked=_number(status["stop_asked"]),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


@dataclass(frozen=True, slots=True)
class Progress:
    """Events in the order in which they were written, and the byte offset to read on from."""

    events: tuple[dict[str, Any], ...]
    offset: int


def append_progress(folder: Path, event: str, **facts: Any) -> None:
    """Append one event to the job's progress: ``{"time": seconds since 1970, "event": …, **facts}``.

    One line in one write, so that a reader never sees two lines mixed. A number that is not finite (a loss that
    has become NaN) is written as null, since JSON has no word for it.
    """
    known = {
        name: None if isinstance(fact, float) and not math.isfinite(fact) else fact for name, fact in facts.items()
    }
    line = json.dumps({"time": time.time(), "event": event, **known}, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        file = os.open(folder / PROGRESS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)
    except OSError as error:
        raise JobError(f"{folder / PROGRESS} cannot be written: {error.strerror}.") from None


def end_half_line(folder: Path) -> None:
    """Close a line that a killed process left half-written, so that the next event has a line of its own."""
    path = folder / PROGRESS
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def read_progress(job: Job, after: int = 0) -> Progress:
    """Return the events from byte ``after`` on; the ``offset`` of one call is the ``after`` of the next.

    A last line without its end is left for the next call; a line that is not a JSON object is passed over.
    A file that has become shorter than ``after`` is read from its start.
    """
    try:
        with (job.folder / PROGRESS).open("rb") as file:
            start = after if 0 <= after <= os.fstat(file.fileno()).st_size else 0
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        return Progress((), 0)
    complete = data[: data.rfind(b"\n") + 1]
    events = (_event(line) for line in complete.split(b"\n"))
    return Progress(tuple(event for event in events if event is not None), start + len(complete))


def tail_log(job: Job, lines: int = 200) -> list[str]:
    """Return the last lines of the log as a terminal would show them: progress bars in their last state.

    Reads a bounded part of the file's end. Bytes that are not UTF-8 become U+FFFD.
    """
    try:
        with (job.folder / LOG).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _LOG_WINDOW)
            file.seek(start)
            data = file.read(_LOG_WINDOW)
    except FileNotFoundError:
        return []
    if start > 0 and b"\n" in data[:-1]:
        data = data[data.index(b"\n") + 1 :]
    rows = data.decode("utf-8", errors="replace").removesuffix("\n").split("\n")
    shown = [_as_shown(row) for row in rows]
    return shown[-lines:] if lines > 0 and data else []


def disk_usage(job: Job) -> int:
    """Return the bytes of all files in the job's folder; links are not followed, vanishing files not counted."""
    total = 0
    for place, _, names in os.walk(job.folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _as_shown(row: str) -> str:
    """What remains of a row on a terminal: each carriage return begins it anew."""
    states = [state for state in row.split("\r") if state]
    return _TERMINAL_CODES.sub("", states[-1]).replace("\0", "").rstrip() if states else ""
