"""Processes of other sessions on this machine: recognised for sure, stopped as a group, never mistaken.

A pid alone says little: the system gives it away again. A process is therefore known by its pid, the moment it
started (in ticks since the boot, so a moved clock changes nothing) and the boot itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import psutil

from reader.errors import JobError

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process of this machine, past or present.

    ``start`` is field 22 of ``/proc/<pid>/stat`` (clock ticks since the boot); where there is no ``/proc``,
    psutil's ``create_time`` in microseconds. ``boot`` is the kernel's boot id, "" where there is none.
    """

    pid: int
    start: int
    boot: str


def identity_of(pid: int) -> ProcessIdentity | None:
    """Return the identity of the process that has this pid now; None where there is none, or only a zombie."""
    looked_up = _look_up(pid)
    if looked_up is None or looked_up[1]:
        return None
    return ProcessIdentity(pid, looked_up[0], boot_id())


def own_identity(pid: int) -> ProcessIdentity:
    """Return the identity of this process, or of a child not waited for yet, even if that has ended already."""
    looked_up = _look_up(pid)
    return ProcessIdentity(pid, looked_up[0] if looked_up else 0, boot_id())


def is_alive(process: ProcessIdentity) -> bool:
    """Say whether this very process still runs; a zombie does not, nor does another one with the same pid."""
    return identity_of(process.pid) == process


def boot_id() -> str:
    """Return the kernel's id of this boot; "" on systems that have none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def ask_to_end(process: ProcessIdentity) -> None:
    """Send SIGTERM to the process itself, which then ends what it started in its own way."""
    if not is_alive(process):
        return
    try:
        os.kill(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError:
        raise JobError(
            f"Process {process.pid} belongs to another user of this machine; only they can stop it."
        ) from None


def kill_session(process: ProcessIdentity) -> None:
    """Send SIGKILL to the process and to all that it started in its session; never to the caller itself.

    A process that leads no session (a job started by hand in a shell) is killed alone. Works as well when the
    leader is dead and only its children are left: the session's number is the leader's pid, and the system does
    not give that away while the session has members. So a process with this pid and another start means that
    the session has ended, and that nothing of ours is left to kill.
    """
    if process.boot != boot_id():
        return
    looked_up = _look_up(process.pid)
    if looked_up is not None and looked_up[0] != process.start:
        return
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError):
            if (os.getsid(pid) == process.pid or pid == process.pid) and pid != os.getpid():
                os.kill(pid, signal.SIGKILL)


@contextmanager
def without_orphans(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """See to it that a child that leads a session of its own has ended behind this, with all that it started."""
    process = own_identity(child.pid)
    try:
        yield
    finally:
        if child.poll() is None:
            kill_session(process)
        child.wait()


def usable_devices() -> tuple[str, ...]:
    """Return what jobs can run on, one at a time each: the GPUs' ids, or ("cpu",) where there is none.

    The ids are what ``CUDA_VISIBLE_DEVICES`` takes; where that is set, only the GPUs it names. Asks
    ``nvidia-smi``, since torch is too heavy to load for this.
    """
    query = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ("cpu",)
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        # CUDA reads its list up to the first entry that is no device; "" and "-1" mean none.
        gpus = [name.strip() for name in chosen.split(",")]
        return tuple(takewhile(lambda name: name not in ("", "-1"), gpus)) or ("cpu",)
    return tuple(line.strip() for line in answer.splitlines() if line.startswith("GPU-")) or ("cpu",)


def _look_up(pid: int) -> tuple[int, bool] | None:
    """Return (start, is a zombie) of the process that has this pid, or None."""
    if not os.path.exists("/proc/self/stat"):
        return _look_up_with_psutil(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return int(fields[19]), fields[0] in (b"Z", b"X")


def _look_up_with_psutil(pid: int) -> tuple[int, bool] | None:
    try:
        process = psutil.Process(pid)
        return round(process.create_time() * 1e6), process.status() == psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
