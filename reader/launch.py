"""Training with several processes of this machine: `accelerate launch` is started, watched, and told to stop.

Each process reads its share of every batch. Who started them speaks for them: a stop is passed on to each, the
sentence of an error comes back through a file, and where the memory of one is full, all start anew from the last
checkpoint with half as many windows at a time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import psutil

from reader import errors, ranks
from reader.errors import JobError, OutOfMemory, ReaderboardError
from reader.files import read_json, write_json
from reader.recipes import TrainOptions, in_smaller_parts
from reader.usage import usable_cores

STOPPED = 130
_OUTCOMES = "READER_OUTCOMES"  # the folder in which each process leaves what came of it


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one process that did not simply succeed; ``kind`` is the error's class, "" where it was stopped."""

    kind: str
    error: str


def launcher(processes: int) -> list[str]:
    """The words that start so many processes of this machine; the module and its options follow.

    ``--multi_gpu`` is how accelerate is told to start several processes, on GPUs or not.
    """
    threads = max(1, usable_cores() // processes)
    fixed = ["--multi_gpu", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    return [
        *("-m", "accelerate.commands.launch", "--num_processes", str(processes), *fixed),
        *("--num_cpu_threads_per_process", str(threads), "--main_process_port", "0"),
    ]


def train_with_processes(options: TrainOptions, words: Sequence[str], on_memory: Callable[[TrainOptions], None]) -> int:
    """Run ``python -m reader`` with these words in several processes; returns 0, or 130 where it was stopped.

    ``on_memory`` is told the options with which it goes on where memory was full. Raises what the processes raised,
    and `JobError` where one of them ended without a word.
    """
    words = list(words)
    while True:
        with tempfile.TemporaryDirectory() as folder:
            stopped, code = _run(options.processes, words, folder)
            outcomes = [Outcome(**read_json(path)) for path in sorted(Path(folder).glob("*.json"))]
        if stopped or any(not outcome.kind for outcome in outcomes):
            return STOPPED
        full = [outcome for outcome in outcomes if outcome.kind == OutOfMemory.__name__]
        if full:
            options = in_smaller_parts(options)
            on_memory(options)
            # The last word of an option counts.
            words += ["--gradient-accumulation", str(options.gradient_accumulation), "--resume"]
            continue
        if outcomes:
            raise getattr(errors, outcomes[0].kind)(outcomes[0].error)
        if code:
            raise JobError(
                f"One of the {options.processes} processes ended with no word (exit code {code}), perhaps killed by "
                "the system as memory ran out. What was saved is kept: go on from it, at half the batch if need be."
            )
        return 0


def tell_launcher(error: ReaderboardError | None) -> bool:
    """Leave this process's error (None: it was stopped) to who launched it; False where nobody of ours did."""
    folder = os.environ.get(_OUTCOMES)
    if folder is None or ranks.count() == 1:
        return False
    kind = "" if error is None else next(base.__name__ for base in type(error).__mro__ if base.__name__ in vars(errors))
    write_json(Path(folder) / f"{ranks.rank():04}.json", asdict(Outcome(kind, str(error or ""))))
    return True


def end_with_launcher() -> None:
    """From now on, end this process when the one that started it is gone: it has a session of its own."""
    launched_by = os.getppid()

    def watch() -> None:
        while os.getppid() == launched_by:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)

    if os.environ.get(_OUTCOMES):
        threading.Thread(target=watch, name="launcher", daemon=True).start()


def _run(processes: int, words: Sequence[str], outcomes: str) -> tuple[bool, int]:
    """Start the processes and wait for their end: whether they were told to stop, and the launcher's exit code."""
    command = [sys.executable, *launcher(processes), "-m", "reader", *words]
    # In a group of its own, so that a terminal's Ctrl-C comes here alone and is passed on once.
    started = subprocess.Popen(command, env={**os.environ, _OUTCOMES: outcomes}, process_group=0)
    stopping = threading.Event()
    try:
        with _passing_on(started, stopping):
            code = started.wait()
    finally:
        if started.poll() is None:
            for process in [*_workers(started), started]:
                with suppress(psutil.NoSuchProcess, ProcessLookupError):
                    process.kill()
            started.wait()
    return stopping.is_set(), code


@contextmanager
def _passing_on(started: subprocess.Popen[bytes], stopping: threading.Event) -> Iterator[None]:
    """Pass SIGTERM and the first Ctrl-C on to the processes; a second Ctrl-C ends all at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()
        # The launcher itself would leave them half a minute only; it ends when they have.
        for process in _workers(started) or [started]:
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                process.terminate()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _workers(started: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(started.pid).children()
    except psutil.NoSuchProcess:
        return []
