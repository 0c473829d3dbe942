"""What a training takes of its machine: within what there is, and looked at now and then only."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

import reader.usage
from reader.usage import Meter, forget_peak, gpu_busy, memory_available, memory_total, peak_memory, usable_cores

ROOT = Path(__file__).parents[1]


def held(size: int) -> mmap.mmap:
    """Memory of this process that was not there before: an array may be put where another one was."""
    memory = mmap.mmap(-1, size)
    memory.write(b"x" * size)
    return memory


def test_a_meter_looks_at_this_process_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(reader.usage, "time", SimpleNamespace(monotonic=lambda: now))
    meter = Meter("cpu")
    now += 2
    first = meter.read()
    assert 1e6 < first.memory <= first.memory_total == memory_total()
    assert first.busy is not None and 0 <= first.busy <= 1
    ballast = held(80_000_000)
    now += reader.usage._EVERY - 0.1
    assert meter.read() is first
    now += 0.1
    second = meter.read()
    assert second.memory > first.memory + 60e6
    assert meter.read() is second
    ballast.close()


def test_a_process_is_as_busy_as_the_share_of_its_cores_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    now, percent = 1000.0, 150.0
    monkeypatch.setattr(reader.usage, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(reader.usage, "usable_cores", lambda: 4)
    monkeypatch.setattr(psutil.Process, "cpu_percent", lambda self: percent)
    meter = Meter("cpu")
    now += reader.usage._EVERY
    assert meter.read().busy == 0.375
    now, percent = now + reader.usage._EVERY, 401.0  # the clocks of work and of time are not quite the same
    assert meter.read().busy == 1.0


def limits(folder: Path, first: str | None, second: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files that hold a container's limit say this; None: the file is not there."""
    files = tuple(folder / version / "limit" for version in ("v2", "v1"))
    for file, text in zip(files, (first, second), strict=True):
        file.parent.mkdir()
        if text is not None:
            file.write_text(f"{text}\n")
    monkeypatch.setattr(reader.usage, "_LIMITS", files)


@pytest.mark.parametrize(
    ("first", "second", "limit"),
    [
        ("123000000", None, 123_000_000),
        (None, "456000000", 456_000_000),
        ("123000000", "456000000", 123_000_000),
        ("max", None, None),
        (None, "9223372036854771712", None),  # how the first version says that there is none
        (None, None, None),
    ],
)
def test_the_memory_is_the_containers_where_it_has_less(
    first: str | None, second: str | None, limit: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(tmp_path, first, second, monkeypatch)
    machine = psutil.virtual_memory().total
    assert memory_total() == (limit or machine)
    assert (memory_available() == limit) if limit else (0.2e9 < memory_available() <= machine)


@pytest.mark.parametrize(("version", "name"), [("v2", "anon"), ("v1", "total_rss")])
def test_what_others_hold_in_a_container_is_not_available(
    version: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {"v2": None, "v1": None, version: "100000000"}
    limits(tmp_path, both["v2"], both["v1"], monkeypatch)
    # Files that were read are given up as soon as memory is asked for.
    (tmp_path / version / "memory.stat").write_text(f"cache 50000000\n{name} 30000000\n{name}_huge 7\nfile 60000000\n")
    assert memory_available() == 70_000_000
    (tmp_path / version / "memory.stat").write_text(f"{name} 130000000\n")
    assert memory_available() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process forget its peak")
def test_a_peak_is_forgotten() -> None:
    ballast = held(200_000_000)
    peak = peak_memory()
    resident = psutil.Process().memory_info().rss
    ballast.close()
    assert peak is not None and peak >= resident - 10e6
    assert peak_memory() == pytest.approx(peak, abs=10e6)
    forget_peak()
    assert (peak_memory() or 0) < peak - 150e6


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the system's own figure is there")
def test_a_peak_is_not_that_of_the_process_that_started_it() -> None:
    ballast = np.ones(25_000_000)
    ran = subprocess.run(
        [sys.executable, "-c", "from reader.usage import peak_memory; print(peak_memory())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 1e6 < int(ran.stdout) < ballast.nbytes / 2


def nvidia_smi(folder: Path, says: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let such a program be the only one there is; it notes what it was asked in the returned file."""
    program = folder / "nvidia-smi"
    program.write_text(f'#!/bin/sh\necho "$@" > "{folder}/asked"\n{says}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder / "asked"


@pytest.mark.skipif(os.name != "posix", reason="the program is a shell script")
@pytest.mark.parametrize(("visible", "asked"), [(None, "0"), ("", "0"), ("2,3", "2"), ("GPU-1a2b", "GPU-1a2b")])
def test_the_first_visible_gpu_is_asked_how_busy_it_is(
    visible: str | None, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    noted = nvidia_smi(tmp_path, "echo 37", monkeypatch)
    assert gpu_busy() == 0.37
    assert noted.read_text().startswith(f"-i {asked} --query-gpu=utilization.gpu ")


@pytest.mark.skipif(os.name != "posix", reason="the program is a shell script")
@pytest.mark.parametrize("says", ["echo '[N/A]'", "echo 37; exit 6", "", "echo 37; echo 41"])
def test_a_gpu_that_does_not_tell_is_not_known(says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi(tmp_path, says, monkeypatch)
    assert gpu_busy() is None


def test_a_machine_without_nvidias_program_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_busy() is None


def test_the_cores_are_those_that_this_process_may_use() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
