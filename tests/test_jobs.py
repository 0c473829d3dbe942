"""Jobs as real processes: they end in every way there is, wait for each other and outlive their server."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from reader import job_queue, job_state
from reader.errors import JobError
from reader.jobs import (
    Job,
    create_job,
    delete_job,
    jobs_folder,
    list_jobs,
    read_job,
    read_progress,
    resume_job,
    start_waiting,
    stop_job,
    tail_log,
)

REPOSITORY = Path(__file__).resolve().parents[1]
STAND_IN = str(REPOSITORY / "tests" / "stand_in_job.py")
CONFIG = {"base": "embedded", "data": "starter", "max_steps": 1}


def program(work: str) -> tuple[str, ...]:
    return (sys.executable, STAND_IN, work)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own; afterwards nothing of it runs any more."""
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield tmp_path / "home"
    eventually(lambda: not killed(tmp_path) and not watchers())


def killed(folder: Path) -> list[psutil.Process]:
    """Kill what runs in the folder. Again and again: when a job dies, the next one of its queue is started."""
    found = processes_of(folder)
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return found


def processes_of(folder: Path) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline", "pid"])
    return [each for each in found if any(str(folder) in word for word in each.info["cmdline"] or ())]


def watchers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("watch ")]


def eventually(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.02)


def start(work: str, kind: str = "train") -> Job:
    return create_job(kind, CONFIG if kind == "train" else {"reader": "embedded", "data": "starter"}, program(work))


def wait_for(job: Job, *states: str) -> Job:
    eventually(lambda: read_job(job.id).state in states)
    return read_job(job.id)


def at_work(job: Job) -> Job:
    """Wait until the job's process is in the midst of its work, with its signal handler in place."""
    eventually(lambda: len(read_progress(job).events) > 1)
    return read_job(job.id)


def let_go(job: Job) -> None:
    (job.folder / "go").touch()


def pid_of(job: Job) -> int:
    process = read_job(job.id).process
    assert process is not None
    return process.pid


def forge(job: Job, **changes: object) -> None:
    path = job.folder / "status.json"
    status = json.loads(path.read_text())
    path.write_text(json.dumps({**status, **changes}))


# How a job ends


def test_a_job_runs_to_its_end_and_leaves_no_zombie() -> None:
    job = wait_for(start("succeed"), "succeeded", "failed", "lost")
    assert (job.state, job.error) == ("succeeded", "")
    assert job.started is not None and job.ended is not None
    assert job.created <= job.started <= job.ended
    assert [event["event"] for event in read_progress(job).events] == ["start", "end"]
    eventually(lambda: not psutil.Process().children())


def test_bad_input_ends_a_job_as_failed_with_the_sentence() -> None:
    job = wait_for(start("fail"), "failed")
    assert job.error == "Row 3 is bad."


def test_a_bug_ends_a_job_as_failed_and_its_traceback_is_in_the_log() -> None:
    job = wait_for(start("bug"), "failed")
    assert "ZeroDivisionError: by zero" in job.error
    eventually(lambda: any("Traceback" in line for line in tail_log(job)))


def test_a_process_that_ends_before_its_work_is_failed_with_its_last_words() -> None:
    eventually_failed = start("early")
    eventually(lambda: read_job(eventually_failed.id).exit_code == 1)
    job = read_job(eventually_failed.id)
    assert job.state == "failed"
    assert "unrecognized arguments: --nonsense" in job.error


def test_a_program_that_cannot_be_started_is_failed() -> None:
    job = create_job("train", CONFIG, ("/no/such/program",))
    assert job.state == "failed"
    assert "could not be started" in job.error


def test_a_killed_job_is_lost_and_its_children_are_ended() -> None:
    job = at_work(start("family"))
    eventually((job.folder / "child").exists)
    child = int((job.folder / "child").read_text())
    os.kill(pid_of(job), signal.SIGKILL)
    eventually(lambda: read_job(job.id).exit_code == -9)
    job = read_job(job.id)
    assert job.state == "lost"
    assert "SIGKILL" in job.error
    eventually(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_much_output_never_blocks_a_job() -> None:
    job = wait_for(start("talk"), "succeeded")
    assert (job.folder / "process.log").stat().st_size > 19_000_000
    assert len(tail_log(job, 3)) == 3


# Stopping


@pytest.mark.parametrize(("work", "last"), [("save", "end"), ("wait", "message")])
def test_a_stopped_job_ends_as_stopped(work: str, last: str) -> None:
    """Work that handles the signal by itself comes to its own end; other work is interrupted."""
    job = at_work(start(work))
    began = time.monotonic()
    assert stop_job(job.id).state == "stopping"
    assert time.monotonic() - began < 2
    job = wait_for(job, "stopped")
    assert job.error == ""
    assert read_progress(job).events[-1]["event"] == last
    assert stop_job(job.id).state == "stopped", "a second press changes nothing"


def test_a_job_stopped_before_its_process_has_begun_never_works() -> None:
    job = start("late")
    stop_job(job.id)
    job = wait_for(job, "stopped")
    assert read_progress(job).events == ()


def test_a_job_that_does_not_hear_is_killed_after_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    job = at_work(start("deaf"))
    stop_job(job.id)
    time.sleep(0.2)
    assert read_job(job.id).state == "stopping", "60 s of grace are not over"
    monkeypatch.setattr(job_state, "GRACE", 0.1)
    job = wait_for(job, "stopped")
    assert "was killed" in job.error


def test_stopping_a_job_that_has_died_tells_that_it_is_lost() -> None:
    job = at_work(start("wait"))
    pid = pid_of(job)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(pid))
    assert stop_job(job.id).state == "lost"


# The queue


def test_jobs_run_one_after_the_other_in_order() -> None:
    jobs = [start("wait") for _ in range(3)]
    for turn, job in enumerate(jobs):
        at_work(job)
        assert [read_job(each.id).state for each in jobs[turn:]] == ["running", "queued", "queued"][: 3 - turn]
        let_go(job)
    last = wait_for(jobs[-1], "succeeded")
    assert [job.id for job in list_jobs()] == [job.id for job in reversed(jobs)]
    assert last.turn > jobs[0].turn


def test_a_waiting_job_can_be_stopped_and_is_never_started() -> None:
    first, second = start("wait"), start("wait")
    assert stop_job(second.id).state == "stopped"
    let_go(first)
    wait_for(first, "succeeded")
    start_waiting(program("wait"))
    assert read_job(second.id).started is None


def test_the_queue_goes_on_without_a_server_and_a_new_one_sees_what_runs(home: Path) -> None:
    server = "from tests.test_jobs import start, at_work\nfor _ in range(2): job = start('wait')\n"
    subprocess.run([sys.executable, "-c", server], check=True, cwd=REPOSITORY, timeout=30)
    second, first = list_jobs()
    at_work(first)
    assert [read_job(first.id).state, read_job(second.id).state] == ["running", "queued"]
    # Nobody but the ending job is there to start the next one: reading alone starts nothing.
    let_go(first)
    at_work(second)
    assert [read_job(first.id).state, read_job(second.id).state] == ["succeeded", "running"]
    let_go(second)
    wait_for(second, "succeeded")


def test_a_waiting_job_is_started_when_the_running_one_is_killed() -> None:
    first, second = start("wait"), start("wait")
    at_work(first)
    os.kill(pid_of(first), signal.SIGKILL)
    at_work(second)


def test_many_starters_at_once_start_one_job(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_queue, "usable_devices", lambda: ())
    jobs = [start("wait") for _ in range(2)]
    assert [job.state for job in jobs] == ["queued", "queued"]
    monkeypatch.undo()
    monkeypatch.setenv("READER_HOME", str(home))
    words = [sys.executable, "-c", f"from reader.jobs import *; print(len(start_waiting({program('wait')!r})))"]
    starters = [subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    with ThreadPoolExecutor(4) as pool:
        started = [len(each) for each in pool.map(start_waiting, [program("wait")] * 4)]
    started += [int(starter.communicate(timeout=30)[0]) for starter in starters]
    assert sorted(started) == [0, 0, 0, 0, 0, 0, 1]
    assert sorted(read_job(job.id).state for job in jobs) == ["queued", "running"]


def test_each_gpu_has_a_lane_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho GPU-aaaa\necho GPU-bbbb\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)
    jobs = [start("wait") for _ in range(3)]
    for job in jobs[:2]:
        at_work(job)
    assert [read_job(job.id).state for job in jobs] == ["running", "running", "queued"]
    assert "device: GPU-aaaa" in tail_log(jobs[0])
    let_go(jobs[1])
    at_work(jobs[2])
    eventually(lambda: "device: GPU-bbbb" in tail_log(jobs[2]))


# Recognising a process


@pytest.mark.parametrize("part", ["start", "boot", "pid"])
def test_another_process_with_the_same_pid_is_not_the_job(part: str) -> None:
    job = at_work(start("wait"))
    process = json.loads((job.folder / "status.json").read_text())["process"]
    other = {"start": process["start"] - 1, "boot": "another boot", "pid": os.getpid()}
    forge(job, process={**process, part: other[part]})
    assert read_job(job.id).state == "lost"
    assert psutil.pid_exists(process["pid"]), "a process that is not the job's is not touched"


def test_the_truth_is_shown_when_the_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    job = at_work(start("wait"))
    forge(job, process=None)

    def full(job: Job) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(job_state, "write_job", full)
    assert [each.state for each in list_jobs()] == ["lost"]


def test_a_second_process_for_the_same_job_is_turned_away() -> None:
    job = at_work(start("wait"))
    again = [*program("wait"), "train", "--job", str(job.folder)]
    result = subprocess.run(again, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, timeout=30)
    assert b"another process" in result.stderr
    assert read_job(job.id).state == "running"


# Resuming and deleting


def test_a_stopped_training_is_resumed_in_its_folder() -> None:
    job = at_work(start("wait"))
    stop_job(job.id)
    wait_for(job, "stopped")
    eventually(lambda: not watchers())  # else the ending process may start it again, with its own program
    again = resume_job(job.id, program("succeed"))
    assert again.folder == job.folder
    job = wait_for(job, "succeeded")
    assert "'--resume'" in " ".join(tail_log(job))
    assert sum(event["event"] == "start" for event in read_progress(job).events) == 2
    with pytest.raises(JobError, match="succeeded"):
        resume_job(job.id)


def test_a_training_that_the_system_killed_goes_on_at_half_the_batch() -> None:
    job = at_work(start("wait"))
    assert job.process is not None
    os.kill(job.process.pid, signal.SIGKILL)
    job = wait_for(job, "lost")
    assert "memory" in job.error
    eventually(lambda: not watchers())
    resume_job(job.id, program("succeed"), at_half=True)
    job = wait_for(job, "succeeded")
    assert job.config["gradient_accumulation"] == 2
    assert "'--gradient-accumulation', '2', " in " ".join(tail_log(job))


def test_what_cannot_be_halved_is_said() -> None:
    job = wait_for(start("fail", "evaluate"), "failed")
    with pytest.raises(JobError, match="cannot be halved"):
        resume_job(job.id, at_half=True)
    assert read_job(job.id).state == "failed"


def test_an_evaluation_starts_over_when_it_is_resumed() -> None:
    job = wait_for(start("fail", "evaluate"), "failed")
    eventually(lambda: not watchers())
    resume_job(job.id, program("succeed"))
    job = wait_for(job, "succeeded")
    assert "--resume" not in " ".join(tail_log(job))
    assert job.error == ""


def test_a_running_job_is_not_deleted_and_an_ended_one_is() -> None:
    job = at_work(start("wait"))
    with pytest.raises(JobError, match="Stop it first"):
        delete_job(job.id)
    let_go(job)
    wait_for(job, "succeeded")
    delete_job(job.id)
    assert list_jobs() == []
    assert [each.name for each in jobs_folder().iterdir()] == [".lock"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../home", "/etc", "20250101-000000-abcdef/..", "20250101-000000-abcdef"]
)
def test_names_that_are_no_job_are_refused(name: str, home: Path) -> None:
    (home / "jobs").mkdir(parents=True)
    for act in (read_job, stop_job, resume_job, delete_job):
        with pytest.raises(JobError, match="no job"):
            act(name)
    assert (home / "jobs").is_dir()


def test_a_link_in_the_place_of_a_job_is_not_followed(home: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (home / "jobs").mkdir(parents=True)
    (home / "jobs" / "20250101-000000-abcdef").symlink_to(precious)
    with pytest.raises(JobError):
        delete_job("20250101-000000-abcdef")
    assert precious.is_dir()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"state": "dancing"}', '{"state": "running"}', "\0\0"])
def test_a_damaged_job_is_shown_as_failed_and_can_be_deleted(damage: str) -> None:
    whole, broken = (wait_for(start("succeed"), "succeeded") for _ in range(2))
    (broken.folder / "status.json").write_text(damage)
    states = {job.id: (job.state, job.error) for job in list_jobs()}
    assert states[whole.id] == ("succeeded", "")
    assert states[broken.id][0] == "failed"
    assert "damaged" in states[broken.id][1]
    delete_job(broken.id)
    assert [job.id for job in list_jobs()] == [whole.id]


def test_words_reach_the_process_as_they_are(tmp_path: Path) -> None:
    odd = "$(touch hacked); rm -rf * | `id` 'é'"
    job = wait_for(create_job("train", {**CONFIG, "data": [odd, "starter"]}, program("succeed")), "succeeded")
    words = ["train", "--base", "embedded", "--data", odd, "--data", "starter", "--max-steps", "1"]
    assert f"arguments: {[*words, '--job', str(job.folder)]}" in tail_log(job)
