"""Which process is which: alive, a zombie, dead, or another one with the same pid."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from reader import processes
from reader.processes import identity_of, is_alive, kill_session, own_identity, usable_devices

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.mark.parametrize("proc", [True, False], ids=["proc", "psutil"])
def test_a_process_is_recognised_until_it_ends(proc: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not proc:
        monkeypatch.setattr(processes, "_look_up", processes._look_up_with_psutil)
    with subprocess.Popen(SLEEP) as child:
        known = own_identity(child.pid)
        assert identity_of(child.pid) == known
        assert is_alive(known)
        assert not is_alive(replace(known, start=known.start + 1))
        child.kill()
        while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert not is_alive(known), "a zombie does not run"
        assert own_identity(child.pid) == known, "but its parent still knows it"
    assert not is_alive(known)


def test_a_name_with_spaces_and_parentheses_is_no_trap(tmp_path: Path) -> None:
    odd = tmp_path / "a) S 1 (b"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([str(odd), "60"]) as child:
        assert is_alive(own_identity(child.pid))
        child.kill()


def test_a_session_is_killed_but_not_one_that_came_after_it() -> None:
    with subprocess.Popen(SLEEP, start_new_session=True) as child:
        known = own_identity(child.pid)
        kill_session(replace(known, start=known.start - 1))
        kill_session(replace(known, boot="another"))
        assert is_alive(known)
        kill_session(known)
        assert child.wait(timeout=10) == -9


def test_a_process_never_kills_itself() -> None:
    kill_session(own_identity(os.getpid()))


@pytest.mark.parametrize(
    ("answer", "chosen", "devices"),
    [
        ("GPU-a\nGPU-b\n", None, ("GPU-a", "GPU-b")),
        ("GPU-a\nGPU-b\n", "1", ("1",)),
        ("GPU-a\nGPU-b\n", "", ("cpu",)),
        ("GPU-a\nGPU-b\n", "GPU-b,-1,GPU-a", ("GPU-b",)),
        ("No devices were found\n", None, ("cpu",)),
        (None, "0", ("cpu",)),
    ],
)
def test_devices_are_gpus_or_the_processor(
    answer: str | None, chosen: str | None, devices: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if answer is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\nprintf '{answer}'\n".replace("\\n", "\n"))
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    if chosen is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert usable_devices() == devices
