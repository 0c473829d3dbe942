"""How the command line ends: exit codes, one sentence instead of a traceback, JSON alone, nothing half-written."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reader.cli import main
from reader.commands import settings as settings_command
from tests import tiny_models
from tests.browser import hand_made_reader
from tests.full_disk import largest_file
from tests.tiny_training import write_data

ROOT = Path(__file__).parents[1]
BAD = ROOT / "tests" / "data"
VERBS = ("ask", "predict", "evaluate", "behave", "score", "compare", "train", "runs", "settings")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READER_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def qa(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A reader that finds the last "Rouen"."""
    return str(hand_made_reader.make(tmp_path_factory.mktemp("reader") / "rouen"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_data(tmp_path_factory.mktemp("data") / "data.json"))


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    """Run a command that must end with one sentence on stderr and nothing on stdout; return the sentence."""
    assert main(list(words)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("error: ") == 1 and err.startswith("error: ")
    assert "Traceback" not in err
    sentence = err.splitlines()[0].removeprefix("error: ")
    assert sentence.endswith(".")
    return sentence


# Usage


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_what_a_verb_does_and_its_defaults(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "--json" in shown
    assert "default: False" not in shown and "default: None" not in shown and "default: []" not in shown
    expected = {
        "ask": ["(default: embedded)", "default: the reader's own"],
        "predict": ["(default: embedded)"],
        "evaluate": ["(default: embedded)", "(default: abstain)", "READER_HOME/evaluations"],
        "score": ["default: 1.0"],
        "compare": ["(default: abstain)"],
        "train": ["(default: corrected)", "default: 2e-5", "default: 24", "(default: 42)", "(default: 0.05)"],
        "runs": ["default: the shipped one and READER_HOME"],
    }
    for default in expected.get(verb, []):
        assert default in shown


def test_the_help_of_all_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"\n    {verb} " in shown for verb in VERBS)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fly"],
        ["ask", "--question", "Who?"],
        ["ask", "--question", "Who?", "--context", "Ada", "--file", "x.txt"],
        ["ask", "--question", "Who?", "--context", "Ada", "--threshold", "nan"],
        ["ask", "--question", "Who?", "--context", "Ada", "--threshold", "high"],
        ["ask", "--question", "Who?", "--context", "Ada", "--top-k", "0"],
        ["evaluate", "--data", "starter", "--limit", "0"],
        ["evaluate", "--data", "starter", "--protocol", "strict"],
        ["train"],
        ["train", "--data", "starter", "--recipe", "best"],
        ["train", "--data", "starter", "--epochs", "many"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: " in err.splitlines()[-1]


def test_a_run_remembers_the_command_without_what_concerns_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("reader.commands.ask", lambda options: seen.append(options.command_line) or 0)
    main(["ask", "--question", "Who's there?", "--context", "x", "--json"])
    assert seen == ["python -m reader ask --question 'Who'\"'\"'s there?' --context x"]


# Bad input


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("missing.json", "no file"),
        ("not-json.json", "not JSON"),
        ("not-squad.json", "SQuAD"),
        ("not-squad-paragraphs.json", ""),
        ("answer-offset-wrong.json", "is not at"),
        ("ids-duplicate.json", "same id"),
        ("empty-set.json", "no examples"),
        ("binary.json", ""),
        ("not-parquet.parquet", ""),
        ("ending-unknown.txt", ".csv"),
        ("latin-1.csv", "UTF-8"),
        ("semicolons.csv", ""),
        ("question-empty.json", "question is empty"),
        ("answer-absent-or-ambiguous.jsonl", "more than once"),
    ],
)
@pytest.mark.parametrize("verb", ["evaluate", "train", "score"])
def test_a_bad_data_file_is_a_sentence(
    verb: str, file: str, says: str, qa: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {
        "evaluate": ["--reader", qa, "--out", str(tmp_path / "out")],
        "train": ["--base", qa, "--out", str(tmp_path / "out")],
        "score": ["--predictions", str(BAD / "good-squad-v2.json")],
    }[verb]
    sentence = refused(capsys, verb, "--data", str(BAD / file), *words)
    assert says in sentence and file in sentence
    assert not [path for path in tmp_path.iterdir() if path.name != "home"]


def test_every_bad_row_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.csv"
    rows = [f"Q{number}?,Some text,absent\n" for number in range(1, 41)]
    path.write_text("question,context,answer\n" + "".join(rows))
    assert main(["evaluate", "--data", str(path), "--out", str(tmp_path / "out")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "40 of 40 rows" in lines[0]
    numbers = [int(line.split()[1].rstrip(":")) for line in lines[1:-1]]
    assert numbers == sorted(numbers) and len(numbers) == 20
    assert "15 more" in lines[-1]


def test_a_file_over_the_limit_is_refused_unread(qa: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "large.json"
    path.touch()
    os.truncate(path, 300_000_000)
    began = time.monotonic()
    assert "READER_MAX_DATA_MB" in refused(capsys, "evaluate", "--reader", qa, "--data", str(path), "--out", "o")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("name", ["./nowhere", "no such reader!", "../x/y/z"])
def test_an_unknown_reader_is_answered_with_what_there_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    sentence = refused(capsys, "ask", "--reader", name, "--question", "Who?", "--context", "Ada")
    assert name in sentence and "embedded" in sentence


@pytest.fixture
def silent_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host that takes a connection and never answers: the slowest way to be unreachable."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        yield


@pytest.mark.parametrize(
    "words",
    [
        ["ask", "--reader", "nobody/no-reader", "--question", "Who?", "--context", "Ada"],
        ["evaluate", "--data", "nobody/no-data:validation", "--out", "o"],
        ["train", "--base", "nobody/no-reader", "--data", "nobody/no-data", "--out", "o"],
    ],
    ids=lambda words: words[0],
)
def test_a_hub_id_without_a_hub_is_answered_within_five_seconds(
    words: list[str],
    silent_hub: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    began = time.monotonic()
    sentence = refused(capsys, *words)
    assert time.monotonic() - began < 5
    assert "nobody/no-" in sentence and "cannot be reached" in sentence
    assert os.listdir(tmp_path) == []


def test_pickled_weights_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny_models.make("bert", tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"os.system": 1}))
    capsys.readouterr()
    sentence = refused(capsys, "ask", "--reader", str(folder), "--question", "Who?", "--context", "Ada")
    assert "pickled" in sentence and "save_pretrained" in sentence


def test_a_checkpoint_without_a_head_reads_nothing_but_says_what_it_is_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from reader.checkpoints import load_checkpoint, quiet

    folder = tiny_models.make("bert", tmp_path / "encoder")
    with quiet():
        load_checkpoint(str(folder)).model.bert.save_pretrained(folder)
    capsys.readouterr()
    for words in (["ask", "--question", "Who?", "--context", "Ada"], ["evaluate", "--data", "starter", "--out", "o"]):
        assert main([words[0], "--reader", str(folder), *words[1:]]) == 2
        assert "train --base" in capsys.readouterr().err


def test_an_out_that_exists_is_refused_before_any_work(
    qa: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    began = time.monotonic()
    assert "exists already" in refused(capsys, "evaluate", "--reader", qa, "--data", data, "--out", str(out))
    assert "exists already" in refused(capsys, "train", "--base", qa, "--data", data, "--out", str(out))
    assert time.monotonic() - began < 1
    assert not list(out.iterdir())


@pytest.mark.parametrize("verb", ["evaluate", "predict", "train"])
def test_an_out_that_cannot_be_written_is_a_sentence(
    verb: str, qa: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out.csv"
    named = "--base" if verb == "train" else "--reader"
    sentence = refused(capsys, verb, named, qa, "--data", data, "--out", str(out))
    assert str(out) in sentence


def test_training_needs_a_place_for_the_reader(qa: str, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--out FOLDER" in refused(capsys, "train", "--base", qa, "--data", data)


def test_an_evaluation_set_is_looked_at_before_training(
    qa: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    bad = str(BAD / "ids-duplicate.json")
    assert "same id" in refused(capsys, "train", "--base", qa, "--data", data, "--eval-data", bad, "--out", out)
    assert not (tmp_path / "out.training").exists()


def test_a_text_file_that_is_none_is_a_sentence(qa: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    binary = tmp_path / "b.txt"
    binary.write_bytes(b"\xff\x00")
    for file, says in ((tmp_path / "none.txt", "no file"), (tmp_path, "is a folder"), (binary, "UTF-8")):
        assert says in refused(capsys, "ask", "--reader", qa, "--question", "Who?", "--file", str(file))


def test_an_empty_question_or_text_is_a_sentence(qa: str, capsys: pytest.CaptureFixture[str]) -> None:
    for question, context in (("", "Ada"), ("Who?", " \n")):
        assert "empty" in refused(capsys, "ask", "--reader", qa, "--question", question, "--context", context)


def test_a_question_of_bytes_that_are_no_text_is_a_sentence(qa: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, "ask", "--reader", qa, "--question", "Who\udcff?", "--context", "Ada")


# A full disk


def test_a_disk_that_fills_up_leaves_no_run(
    qa: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with largest_file(2_000):
        sentence = refused(capsys, "evaluate", "--reader", qa, "--data", data, "--out", str(tmp_path / "out"))
    assert "make room" in sentence and str(tmp_path / "out") in sentence
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_leaves_no_answers(
    qa: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "answers.csv"
    out.write_text("those of yesterday")
    with largest_file(1_000):
        sentence = refused(capsys, "predict", "--reader", qa, "--data", data, "--out", str(out))
    assert str(out) in sentence
    assert os.listdir(tmp_path) == ["answers.csv"] and out.read_text() == "those of yesterday"


@pytest.mark.parametrize("size", [2_000, 40_000])
def test_a_disk_that_fills_up_leaves_no_reader(
    size: int, qa: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--max-steps", "2", "--max-seq-length", "64", "--doc-stride", "16", "--precision", "fp32"]
    base = str(tiny_models.make("bert", tmp_path / "base"))
    capsys.readouterr()
    out = tmp_path / "out"
    with largest_file(size):
        assert main(["train", "--base", base, "--data", data, "--out", str(out), *words]) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err and "error: " in err
    assert not out.exists()
    assert not list(tmp_path.glob(".out*"))
    # With room again it starts, or goes on.
    again = ["--resume"] if (tmp_path / "out.training").exists() else []
    assert main(["train", "--base", base, "--data", data, "--out", str(out), *words, *again]) == 0
    assert (out / "model.safetensors").exists() and not (tmp_path / "out.training").exists()


def test_full_memory_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")):

        def fails(options: object, error: Exception = error) -> int:
            raise error

        monkeypatch.setattr("reader.commands.settings", fails)
        assert "memory is full" in refused(capsys, "settings", code=1)


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(options: object) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr("reader.commands.settings", fails)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["settings"])
    monkeypatch.undo()
    assert settings_command is not fails


# Real processes


def start(*words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "reader", *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def much(tmp_path_factory: pytest.TempPathFactory) -> str:
    """More to read than is read before the signal comes."""
    path = tmp_path_factory.mktemp("much") / "much.jsonl"
    context = "Rouen lies on the Seine. " * 400
    rows = [
        {"question": f"Where is {number}?", "context": f"{number} {context}", "answer": ""} for number in range(2000)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "name", "number"),
    [
        ("evaluate", "run", signal.SIGINT),
        ("predict", "answers.csv", signal.SIGINT),
        ("predict", "answers.jsonl", signal.SIGTERM),
    ],
)
def test_ctrl_c_leaves_nothing_half_written(
    verb: str, name: str, number: int, qa: str, much: str, tmp_path: Path
) -> None:
    process = start(verb, "--reader", qa, "--data", much, "--out", str(tmp_path / name), "--precision", "fp32")
    deadline = time.monotonic() + 90
    while not os.listdir(tmp_path) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [entry.startswith(f".{name}.") for entry in os.listdir(tmp_path)] == [True]
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert os.listdir(tmp_path) == []
    assert out == "" and "Traceback" not in err
    assert err.splitlines()[-1].endswith("Stopped. Nothing half-written is left.")


@pytest.mark.slow
def test_json_is_alone_on_stdout_of_a_real_process(qa: str, data: str, tmp_path: Path) -> None:
    words = ["--max-steps", "2", "--max-seq-length", "64", "--doc-stride", "16", "--held-out", "0.25"]
    base = str(tiny_models.make("bert", tmp_path / "base"))
    out, err = start(
        "train", "--base", base, "--data", data, "--out", str(tmp_path / "out"), "--json", *words
    ).communicate(timeout=120)
    figures = json.loads(out)
    assert figures["steps"] == 2 and "metrics" in figures
    for noise in ("Writing model", "Loading weights", "Warning", "it/s", "%|"):
        assert noise not in err


@pytest.mark.slow
def test_a_closed_pipe_and_a_narrow_terminal_are_no_tracebacks(qa: str) -> None:
    asked = ["ask", "--reader", qa, "--question", "Wo?", "--context", "Ça: Rouen → là"]
    out, err = start(*asked, PYTHONIOENCODING="ascii").communicate(timeout=60)
    assert out.startswith("Rouen\n") and err == ""
    out, err = start(*asked, "--json", "--threshold", "-99", PYTHONIOENCODING="ascii").communicate(timeout=60)
    assert json.loads(out)["answered"] is False
    process = start("settings")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait(timeout=60)
