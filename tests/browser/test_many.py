"""Many questions at once, in a real browser: a file goes in, is stopped in the middle, and comes out whole."""

from __future__ import annotations

import csv
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Download, Page, expect

from reader.answers import count_answers
from reader.jobs import Job, list_jobs, read_job, stop_job
from tests.browser.conftest import App
from tests.browser.hand_made_reader import make

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]
A_WHILE = 240_000  # ms; torch has to start, perhaps beside other work
ROWS = 1000


@pytest.fixture(autouse=True)
def jobs_of_the_app(running_app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process see the app's jobs, and leave none of them running."""
    monkeypatch.setenv("READER_HOME", str(running_app.home))
    yield
    for job in list_jobs():
        if job.state in ("queued", "running"):
            stop_job(job.id)


@pytest.fixture(scope="module")
def rouen(running_app: App) -> Path:
    """A reader that finds the last "Rouen"."""
    return make(running_app.home / "many-rouen")


def write(file: Path, rows: Sequence[tuple[str, str, str]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as out:
        table = csv.writer(out)
        table.writerow(["id", "question", "context"])
        table.writerows(rows)
    return file


def open_many(open_page: OpenPage, reader: Path) -> Page:
    page = open_page()
    expect(page.locator("#ask-button")).to_be_enabled()  # or the page, once filled, takes the reader back
    page.locator("#ask-reader input").fill(str(reader))
    page.locator("#ask-reader input").press("Enter")
    page.get_by_role("tab", name="Many", exact=True).click()
    return page


def drop(page: Page, file: Path) -> None:
    page.locator("#many-file input[type=file]").set_input_files(file)


def downloaded(page: Page, button: str) -> tuple[str, list[dict[str, str]]]:
    with page.expect_download() as coming:
        page.get_by_role("button", name=button).click()
    got: Download = coming.value
    with open(got.path(), encoding="utf-8", newline="") as file:
        return got.suggested_filename, list(csv.DictReader(file))


def begun(before: set[str]) -> Job:
    """The job that was started since, once it has answered something."""
    deadline = time.monotonic() + A_WHILE / 1000
    while time.monotonic() < deadline:
        for job in list_jobs():
            if job.id not in before and count_answers(job.folder):
                return job
        time.sleep(0.01)
    raise AssertionError("No answer came.")


def test_a_file_is_stopped_in_the_middle_and_what_was_answered_is_whole(
    open_page: OpenPage, rouen: Path, tmp_path: Path
) -> None:
    filler = " ".join(f"word{n}" for n in range(250))
    rows = [(f"q{n}", f"Which town, {n}?", f"Letter {n}, «from Rouen»\nand, {filler}") for n in range(ROWS)]
    before = {job.id for job in list_jobs()}
    page = open_many(open_page, rouen)
    drop(page, write(tmp_path / "many letters.csv", rows))
    expect(page.locator("#many-check")).to_contain_text("1,000 questions in many-letters.csv")
    expect(page.locator("#many-check")).to_contain_text("Letter 0, «from Rouen» and, word0")
    expect(page.locator("#many-by")).to_contain_text("many-rouen")
    page.get_by_role("button", name="Answer them").click()

    # Held in the middle, so that no machine is too quick for the hand that stops it.
    job = begun(before)
    process = read_job(job.id).process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        expect(page.locator("#many-status")).to_contain_text(re.compile(r"Running.* of 1,000 questions"))
        expect(page.locator("#many-answers")).to_contain_text(re.compile(r"Which town, 0\?\s*Rouen"))
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(page.locator("#many-status")).to_contain_text("Stopping")
    finally:
        os.kill(process.pid, signal.SIGCONT)
    expect(page.locator("#many-status")).to_contain_text("Stopped", timeout=A_WHILE)
    kept = count_answers(job.folder)
    assert 0 < kept < ROWS
    expect(page.locator("#many-status")).to_contain_text(f"{kept} of 1,000 questions answered")

    name, answers = downloaded(page, "Download CSV")
    assert name == "answers-many-letters.csv"
    assert [row["id"] for row in answers] == [f"q{n}" for n in range(kept)]
    for row, (_, _, context) in zip(answers, rows, strict=False):
        assert context[int(row["start"]) : int(row["end"])] == row["answer"] == "Rouen"

    # Whoever comes back finds it again, and goes on with it.
    page.reload()
    page.get_by_role("tab", name="Many", exact=True).click()
    expect(page.locator("#many-status")).to_contain_text(f"{kept} of 1,000 questions answered")
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.locator("#many-status")).to_contain_text("1,000 questions in", timeout=A_WHILE)
    _, answers = downloaded(page, "Download CSV")
    assert [row["id"] for row in answers] == [f"q{n}" for n in range(ROWS)]
    page.get_by_role("button", name="Delete…").click()
    page.locator("#many-confirm").get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#many-status")).not_to_contain_text("many-letters.csv")
    assert not job.folder.exists()


def test_bad_rows_are_named_and_the_others_answered(open_page: OpenPage, rouen: Path, tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    rows = [(f"r{n}", f"Where, {n}?", "To Paris." if n % 2 else 'To Rouen 🙂, "we" went.') for n in range(20)]
    rows[4], rows[9], rows[14] = ("r4", "", "Rouen."), ("r9", "Where?", " "), ("r3", "Where?", "Rouen.")
    rows[0] = ("=1+1", hostile, "=Rouen")
    page = open_many(open_page, rouen)
    drop(page, write(tmp_path / "some.csv", rows))
    check = page.locator("#many-check")
    expect(check).to_contain_text("17 questions in some.csv")
    expect(check).to_contain_text("3 rows cannot be used")
    for reason in ("row 5 (r4): the question is empty", "row 10 (r9): the context is blank", "row 15 (r3): row 4 has"):
        expect(check).to_contain_text(reason)
    expect(check).to_contain_text(hostile)
    page.get_by_role("button", name="Answer them").click()
    expect(page.locator("#many-status")).to_contain_text("17 questions in", timeout=A_WHILE)
    expect(page.locator("#many-status")).to_contain_text("8 with an answer, 9 not answerable")
    expect(page.locator("#many-answers")).to_contain_text(re.compile(r"Where, 1\?\s*Not answerable from this text"))
    expect(page.locator("#many-skipped")).to_contain_text("3 rows could not be used")
    _, answers = downloaded(page, "Download CSV")
    assert [row["id"] for row in answers] == ["=1+1", *(f"r{n}" for n in range(1, 20) if n not in (4, 9, 14))]
    assert answers[0]["question"] == hostile and answers[0]["answered"] == "True"
    name, skipped = downloaded(page, "Download the list of these rows")
    assert name == "unusable-rows-some.csv" and [row["row"] for row in skipped] == ["5", "10", "15"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_cannot_be_read_is_a_sentence(open_page: OpenPage, rouen: Path, tmp_path: Path) -> None:
    page = open_many(open_page, rouen)
    bad = tmp_path / "bad.csv"
    bad.write_text("question,answer\nWho?,Ada\n", "utf-8")
    drop(page, bad)
    expect(page.locator("#many-check")).to_contain_text("bad.csv has no column context. Expected question, context")
    expect(page.get_by_role("button", name="Answer them")).to_have_count(0)
