"""What a training takes of its machine: memory, how busy the device is, and how much memory there is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_EVERY = 5.0  # seconds between two looks; asking a GPU takes some 20 ms
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_HELD = ("anon ", "total_rss ")  # what the container's processes hold, in the memory.stat beside either limit


@dataclass(frozen=True, slots=True)
class Usage:
    """``memory`` and ``memory_total`` in bytes; ``busy``: share of the device's time in [0, 1], None if unknown."""

    memory: int
    memory_total: int
    busy: float | None


class Meter:
    """Looks at this process's use of its device, every few seconds at most."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._process = psutil.Process()
        self._process.cpu_percent()  # from here on it tells the share since the last call
        self._last = (time.monotonic() - _EVERY + 1.0, Usage(0, 0, None))

    def read(self) -> Usage:
        """The use as it was at the last look."""
        when, usage = self._last
        if time.monotonic() - when >= _EVERY:
            usage = self._look_at_gpu() if self._device.startswith("cuda") else self._look_at_cpu()
            self._last = (time.monotonic(), usage)
        return usage

    def _look_at_cpu(self) -> Usage:
        busy = self._process.cpu_percent() / 100 / usable_cores()
        return Usage(self._process.memory_info().rss, memory_total(), min(busy, 1.0))

    def _look_at_gpu(self) -> Usage:
        import torch

        free, total = torch.cuda.mem_get_info()
        return Usage(total - free, total, gpu_busy())


def gpu_busy() -> float | None:
    """The share of the last second in which the first visible GPU computed; None where nvidia-smi does not tell."""
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip() or "0"
    query = ["nvidia-smi", "-i", gpu, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    try:
        return int(subprocess.run(query, capture_output=True, text=True, timeout=5, check=True).stdout) / 100
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def usable_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def memory_total() -> int:
    """Bytes of memory that this machine, or the container around it, has."""
    return min([psutil.virtual_memory().total, *_numbers(_LIMITS)])


def memory_available() -> int:
    """Bytes of memory that can be had without swapping, within what is left in a container."""
    left = [limit - _held_in_container() for limit in _numbers(_LIMITS)]
    return max(0, min([psutil.virtual_memory().available, *left]))


def peak_memory() -> int | None:
    """The most memory that this process has held, in bytes; None where the system does not tell.

    On Linux since `forget_peak`, and not by ``ru_maxrss``: that begins with what the process held that started this
    one.
    """
    with suppress(OSError):
        status = Path("/proc/self/status").read_text("utf-8").splitlines()
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    if os.name != "posix":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def forget_peak() -> None:
    """Let the peak begin anew at what is held now, where the system can do that."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "ascii")


def _held_in_container() -> int:
    """Bytes that the processes in this container hold, files that were only read aside; 0 where it is not told."""
    for limit in _LIMITS:
        with suppress(OSError):
            lines = limit.with_name("memory.stat").read_text("ascii").splitlines()
            return sum(int(line.split()[1]) for line in lines if line.startswith(_HELD))
    return 0


def _numbers(files: tuple[Path, ...]) -> list[int]:
    """What the first of these files that is there says, if it is a number ("max" is none)."""
    for file in files:
        try:
            text = file.read_text("ascii").strip()
        except OSError:
            continue
        return [int(text)] if text.isdigit() else []
    return []
