"""Many questions without a browser: the file, its job, what is seen of it and taken away, and who may do that."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio.routes import App
from starlette.requests import Request
from starlette.testclient import TestClient

import pages.ask.many_jobs
from pages.access import Access
from pages.ask.many import build
from pages.ask.many_jobs import BAD_ROWS, CSV, JSONL, Dropped, View, delete, look, start, take_in, take_out
from pages.ask.many_view import answers_view, dropped_view, jobs_table, skipped_view, status
from pages.data_sets import QUESTIONS, list_data
from pages.judge.evaluating import evaluations
from pages.readers import Shelf, list_readers
from pages.watching import Course, Watcher
from pages.watching import look as look_at_trainings
from reader.answers import COLUMNS, PART, SKIPPED, WHOLE
from reader.errors import BadData, BadRow, BadUsage, JobError, ReaderboardError
from reader.evaluation import run_roots
from reader.job_files import Job, State, append_progress, write_job
from reader.processes import own_identity
from reader.results import list_runs

HOSTILE = '<img src=x onerror="alert(1)">'
FILE = f"id,question,context\na,Where?,In Rouen.\nb,,In Paris.\n{HOSTILE.replace(',', '')},Who?,{'Ada ' * 100}\n"


@pytest.fixture(autouse=True)
def reader_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, reader_home: Path) -> list[Job]:
    """Jobs that are asked for are put in the queue, and no process is started."""
    made: list[Job] = []

    def create(kind: str, config: dict[str, Any]) -> Job:
        made.append(job(reader_home, 10 + len(made), "queued", **config))
        assert kind == "predict"
        return made[-1]

    monkeypatch.setattr(pages.ask.many_jobs, "create_job", create)
    return made


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def job(home: Path, number: int, state: State, *, kind: str = "predict", error: str = "", **config: Any) -> Job:
    """Write a job's folder; the higher the number, the newer. One that runs is this very process."""
    folder = home / "jobs" / f"20260101-1200{number:02d}-00000a"
    folder.mkdir(parents=True)
    config = {"kind": kind, "reader": "embedded", "data": "/x/q.csv", **config}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    running = {"process": own_identity(os.getpid()), "device": "cpu"} if state in ("running", "stopping") else {}
    stopping = {"stop_asked": time.monotonic()} if state == "stopping" else {}
    times: dict[str, Any] = {} if state == "queued" else {"started": 1e9}
    if state not in ("queued", "running", "stopping"):
        times["ended"] = 1e9 + 72
    made = Job(
        folder.name,
        folder,
        kind,
        config,
        state,
        error=error,
        created=1e9 + number,
        turn=number,
        **running,
        **stopping,
        **times,
    )
    write_job(made)
    return made


def answer(job: Job, *answers: str, name: str = WHOLE, left: str = "") -> None:
    """Write answers into a job's folder, and ``left`` after them."""
    rows = [
        dict(zip(COLUMNS, (f"q{n}", f"Question {n}?", said, 0, len(said), 0.9, -4.0, 0.04, bool(said)), strict=True))
        for n, said in enumerate(answers)
    ]
    write(job.folder / name, "".join(json.dumps(row) + "\n" for row in rows) + left)


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html)).strip()


# The file


def test_a_file_is_shown_and_its_bad_rows_named(tmp_path: Path, reader_home: Path) -> None:
    dropped = take_in(write(tmp_path / "my questions.csv", FILE))
    assert (dropped.questions, dropped.bad) == (2, 1)
    assert (reader_home / dropped.name).read_text("utf-8") == FILE
    html = dropped_view(dropped)
    said = text_of(html)
    assert said.startswith("2 questions in my-questions.csv Question Text Where? In Rouen. Who? Ada Ada")
    assert "1 row cannot be used and will be left out: row 2 (b): the question is empty" in said
    assert "Ada Ada…" in said and len(said) < 500, "a long text is only begun"
    assert "<img" not in html


def test_ten_bad_rows_are_named_in_part_and_all_counted(tmp_path: Path) -> None:
    rows = "".join(f"Who{n}?,\n" for n in range(10))
    dropped = take_in(write(tmp_path / "q.csv", f"question,context\nWho?,Ada.\n{rows}"))
    assert "10 rows cannot be used" in dropped_view(dropped) and "and 2 more" in dropped_view(dropped)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("q.csv", "question,answer\nWho?,Ada\n", "no column context"),
        ("q.csv", "question,context\n,Ada\nWho?,\n", "2 of 2 rows"),
        ("q.csv", "", "is empty"),
        ("q.txt", "Who?", "expected .json"),
    ],
)
def test_a_file_without_questions_is_refused_by_its_name(
    name: str, content: str, complaint: str, tmp_path: Path, reader_home: Path
) -> None:
    with pytest.raises(BadData) as error:
        take_in(write(tmp_path / name, content))
    assert complaint in str(error.value) and name in str(error.value)
    assert str(tmp_path) not in str(error.value)
    assert not (reader_home / QUESTIONS).exists()


def test_questions_are_no_data_to_train_on(tmp_path: Path) -> None:
    take_in(write(tmp_path / "q.csv", FILE))
    assert [choice.label for choice in list_data()] == ["the starter set", "a file of yours…"]


def test_what_nobody_had_answered_goes_after_a_day(tmp_path: Path, reader_home: Path) -> None:
    kept, used = (take_in(write(tmp_path / name, FILE)).name for name in ("a.csv", "b.csv"))
    job(reader_home, 1, "succeeded", data=str(reader_home / used))
    for name in (kept, used):
        os.utime(reader_home / name, (time.time() - 90_000,) * 2)
    fresh = take_in(write(tmp_path / "c.csv", FILE)).name
    assert {f"{QUESTIONS}/{file.name}" for file in (reader_home / QUESTIONS).iterdir()} == {used, fresh}


# The job


def test_a_file_becomes_a_job_once(tmp_path: Path, reader_home: Path, started: list[Job]) -> None:
    dropped = take_in(write(tmp_path / "q.csv", FILE))
    first = start(dropped, "embedded")
    expected = {"kind": "predict", "reader": "embedded", "data": str(reader_home / dropped.name), "skip_bad": True}
    assert first.config == expected
    assert start(dropped, "embedded").id == first.id, "a second click is no second job"
    assert start(dropped, "org/other").id != first.id
    assert len(started) == 2


def test_there_must_be_a_file(tmp_path: Path, reader_home: Path, started: list[Job]) -> None:
    with pytest.raises(BadUsage, match="drop one"):
        start(None, "embedded")
    dropped = take_in(write(tmp_path / "q.csv", FILE))
    (reader_home / dropped.name).unlink()
    with pytest.raises(BadUsage, match="Drop it again"):
        start(dropped, "embedded")
    assert started == []


def test_deleting_a_job_takes_its_questions_along(tmp_path: Path, reader_home: Path, started: list[Job]) -> None:
    dropped = take_in(write(tmp_path / "q.csv", FILE))
    first, second = start(dropped, "embedded"), start(dropped, "org/other")
    delete(first.id)
    assert (reader_home / dropped.name).exists(), "the other job reads them"
    delete(second.id)
    assert not (reader_home / dropped.name).exists() and not second.folder.exists()
    elsewhere = write(tmp_path / "mine.csv", FILE)
    delete(job(reader_home, 30, "succeeded", data=str(elsewhere)).id)
    assert elsewhere.exists(), "what was not dropped here is somebody's own"


@pytest.mark.parametrize("name", ["", "../../etc", None, 7, ["x"], "20260101-120001-00000a"])
def test_only_jobs_that_answer_files_are_touched(name: Any, reader_home: Path) -> None:
    training = job(reader_home, 1, "stopped", kind="train")
    for act in (delete, pages.ask.many_jobs.stop, pages.ask.many_jobs.go_on, lambda it: take_out(it, CSV)):
        with pytest.raises(ReaderboardError):
            act(name)
    assert training.folder.exists()


# What is taken away


def test_answers_are_taken_away_in_two_forms(reader_home: Path) -> None:
    done = job(reader_home, 1, "stopped", data=str(reader_home / QUESTIONS / "my-questions-0a1b2c3d.csv"))
    answer(done, "Rouen, 🙂", "", "=1+1", name=PART, left='{"id": "q3", "ques')
    table = take_out(done.id, CSV)
    assert table.name == "answers-my-questions.csv"
    with table.open(encoding="utf-8", newline="") as file:
        assert [row["answer"] for row in csv.DictReader(file)] == ["Rouen, 🙂", "", "=1+1"]
    lines = take_out(done.id, JSONL).read_text("utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["q0", "q1", "q2"]
    with pytest.raises(BadUsage, match="CSV or JSONL"):
        take_out(done.id, "xlsx")


def test_the_list_of_bad_rows_is_taken_away_where_there_is_one(reader_home: Path) -> None:
    done = job(reader_home, 1, "succeeded")
    with pytest.raises(JobError, match="no list"):
        take_out(done.id, BAD_ROWS)
    with pytest.raises(BadData, match="no answers"):
        take_out(done.id, CSV)
    write(done.folder / SKIPPED, "row,id,reason\n2,b,the question is empty\n")
    assert take_out(done.id, BAD_ROWS).read_text("utf-8").endswith("2,b,the question is empty\n")


# What is seen


START = {"questions": 200, "skipped": 3, "before": 0}


@pytest.mark.parametrize(
    ("state", "done", "kept", "error", "said"),
    [
        ("running", None, 0, "", "Running loading the reader and the questions…"),
        ("running", 50, 0, "", "Running 50 of 200 questions · about 30 s left"),
        ("stopping", 50, 0, "", "Stopping 50 of 200 questions answered"),
        ("stopped", 50, 51, "", "Stopped 51 of 200 questions answered What was answered is kept; Resume answers"),
        ("stopped", None, 0, "", "Stopped before its first question Resume begins it again."),
        ("lost", 50, 51, "Killed by 9. What it saved is kept: x.", "answered Killed by 9. What was answered is kept;"),
        ("failed", None, 0, "There is no reader.", "Failed before its first question There is no reader."),
    ],
)
def test_each_state_is_a_sentence(
    state: State, done: int | None, kept: int, error: str, said: str, reader_home: Path
) -> None:
    watched = job(reader_home, 1, state, error=error)
    if done is not None:
        events = [{"event": "start", **START}, {"event": "progress", "done": done, "total": 200}]
        lines = [json.dumps({"time": time.time() - 10, **event}) + "\n" for event in events]
        write(watched.folder / "progress.jsonl", "".join(lines))
    answer(watched, *["Rouen"] * kept, name=PART)
    view = look(Watcher(), None)
    assert said in text_of(status(view))
    assert view.moving is (state in ("running", "stopping"))


def test_a_finished_job_says_how_many_have_an_answer(reader_home: Path) -> None:
    done = job(reader_home, 1, "succeeded")
    append_progress(done.folder, "start", **START)
    append_progress(done.folder, "end", questions=200, answered=150)
    answer(done, "Rouen", "")
    view = look(Watcher(), None)
    expected = "Finished 200 questions in 1 min 12 s: 150 with an answer, 50 not answerable from their text"
    assert expected in text_of(status(view))
    said = text_of(answers_view(view))
    assert "Question 0? Rouen 90\u00a0%".replace("\u00a0", " ") in said
    assert "Question 1? Not answerable from this text 4 %" in said


def test_who_waits_is_told_for_whom(reader_home: Path) -> None:
    job(reader_home, 1, "running", kind="train")
    job(reader_home, 2, "queued", kind="evaluate")
    waiting = job(reader_home, 3, "queued")
    said = text_of(status(look(Watcher(), waiting.id)))
    assert "Waiting for its turn, as a training runs, and 1 job waits before it; it starts by itself" in said
    assert not look(Watcher(), waiting.id).stuck


def test_a_queue_that_nobody_serves_is_noticed(reader_home: Path) -> None:
    job(reader_home, 3, "queued")
    view = look(Watcher(), None)
    assert view.stuck and "it starts in a moment" in text_of(status(view))


def test_what_moves_is_looked_at_first_then_the_newest(reader_home: Path) -> None:
    old, new = job(reader_home, 1, "stopped"), job(reader_home, 9, "succeeded")
    chosen = [look(Watcher(), name).chosen for name in (None, old.id, "20260101-120001-ffffff")]
    assert [each.id for each in chosen if each] == [new.id, old.id, new.id]
    running = job(reader_home, 5, "running")
    view = look(Watcher(), None)
    assert view.chosen is not None and view.chosen.id == running.id
    assert jobs_table(view).count("data-job=") == 3 and jobs_table(view).count('aria-pressed="true"') == 1


def test_the_lists_of_train_and_judge_do_not_see_it(reader_home: Path) -> None:
    answering = job(reader_home, 1, "running")
    done = job(reader_home, 2, "succeeded")
    answer(done, "Rouen")
    assert look_at_trainings(Watcher(), answering.id).jobs == ()
    assert evaluations() == []
    assert [choice.name for choice in list_readers()] == ["embedded"]
    assert not any(str(reader_home) in str(run.folder) for run in list_runs(*run_roots()))
    assert look(Watcher(), None).chosen == look(Watcher(), job(reader_home, 3, "running", kind="train").id).chosen


def test_texts_and_names_are_escaped_everywhere(reader_home: Path) -> None:
    bad = (BadRow(1, HOSTILE, HOSTILE),)
    dropped = Dropped(f"{QUESTIONS}/{HOSTILE}-00000000.csv", 1, 1, ((HOSTILE, HOSTILE, HOSTILE),), bad)
    jobs = tuple(job(reader_home, n, "failed", error=HOSTILE, data=HOSTILE, reader=HOSTILE) for n in (1, 2))
    courses = {each.id: Course(start={"skipped": 1, "questions": 1}) for each in jobs}
    rows = ({"question": HOSTILE, "answer": HOSTILE, "answered": True, "probability": HOSTILE},)
    view = View(jobs, courses, {each.id: 1 for each in jobs}, jobs[0], rows=rows, bad=bad)
    for html in (dropped_view(dropped), status(view), answers_view(view), skipped_view(view), jobs_table(view)):
        assert "<img" not in html and "&lt;img" in html


def test_nothing_yet_says_what_to_do() -> None:
    view = look(Watcher(), None)
    assert "Drop one above" in status(view)
    assert answers_view(view) == skipped_view(view) == jobs_table(view) == "" and not view.moving


# Who may


@pytest.fixture
def page() -> Iterator[tuple[TestClient, dict[str, list[tuple[int, Callable[..., Any]]]]]]:
    """The section's server where training is off, and its handlers by name."""

    async def made() -> tuple[Any, gr.Blocks]:
        with gr.Blocks(analytics_enabled=False) as demo, gr.Tab("Many", id="many") as tab:
            standing = SimpleNamespace(reader=gr.Dropdown(["embedded"]))  # all that it needs of the tab
            build(demo, tab, standing, Access("off"), Shelf())  # type: ignore[arg-type]
        return App.create_app(demo), demo

    app, demo = asyncio.run(made())
    handlers: dict[str, list[tuple[int, Callable[..., Any]]]] = {}
    for number, each in demo.fns.items():
        if each.fn:
            handlers.setdefault(each.fn.__qualname__.split(".")[-1], []).append((number, each.fn))
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        yield client, handlers


def asked_by() -> gr.Request:
    scope = {"type": "http", "headers": [(b"host", b"127.0.0.1:7860")], "client": ("127.0.0.1", 5), "query_string": b""}
    return gr.Request(Request(scope))


def test_who_may_not_gets_nothing_done_and_sees_nobody_s_questions(
    page: tuple[TestClient, dict[str, list[tuple[int, Callable[..., Any]]]]], reader_home: Path, tmp_path: Path
) -> None:
    client, handlers = page
    stopped = job(reader_home, 1, "stopped")
    answer(stopped, "the secret answer")
    before = {file: file.read_bytes() for file in stopped.folder.iterdir()}

    def call(number: int, *values: Any) -> str:
        body = {"fn_index": number, "data": list(values), "session_hash": "x"}
        return client.post("/gradio_api/run/predict", json=body).text

    assert [len(handlers[name]) for name in ("handle", "take", "choose", "tick", "open_page", "come_back")] == [
        *(3, 3, 1, 1, 1, 1)
    ]
    seen = [call(number, stopped.id, {}) for number, _ in [*handlers["handle"], *handlers["tick"]]]
    seen += [call(number, stopped.id) for number, _ in [*handlers["take"], *handlers["come_back"]]]
    seen += [call(number) for number, _ in handlers["open_page"]]
    for said in seen:
        assert "switched off" in said and "secret" not in said
    (_, choose), (_, take_file), (_, begin) = (handlers[name][0] for name in ("choose", "take_file", "answer"))
    event = gr.EventData(None, {"job": stopped.id})
    dropped = Dropped("questions/x.csv", 1, 0, (), ())
    for changes in (
        choose(event, {}, asked_by()),
        take_file(str(write(tmp_path / "q.csv", FILE)), asked_by()),
        begin(dropped, "embedded", {}, asked_by()),
    ):
        shown = " ".join(str(getattr(value, "value", value)) for value in changes.values())
        assert "switched off" in shown and "secret" not in shown
    assert {file: file.read_bytes() for file in stopped.folder.iterdir()} == before
    assert not (reader_home / QUESTIONS).exists()
    assert [each.name for each in (reader_home / "jobs").iterdir() if each.is_dir()] == [stopped.id]
