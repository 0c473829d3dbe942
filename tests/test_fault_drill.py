"""The fault drill: whatever is killed, full, moved or pressed twice, what is shown is true within 5 s.

No process is left over, and nothing is lost but the steps since the last checkpoint. Some drills stand elsewhere:

- the trainer killed: `test_jobs` (the job, its children, the next one of the queue)
- two presses of Train, two browsers: `tests/pages/train/test_tab.py` (`start_once`), `test_jobs` (many starters)
- a running job is not deleted; a process that has got the pid of a job's: `test_jobs`
- a stop between two steps and in an evaluation, a damaged checkpoint, a disk full at a checkpoint: `test_finetune`
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from reader import job_queue, job_state
from reader.errors import JobError, ReaderboardError
from reader.job_files import load_job
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
from reader.recipes import TrainOptions
from reader.trainer import ReaderTrainer, Stopped, last_checkpoint, whole_checkpoints
from tests import tiny_models
from tests.full_disk import largest_file
from tests.test_jobs import (
    CONFIG,
    REPOSITORY,
    at_work,
    eventually,
    forge,
    let_go,
    pid_of,
    processes_of,
    program,
    start,
    wait_for,
    watchers,
)
from tests.tiny_training import Events, options, train, weights, write_data

SOON = 5.0  # seconds after which what is shown must be true
HOUR = 3600.0
NOBODY = 65534


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, of which no process may be left at the end of the test."""
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield tmp_path / "home"
    require_no_process_of(tmp_path)


def require_no_process_of(folder: Path) -> None:
    """Fail where a process that names the folder does not end by itself; none of them is left then either."""
    left: list[str] = []
    try:
        eventually(lambda: not processes_of(folder), SOON)
    except AssertionError:
        # Again and again: when a job dies, the next one of its queue is started.
        while found := processes_of(folder):
            for process in found:
                with suppress(psutil.NoSuchProcess):
                    left.append(" ".join(process.cmdline()))
                    process.kill()
            time.sleep(0.1)
    eventually(lambda: not watchers())
    assert not left, f"processes were left over: {left}"


class Server:
    """A server in a process of its own, which has made so many jobs that do this work."""

    def __init__(self, work: str, count: int) -> None:
        words = [sys.executable, "-m", "tests.stand_in_server", str(jobs_folder().parent), work, str(count)]
        self._process = subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.jobs = [read_job(line.strip()) for line in iter(self._process.stdout.readline, "open\n")]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def serving(work: str, count: int) -> Iterator[Server]:
    server = Server(work, count)
    try:
        yield server
    finally:
        server.kill()


def states(*jobs: Job) -> list[str]:
    shown = {job.id: job.state for job in list_jobs()}
    return [shown[job.id] for job in jobs]


def soon(*shown: str, of: tuple[Job, ...]) -> None:
    eventually(lambda: states(*of) == list(shown), SOON)


def kill(job: Job) -> None:
    os.kill(pid_of(job), signal.SIGKILL)


def starts(job: Job) -> int:
    """How often the job's work was begun."""
    return sum(event["event"] == "start" for event in read_progress(job).events)


def finish(*jobs: Job) -> None:
    for job in jobs:
        let_go(job)
    for job in jobs:
        wait_for(job, "succeeded")


@pytest.fixture
def release() -> Iterator[Callable[[], None]]:
    """No device is free, until the function is called."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_queue, "usable_devices", lambda: ())
        yield patch.undo


# The server is killed, alone and with the trainer


def test_a_job_outlives_its_killed_server_and_the_next_one_is_started() -> None:
    with serving("wait", 2) as server:
        first, second = server.jobs
        at_work(first)
    soon("running", "queued", of=(first, second))
    let_go(first)
    soon("succeeded", "running", of=(first, second))
    at_work(second)
    finish(second)
    assert (starts(first), starts(second)) == (1, 1)


def test_a_job_goes_on_when_its_server_was_killed_in_the_midst_of_starting_it(home: Path) -> None:
    """The process is there already, and nobody has noted it: it does so by itself, and is not started again."""
    dying = (
        "import os, signal\nfrom reader import job_queue\nfrom tests.stand_in_server import serve\n"
        "job_queue.write = lambda job: os.kill(os.getpid(), signal.SIGKILL)\nserve('wait', 1)\n"
    )
    killed = subprocess.run([sys.executable, "-c", dying, str(home)], cwd=REPOSITORY, timeout=30)
    assert killed.returncode == -signal.SIGKILL
    (job,) = list_jobs()
    at_work(job)
    assert start_waiting(program("wait")) == []
    soon("running", of=(job,))
    assert len(processes_of(job.folder)) == 1
    finish(job)
    assert starts(job) == 1


def test_when_server_and_trainer_were_killed_a_new_server_starts_what_waits_and_the_lost_one_is_resumed() -> None:
    with serving("family", 2) as server:
        first, second = server.jobs
        at_work(first)
        eventually(lambda: (first.folder / "child").exists() and (first.folder / "child").read_text())
    kill(first)
    soon("lost", "queued", of=(first, second))
    assert "resume it" in read_job(first.id).error
    child = int((first.folder / "child").read_text())
    eventually(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE, SOON)
    with serving("wait", 0):
        soon("lost", "running", of=(first, second))
    assert resume_job(first.id, program("wait")).state == "queued"
    at_work(second)
    finish(second, first)
    assert (starts(first), starts(second)) == (2, 1)
    assert "'--resume'" in " ".join(tail_log(first))


def test_three_waiting_jobs_run_once_each_and_in_order_though_the_server_is_killed_twice() -> None:
    with serving("wait", 3) as server:
        first, second, third = server.jobs
        at_work(first)
    let_go(first)
    at_work(second)
    with serving("wait", 0):
        soon("succeeded", "running", "queued", of=(first, second, third))
    kill(second)  # now nobody is there to start the third
    soon("succeeded", "lost", "queued", of=(first, second, third))
    with serving("wait", 0):
        at_work(third)
        let_go(third)
        soon("succeeded", "lost", "succeeded", of=(first, second, third))
    assert [starts(job) for job in (first, second, third)] == [1, 1, 1]
    began = [read_progress(job).events[0]["time"] for job in (first, second, third)]
    assert began == sorted(began)


# Two at once


def test_of_two_processes_that_resume_a_job_at_the_same_moment_one_does(
    release: Callable[[], None], home: Path
) -> None:
    jobs = [stop_job(start("wait").id) for _ in range(5)]
    release()
    resuming = (
        "import sys\nfrom reader.errors import JobError\nfrom reader.jobs import resume_job\n"
        "from tests.test_jobs import program\nprint('ready', flush=True)\n"
        "for line in sys.stdin:\n"
        "    try: print(resume_job(line.strip(), program('wait')).id, flush=True)\n"
        "    except JobError as error: print(error, flush=True)\n"
    )
    words = [sys.executable, "-c", resuming, str(home)]
    pipe = subprocess.PIPE
    both = [subprocess.Popen(words, cwd=REPOSITORY, stdin=pipe, stdout=pipe, text=True, bufsize=1) for _ in range(2)]
    for each in both:
        assert each.stdout is not None and each.stdout.readline() == "ready\n"
    for job in jobs:
        for each in both:
            assert each.stdin is not None
            each.stdin.write(f"{job.id}\n")
        said = [each.stdout.readline().strip() for each in both if each.stdout]
        assert job.id in said
        said.remove(job.id)
        assert "can be resumed" in said[0]
    for each in both:
        each.communicate()
    soon("running", "queued", "queued", "queued", "queued", of=tuple(jobs))
    assert len(processes_of(jobs_folder())) == 1
    finish(*jobs)
    assert [starts(job) for job in jobs] == [1] * 5


def test_a_job_that_is_being_stopped_is_not_deleted() -> None:
    job = at_work(start("deaf"))
    stop_job(job.id)
    with pytest.raises(JobError, match=r"is stopping\. Stop it first"):
        delete_job(job.id)
    soon("stopping", of=(job,))
    let_go(job)
    soon("succeeded", of=(job,))


def test_a_waiting_job_is_deleted_and_the_queue_goes_on() -> None:
    first, second, third = (start("wait") for _ in range(3))
    at_work(first)
    delete_job(second.id)
    assert {job.id for job in list_jobs()} == {first.id, third.id}
    let_go(first)
    at_work(third)
    finish(third)


def test_a_start_and_a_delete_at_the_same_moment_leave_no_process_without_its_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lanes: list[str] = []
    monkeypatch.setattr(job_queue, "usable_devices", lambda: tuple(lanes))
    started: list[Job] = []
    with ThreadPoolExecutor(2) as pool:
        for turn in range(16):
            job = start("wait")
            lanes.append(f"lane-{turn}")
            starting, deleting = pool.submit(start_waiting, program("wait")), pool.submit(delete_job, job.id)
            starting.result()
            if deleting.exception() is None:
                assert not job.folder.exists()
                lanes.pop()
            else:
                assert "Stop it first" in str(deleting.exception())
                started.append(job)
    eventually(lambda: all(at_work(job).state == "running" for job in started))
    running = [Path(process.cmdline()[-1]) for process in processes_of(jobs_folder())]
    assert sorted(running) == sorted(job.folder for job in started)
    finish(*started)


def test_a_process_whose_folder_was_removed_by_hand_ends() -> None:
    job = at_work(start("steps"))
    pid = pid_of(job)
    shutil.rmtree(job.folder, ignore_errors=True)
    shutil.rmtree(job.folder, ignore_errors=True)  # what was written in between
    eventually(lambda: not psutil.pid_exists(pid), SOON)
    assert list_jobs() == []


# The clock is moved


@pytest.fixture(params=[HOUR, -HOUR], ids=["forward", "back"])
def moved(request: pytest.FixtureRequest) -> float:
    return float(request.param)


@pytest.fixture
def move_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    true_time = time.time
    return lambda by: monkeypatch.setattr(time, "time", lambda: true_time() + by)


def test_a_moved_clock_changes_no_state_and_no_turn(moved: float, move_clock: Callable[[float], None]) -> None:
    first, second = start("wait"), start("wait")
    at_work(first)
    move_clock(moved)
    third = start("wait")
    move_clock(0)
    fourth = start("wait")
    move_clock(moved)
    jobs = (first, second, third, fourth)
    assert states(*jobs) == ["running", "queued", "queued", "queued"]
    for job in jobs:
        at_work(job)
        assert sum(state == "running" for state in states(*jobs)) == 1
        let_go(job)
    wait_for(fourth, "succeeded")
    assert [starts(job) for job in jobs] == [1, 1, 1, 1]


def test_the_grace_of_a_stop_is_not_counted_by_the_clock(
    moved: float, move_clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = at_work(start("deaf"))
    stop_job(job.id)
    move_clock(moved)
    for _ in range(3):  # a look that kills shows it only to the next one
        assert states(job) == ["stopping"]
        time.sleep(0.05)
    monkeypatch.setattr(job_state, "GRACE", 0.1)
    soon("stopped", of=(job,))
    assert "was killed" in read_job(job.id).error


def test_a_job_with_another_clock_is_seen_as_it_is(moved: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_CLOCK", str(moved))
    first, second = start("wait"), start("wait")
    at_work(first)
    told = read_progress(first).events[0]["time"]
    assert abs(told - time.time() - moved) < 60, "its clock is wrong"
    soon("running", "queued", of=(first, second))
    stop_job(first.id)
    soon("stopped", "running", of=(first, second))
    assert read_job(first.id).error == ""
    at_work(second)
    finish(second)


# The disk is full, or cannot be written


def test_a_job_that_cannot_write_its_end_is_shown_with_its_last_words_and_the_next_one_runs() -> None:
    first, second = start("full"), start("full")
    at_work(first)
    let_go(first)
    soon("failed", "running", of=(first, second))
    assert "cannot be changed: File too large" in read_job(first.id).error
    at_work(second)
    stop_job(second.id)
    soon("stopped", of=(second,))


def test_a_job_that_ended_while_the_disk_was_full_for_all_is_true_at_once_and_on_disk_when_there_is_room() -> None:
    first, second = start("full"), start("succeed")
    at_work(first)
    with largest_file(10):
        let_go(first)
        soon("lost", "queued", of=(first, second))
        eventually(lambda: not watchers())
        assert load_job(first.folder).state == "running", "which is what the full disk still says"
    began = time.monotonic()
    assert states(first) == ["lost"]
    assert load_job(first.folder).state == "lost"
    start_waiting(program("succeed"))
    soon("lost", "succeeded", of=(first, second))
    assert time.monotonic() - began < SOON
    eventually(lambda: not watchers())
    resume_job(first.id, program("succeed"))
    wait_for(first, "succeeded")


@dataclass(slots=True)
class Unwritable:
    """The jobs whose status the queue cannot write, and how often it tried."""

    ids: set[str] = field(default_factory=set)
    tries: int = 0


@pytest.fixture
def unwritable(monkeypatch: pytest.MonkeyPatch) -> Unwritable:
    jobs = Unwritable()
    write = job_queue.write

    def refuse(job: Job) -> Job:
        if job.id in jobs.ids:
            jobs.tries += 1
            raise PermissionError(errno.EACCES, "Permission denied")
        return write(job)

    monkeypatch.setattr(job_queue, "write", refuse)
    return jobs


def test_a_start_that_cannot_be_noted_is_taken_back_and_said_and_not_tried_again_by_itself(
    release: Callable[[], None], unwritable: Unwritable
) -> None:
    job = start("wait")
    release()
    unwritable.ids.add(job.id)
    with pytest.raises(JobError, match="cannot be changed: Permission denied"):
        start_waiting(program("wait"))
    eventually(lambda: not watchers())
    assert unwritable.tries == 1
    assert states(job) == ["queued"]
    assert not processes_of(jobs_folder())
    unwritable.ids.clear()
    start_waiting(program("wait"))
    at_work(job)
    finish(job)


def test_a_job_whose_folder_cannot_be_written_does_not_hold_up_those_behind_it(
    release: Callable[[], None], unwritable: Unwritable
) -> None:
    first, second = start("wait"), start("wait")
    release()
    unwritable.ids.add(first.id)
    assert [job.id for job in start_waiting(program("wait"))] == [second.id]
    at_work(second)
    assert states(first, second) == ["queued", "running"]
    unwritable.ids.clear()
    let_go(second)
    at_work(first)
    finish(first)


def test_a_killed_job_whose_folder_cannot_be_written_does_not_hold_up_those_behind_it(unwritable: Unwritable) -> None:
    first, second = start("wait"), start("wait")
    at_work(first)
    unwritable.ids.add(first.id)
    kill(first)
    soon("lost", "running", of=(first, second))
    at_work(second)
    finish(second)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take from this process the right to write in a folder and all below it; root has to become somebody else."""
    places = [folder, *folder.rglob("*")]
    before = [place.stat().st_mode for place in places]
    for place, mode in zip(places, before, strict=True):
        place.chmod(mode & ~0o222)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for place, mode in zip(places, before, strict=True):
            place.chmod(mode)


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that everybody may read, unlike pytest's own folders."""
    folder = Path(tempfile.mkdtemp(prefix="readerboard-"))
    folder.chmod(0o755)
    monkeypatch.setenv("READER_HOME", str(folder / "home"))
    yield folder / "home"
    require_no_process_of(folder)
    shutil.rmtree(folder)


def test_a_home_on_a_read_only_disk_is_shown_and_every_change_is_refused_with_a_sentence(reachable: Path) -> None:
    running, dead, waiting = (start("wait") for _ in range(3))
    at_work(running)
    forge(dead, state="running", process=None)
    with read_only(reachable):
        assert states(running, dead, waiting) == ["running", "lost", "queued"]
        for change in (
            lambda: create_job("train", CONFIG, program("wait")),
            lambda: stop_job(running.id),
            lambda: resume_job(dead.id, program("wait")),
            lambda: delete_job(waiting.id),
            lambda: start_waiting(program("wait")),
        ):
            with pytest.raises(JobError, match=r"The jobs in .* cannot be changed: Permission denied"):
                change()
        assert states(running, dead, waiting) == ["running", "lost", "queued"]
    finish(running)
    at_work(waiting)
    finish(waiting)


def test_a_home_that_cannot_be_made_is_said(reachable: Path) -> None:
    with read_only(reachable.parent):
        assert list_jobs() == []
        with pytest.raises(JobError, match=r"cannot be made: Permission denied\. Set READER_HOME to another"):
            create_job("train", CONFIG, program("wait"))


# What the power cut


@pytest.mark.parametrize("kept", [0.0, 0.5], ids=["emptied", "half"])
def test_a_cut_status_is_shown_as_failed_holds_up_nobody_and_its_job_can_be_resumed(kept: float) -> None:
    first, second, third = (start("wait") for _ in range(3))
    at_work(first)
    pid = pid_of(first)
    for job in (second, first):
        status = (job.folder / "status.json").read_bytes()
        (job.folder / "status.json").write_bytes(status[: int(kept * len(status))])
    os.kill(pid, signal.SIGKILL)  # the power cut ended it, too
    soon("failed", "failed", "running", of=(first, second, third))
    assert read_job(first.id).error.startswith("The job's folder is damaged: ")
    at_work(third)
    for job in (first, second):
        assert resume_job(job.id, program("wait")).state == "queued"
    finish(third, first, second)
    assert [starts(job) for job in (first, second, third)] == [2, 1, 1]
    assert "'--resume'" in " ".join(tail_log(first)), "it goes on from its checkpoints"
    assert read_job(first.id).config == third.config


def test_a_cut_config_is_shown_as_failed_and_what_cannot_be_done_with_it_is_said() -> None:
    job = wait_for(start("succeed"), "succeeded")
    (job.folder / "config.json").write_bytes(b"")
    soon("failed", of=(job,))
    with pytest.raises(ReaderboardError, match="damaged"):
        resume_job(job.id, program("succeed"))
    delete_job(job.id)
    assert list_jobs() == []


# The real trainer is stopped


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainOptions, dict[str, torch.Tensor]]:
    """A run of 8 steps with all that keeps a state, and the weights that it ends with."""
    folder = tmp_path_factory.mktemp("whole")
    base = tiny_models.make("bert", folder / "base", hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)
    data = write_data(folder / "data.json")
    chosen = options(base, data, evaluations=2, gradient_accumulation=2, layer_decay=0.8, average_last=2)
    return chosen, weights(train(chosen, folder / "work"))


@pytest.mark.parametrize(
    ("where", "step", "saved"),
    [
        ("training_step", 0, [1]),
        ("_save_optimizer_and_scheduler", 4, [4, 5]),  # one more step is made: the loop had told of its last already
        ("_save_optimizer_and_scheduler", 8, [4, 8]),
    ],
    ids=["in the first step", "in a checkpoint", "in the last checkpoint"],
)
def test_a_stop_in_the_middle_leaves_whole_checkpoints_and_the_resumed_run_the_same_weights(
    uninterrupted: tuple[TrainOptions, dict[str, torch.Tensor]], where: str, step: int, saved: list[int], tmp_path: Path
) -> None:
    chosen, expected = uninterrupted
    asked = []

    def in_the_middle(trainer: ReaderTrainer, *given: Any, **named: Any) -> Any:
        if trainer.state.global_step == step and not asked:
            asked.append(step)
            os.kill(os.getpid(), signal.SIGTERM)
        return original(trainer, *given, **named)

    original = getattr(ReaderTrainer, where)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReaderTrainer, where, in_the_middle)
        with pytest.raises(Stopped):
            train(chosen, tmp_path)
    assert asked
    folders = {f"checkpoint-{number}" for number in saved}
    assert {folder.name for folder in (tmp_path / "checkpoints").iterdir()} == folders
    assert {folder.name for folder in whole_checkpoints(tmp_path / "checkpoints")} == folders
    resumed = weights(train(chosen, tmp_path, resume=True))
    assert resumed.keys() == expected.keys()
    assert all(torch.equal(resumed[name], expected[name]) for name in expected)


def test_a_second_stop_while_the_first_one_saves_changes_nothing(
    uninterrupted: tuple[TrainOptions, dict[str, torch.Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(event: str, facts: dict[str, Any]) -> None:
        if event == "step" and facts["step"] == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    save = ReaderTrainer._save_optimizer_and_scheduler

    def stop_again(trainer: ReaderTrainer, output_dir: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        save(trainer, output_dir)

    monkeypatch.setattr(ReaderTrainer, "_save_optimizer_and_scheduler", stop_again)
    with pytest.raises(Stopped):
        train(uninterrupted[0], tmp_path, report=Events(stop))
    last = last_checkpoint(tmp_path / "checkpoints")
    assert last is not None and last.name == "checkpoint-3"
