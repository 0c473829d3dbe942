"""What the commands do: the whole way from a question to an answer, from data to a run, from a base to a reader."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from reader.answers import count_answers, first_answers, first_skipped
from reader.cli import main
from reader.commands import NOT_ANSWERABLE
from reader.examples import load_examples
from reader.jobs import (
    Job,
    create_job,
    delete_job,
    list_jobs,
    read_job,
    read_progress,
    resume_job,
    stop_job,
    tail_log,
)
from reader.results import open_run, write_run
from reader.seen import context_hash, context_hashes, read_seen
from reader.settings import SETTINGS
from tests import small_run, tiny_models
from tests.browser import hand_made_reader
from tests.tiny_training import write_data

QUICK = ["--max-seq-length", "64", "--doc-stride", "16", "--batch-size", "6", "--precision", "fp32"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def qa(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A reader that finds the last "Rouen"."""
    return str(hand_made_reader.make(tmp_path_factory.mktemp("reader") / "rouen"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_models.make("bert", tmp_path_factory.mktemp("base") / "tiny-bert"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_data(tmp_path_factory.mktemp("data") / "data.json"))


def run(*words: str, code: int = 0) -> tuple[str, str]:
    """Run a command in this process; return what it wrote on stdout and on stderr."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert main(list(words)) == code, err.getvalue()
    return out.getvalue(), err.getvalue()


def run_json(*words: str) -> Any:
    return json.loads(run(*words, "--json")[0])


# ask


def test_ask_prints_the_answer_first(qa: str) -> None:
    context = "From Rouen to the sea, and back to ROUEN."
    out, err = run("ask", "--reader", qa, "--question", "Where?", "--context", context)
    assert out.splitlines()[0] == "ROUEN"
    assert "characters 35-40" in out.splitlines()[1] and "margin" in out.splitlines()[1]
    assert err == ""


def test_ask_says_where_there_is_no_answer(qa: str) -> None:
    out, _ = run("ask", "--reader", qa, "--question", "Where?", "--context", "Nowhere at all.")
    assert out.splitlines()[0] == NOT_ANSWERABLE
    assert run("ask", "--reader", qa, "--question", "?", "--context", "Rouen.", "--threshold=-99")[0].startswith(
        NOT_ANSWERABLE
    )


def test_ask_json_is_what_the_endpoint_gives(qa: str) -> None:
    context = "Rouen 🙂\r\n Rouen"
    answer = run_json("ask", "--reader", qa, "--question", "Where?", "--context", context, "--top-k", "2")
    assert context[answer["start"] : answer["end"]] == answer["answer"] == "Rouen"
    assert answer["start"] == 10
    assert len(answer["alternatives"]) == 2
    wanted = {"score", "probability", "null_score_diff", "no_answer_probability", "threshold", "alternatives"}
    assert wanted <= answer.keys()


def test_ask_reads_a_text_file_as_it_is(qa: str, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes("\ufeffÉtretat\r\n\tRouen".encode())
    answer = run_json("ask", "--reader", qa, "--question", "Where?", "--file", str(tmp_path / "t.txt"))
    assert (answer["start"], answer["end"]) == (10, 15)


# predict


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_predict_writes_one_answer_a_question_in_order(ending: str, qa: str, tmp_path: Path) -> None:
    questions = tmp_path / "q.csv"
    texts = ["In Rouen.", "In Paris, a city.", 'In "Rouen", or\nRouen']
    with questions.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "question", "context"])
        writer.writerows([f"q{number}", "Where?", text] for number, text in enumerate(texts))
    out = tmp_path / f"answers{ending}"
    facts = run_json("predict", "--reader", qa, "--data", str(questions), "--out", str(out))
    assert (facts["answered"], facts["skipped"], facts["out"]) == (3, 0, str(out))
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file)) if ending == ".csv" else [json.loads(line) for line in file]
    assert [row["id"] for row in rows] == ["q0", "q1", "q2"]
    assert [row["answer"] for row in rows] == ["Rouen", "", "Rouen"]
    for row, text in zip(rows, texts, strict=True):
        assert text[int(row["start"]) : int(row["end"])] == row["answer"]
    assert int(rows[2]["start"]) == 15


def test_predict_streams(qa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answers are written while the last questions have not been read."""
    import reader.predictor

    monkeypatch.setattr(reader.predictor, "_CHUNK_EXAMPLES", 10)
    # What the file holds so far, each time that the model is asked.
    sizes = []
    read = reader.predictor.ExtractiveReader.read_windows

    def watched(*given: Any, **named: Any) -> Any:
        (half_written,) = tmp_path.glob(".a.jsonl.*")
        sizes.append(half_written.stat().st_size)
        return read(*given, **named)

    monkeypatch.setattr(reader.predictor.ExtractiveReader, "read_windows", watched)
    questions = tmp_path / "q.jsonl"
    row = {"question": "Where?", "context": "Rouen or Rouen. " * 20}
    questions.write_text("".join(json.dumps({"id": str(n), **row}) + "\n" for n in range(60)))
    run("predict", "--reader", qa, "--data", str(questions), "--out", str(tmp_path / "a.jsonl"))
    assert len(sizes) == 6
    assert sizes[0] == 0 and sizes == sorted(sizes) and sizes[-1] > 0


def test_predict_needs_no_gold_and_skips_only_when_told(qa: str, tmp_path: Path) -> None:
    questions = tmp_path / "q.csv"
    questions.write_text("question,context\nWhere?,Rouen\n,Paris\n")
    out = str(tmp_path / "a.csv")
    assert "row 2" in run("predict", "--reader", qa, "--data", str(questions), "--out", out, code=2)[1].lower()
    shown, _ = run("predict", "--reader", qa, "--data", str(questions), "--out", out, "--skip-bad")
    assert "1 questions" in shown and "1 rows skipped" in shown


def test_predict_knows_two_formats(qa: str, data: str, tmp_path: Path) -> None:
    for name in ("a.txt", "a"):
        _, err = run("predict", "--reader", qa, "--data", data, "--out", str(tmp_path / name), code=2)
        assert ".csv or .jsonl" in err


def test_predict_goes_to_a_file_or_a_job(qa: str, data: str) -> None:
    with pytest.raises(SystemExit) as ended, redirect_stderr(io.StringIO()) as said:
        main(["predict", "--reader", qa, "--data", data])
    assert ended.value.code == 2 and "--out" in said.getvalue()


# evaluate, runs, compare


def test_evaluate_keeps_a_run_and_prints_its_figures(qa: str, data: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    figures = run_json("evaluate", "--reader", qa, "--data", data, "--out", str(out), "--limit", "10")
    info = open_run(out).info
    assert figures["metrics"]["total"] == info["data"]["examples"] == 10
    assert figures["run"] == str(out) and figures["peak_memory_mb"] > 0 and figures["seconds"] > 0
    assert {"metrics", "forced", "rouge", "outcomes", "thresholds"} <= figures.keys()
    assert "--limit 10" in info["command"] and "--json" not in info["command"]
    assert info["threshold_chosen_on"] == "the default of the run_squad script"
    assert (info["device"], info["max_seq_length"], info["doc_stride"]) == ("cpu", 384, 128)
    assert info["data"]["source"].endswith("(first 10)")


def test_a_threshold_by_hand_is_called_that(qa: str, data: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run("evaluate", "--reader", qa, "--data", data, "--out", str(out), "--threshold=-99")
    assert open_run(out).info["threshold_chosen_on"] == "given by hand"
    assert set(json.loads((out / "predictions.json").read_text()).values()) == {""}


def test_the_protocol_decides_what_metrics_are(qa: str, data: str, tmp_path: Path) -> None:
    words = ["evaluate", "--reader", qa, "--data", data, "--threshold=-99"]
    abstain = run_json(*words, "--out", str(tmp_path / "a"))
    forced = run_json(*words, "--out", str(tmp_path / "f"), "--protocol", "forced")
    assert abstain["metrics"]["NoAns_exact"] == 100 and abstain["metrics"]["HasAns_exact"] == 0
    assert forced["metrics"]["NoAns_exact"] == 0 and forced["metrics"]["HasAns_f1"] > 0
    assert abstain["forced"] == forced["forced"] == {key: forced["metrics"][key] for key in forced["forced"]}


def test_runs_lists_what_evaluate_made(qa: str, data: str, home: Path) -> None:
    assert not (home / "evaluations").exists()
    out, _ = run("evaluate", "--reader", qa, "--data", data)
    (folder,) = (home / "evaluations").iterdir()
    assert out.splitlines()[-1] == str(folder)
    assert folder.name.startswith("rouen-data-")
    listed = {entry["folder"]: entry for entry in run_json("runs")}
    assert listed[str(folder)]["examples"] == 48 and listed[str(folder)]["reader"] == qa
    assert str(folder) in run("runs")[0]
    assert [entry["name"] for entry in run_json("runs", str(home / "evaluations"))] == [folder.name]


def test_runs_says_which_run_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "runs" / "broken").mkdir(parents=True)
    (tmp_path / "runs" / "broken" / "run.json").write_text("{")
    out, _ = run("runs", str(tmp_path / "runs"))
    assert "broken" in out and "damaged" in out


def test_runs_says_how_to_make_the_first_one(tmp_path: Path) -> None:
    assert "evaluate" in run("runs", str(tmp_path / "none"))[0]


@pytest.fixture
def two_runs(tmp_path: Path) -> tuple[str, str]:
    """A reader at its threshold, and one that never speaks."""
    folders = []
    for name, threshold in (("speaks", 0.0), ("silent", -99.0)):
        data = small_run.data()
        answers = [small_run.answer(example, threshold) for example in data.examples]
        write_run(tmp_path / name, data, answers, reader=name, threshold=threshold, threshold_chosen_on="", facts={})
        folders.append(str(tmp_path / name))
    return folders[0], folders[1]


def test_compare_is_for_people(two_runs: tuple[str, str]) -> None:
    out, _ = run("compare", *two_runs)
    lines = out.splitlines()
    assert lines[0] == "6 questions of small.json, each at its threshold"
    assert lines[1].startswith("A: speaks") and lines[2].startswith("B: silent")
    # By hand (see small_run): A is exactly right on q1, q4 and q5; B, always silent, on q2 and q5.
    (exact,) = (line for line in lines if line.startswith("exact"))
    assert exact.split()[1:4] == ["50.00", "33.33", "-16.67"]
    assert " to " in exact
    # q1 and q4 lost, also the half-right q3; q2 won; q5 and the wrong q6 are equal.
    assert "B is better on 1 questions, worse on 3 and equal on 2" in out
    # One against two discordant: p = 1 for two equally good readers.
    assert "only A 2, only B 1" in out and "p = 1.0000" in out
    assert "(no answer)" in out


def test_compare_json_holds_it_all(two_runs: tuple[str, str]) -> None:
    found = run_json("compare", *two_runs, "--protocol", "forced")
    assert found["protocol"] == "forced" and found["ties"] == 6 and found["mcnemar_p"] == 1.0


def test_compare_refuses_different_data(two_runs: tuple[str, str], tmp_path: Path) -> None:
    data = small_run.data(small_run.EXAMPLES[:3])
    answers = [small_run.answer(example) for example in data.examples]
    write_run(tmp_path / "few", data, answers, reader="r", threshold=0.0, threshold_chosen_on="", facts={})
    _, err = run("compare", two_runs[0], str(tmp_path / "few"), code=2)
    assert "different data" in err


# score


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            "bert-single-google.json",
            {
                "exact": 78.7417,
                "f1": 81.7753,
                "HasAns_exact": 74.1059,
                "HasAns_f1": 80.1818,
                "NoAns_exact": 83.3642,
                "NoAns_f1": 83.3642,
            },
        ),
        (
            "bert-base-chenchenpan.json",
            {"exact": 73.4271, "f1": 76.7688, "HasAns_exact": 72.0310, "HasAns_f1": 78.7241, "NoAns_exact": 74.8192},
        ),
    ],
)
def test_score_gives_the_official_figures(file: str, expected: dict[str, float], shared_data: Path) -> None:
    figures = run_json(
        *("score", "--data", str(shared_data / "squad2" / "dev-v2.0.json")),
        *("--predictions", str(shared_data / "predictions" / file)),
    )
    metrics = figures["metrics"]
    assert {name: round(metrics[name], 4) for name in expected} == expected
    assert metrics["total"] == 11_873 and "best_f1" not in metrics


def test_score_reads_null_odds_and_thresholds(tmp_path: Path) -> None:
    data, predictions, odds = (tmp_path / name for name in ("d.json", "p.json", "o.json"))
    paragraph = {
        "context": "Rollo ruled.",
        "qas": [
            {"id": "1", "question": "Who?", "answers": [{"text": "Rollo", "answer_start": 0}]},
            {"id": "2", "question": "When?", "answers": [], "is_impossible": True},
        ],
    }
    data.write_text(json.dumps({"version": "v2.0", "data": [{"title": "", "paragraphs": [paragraph]}]}))
    predictions.write_text(json.dumps({"1": "Rollo", "2": "Rollo", "3": "extra"}))
    odds.write_text(json.dumps({"1": 0.5, "2": 3.0}))
    words = ["score", "--data", str(data), "--predictions", str(predictions)]
    plain = run_json(*words)
    assert plain["metrics"]["exact"] == 50 and "best_exact" not in plain["metrics"]
    with_odds = run_json(*words, "--null-odds", str(odds))  # at 1.0, as the official script
    assert with_odds["metrics"]["exact"] == 100 and with_odds["metrics"]["best_exact"] == 100
    assert run_json(*words, "--null-odds", str(odds), "--threshold", "0.1")["metrics"]["HasAns_exact"] == 0
    assert run("score", "--data", str(data), "--predictions", str(predictions))[0].startswith("exact")
    predictions.write_text(json.dumps({"1": "Rollo"}))
    assert "1 " in run(*words, code=2)[1]
    assert run_json(*words, "--allow-missing")["metrics"]["total"] == 1


# settings


def test_settings_prints_every_setting_with_its_value(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    table = {row["name"]: row for row in run_json("settings")}
    assert list(table) == [setting.name for setting in SETTINGS]
    assert table["READER_HOME"]["value"] == str(home)
    assert f"READER_HOME={home}" in run("settings")[0]
    monkeypatch.setenv("READER_TRAINING", "perhaps")
    assert "perhaps" in run("settings", code=2)[1]


# train


@pytest.fixture(scope="module")
def trained(base: str, data: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """A reader that the command made: its folder, what it printed, and what it said on the way."""
    out = tmp_path_factory.mktemp("trained") / "my-reader"
    words = ["--max-steps", "4", "--evaluations", "2", "--held-out", "0.25", "--negatives", "0.3", "--json"]
    printed, said = run("train", "--base", base, "--data", data, "--out", str(out), *QUICK, *words)
    return out, json.loads(printed), said


def test_a_trained_reader_is_a_checkpoint_of_transformers(trained: tuple[Path, dict[str, Any], str]) -> None:
    out, _, _ = trained
    model, report = AutoModelForQuestionAnswering.from_pretrained(out, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert AutoTokenizer.from_pretrained(out).is_fast
    with safe_open(out / "model.safetensors", framework="pt") as weights:
        kinds = {weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
    assert kinds == {"F16"}
    assert model.config.model_type == "bert"
    config = json.loads((out / "reader_config.json").read_text())
    assert (config["max_seq_length"], config["doc_stride"], config["format_version"]) == (64, 16, 1)
    assert "held-out" in config["threshold_chosen_on"]
    assert (out / "model.safetensors").stat().st_mode == (out / "config.json").stat().st_mode


def test_a_trained_reader_answers(trained: tuple[Path, dict[str, Any], str]) -> None:
    out, _, _ = trained
    context = "In 1843 Ada went to Rouen."
    answer = run_json("ask", "--reader", str(out), "--question", "Who?", "--context", context, "--threshold", "1e9")
    assert context[answer["start"] : answer["end"]] == answer["answer"] != ""


def test_training_prints_the_figures_of_the_reader_it_leaves(
    trained: tuple[Path, dict[str, Any], str], data: str
) -> None:
    out, printed, said = trained
    assert printed["reader"] == str(out) and printed["steps"] == 4
    run_folder = open_run(out / "evaluation")
    assert printed["run"] == str(out / "evaluation")
    assert printed["metrics"]["total"] == len(run_folder.examples)
    assert run_folder.info["reader"] == str(out)
    assert run_folder.threshold == json.loads((out / "reader_config.json").read_text())["null_score_diff_threshold"]
    # Held out by article, so none of its texts was trained on, and all the others were.
    held_out = context_hashes(load_examples(data).examples) - (read_seen(out) or frozenset())
    assert {context_hash(context) for context in run_folder.examples["context"]} == held_out
    assert run_folder.examples["seen"].tolist() == [False] * len(run_folder.examples)
    assert "Writing model" not in said and "Warning" not in said
    assert sorted(path.name for path in out.parent.iterdir()) == ["my-reader"]


def test_the_card_says_where_a_reader_is_from(trained: tuple[Path, dict[str, Any], str], data: str) -> None:
    out, printed, _ = trained
    card = (out / "README.md").read_text()
    front, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert "pipeline_tag: question-answering" in front
    assert body.lstrip().startswith("# my-reader")
    assert load_examples(data).fingerprint in card
    assert "| data.json | 48 | 16 |" in card
    assert "python -m reader train --base" in card and "--json" not in card
    assert "`corrected`, 4 steps on cpu in fp32" in card
    assert "| learning_rate | 2e-05 |" in card and "| max_steps | 4 |" in card
    assert f"| F1, abstaining | {printed['metrics']['f1']:.3f} |" in card
    assert all(f"\n## {title}\n" in card for title in ("Training data", "Recipe", "Measured", "Licence", "Limits"))


def test_training_on_two_sets_with_an_evaluation_set(base: str, data: str, tmp_path: Path) -> None:
    other = write_data(tmp_path / "other.json", prefix="other ")
    third = write_data(tmp_path / "third.json", 3, prefix="third ")
    words = ["--data", str(other), "--extra-data", str(third), "--eval-data", str(third), "--max-steps", "1"]
    printed = run_json("train", "--base", base, "--data", data, "--out", str(tmp_path / "out"), *QUICK, *words)
    assert printed["metrics"]["total"] == 18
    assert open_run(printed["run"]).examples["seen"].all(), "the third set was trained on, too"
    card = (tmp_path / "out" / "README.md").read_text()
    assert all(f"| {name}.json | " in card for name in ("data", "other", "third"))


def test_the_article_recipe_leaves_a_reader_and_says_what_is_wrong_with_it(
    base: str, data: str, tmp_path: Path
) -> None:
    words = ["--recipe", "article", "--max-steps", "1", "--batch-size", "2", "--precision", "fp32"]
    out, _ = run("train", "--base", base, "--data", data, "--out", str(tmp_path / "out"), *words)
    assert "The reader is in" in out
    card = (tmp_path / "out" / "README.md").read_text()
    assert "gave" in card and "39,095" in card
    assert not (tmp_path / "out" / "evaluation").exists()  # nothing was held out to evaluate on


def test_a_stopped_training_goes_on_with_resume_only(base: str, data: str, tmp_path: Path) -> None:
    import reader.train_command

    make = reader.train_command._reporter

    def stopping(*given: Any, **named: Any) -> Any:
        report, close = make(*given, **named)

        def at(event: str, **facts: Any) -> None:
            report(event, **facts)
            if event == "step" and facts["step"] == 2:
                os.kill(os.getpid(), signal.SIGINT)

        return at, close

    out = tmp_path / "out"
    words = ["train", "--base", base, "--data", data, "--out", str(out), *QUICK, "--max-steps", "6"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader.train_command, "_reporter", stopping)
        printed, said = run(*words, code=130)
    assert printed == "" and "add --resume to go on" in said and "checkpoint-3" in said
    assert not out.exists()
    assert "--resume" in run(*words, code=2)[1]
    printed, said = run(*words, "--resume")
    assert "Going on from checkpoint-3" in said
    assert out.exists() and not (tmp_path / "out.training").exists()
    assert "--resume" not in (out / "README.md").read_text()


def test_there_must_be_something_to_resume(base: str, data: str, tmp_path: Path) -> None:
    _, err = run("train", "--base", base, "--data", data, "--out", str(tmp_path / "out"), "--resume", code=2)
    assert "nothing to resume" in err


# Jobs, with the real command line in real processes


@pytest.fixture
def config(base: str, data: str) -> Iterator[dict[str, Any]]:
    yield {
        "base": base,
        "data": [data],
        "max_steps": 6,
        "batch_size": 6,
        "evaluations": 2,
        "max_seq_length": 64,
        "doc_stride": 16,
        "held_out": 0.25,
        "precision": "fp32",
    }
    for job in list_jobs():
        if job.active:
            stop_job(job.id)
    eventually(lambda: not any(job.active for job in list_jobs()))


def eventually(holds: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)


def ended(job: Job) -> Job:
    eventually(lambda: read_job(job.id).state not in ("queued", "running", "stopping"))
    return read_job(job.id)


@pytest.mark.slow
def test_a_training_job_leaves_a_reader_and_its_evaluation(config: dict[str, Any]) -> None:
    job = ended(create_job("train", config))
    assert (job.state, job.error) == ("succeeded", ""), tail_log(job)
    assert (job.folder / "reader" / "model.safetensors").exists()
    assert open_run(job.folder / "evaluation").info["reader"] == str(job.folder / "reader")
    events = read_progress(job).events
    assert all(isinstance(event["time"], float) for event in events)
    names = [event["event"] for event in events]
    assert names[0] == "start" and names[-1] == "end"
    assert {"total_steps", "examples", "features", "device", "precision"} <= events[0].keys()
    steps = [event for event in events if event["event"] == "step"]
    assert [event["step"] for event in steps] == [1, 2, 3, 4, 5, 6]
    wanted = {"total_steps", "epoch", "loss", "learning_rate", "examples_per_second", "eta_seconds"}
    assert wanted <= steps[0].keys()
    evaluations = [event for event in events if event["event"] == "evaluation"]
    assert {"step", "exact", "f1", "HasAns_f1", "NoAns_f1", "threshold"} <= evaluations[0].keys()
    reading = [event for event in events if event["event"] == "progress"]
    assert reading[-1]["done"] == reading[-1]["total"] == open_run(job.folder / "evaluation").info["data"]["examples"]
    last = events[-1]
    assert (last["reader"], last["evaluation"]) == (str(job.folder / "reader"), str(job.folder / "evaluation"))
    assert "--job" not in (job.folder / "reader" / "README.md").read_text()
    assert any(str(job.folder / "evaluation") == entry["folder"] for entry in run_json("runs"))
    delete_job(job.id)


@pytest.mark.slow
def test_a_training_job_stops_resumes_and_succeeds(config: dict[str, Any]) -> None:
    job = create_job("train", {**config, "max_steps": 120})
    eventually(lambda: any(event["event"] == "step" for event in read_progress(job).events))
    stop_job(job.id)
    stopped = ended(job)
    assert (stopped.state, stopped.error) == ("stopped", ""), tail_log(stopped)
    assert list((job.folder / "checkpoints").glob("checkpoint-*/complete"))
    assert not (job.folder / "reader").exists()
    done = ended(resume_job(job.id))
    assert (done.state, done.error) == ("succeeded", ""), tail_log(done)
    assert (job.folder / "reader" / "model.safetensors").exists()
    steps = [event["step"] for event in read_progress(done).events if event["event"] == "step"]
    assert steps == sorted(steps) and steps[-1] == 120


@pytest.mark.slow
def test_an_evaluation_job_leaves_a_run(qa: str, data: str, config: dict[str, Any]) -> None:
    job = ended(create_job("evaluate", {"reader": qa, "data": data, "limit": 5}))
    assert (job.state, job.error) == ("succeeded", ""), tail_log(job)
    assert open_run(job.folder / "evaluation").info["data"]["examples"] == 5
    last = read_progress(job).events[-1]
    assert (last["event"], last["reader"], last["evaluation"]) == ("end", None, str(job.folder / "evaluation"))


def many_questions(path: Path, count: int) -> Path:
    """So many questions, of which those at 5, 15, … have no text."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "question", "context"])
        for n in range(count):
            rows.writerow([f"q{n}", "Which town?", "" if n % 10 == 5 else f"Letter {n} came from Rouen 🙂."])
    return path


@pytest.mark.slow
def test_a_predict_job_answers_the_good_rows_and_lists_the_bad(qa: str, config: dict[str, Any], tmp_path: Path) -> None:
    job = ended(create_job("predict", {"reader": qa, "data": str(many_questions(tmp_path / "q.csv", 30))}))
    assert (job.state, job.error) == ("succeeded", ""), tail_log(job)
    rows = first_answers(job.folder, 100)
    assert [row["id"] for row in rows] == [f"q{n}" for n in range(30) if n % 10 != 5]
    assert {row["answer"] for row in rows} == {"Rouen"}
    assert [(bad.row, bad.id) for bad in first_skipped(job.folder, 9)] == [(6, "q5"), (16, "q15"), (26, "q25")]
    events = read_progress(job).events
    start = next(event for event in events if event["event"] == "start")
    assert (start["questions"], start["skipped"], start["before"]) == (27, 3, 0)
    reading = [event for event in events if event["event"] == "progress"]
    assert (reading[-1]["done"], reading[-1]["total"]) == (27, 27)
    assert events[-1]["event"] == "end" and (events[-1]["questions"], events[-1]["answered"]) == (27, 27)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stopped", "lost"])
def test_a_predict_job_that_was_cut_off_keeps_its_answers_and_goes_on(
    how: str, qa: str, config: dict[str, Any], tmp_path: Path
) -> None:
    questions = many_questions(tmp_path / "q.csv", 6_000)
    job = create_job("predict", {"reader": qa, "data": str(questions), "threshold": 5.0})
    eventually(lambda: count_answers(job.folder) > 100)
    if how == "stopped":
        stop_job(job.id)
    else:
        process = read_job(job.id).process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
    cut_off = ended(job)
    assert cut_off.state == how, tail_log(cut_off)
    kept = count_answers(job.folder)
    assert 100 < kept < 5_400
    assert len(first_answers(job.folder, 6_000)) == kept
    done = ended(resume_job(job.id))
    assert (done.state, done.error) == ("succeeded", ""), tail_log(done)
    assert [row["id"] for row in first_answers(job.folder, 6_000)] == [f"q{n}" for n in range(6_000) if n % 10 != 5]
    starts = [event["before"] for event in read_progress(done).events if event["event"] == "start"]
    assert starts == [0, kept]


@pytest.mark.slow
def test_a_job_that_cannot_be_done_fails_with_the_sentence(config: dict[str, Any], tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("question,context,answer\nWho?,Rollo ruled.,Ada\n")
    job = ended(create_job("train", {**config, "data": [str(bad)]}))
    assert job.state == "failed"
    assert "not in the context" in job.error and "Traceback" not in job.error
    assert not any("Traceback" in line for line in tail_log(job))


# The job's own side, without a process


@pytest.fixture
def waiting(config: dict[str, Any]) -> Job:
    """A job whose process is this one."""
    job = create_job("train", config, program=("/bin/true",))
    eventually(lambda: not read_job(job.id).active)
    # Who watched the process starts what waits, and shall not find this job waiting.
    for thread in threading.enumerate():
        if thread.name == f"watch {job.id}":
            thread.join()
    return job


def in_this_process(job: Job, monkeypatch: pytest.MonkeyPatch, work: Callable[[object], int]) -> int:
    from reader.job_files import load_job, write_job

    write_job(replace(load_job(job.folder), state="queued", process=None, error=""))
    monkeypatch.setattr("reader.train_command.train", work)
    with redirect_stderr(io.StringIO()):
        return main(["train", "--data", "starter", "--job", str(job.folder)])


def test_how_the_work_ends_is_how_the_job_ends(waiting: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    from reader.errors import BadData

    def interrupted(options: object) -> int:
        raise KeyboardInterrupt

    def bad(options: object) -> int:
        raise BadData("Row 3 is bad.")

    def full(options: object) -> int:
        raise OSError(28, "No space left on device", "/disk/file")

    for work, code, state, error in (
        (lambda options: 0, 0, "succeeded", ""),
        (lambda options: 130, 130, "stopped", ""),
        (interrupted, 130, "stopped", ""),
        (bad, 2, "failed", "Row 3 is bad."),
        (full, 2, "failed", "/disk/file cannot be read or written: No space left on device."),
    ):
        assert in_this_process(waiting, monkeypatch, work) == code
        job = read_job(waiting.id)
        assert (job.state, job.error) == (state, error)


def test_a_job_killed_at_its_very_end_is_done_again(
    waiting: Job, base: str, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reader and its evaluation lie there already; they are replaced, not an obstacle."""
    from reader.job_files import load_job, write_job

    words = ["train", "--base", base, "--data", data, *QUICK, "--max-steps", "2", "--held-out", "0.25"]
    for again in ([], ["--resume"]):
        write_job(replace(load_job(waiting.folder), state="queued", process=None, error=""))
        run(*words, *again, "--job", str(waiting.folder))
        assert read_job(waiting.id).state == "succeeded"
        assert (waiting.folder / "reader" / "README.md").exists()
    shutil.rmtree(waiting.folder / "reader")
    assert open_run(waiting.folder / "evaluation")
