"""Several processes on one machine: they learn what one process learns, stop together, and say what went wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.torch import load_file

import reader.launch
from reader.errors import BadUsage, JobError, OutOfMemory
from reader.jobs import append_progress, create_job, list_jobs, read_job, read_progress, stop_job, tail_log
from reader.launch import train_with_processes
from reader.recipes import TrainOptions
from tests import tiny_models
from tests.tiny_training import write_data

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without dropout, whose random numbers each process draws for itself."""
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return tiny_models.make("bert", tmp_path_factory.mktemp("base"), **still)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "data.json")


@pytest.fixture(autouse=True)
def no_orphans(tmp_path: Path) -> Iterator[None]:
    """Every process whose command names this test's folder has ended."""
    yield
    deadline = time.monotonic() + 5
    while left := [process for process in psutil.process_iter(["cmdline"]) if names(process, tmp_path)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def names(process: psutil.Process, folder: Path) -> bool:
    return any(str(folder) in word for word in process.info["cmdline"] or [])


def words(base: Path, data: Path, **more: Any) -> list[str]:
    chosen = {
        "base": base,
        "data": data,
        "batch-size": 12,
        "max-seq-length": 64,
        "doc-stride": 16,
        "max-steps": 8,
        "learning-rate": 3e-3,
        "held-out": 0.25,
        "precision": "fp32",
        "evaluations": 2,
        **more,
    }
    return ["train", *(word for name, value in chosen.items() for word in (f"--{name}", str(value)))]


def command(*given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reader", *given], cwd=ROOT, capture_output=True, text=True, timeout=180
    )


def distance(one: Path, other: Path) -> float:
    """The largest difference between the weights of two readers."""
    mine, its = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert mine.keys() == its.keys()
    return max(float((mine[name].float() - its[name].float()).abs().max()) for name in mine)


@pytest.fixture
def config(base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A job's config, in a home of its own."""
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    return {
        "base": str(base),
        "data": [str(data)],
        "batch_size": 12,
        "max_seq_length": 64,
        "doc_stride": 16,
        "max_steps": 8,
        "evaluations": 2,
        "learning_rate": 3e-3,
        "held_out": 0.25,
        "precision": "fp32",
    }


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(config: dict[str, Any]) -> None:
    """The same batches in the same order, half of each in each process; and a reader of the same form."""
    alone = create_job("train", config)
    shared = create_job("train", {**config, "processes": 2, "gradient_accumulation": 2})
    eventually(lambda: not any(job.active or job.state == "queued" for job in list_jobs()))
    assert [read_job(job.id).state for job in (alone, shared)] == ["succeeded", "succeeded"], tail_log(shared)
    losses = [
        [event["loss"] for event in read_progress(job).events if event["event"] == "step"] for job in (alone, shared)
    ]
    assert len(losses[0]) == 8
    assert losses[1] == pytest.approx(losses[0], abs=1e-3)
    assert distance(alone.folder / "reader", shared.folder / "reader") < 0.01
    files = {path.relative_to(alone.folder) for path in (alone.folder / "reader").rglob("*")}
    assert {path.relative_to(shared.folder) for path in (shared.folder / "reader").rglob("*")} == files
    assert not any("Traceback" in line for line in tail_log(shared))


@pytest.mark.slow
def test_several_processes_stop_together_and_are_resumed_by_one(
    config: dict[str, Any], base: Path, data: Path, tmp_path: Path
) -> None:
    job = create_job("train", {**config, "max_steps": 200, "evaluations": 1, "processes": 2})
    eventually(lambda: any(event["event"] == "step" for event in read_progress(job).events))
    stop_job(job.id)
    eventually(lambda: not read_job(job.id).active)
    stopped = read_job(job.id)
    assert (stopped.state, stopped.error) == ("stopped", ""), tail_log(job)
    (checkpoint,) = (job.folder / "checkpoints").glob("checkpoint-*/complete")
    at = int(checkpoint.parent.name.rpartition("-")[2])
    assert 0 < at < 200
    given = words(base, data, **{"max-steps": 200, "evaluations": 1})
    write_home = job.folder.rename(tmp_path / "out.training")
    assert write_home.is_dir() and list_jobs() == []
    resumed = command(*given, "--out", str(tmp_path / "out"), "--resume", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert f"Going on from checkpoint-{at}." in resumed.stderr
    assert json.loads(resumed.stdout)["steps"] == 200


@pytest.mark.slow
def test_what_is_wrong_is_said_once_and_as_a_sentence(base: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("question,context,answer\nWho?,Rollo ruled.,Ada\n")
    ran = command(*words(base, bad), "--processes", "2", "--out", str(tmp_path / "out"))
    assert ran.returncode == 2
    assert ran.stderr.count("error: ") == 1 and "not in the context" in ran.stderr


@pytest.mark.slow
def test_killed_launchers_leave_no_process(base: Path, data: Path, tmp_path: Path) -> None:
    given = words(base, data, **{"max-steps": 5000, "out": tmp_path / "out", "processes": 2})
    started = subprocess.Popen(
        [sys.executable, "-m", "reader", *given], cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True
    )
    progress = tmp_path / "out.training" / "progress.jsonl"
    eventually(lambda: progress.exists() and '"step"' in progress.read_text())
    (launcher,) = psutil.Process(started.pid).children()
    assert len(launcher.children()) == 2
    for process in (started.pid, launcher.pid):
        os.kill(process, signal.SIGKILL)
    started.wait()


def eventually(holds: Any, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)


# Without processes: what the one that watches makes of what they leave


def asked(**more: Any) -> TrainOptions:
    return TrainOptions(base="embedded", data=("starter",), batch_size=24, processes=2, **more)


def leaving(
    monkeypatch: pytest.MonkeyPatch, *outcomes: dict[str, str] | None, stopped: bool = False
) -> list[list[str]]:
    """Each launch in turn leaves such an outcome; the words of each are returned."""
    launched: list[list[str]] = []

    def run(processes: int, given: list[str], folder: str) -> tuple[bool, int]:
        outcome = outcomes[len(launched)]
        launched.append(list(given))
        if outcome:
            (Path(folder) / "0001.json").write_text(json.dumps(outcome))
        return stopped, 1 if outcome or stopped else 0

    monkeypatch.setattr(reader.launch, "_run", run)
    return launched


def test_full_memory_in_one_of_them_starts_all_anew_with_half_as_many_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    full = {"kind": "OutOfMemory", "error": "full"}
    launched = leaving(monkeypatch, full, full, None)
    told: list[int] = []
    assert train_with_processes(asked(), ["train"], lambda options: told.append(options.at_once)) == 0
    assert told == [6, 3]
    assert launched[-1][-3:] == ["--gradient-accumulation", "4", "--resume"]


def test_full_memory_with_one_window_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    leaving(monkeypatch, {"kind": "OutOfMemory", "error": "full"})
    with pytest.raises(OutOfMemory, match="even with one window"):
        train_with_processes(asked(gradient_accumulation=12), ["train"], lambda options: None)


def test_an_error_comes_back_as_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    leaving(monkeypatch, {"kind": "BadUsage", "error": "That cannot be meant."})
    with pytest.raises(BadUsage, match="That cannot be meant"):
        train_with_processes(asked(), ["train"], lambda options: None)


def test_a_process_that_was_killed_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader.launch, "_run", lambda *given: (False, 1))
    with pytest.raises(JobError, match="ended with no word"):
        train_with_processes(asked(), ["train"], lambda options: None)


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(BadUsage, match="cannot be shared by 5 processes"):
        TrainOptions(base="embedded", data=("starter",), processes=5)
    assert asked(gradient_accumulation=3).at_once == 4


def test_processes_of_another_count_than_asked_are_refused() -> None:
    from reader.finetune import prepare

    with pytest.raises(BadUsage, match="2 processes were asked for, and 1 run"):
        prepare(asked(), report=append_progress)
