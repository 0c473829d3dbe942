"""Files that are read while another process writes them: progress, log, size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reader.errors import JobError
from reader.job_files import Job, append_progress, disk_usage, end_half_line, read_progress, tail_log


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("20250101-000000-abcdef", tmp_path, "train", {}, "running")


def write_log(job: Job, data: bytes) -> None:
    (job.folder / "process.log").write_bytes(data)


def test_progress_is_read_on_from_where_it_was_left(job: Job) -> None:
    append_progress(job.folder, "start", total_steps=2)
    append_progress(job.folder, "step", step=1, loss=0.5)
    first = read_progress(job)
    assert [event["event"] for event in first.events] == ["start", "step"]
    assert first.events[1]["loss"] == 0.5
    assert read_progress(job, first.offset).events == ()
    append_progress(job.folder, "message", text="schön")
    assert [event["text"] for event in read_progress(job, first.offset).events] == ["schön"]


def test_a_half_written_line_is_left_for_later(job: Job) -> None:
    append_progress(job.folder, "start")
    path = job.folder / "progress.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event": "ste')
    first = read_progress(job)
    assert (len(first.events), first.offset) == (1, len(whole))
    path.write_bytes(whole + b'{"event": "step"}\n')
    assert [event["event"] for event in read_progress(job, first.offset).events] == ["step"]


def test_what_a_killed_process_left_spoils_no_line_after_it(job: Job) -> None:
    (job.folder / "progress.jsonl").write_bytes(b'{"event": "start"}\n{"event": "st\xff')
    end_half_line(job.folder)
    append_progress(job.folder, "step")
    end_half_line(job.folder)
    assert [event["event"] for event in read_progress(job).events] == ["start", "step"]


def test_a_shorter_file_is_read_from_its_start(job: Job) -> None:
    append_progress(job.folder, "start")
    assert len(read_progress(job, after=10_000).events) == 1


def test_no_progress_yet_is_no_error(job: Job) -> None:
    assert read_progress(job).events == ()
    end_half_line(job.folder)
    assert tail_log(job) == []


def test_a_loss_that_is_not_a_number_stays_json(job: Job) -> None:
    append_progress(job.folder, "step", loss=float("nan"), learning_rate=float("inf"))
    line = (job.folder / "progress.jsonl").read_text()
    event = json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert event["loss"] is None and event["learning_rate"] is None


def test_progress_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="cannot be written"):
        append_progress(tmp_path / "gone", "start")


def test_a_log_is_shown_as_a_terminal_shows_it(job: Job) -> None:
    write_log(job, b"one\r\n10%\r50%\r100%\n\x1b[31mred\x1b[0m\nbad \xff byte\nlast")
    assert tail_log(job) == ["one", "100%", "red", "bad \ufffd byte", "last"]
    assert tail_log(job, 2) == ["bad \ufffd byte", "last"]


def test_of_a_huge_log_only_the_end_is_read(job: Job) -> None:
    with (job.folder / "process.log").open("wb") as log:
        log.truncate(10**11)  # sparse: reading it all would take minutes
        log.seek(0, 2)
        log.write("\nlast but one é\nlast\n".encode())
    assert tail_log(job, 2) == ["last but one é", "last"]


def test_a_progress_bar_without_a_line_end_is_shown(job: Job) -> None:
    write_log(job, b"\r".join(b"%6d of 100000" % step for step in range(100_000)))
    assert tail_log(job) == [" 99999 of 100000"]


def test_disk_usage_counts_all_files_and_follows_no_link(job: Job) -> None:
    (job.folder / "checkpoints").mkdir()
    (job.folder / "checkpoints" / "a").write_bytes(b"x" * 1000)
    (job.folder / "b").write_bytes(b"x" * 24)
    (job.folder / "link").symlink_to("b")
    assert disk_usage(job) == 1024 + len("b")
