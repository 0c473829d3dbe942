"""Train, in a real browser and for real, from a base that is small enough to take seconds."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from reader.checkpoints import EMBEDDED
from reader.jobs import list_jobs, read_job, stop_job
from tests.browser.conftest import App
from tests.browser.hand_made_reader import make

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]
A_WHILE = 240_000  # ms; torch has to start, train, evaluate and save, perhaps beside other work


@pytest.fixture(autouse=True)
def jobs_of_the_app(running_app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process see the app's jobs, and leave none of them running."""
    monkeypatch.setenv("READER_HOME", str(running_app.home))
    yield
    for job in list_jobs():
        if job.state in ("queued", "running"):
            stop_job(job.id)


@pytest.fixture(scope="module")
def tiny_base(running_app: App) -> Path:
    return make(running_app.home / "tiny-base")


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """24 questions on 8 texts, a quarter of them not answerable."""
    file = tmp_path / "my questions (1).csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["question", "context", "answer"])
        for i in range(24):
            town = "Lyon" if i % 4 == 3 else "Rouen"
            context = f"Letter {i // 3}: by the river we saw the town of {town}, and stayed for {i} days."
            rows.writerow([f"Which town is letter {i} about?", context, "" if town == "Lyon" else town])
    return file


def choose(page: Page, text: str) -> None:
    page.locator("#train-form").get_by_text(text, exact=True).click()


def take_base(page: Page, base: Path) -> None:
    picker = page.locator("#base input")
    picker.fill(str(base))
    picker.press("Enter")


def set_steps(page: Page, steps: int) -> None:
    choose(page, "steps")
    page.get_by_label("How long").fill(str(steps))
    expect(page.locator("#command textarea")).to_have_value(re.compile(rf"--max-steps {steps}\b"))


def job_in(page: Page) -> str:
    return parse_qs(urlsplit(page.url).query).get("job", [""])[0]


def test_a_csv_becomes_a_reader_to_ask(open_page: OpenPage, tiny_base: Path, questions: Path) -> None:
    before = {job.id for job in list_jobs()}
    page = open_page(tab="train")
    choose(page, "My own CSV")
    page.locator("#upload input[type=file]").set_input_files(questions)
    expect(page.locator("#data-check")).to_contain_text("24 questions · 25 % not answerable")
    take_base(page, tiny_base)
    set_steps(page, 20)
    expect(page.locator("#command textarea")).to_have_value(
        re.compile(r"^python -m reader train \\\n  --base \S*tiny-base")
    )
    page.get_by_role("button", name="Questions to watch").click()
    page.get_by_label("Questions, one a line").fill("Which town did they come to?")
    page.get_by_label("The text that they are about").fill("They passed Lyon and came to Rouen in May.")
    page.get_by_role("button", name="Check").click()
    expect(page.locator(".check .line")).to_contain_text("20 steps", timeout=A_WHILE)
    expect(page.locator(".check .line")).to_contain_text("fits")

    page.locator("#train-button").dblclick()
    expect(page.locator("#job h2")).to_contain_text("tiny-base on my-questions-1.csv, 20 steps")
    page.wait_for_url(re.compile("job="))
    started = {job.id for job in list_jobs()} - before
    assert started == {job_in(page)}, "a double click starts one job"

    page.reload()
    expect(page.locator("#job h2")).to_contain_text("tiny-base on my-questions-1.csv, 20 steps")
    assert {job_in(page)} == started
    expect(page.locator("#job .state")).to_contain_text("Finished", timeout=A_WHILE)
    expect(page.locator("#job-curves figcaption").first).to_contain_text("Loss")
    assert {job.id for job in list_jobs()} - before == started
    watched = page.locator(".probes > ol > li")
    expect(watched).to_have_count(1)
    expect(watched.locator(".answers li").last).to_contain_text("Rouen")
    expect(page.locator("table.evaluated")).to_contain_text("The base")
    with page.expect_download(timeout=A_WHILE) as download:
        page.get_by_role("button", name="Download").click()
    with zipfile.ZipFile(download.value.path()) as packed:
        assert {Path(name).name for name in packed.namelist()} >= {"model.safetensors", "README.md", "config.json"}

    page.get_by_role("link", name="Ask it").click()
    expect(page.get_by_role("combobox", name=re.compile("Reader"))).to_have_value(re.compile(job_in_reader(started)))
    page.get_by_role("button", name="Edit text").click()
    page.get_by_placeholder("Paste the text to read here").fill("They passed Lyon and came to Rouen in May.")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#ask-verdict .says")).to_contain_text("Rouen")


def job_in_reader(started: set[str]) -> str:
    return re.escape(next(iter(started)))


def start_endless_run(page: Page, base: Path) -> str:
    """Start a training that does not end by itself, and wait until it learns; return its job's name."""
    take_base(page, base)
    set_steps(page, 50_000)
    page.locator("#train-button").click()
    page.wait_for_url(re.compile("job="))
    expect(page.locator("#job .state")).to_contain_text("examples/s", timeout=A_WHILE)
    return job_in(page)


def test_a_run_is_stopped_resumed_and_deleted(open_page: OpenPage, tiny_base: Path) -> None:
    page = open_page(tab="train")
    job_id = start_endless_run(page, tiny_base)

    second = open_page(tab="train")
    expect(second.locator("#job .facts").last).to_contain_text(job_id)

    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#job .state")).to_contain_text(re.compile("Stopp(ing|ed)"))
    expect(page.locator("#job .state")).to_contain_text("Stopped", timeout=A_WHILE)
    assert read_job(job_id).state == "stopped"
    expect(second.locator("#job .state")).to_contain_text("Stopped")

    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#job .state")).to_contain_text("examples/s", timeout=A_WHILE)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#job .state")).to_contain_text("Stopped", timeout=A_WHILE)

    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Keep").click()
    assert read_job(job_id).state == "stopped"
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(f"#jobs a[data-job='{job_id}']")).to_have_count(0)
    assert job_id not in {job.id for job in list_jobs()}


def test_a_run_that_the_system_killed_goes_on_at_half_the_batch(open_page: OpenPage, tiny_base: Path) -> None:
    page = open_page(tab="train")
    job_id = start_endless_run(page, tiny_base)
    process = read_job(job_id).process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)

    expect(page.locator("#job .state")).to_contain_text("Lost")
    expect(page.locator("#job .why")).to_contain_text("when memory runs out")
    page.get_by_role("button", name="Resume at half the batch").click()
    expect(page.locator("#job .state")).to_contain_text("examples/s", timeout=A_WHILE)
    assert read_job(job_id).config["gradient_accumulation"] == 2
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#job .state")).to_contain_text("Stopped", timeout=A_WHILE)


def test_a_job_that_fails_says_why(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(tab="train")
    take_base(page, tmp_path / "no-such-folder")
    page.locator("#train-button").click()
    expect(page.locator("#job .state")).to_contain_text("Failed", timeout=A_WHILE)
    expect(page.locator("#job .why")).to_contain_text("no-such-folder")
    page.get_by_role("button", name="Log").click()
    expect(page.locator("pre.log")).to_contain_text("no-such-folder")


def test_bad_rows_are_named_and_can_be_left_out(open_page: OpenPage, questions: Path) -> None:
    text = questions.read_text("utf-8")
    questions.write_text(text + "Where?,In <b>Rouen</b>.,Caen\n", "utf-8")
    page = open_page(tab="train")
    choose(page, "My own CSV")
    page.locator("#upload input[type=file]").set_input_files(questions)
    expect(page.locator("#data-check")).to_contain_text("1 row cannot be used")
    expect(page.locator("#data-check .rows")).to_contain_text("row 25")
    page.get_by_label("Train without these rows").check()
    expect(page.locator("#command textarea")).to_have_value(re.compile("--skip-bad"))

    choose(page, "My own CSV")
    questions.with_name("notes.csv").write_text("just some words\n", "utf-8")
    choose(page, "Quick try")
    expect(page.locator("#data-check")).to_contain_text("324 questions")
    choose(page, "My own CSV")
    expect(page.locator("#data-check")).to_contain_text("An empty answer")
    page.locator("#upload input[type=file]").set_input_files(questions.with_name("notes.csv"))
    expect(page.locator("#data-check")).to_contain_text("no column question")
    expect(page.locator("#upload")).to_be_visible()


def test_a_number_that_cannot_be_meant_starts_nothing(open_page: OpenPage) -> None:
    before = len(list_jobs())
    page = open_page(tab="train")
    page.get_by_label("How long").fill("0")
    page.locator("#train-button").click()
    expect(page.locator("#train-trouble")).to_contain_text("a number of steps over 0")
    assert len(list_jobs()) == before


def test_settings_are_saved_and_loaded(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(tab="train")
    page.get_by_label("How long").fill("7")
    page.get_by_role("button", name="More settings").click()
    page.get_by_label("Batch size").fill("12")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save settings").click()
    file = tmp_path / "training.json"
    download.value.save_as(file)
    assert json.loads(file.read_text("utf-8")).items() >= {"max_steps": 7, "batch_size": 12}.items()

    other = open_page(tab="train")
    with other.expect_file_chooser() as chooser:
        other.get_by_role("button", name="Load settings").click()
    chooser.value.set_files(file)
    expect(other.get_by_label("How long")).to_have_value("7")
    expect(other.locator("#command textarea")).to_have_value(re.compile("--batch-size 12"))
    file.write_text("[]", "utf-8")
    with other.expect_file_chooser() as chooser:
        other.get_by_role("button", name="Load settings").click()
    chooser.value.set_files(file)
    expect(other.locator("#check-found")).to_contain_text("holds no settings")


def test_two_jobs_are_compared_and_the_link_shows_it_again(open_page: OpenPage, tiny_base: Path) -> None:
    page = open_page(tab="train")
    take_base(page, tiny_base)
    for steps in (2, 3):
        set_steps(page, steps)
        page.locator("#train-button").click()
        expect(page.locator("#job h2")).to_contain_text(f"{steps} steps")
    for number in (0, 1):
        page.locator("#jobs [data-tick]").nth(number).check()
    expect(page.locator("#comparison table")).to_contain_text("How long")
    expect(page.locator("#comparison table")).to_contain_text("3 steps")
    page.wait_for_url(re.compile("compare="))
    page.reload()
    expect(page.locator("#comparison table")).to_contain_text("3 steps", timeout=A_WHILE)
    expect(page.locator("#jobs [data-tick]:checked")).to_have_count(2)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_scrolls_sideways_on_a_phone(open_page: OpenPage, theme: str) -> None:
    page = open_page(tab="train", width=390, height=844, __theme=theme)
    expect(page.locator("#train-button")).to_be_visible()
    choose(page, "article")
    expect(page.locator("#recipe-says li")).to_have_count(4)
    page.get_by_role("button", name="More settings").click()
    expect(page.get_by_label("Seed")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = page.evaluate(
        """() => [...document.querySelectorAll("#train :is(button, label:has([type=radio]), .tick, input)")]
            .filter(control => !control.matches("[type=radio], [data-tick], .unseen"))
            .filter(control => control.checkVisibility() && !control.closest(".icon-button-wrapper"))
            .filter(control => control.getBoundingClientRect().height < 40)
            .map(control => control.outerHTML.slice(0, 120))"""
    )
    assert small == [], "everything to be hit is at least 40 px high"


@pytest.mark.slow
@pytest.mark.skipif(not (EMBEDDED / "model.safetensors").exists(), reason="needs the embedded reader's weights")
def test_the_quick_try_works_as_it_stands(open_page: OpenPage) -> None:
    page = open_page(tab="train")
    page.locator("#train-button").click()
    expect(page.locator("#job h2")).to_contain_text("embedded on the starter set, 20 steps")
    expect(page.locator("#job .state")).to_contain_text("Finished", timeout=600_000)
    expect(page.locator("#job .figures")).to_contain_text("F1")
    page.get_by_role("link", name="Ask it").click()
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#ask-verdict .says")).not_to_be_empty()
