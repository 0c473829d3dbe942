"""A config becomes the words of a command line: known options only, paths settled, nothing for a shell to read."""

from __future__ import annotations

import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from reader.errors import BadUsage
from reader.job_options import TRAIN as TRAIN_OPTIONS
from reader.job_options import checked_config, command_line, options_from_config

TRAIN = {"kind": "train", "base": "embedded", "data": ["starter"]}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, []),
        ({"data": ["a", "b"]}, ["--data", "a", "--data", "b"]),
        ({"max_steps": 20, "skip_bad": True}, ["--max-steps", "20", "--skip-bad"]),
        ({"resume": False, "seed": None}, []),
        ({"learning_rate": 2e-5, "warmup": 0.1}, ["--learning-rate", "2e-05", "--warmup", "0.1"]),
        ({"seed": 0}, ["--seed", "0"]),
        ({"eval_data": "rajpurkar/squad_v2:validation"}, ["--eval-data", "rajpurkar/squad_v2:validation"]),
        ({"extra_data": ["a", "b"]}, ["--extra-data", "a", "--extra-data", "b"]),
        (
            {"teacher": ["org/a", "org/b"], "dropout": 0.0},
            ["--teacher", "org/a", "--teacher", "org/b", "--dropout", "0.0"],
        ),
        ({"negatives": 0.5, "assume_unanswerable": 0.5}, ["--negatives", "0.5", "--assume-unanswerable", "0.5"]),
        ({"evaluations": 4}, ["--evaluations", "4"]),
        ({"recipe": "$(id); 'x'"}, ["--recipe", "$(id); 'x'"]),
    ],
)
def test_options_are_words(settings: dict[str, Any], words: list[str]) -> None:
    options = options_from_config({"kind": "train", "base": "b", "data": "d", **settings})
    expected = words if "data" in settings else ["--data", "d", *words]
    assert options == ["--base", "b", *expected]


def test_a_negative_number_stays_with_its_option() -> None:
    # argparse would take a separate "-1e-05" for an option.
    options = options_from_config({"kind": "evaluate", "reader": "r", "data": "d", "threshold": -1e-05})
    assert options[-1] == "--threshold=-1e-05"


def test_questions_to_answer_are_a_kind_of_job() -> None:
    config = checked_config("predict", {"reader": "embedded", "data": "q.csv", "threshold": -2.5, "skip_bad": True})
    words = ["--reader", "embedded", "--data", "q.csv", "--threshold=-2.5", "--skip-bad"]
    assert options_from_config(config) == words
    assert command_line(config).endswith("--out answers.csv")
    for wrong, complaint in (({"data": "d"}, "needs 'reader'"), ({"reader": "r", "data": "d", "out": "/x"}, "'out'")):
        with pytest.raises(BadUsage, match=complaint):
            checked_config("predict", wrong)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"data": "--job"}, "dash"),
        ({"data": ["a", "-b"]}, "dash"),
        ({"colour": "red"}, "'colour' is no option of train"),
        ({"job": "/etc"}, "'job' is no option"),
        ({"max_steps": "20"}, "whole number"),
        ({"max_steps": 1.5}, "whole number"),
        ({"max_steps": True}, "whole number"),
        ({"evaluations": 2.5}, "whole number"),
        ({"negatives": "half"}, "a number"),
        ({"learning_rate": float("nan")}, "a number"),
        ({"skip_bad": "yes"}, "true or false"),
        ({"recipe": ["article"]}, "a text"),
        ({"recipe": "a\0b"}, "character"),
        ({"recipe": "a\udc80b"}, "character"),
        ({"recipe": "x" * 5000}, "5,000 characters"),
        ({"recipe": " "}, "empty"),
        ({"base": None}, "needs 'base'"),
        ({"data": []}, "files or names"),
        ({"kind": "evaluate"}, "'evaluate', but the job is 'train'"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadUsage, match=complaint):
        checked_config("train", {**TRAIN, **settings})


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(BadUsage, match="train, evaluate"):
        checked_config("destroy", {})


def test_existing_paths_become_absolute_and_names_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.json").touch()
    config = checked_config(
        "train", {**TRAIN, "data": ["mine.json", "starter", "~/mine.json", "~nobody/x"], "out": "o"}
    )
    mine = str(tmp_path / "mine.json")
    assert config["data"] == [mine, "starter", mine, "~nobody/x"]
    assert config["base"] == "embedded"
    assert config["out"] == str(tmp_path / "o")


def test_the_command_line_is_what_a_shell_reads_back() -> None:
    odd = "it's $HOME/é;.json"
    line = command_line({**TRAIN, "data": [odd], "max_steps": 3})
    expected = ["--base", "embedded", "--data", odd, "--max-steps", "3", "--out", "my-reader"]
    # Lines that go on with a backslash are for a real shell.
    read = subprocess.run(["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True).stdout
    assert read.splitlines() == ["python", "-m", "reader", "train", *expected]
    assert "--job" not in line


def test_a_job_takes_everything_that_training_can_be_told() -> None:
    from reader.finetune import TrainOptions  # imports torch

    assert {field.name for field in fields(TrainOptions)} <= set(TRAIN_OPTIONS)
