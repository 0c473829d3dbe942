"""Runs that come in and go out by the page: who may bring them, and in which forms they can be taken."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
import pytest
from starlette.requests import Request

from pages.access import Access, NotAllowed
from pages.judge.behaving import behaviour_of, start_behaviour
from pages.judge.layout import EXPORTS
from pages.judge.runs import OpenedRun, RunShelf
from pages.judge.transfer import take_in, take_out
from pages.readers import Shelf
from reader.errors import BadData, BadUsage
from reader.results import write_run
from tests.small_run import EXAMPLES, answer, data

HERE = Access("on")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def asked_by(client: str = "127.0.0.1") -> gr.Request:
    headers = [(b"host", b"127.0.0.1:7860")]
    return gr.Request(Request({"type": "http", "headers": headers, "client": (client, 1), "query_string": b""}))


@pytest.fixture
def opened(home: Path) -> OpenedRun:
    made = data()
    write_run(
        home / "evaluations" / "small",
        made,
        (answer(example) for example in made.examples),
        reader="embedded",
        threshold=0.0,
        threshold_chosen_on="held-out articles",
        facts={},
    )
    return RunShelf().take("evaluations/small")


def questions(home: Path) -> str:
    """The six questions as an uploaded file; returns the page's name for it."""
    rows = [
        {
            "id": example.id,
            "question": example.question,
            "context": example.context,
            "answer": example.answers[0].text if example.answers else "",
            "answer_start": example.answers[0].start if example.answers else None,
        }
        for example in EXAMPLES
    ]
    (home / "uploads").mkdir(parents=True, exist_ok=True)
    (home / "uploads" / "six.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return "uploads/six.jsonl"


def predictions(folder: Path, **said: Any) -> str:
    file = folder / "predictions.json"
    file.write_text(json.dumps({example.id: "Paris" for example in EXAMPLES} | said))
    return str(file)


def test_predictions_become_a_run(home: Path, tmp_path: Path) -> None:
    key, says = take_in(predictions(tmp_path, extra="x"), None, questions(home), "../Theirs", asked_by(), HERE)
    assert key.startswith("evaluations/Theirs-")
    opened = RunShelf().take(key)
    assert opened.run.info["reader"] == "../Theirs" and len(opened.rows) == len(EXAMPLES)
    assert "1 prediction" in says and not opened.movable


def test_what_cannot_be_imported_is_said(home: Path, tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="drop a predictions"):
        take_in(None, None, questions(home), "theirs", asked_by(), HERE)
    with pytest.raises(BadUsage, match="give them a name"):
        take_in(predictions(tmp_path), None, questions(home), " ", asked_by(), HERE)
    with pytest.raises(BadData):
        take_in(predictions(tmp_path), None, "starter", "theirs", asked_by(), HERE)
    assert not (home / "evaluations").exists() or not list((home / "evaluations").iterdir())


def test_what_does_not_fit_is_said_without_the_folders_of_this_machine(home: Path, tmp_path: Path) -> None:
    (tmp_path / "notjson.json").write_text("hello")
    (home / "uploads").mkdir(parents=True)
    (home / "uploads" / "deep.json").write_text("[" * 100_000)
    odd, good = str(tmp_path / "notjson.json"), predictions(tmp_path)
    tries = (
        ((odd, None, questions(home)), "^notjson.json is not JSON"),
        ((good, odd, questions(home)), "^notjson.json is not JSON"),
        ((good, None, "uploads/deep.json"), "^deep.json is nested too deeply"),
    )
    for files, sentence in tries:
        with pytest.raises(BadData, match=sentence) as found:
            take_in(*files, "theirs", asked_by(), HERE)
        assert str(tmp_path) not in str(found.value)


def test_who_may_not_brings_nothing_in_and_tests_nothing(home: Path, tmp_path: Path, opened: OpenedRun) -> None:
    for who, access in ((asked_by("10.0.0.9"), HERE), (asked_by(), Access("off")), (None, HERE)):
        with pytest.raises(NotAllowed):
            take_in(predictions(tmp_path), None, questions(home), "theirs", who, access)  # type: ignore[arg-type]
        with pytest.raises(NotAllowed):
            start_behaviour(opened, "starter", Shelf(), who, access)
    assert not (home / "jobs").exists()


@pytest.mark.parametrize("form", EXPORTS)
def test_a_run_goes_out_at_its_threshold_in_every_form(form: str, home: Path, opened: OpenedRun) -> None:
    silent = RunShelf().take(opened.key, -100.0)
    file = take_out(silent, None, form)
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as packed:
            names = {Path(name).name for name in packed.namelist()}
            assert {"predictions.json", "null_odds.json"} <= names
    elif file.suffix == ".csv":
        with file.open(encoding="utf-8", newline="") as rows:
            assert {row["prediction"] for row in csv.DictReader(rows)} == {""}
    elif file.suffix == ".parquet":
        assert not pd.read_parquet(file)["answered"].any()
    else:
        html = file.read_text("utf-8")
        assert file.suffix == ".html" and "−100.00" in html
        assert html.count('class="plotly-graph-div"') == 4, "with its drawings"


def test_no_other_form_is_known(opened: OpenedRun) -> None:
    with pytest.raises(BadUsage, match="taken out as one of"):
        take_out(opened, None, "a song")


def test_what_was_not_tested_says_so(opened: OpenedRun) -> None:
    assert "Not tested yet" in behaviour_of(opened)


def test_an_imported_run_has_no_reader_to_test(home: Path, tmp_path: Path) -> None:
    key, _ = take_in(predictions(tmp_path), None, questions(home), "theirs", asked_by(), HERE)
    with pytest.raises(BadUsage, match="no reader here to test"):
        start_behaviour(RunShelf().take(key), "starter", Shelf(), asked_by(), HERE)
