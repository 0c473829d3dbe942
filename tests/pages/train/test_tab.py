"""Training without a browser: the form as a job, the data and its check, what is seen of a run, who may do what."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.routes import App
from starlette.requests import Request
from starlette.testclient import TestClient

import pages.train.training
from pages.access import Access, NotAllowed
from pages.data_sets import UPLOADS, check_data, data_label, find_data, keep_upload, list_data
from pages.job_words import duration, time_left
from pages.readers import Shelf
from pages.train.curves import figures_curve, loss_curve, smoothed, spread, thinned, ticks
from pages.train.progress import curves, jobs_table, log_tail, probes, status
from pages.train.tab import build
from pages.train.training import (
    ARTICLE,
    BASELINE,
    BEST,
    OWN,
    PRESETS,
    QUICK,
    Form,
    config_of,
    form_of,
    form_of_config,
    needs_of,
    start_once,
)
from pages.watching import Course, View, Watcher, look, needs_a_start
from reader.errors import BadData, BadUsage, HubUnreachable
from reader.job_files import Job, State, append_progress, write_job
from reader.job_options import checked_config, command_line
from reader.processes import own_identity
from reader.recipes import TrainOptions

CSV = "question,context,answer\nWhere?,In Rouen.,Rouen\nWhen?,In Rouen.,\n"


@pytest.fixture(autouse=True)
def reader_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def asked_by(client: str = "127.0.0.1", host: str = "127.0.0.1:7860") -> gr.Request:
    scope = {"type": "http", "headers": [(b"host", host.encode())], "client": (client, 50000), "query_string": b""}
    return gr.Request(Request(scope))


# The form


def line_of(config: dict[str, Any]) -> str:
    return re.sub(r"\s*\\\n\s*", " ", command_line(config))


def test_each_preset_is_a_form_that_can_start() -> None:
    quick = config_of(PRESETS[QUICK].form, "embedded", ["starter"])
    assert line_of(quick).startswith("python -m reader train --base embedded --data starter --recipe corrected")
    assert quick["max_steps"] == 20
    article = PRESETS[ARTICLE].form
    line = line_of(config_of(article, article.base or "", article.data))
    assert "--base bert-base-uncased --data rajpurkar/squad_v2:train --recipe article --epochs 3" in line
    assert config_of(PRESETS[OWN].form, "embedded", ["mine.csv"])["data"] == ["mine.csv"]
    best = config_of(PRESETS[BEST].form, "FacebookAI/roberta-large", PRESETS[BEST].form.data, baseline=BASELINE)
    # As in table 10 of the RoBERTa paper.
    wanted = {"learning_rate": 1.5e-5, "batch_size": 48, "epochs": 2, "warmup": 0.06, "weight_decay": 0.01}
    assert wanted.items() <= best.items()
    for preset in PRESETS.values():
        config = config_of(preset.form, preset.form.base or "", ["starter"])
        TrainOptions(**{name: value for name, value in config.items() if name != "kind"})


def test_what_is_left_empty_is_left_to_the_recipe() -> None:
    config = checked_config("train", config_of(Form(), "embedded", ["starter"]))
    assert config == {
        "kind": "train",
        "base": "embedded",
        "data": ["starter"],
        "recipe": "corrected",
        "epochs": 3,
    }


EVERYTHING = Form(
    data=("starter", "org/set:train"),
    amount=40,
    unit="steps",
    skip_bad=True,
    cap="2000, all",
    unanswerable=0.3,
    learning_rate=5e-5,
    batch_size=8,
    gradient_accumulation=2,
    warmup=0.2,
    weight_decay=0.05,
    max_seq_length=256,
    doc_stride=64,
    precision="fp32",
    seed=0,
    held_out=0.2,
    negatives=0.5,
    evaluations=4,
    patience=2,
    processes=2,
    eval_data="starter",
    probe="Who?\nWhere?",
    probe_text="Rollo went to Rouen.",
)


def test_every_setting_reaches_the_command_and_comes_back_to_the_form() -> None:
    config = config_of(EVERYTHING, "embedded", EVERYTHING.data, eval_data="starter", baseline="embedded")
    line = line_of(config)
    assert line.startswith("accelerate launch --multi_gpu --num_processes 2 -m reader train ")
    for words in (
        "--max-steps 40",
        "--skip-bad",
        "--cap 2000 --cap 0",
        "--unanswerable 0.3",
        "--learning-rate 5e-05",
        "--batch-size 8",
        "--gradient-accumulation 2",
        "--warmup 0.2",
        "--weight-decay 0.05",
        "--max-seq-length 256",
        "--doc-stride 64",
        "--precision fp32",
        "--seed 0",
        "--held-out 0.2",
        "--negatives 0.5",
        "--evaluations 4",
        "--patience 2",
        "--eval-data starter",
        "--baseline embedded",
        "--probe 'Who?' --probe 'Where?' --probe-text 'Rollo went to Rouen.'",
    ):
        assert words in line
    assert form_of_config(json.loads(json.dumps(checked_config("train", config)))) == EVERYTHING


def test_uploads_are_found_again_by_the_form(reader_home: Path, tmp_path: Path) -> None:
    kept = keep_upload(write(tmp_path / "mine.csv", CSV))
    config = checked_config("train", config_of(Form(), "embedded", [str(reader_home / kept)]))
    assert form_of_config(config).data == (kept,)
    assert form_of_config({**config, "data": [f"/elsewhere/{kept}"]}).data == (kept,)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"kind": "evaluate", "base": "b", "data": "d"}, "but the job is 'train'"),
        ({"base": "b"}, "train needs 'data'"),
        ({"base": "b", "data": "d", "colour": "red"}, "is no option of train"),
        ({"base": "b", "data": "d", "teacher": "t"}, "the command line's alone"),
    ],
)
def test_settings_that_the_form_cannot_show_are_refused(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadUsage, match=sentence):
        form_of_config(config)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        (Form(amount=None), "How long"),
        (Form(amount=0), "over 0"),
        (Form(amount=float("inf")), "over 0"),
        (Form(amount=2.5, unit="steps"), "no whole number of steps"),
        (Form(learning_rate=0), "learning rate is 0; expected a number from 1e-09 to 0.1"),
        (Form(learning_rate=2), "learning rate is 2"),
        (Form(batch_size=0), "batch size is 0"),
        (Form(batch_size=1.5), "batch size is 1.5"),
        (Form(seed=-1), "seed is -1"),
        (Form(held_out=0.9), "from 0 to 0.5"),
        (Form(negatives=-0.1), "from 0 to 3"),
        (Form(evaluations=0), "evaluations is 0"),
        (Form(processes=0), "processes is 0"),
        (Form(max_seq_length=float("inf")), "window is inf"),
        (Form(unanswerable=1), "from 0 to 0.99"),
        (Form(cap="many"), "“many”; expected one number"),
        (Form(cap="5, 5"), "one for each of the 1 data sets"),
        (Form(probe="Who?"), "the text that they are about too"),
        (Form(probe_text="Rollo."), "at least one question"),
        (Form(probe="Who?\n" * 9, probe_text="Rollo."), "at most 8"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused_in_a_sentence(form: Form, sentence: str) -> None:
    with pytest.raises(BadUsage, match=sentence):
        config_of(form, "embedded", ["starter"])


@pytest.mark.parametrize(
    "change",
    [
        {"base": 3},
        {"data": "a"},
        {"data": [3]},
        {"recipe": "best"},
        {"unit": "hours"},
        {"amount": "twenty"},
        {"batch_size": "many"},
        {"batch_size": [8]},
        {"warmup": "1" * 50},
        {"seed": True},
        {"precision": "int4"},
        {"probe": ["Who?"]},
    ],
)
def test_what_comes_over_http_may_be_anything(change: dict[str, Any]) -> None:
    values = {name: getattr(Form(), name) for name in Form.__dataclass_fields__}
    assert form_of(values) == Form()
    with pytest.raises(BadUsage):
        form_of(values | change)


def test_numbers_may_be_typed_as_people_do() -> None:
    values = {name: getattr(Form(), name) for name in Form.__dataclass_fields__}
    form = form_of(values | {"learning_rate": " 5e-5 ", "warmup": "0,2", "seed": "", "batch_size": "8"})
    assert (form.learning_rate, form.warmup, form.seed, form.batch_size) == (5e-5, 0.2, None, 8)


def test_the_article_s_run_says_what_it_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(wanted: str) -> None:
        raise HubUnreachable("The Hub cannot be reached.")

    monkeypatch.setattr(pages.train.training, "usable_devices", lambda: ("cpu",))
    monkeypatch.setattr(pages.train.training, "require_hub", unreachable)
    article = PRESETS[ARTICLE].form
    assert "this machine has none" in needs_of(article) and "cannot be reached" in needs_of(article)
    monkeypatch.setattr(pages.train.training, "usable_devices", lambda: ("GPU-1",))
    monkeypatch.setattr(pages.train.training, "require_hub", lambda wanted: None)
    assert "it can start" in needs_of(article)


# The data


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_an_upload_is_kept_once_and_never_overwritten(tmp_path: Path, reader_home: Path) -> None:
    first = keep_upload(write(tmp_path / "a" / "my data.csv", CSV))
    assert keep_upload(write(tmp_path / "b" / "my data.csv", CSV)) == first
    other = keep_upload(write(tmp_path / "my data.csv", CSV + "Who?,Ada.,Ada\n"))
    assert other != first
    assert (reader_home / first).read_text("utf-8") == CSV
    assert data_label(str(reader_home / first)) == data_label(str(reader_home / other)) == "my-data.csv"
    labels = [choice.label for choice in list_data()]
    assert labels == ["the starter set", "my-data.csv", "my-data.csv", "a file of yours…"]


@pytest.mark.parametrize("name", ["../../x.csv", ".csv.csv", "-rf.csv", "é 你好.csv", "a\nb.csv", "a" * 200 + ".csv"])
def test_an_upload_s_name_cannot_leave_its_folder(name: str, tmp_path: Path, reader_home: Path) -> None:
    source = write(tmp_path / "in.csv", CSV)
    kept = keep_upload(source.rename(tmp_path / Path(name).name))
    folder, _, file = kept.partition("/")
    assert folder == UPLOADS and re.fullmatch(r"\w[\w.-]*-[0-9a-f]{8}\.csv", file)
    assert (reader_home / kept).is_file()
    assert find_data(kept, asked_by(), Access("on")) == str(reader_home / kept)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("notes.txt", CSV, "ends in '.txt'"),
        ("empty.csv", "", "is empty"),
        ("words.csv", "just words\n", "no column question"),
        ("binary.json", "\0\0", "binary"),
        ("none.csv", "question,context,answer\n", "no examples"),
    ],
)
def test_a_file_of_which_nothing_can_be_used_is_not_kept(
    name: str, content: str, sentence: str, tmp_path: Path, reader_home: Path
) -> None:
    with pytest.raises(BadData, match=sentence) as error:
        keep_upload(write(tmp_path / name, content))
    assert str(tmp_path) not in str(error.value), "a visitor learns nothing of the server's folders"
    assert not (reader_home / UPLOADS).exists()


def test_the_check_counts_and_names_bad_rows(tmp_path: Path) -> None:
    assert check_data(str(write(tmp_path / "a.csv", CSV))).says == "2 questions · 50 % not answerable"
    bad = check_data(str(write(tmp_path / "b.csv", CSV + "Where?,In Rouen.,Caen\n" * 12)))
    assert (bad.says, bad.good, bad.can_skip) == ("b.csv: 12 rows cannot be used.", False, True)
    assert bad.rows[0].startswith("row 3") and bad.rows[-1] == "and 4 more"


def test_a_hub_data_set_is_not_fetched_for_the_check() -> None:
    assert check_data("rajpurkar/squad_v2:train").good


@pytest.mark.parametrize("name", ["", None, "upload", "  ", "x" * 400, "a\nb"])
def test_no_data_is_said_in_a_sentence(name: str | None) -> None:
    with pytest.raises(BadData):
        find_data(name, asked_by(), Access("on"))


def test_other_files_of_the_machine_are_for_those_who_sit_at_it(tmp_path: Path, reader_home: Path) -> None:
    file = str(write(tmp_path / "secret.csv", CSV))
    assert find_data(file, asked_by(), Access("on")) == file
    outside = f"{UPLOADS}/../../secret.csv"
    with pytest.raises(NotAllowed):
        find_data(file, asked_by(), Access("off"))
    with pytest.raises(NotAllowed):
        find_data(outside, asked_by(), Access("off"))
    owner = Access("owner", token="t", session="s")
    with_cookie = {"type": "http", "client": ("10.0.0.9", 1), "query_string": b""}
    request = gr.Request(
        Request({**with_cookie, "headers": [(b"host", b"x:7860"), (b"cookie", b"readerboard-7860=s")]})
    )
    with pytest.raises(BadData, match="upload it"):
        find_data(file, request, owner)
    assert find_data("org/set:train", request, owner) == "org/set:train"


# Starting


def test_a_double_click_starts_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reader.jobs.start_next", lambda jobs, program: [])
    config = config_of(PRESETS[QUICK].form, "embedded", ["starter"])
    first = start_once(config)
    assert start_once(config).id == first.id
    assert start_once(config | {"max_steps": 30}).id != first.id
    monkeypatch.setattr(pages.train.training, "DOUBLE_CLICK", 0.0)
    assert start_once(config | {"max_steps": 30}).id != first.id


def test_data_with_bad_rows_start_nothing_unless_these_are_left_out(
    tmp_path: Path, reader_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reader.jobs.start_next", lambda jobs, program: [])
    file = write(tmp_path / "mine.csv", CSV + "Where?,In Rouen.,Caen\n")
    config = config_of(PRESETS[QUICK].form, "embedded", [str(file)])
    with pytest.raises(BadData, match=r"mine\.csv: 1 row cannot be used.*“Train without these rows”"):
        start_once(config)
    assert not (reader_home / "jobs").exists()
    assert start_once(config | {"skip_bad": True}).state == "queued"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"batch_size": 7, "gradient_accumulation": 2}, "cannot be read in 2 equal parts"),
        ({"max_steps": 10**9}, "up to 10,000,000"),
        ({"data": ["starter", "starter"]}, "named twice"),
    ],
)
def test_what_cannot_be_meant_never_waits_in_the_queue(
    change: dict[str, Any], sentence: str, reader_home: Path
) -> None:
    with pytest.raises(BadUsage, match=sentence):
        start_once(config_of(PRESETS[QUICK].form, "embedded", ["starter"]) | change)
    assert not (reader_home / "jobs").exists()


# Watching


def job(home: Path, number: int, state: State, *, kind: str = "train", data: str = "starter", **status: Any) -> Job:
    """Write a job's folder; the higher the number, the newer."""
    folder = home / "jobs" / f"20260101-1200{number:02d}-00000a"
    folder.mkdir(parents=True)
    config = {"kind": kind, "base": "embedded", "data": [data], "recipe": "corrected", "max_steps": 20}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    made = Job(folder.name, folder, kind, config, state, created=1e9 + number, turn=number, **status)
    write_job(made)
    return made


def step(number: int, loss: float | None = 1.0, total: int = 20) -> dict[str, Any]:
    facts = {"step": number, "total_steps": total, "loss": loss, "examples_per_second": 9.87, "eta_seconds": 41.0}
    return {"event": "step", **facts}


def evaluation(number: int, f1: float) -> dict[str, Any]:
    return {"event": "evaluation", "step": number, "f1": f1, "exact": 50.0, "HasAns_f1": 70.0, "threshold": -1.2}


START = {"event": "start", "total_steps": 20, "examples": 22, "features": 24, "held_out": 2, "device": "cpu"}


def test_a_course_grows_with_what_is_told() -> None:
    told = [START, step(1, 5.0), step(2, None), evaluation(2, 40.0), step(3, 4.0), evaluation(3, 30.0)]
    course = Course().after(told)
    assert (course.total_steps, course.step, course.losses) == (20, 3, (5.0, None, 4.0))
    assert course.best is not None and course.best["step"] == 2
    assert Course().best is None and Course().step == 0


def test_a_resumed_run_tells_its_last_steps_anew() -> None:
    course = Course().after([START, step(1, 5.0), step(2, 4.0), step(3, 3.0), evaluation(3, 90.0)])
    course = course.after([START, step(2, 4.5)])
    assert (course.steps, course.losses) == ((1, 2), (5.0, 4.5))
    assert course.after([evaluation(2, 10.0)]).evaluations == (evaluation(2, 10.0),)


def test_full_memory_stays_in_the_history_of_a_run(reader_home: Path) -> None:
    told = [step(1), step(2), {"event": "memory", "at_once": 12}, step(2), step(3)]
    running = job(reader_home, 1, "running")
    assert "Memory ran out at step 2: it goes on with 12 windows at a time" in text_of(status(view_of(running, told)))
    damaged = Course().after([{"event": "memory", "at_once": "twelve"}])
    assert damaged.shrunk == ((0, 0),)


def probes_of(number: int, *texts: str) -> dict[str, Any]:
    questions = ("Who?", "Where?")
    answers = [
        {"question": question, "gold": ["Rollo"][at:], "text": text, "probability": 0.5}
        for at, (question, text) in enumerate(zip(questions, texts, strict=False))
    ]
    return {"event": "probes", "step": number, "answers": answers}


def test_watched_questions_tell_how_their_answers_changed(reader_home: Path) -> None:
    told = [START, probes_of(0, "a <b>pirate", ""), *(probes_of(step, "Rollo", "") for step in (5, 10, 15))]
    told += [probes_of(20, "Rollo", "in Rouen")]
    running = job(reader_home, 1, "running")
    html = probes(view_of(running, told))
    assert "<b>pirate" not in html
    text = text_of(html)
    assert "Who? wanted: “Rollo” before a &lt;b&gt;pirate 50 % step 5 Rollo 50 % step 20 Rollo 50 %" in text
    assert "Where? before not answerable 50 % step 20 in Rouen 50 %" in text
    assert probes(view_of(running, [START])) == ""


def test_a_long_story_of_answers_is_cut_in_the_middle(reader_home: Path) -> None:
    told = [probes_of(step, f"answer {step}") for step in range(0, 100, 10)]
    text = text_of(probes(view_of(job(reader_home, 1, "running"), told)))
    assert "answer 0" in text and "answer 90" in text and "answer 10" not in text


def test_the_base_s_own_figures_are_not_the_best_of_a_run() -> None:
    course = Course().after([START, evaluation(0, 99.0), evaluation(10, 60.0)])
    assert course.best is not None and course.best["step"] == 10
    assert Course().after([START, evaluation(0, 99.0)]).best is None


def test_what_a_running_training_takes_is_told(reader_home: Path) -> None:
    told = {**step(7), "tokens_per_second": 2310.4, "memory": 2_600_000_000, "memory_total": 24e9, "busy": 0.934}
    running = job(reader_home, 1, "running")
    (running.folder / "checkpoint").write_bytes(b"x" * 12_000_000)
    text = text_of(status(view_of(running, [START, {**told, "memory_total": 24_000_000_000}])))
    assert "9.9 examples/s · 2,310 tokens/s" in text
    assert "2.6 of 24 GB memory · 93 % busy" in text and "12 MB on disk" in text


def test_a_finished_run_stands_beside_its_baseline(reader_home: Path) -> None:
    figures = {"data": "starter", "questions": 324, "exact": 60.0, "f1": 64.5, "HasAns_f1": 70.0, "NoAns_f1": 58.0}
    figures |= {"forced_HasAns_f1": 80.0, "rouge1_all": 0.4, "rouge1_answerable": 0.79}
    against = [{"metric": "f1", "a": 61.0, "b": 64.5, "difference": 3.5, "low": 1.0, "high": 6.0}]
    done = job(reader_home, 1, "succeeded", started=1e9, ended=1e9 + 72)
    end = {"event": "end", "figures": figures, "against": against}
    text = text_of(status(view_of(done, [START, step(20), end])))
    assert "On the starter set, 324 questions" in text
    assert "F1 64.5 61.0 +3.5 (+1.0 to +6.0)" in text
    assert "ROUGE-1, all, never abstaining 0.400 – –" in text
    few = {**end, "figures": {**figures, "questions": 24}}
    assert "+3.5" in text_of(status(view_of(done, [few]))) and "(+1.0" not in text_of(status(view_of(done, [few])))
    alone = text_of(status(view_of(done, [{**end, "against": None}])))
    assert "F1 64.5" in alone and "Difference" not in alone


def test_jobs_are_ticked_for_a_comparison(reader_home: Path) -> None:
    one, other = job(reader_home, 1, "succeeded"), job(reader_home, 2, "failed")
    view = look(Watcher(), None, f"{one.id},nonsense,{one.id}")
    assert view.compared == (one.id,)
    html = jobs_table(view)
    assert html.count(" checked>") == 1 and f'data-tick="{other.id}"' in html
    assert look(Watcher(), None, None).compared == ()
    one_alone = View((one,), {one.id: Course()}, one, 0)
    assert "data-tick" not in jobs_table(one_alone)


def test_a_watcher_reads_only_what_is_new(reader_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = job(reader_home, 1, "running")
    read: list[int] = []
    real = pages.watching.read_progress
    monkeypatch.setattr(pages.watching, "read_progress", lambda job, after: (read.append(after), real(job, after))[1])
    watcher = Watcher()
    append_progress(watched.folder, "start", total_steps=20)
    append_progress(watched.folder, "step", step=1, loss=3.0)
    first = watcher.courses([watched])[watched.id]
    append_progress(watched.folder, "step", step=2, loss=2.0)
    second = watcher.courses([watched])[watched.id]
    third = watcher.courses([watched])[watched.id]
    assert (first.steps, second.steps, third.steps) == ((1,), (1, 2), (1, 2))
    assert read[0] == 0 < read[1] < read[2]


def test_progress_that_is_damaged_is_passed_over(reader_home: Path) -> None:
    watched = job(reader_home, 1, "running")
    (watched.folder / "progress.jsonl").write_text(
        '{"event":"start","total_steps":"many"}\n{"event":"step","step":"x"}\nnonsense\n'
        '{"event":"progress","done":null}\n{"event":"evaluation"}\n{"event":"step","step":1,"loss":"high"}\n',
        "utf-8",
    )
    course = Watcher().courses([watched])[watched.id]
    assert (course.steps, course.losses) == ((1,), (None,))


def test_the_page_looks_at_the_named_job_else_at_what_runs_else_at_the_newest(reader_home: Path) -> None:
    watcher = Watcher()
    assert look(watcher, "20260101-120001-00000a").chosen is None
    old = job(reader_home, 1, "failed")
    done = job(reader_home, 2, "succeeded")
    assert look(watcher, None).chosen == done
    running = job(reader_home, 3, "running", process=own_identity(1))
    newest = job(reader_home, 4, "queued")
    job(reader_home, 5, "succeeded", kind="evaluate")
    view = look(watcher, "../../etc")
    assert view.chosen == running and view.moving
    assert look(watcher, old.id).chosen == old
    assert [each.id for each in view.jobs] == [newest.id, running.id, done.id, old.id], "evaluations are Judge's"
    assert look(watcher, newest.id).before == 1
    assert not needs_a_start(view)
    assert needs_a_start(replace(view, jobs=(newest, done)))


def view_of(watched: Job, events: list[dict[str, Any]], before: int = 0) -> View:
    return View((watched,), {watched.id: Course().after(events)}, watched, before)


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html)).replace(" :", ":")


@pytest.mark.parametrize(
    ("state", "events", "error", "said"),
    [
        ("queued", [], "", "for 2 jobs before it; it starts by itself"),
        ("running", [], "", "loading the base and the data"),
        ("running", [START], "", "preparing the first of 20 steps"),
        ("running", [START, step(7)], "", "step 7 of 20 · 9.9 examples/s · about 40 s left"),
        ("running", [START, step(20)], "", "evaluating and saving"),
        ("running", [START, step(20), {"event": "progress", "done": 3, "total": 9}], "", "3 of 9 questions"),
        ("stopping", [START, step(7)], "", "it finishes its step and saves"),
        ("stopped", [START, step(7)], "", "at step 7 of 20 Resume goes on"),
        ("failed", [], "There is no base “x”.", "There is no base “x”."),
        ("lost", [START, step(7)], "Killed. Resume it.", "at step 7 of 20 Killed. Resume it."),
        ("succeeded", [START, step(20), evaluation(20, 61.24)], "", "F1 61.2"),
        ("succeeded", [START, step(20), evaluation(20, 61.24)], "", "On 2 held-out questions, after step 20. So few"),
        ("succeeded", [START, step(20)], "", "No questions were held out"),
    ],
)
def test_each_state_is_a_sentence(
    state: State, events: list[dict[str, Any]], error: str, said: str, reader_home: Path
) -> None:
    watched = job(reader_home, 1, state, error=error, started=1e9, ended=1e9 + 72)
    assert said in text_of(status(view_of(watched, events, before=2)))


def test_a_finished_run_leads_on_to_ask_and_judge(reader_home: Path) -> None:
    watched = job(reader_home, 1, "succeeded", started=1e9, ended=1e9 + 72)
    assert "href" not in status(view_of(watched, [START]))
    for file in ("reader/config.json", "evaluation/run.json"):
        write(watched.folder / file, "{}")
    html = status(view_of(watched, [START]))
    assert f'href="?tab=ask&reader=jobs%2F{watched.id}%2Freader"' in html
    assert f'href="?tab=judge&run=jobs%2F{watched.id}%2Fevaluation"' in html
    assert "1 min 12 s" in html
    write(watched.folder / "baseline" / "run.json", "{}")
    against = f"run=jobs%2F{watched.id}%2Fevaluation&with=jobs%2F{watched.id}%2Fbaseline&section=versus"
    assert against in status(view_of(watched, [START]))


def test_names_and_errors_are_escaped_everywhere(reader_home: Path) -> None:
    watched = job(reader_home, 1, "failed", data="<img src=x>.csv", error="<b>no</b>")
    view = view_of(watched, [START, step(1)])
    for html in (status(view), jobs_table(view), log_tail(["<script>alert(1)</script>"])):
        assert "<img" not in html and "<b>no" not in html and "<script" not in html
    assert "&lt;img src=x&gt;.csv" in jobs_table(view)


def test_a_damaged_job_is_shown_too(reader_home: Path) -> None:
    folder = reader_home / "jobs" / "20260101-120000-00000b"
    write(folder / "config.json", "{")
    view = look(Watcher(), None)
    assert "damaged" in status(view) and "Failed" in jobs_table(view)


def test_nothing_yet_says_what_to_do() -> None:
    view = look(Watcher(), None)
    assert "Press Train" in status(view) and "Press" not in status(view, may_train=False)
    assert curves(view) == "" == jobs_table(view)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "a few seconds left"),
        (41, "about 40 s left"),
        (540, "9 min left"),
        (7800, "2 h 10 min left"),
        (4e5, "5 days left"),
    ],
)
def test_time_left(seconds: float, said: str) -> None:
    assert time_left(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "0 s"), (72, "1 min 12 s"), (3599.7, "1 h 0 min"), (7320, "2 h 2 min")]
)
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said


# Curves


def test_smoothing_takes_the_noise_and_leaves_the_level() -> None:
    wild = [3.0 + (1 if i % 2 else -1) for i in range(200)]
    assert all(abs(value - 3.0) < 0.2 for value in smoothed(wild))
    line = [float(i) for i in range(200)]
    assert smoothed(line)[50:150] == pytest.approx(line[50:150]), "no lag"
    assert smoothed([4.0]) == [4.0]


def test_thinning_keeps_the_ends_and_the_mean() -> None:
    points = [(float(i), float(i % 7)) for i in range(10_000)]
    few = thinned(points)
    assert len(few) <= 300 and few[-1] == points[-1]
    assert sum(y for _, y in few) / len(few) == pytest.approx(3, abs=0.1)
    assert thinned(points[:5]) == points[:5]


@pytest.mark.parametrize(
    ("lowest", "highest", "expected"),
    [
        (0, 6.5, [0, 2, 4, 6, 8]),
        (0, 588, [0, 200, 400, 600]),
        (53, 67, [50, 55, 60, 65, 70]),
        (0, 0.03, [0, 0.01, 0.02, 0.03]),
        (0, 1, [0, 0.5, 1]),
    ],
)
def test_ticks_are_round(lowest: float, highest: float, expected: list[float]) -> None:
    assert ticks(lowest, highest) == pytest.approx(expected)


def test_names_at_the_ends_of_lines_do_not_overlap() -> None:
    places = spread([0.5, 0.51, 0.99], gap=0.1)
    assert places[1] - places[0] >= 0.099 and max(places) <= 1
    assert spread([0.98, 0.99], gap=0.1) == pytest.approx([0.9, 1.0])


def test_a_curve_s_title_says_what_it_shows() -> None:
    falling = [6.0 - i / 10 for i in range(40)]
    assert "Loss falls from 5.90 to 2.20" in loss_curve(range(1, 41), falling, 40)
    assert "Loss rises" in loss_curve(range(1, 41), falling[::-1], 40)
    assert "Loss stays at 2.00" in loss_curve(range(1, 41), [2.0] * 40, 40)
    assert loss_curve([1], [2.0], 40) == "" == loss_curve([1, 2], [None, 2.0], 40)
    drawn = figures_curve([10, 20], [("F1", [40.0, 61.24]), ("not answerable", [None, 50.0])], 20)
    assert "Held-out F1 rises from 40.0 to 61.2" in drawn and drawn.count("<polyline") == 1
    assert figures_curve([10], [("F1", [40.0])], 20) == ""


def test_one_wild_step_does_not_flatten_the_others() -> None:
    losses = [2.0] * 50 + [900.0] + [2.0] * 49
    highest = re.findall(r'class="y"[^>]*>([\d,]+)<', loss_curve(range(1, 101), losses, 100))[-1]
    assert int(highest.replace(",", "")) < 200


# Who may


@dataclass(frozen=True, slots=True)
class Page:
    """The tab's server where training is off, and its handlers: (name, number), the function."""

    client: TestClient
    handlers: dict[tuple[str, int], Callable[..., Any]]

    def numbers(self, handler: str) -> list[int]:
        return [number for name, number in self.handlers if name == handler]

    def named(self, handler: str) -> list[Callable[..., Any]]:
        return [function for (name, _), function in self.handlers.items() if name == handler]

    def call(self, number: int, *values: Any) -> str:
        body = {"fn_index": number, "data": list(values), "session_hash": "x"}
        return self.client.post("/gradio_api/run/predict", json=body).text


@pytest.fixture
def page() -> Iterator[Page]:
    async def made() -> tuple[Any, gr.Blocks]:
        with gr.Blocks(analytics_enabled=False) as demo, gr.Tab("Train", id="train") as tab:
            build(demo, tab, Access("off"), Shelf())
        return App.create_app(demo), demo

    app, demo = asyncio.run(made())
    handlers = {(fn.fn.__qualname__.split(".")[-1], number): fn.fn for number, fn in demo.fns.items() if fn.fn}
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        yield Page(client, handlers)


def test_who_may_not_train_gets_nothing_done_over_http(page: Page, reader_home: Path, tmp_path: Path) -> None:
    stopped = job(reader_home, 1, "stopped", started=1e9)
    before = {file: file.read_bytes() for file in stopped.folder.iterdir()}
    acting = page.numbers("handle")
    assert len(acting) == 4, "stop, resume, resume at half the batch, delete"
    for number in acting:
        assert "switched off" in page.call(number, stopped.id, "", {})
    (download,), (push,) = page.numbers("download"), page.numbers("take_to_hub")
    assert "switched off" in page.call(download, stopped.id)
    assert "switched off" in page.call(push, stopped.id, "my-reader", "hf_token", True)
    form = [getattr(PRESETS[QUICK].form, name) for name in Form.__dataclass_fields__]
    (training,) = page.named("train")
    assert any("switched off" in str(value) for value in training(asked_by(), "", {}, *form).values())
    (checking,), (saving,), (loading,) = page.named("tell_check"), page.named("save"), page.named("load")
    for said in (*checking(asked_by(), *form), saving(asked_by(), *form), loading("/etc/passwd", asked_by())):
        assert any("switched off" in str(value) for value in said.values())
    assert {file: file.read_bytes() for file in stopped.folder.iterdir()} == before
    assert [each.name for each in (reader_home / "jobs").iterdir() if each.is_dir()] == [stopped.id]

    (upload,) = page.named("take_upload")
    said = upload(str(write(tmp_path / "mine.csv", CSV)), [], asked_by())
    assert any("switched off" in str(value) for value in said.values())
    assert not (reader_home / UPLOADS).exists()


def test_the_log_is_for_those_who_may(page: Page, reader_home: Path) -> None:
    watched = job(reader_home, 1, "running", process=own_identity(1), started=time.time())
    write(watched.folder / "process.log", "the secret of the log")
    (number,) = page.numbers("unfold")
    said = page.call(number, watched.id, "", {})
    assert "Running" in said and "secret" not in said
