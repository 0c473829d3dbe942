"""What a job may be told: the options of its command, checked against a list and never read by a shell."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from reader.errors import BadUsage

Config = dict[str, Any]


class Takes(Enum):
    """What an option takes."""

    TEXT = "a text"
    TEXTS = "one or several texts"
    PLACE = "a file, a folder or a name"
    PLACES = "one or several files or names"
    WHOLE = "a whole number"
    WHOLES = "one or several whole numbers"
    NUMBER = "a number"
    FLAG = "true or false"


TRAIN: dict[str, Takes] = {
    "base": Takes.PLACE,
    "data": Takes.PLACES,
    "extra_data": Takes.PLACES,
    "cap": Takes.WHOLES,
    "unanswerable": Takes.NUMBER,
    "eval_data": Takes.PLACE,
    "out": Takes.PLACE,
    "recipe": Takes.TEXT,
    "epochs": Takes.NUMBER,
    "max_steps": Takes.WHOLE,
    "learning_rate": Takes.NUMBER,
    "batch_size": Takes.WHOLE,
    "gradient_accumulation": Takes.WHOLE,
    "warmup": Takes.NUMBER,
    "weight_decay": Takes.NUMBER,
    "seed": Takes.WHOLE,
    "max_seq_length": Takes.WHOLE,
    "doc_stride": Takes.WHOLE,
    "precision": Takes.TEXT,
    "held_out": Takes.NUMBER,
    "held_out_by": Takes.TEXT,
    "evaluations": Takes.WHOLE,
    "patience": Takes.WHOLE,
    "probe": Takes.TEXTS,
    "probe_text": Takes.TEXT,
    "baseline": Takes.PLACE,
    "processes": Takes.WHOLE,
    "skip_bad": Takes.FLAG,
    "negatives": Takes.NUMBER,
    "layer_decay": Takes.NUMBER,
    "dropout": Takes.NUMBER,
    "average_last": Takes.WHOLE,
    "teacher": Takes.PLACES,
    "assume_unanswerable": Takes.NUMBER,
    "resume": Takes.FLAG,
}
EVALUATE: dict[str, Takes] = {
    "reader": Takes.PLACE,
    "data": Takes.PLACE,
    "out": Takes.PLACE,
    "threshold": Takes.NUMBER,
    "limit": Takes.WHOLE,
    "precision": Takes.TEXT,
    "skip_bad": Takes.FLAG,
}
BEHAVE: dict[str, Takes] = {
    "reader": Takes.PLACE,
    "data": Takes.PLACE,
    "out": Takes.PLACE,
    "limit": Takes.WHOLE,
    "seed": Takes.WHOLE,
    "precision": Takes.TEXT,
    "skip_bad": Takes.FLAG,
}
PREDICT: dict[str, Takes] = {
    "reader": Takes.PLACE,
    "data": Takes.PLACE,
    "threshold": Takes.NUMBER,
    "precision": Takes.TEXT,
    "skip_bad": Takes.FLAG,
}
OPTIONS: dict[str, dict[str, Takes]] = {"train": TRAIN, "evaluate": EVALUATE, "behave": BEHAVE, "predict": PREDICT}
_REQUIRED = {
    "train": ("base", "data"),
    "evaluate": ("reader", "data"),
    "behave": ("reader", "data"),
    "predict": ("reader", "data"),
}
_LONGEST_TEXT = 4096  # characters: the longest path that Linux takes
_LONGEST_PROBE_TEXT = 20_000  # characters; Linux takes 128 KiB for one word of a command
# Where the result goes when the same command is run outside the job's folder.
_OUT_BY_HAND = {"train": "my-reader", "evaluate": "my-run", "behave": "my-tests", "predict": "answers.csv"}


def checked_config(kind: str, config: Mapping[str, Any]) -> Config:
    """Return the config to keep: known options only, of the right types, with existing paths made absolute.

    The job runs in another working folder, perhaps days later, so a relative path is settled now. A name that
    is no existing path (a Hub id, ``starter``, ``embedded``) stays as it is. Options that are None or False are
    left out. Raises `BadUsage` with a sentence that names the option.
    """
    if kind not in OPTIONS:
        raise BadUsage(f"A job is one of: {', '.join(OPTIONS)}; found '{kind}'.")
    if config.get("kind", kind) != kind:
        raise BadUsage(f"The config is for '{config['kind']}', but the job is '{kind}'.")
    known = OPTIONS[kind]
    kept: Config = {"kind": kind}
    for name, value in config.items():
        if name == "kind":
            continue
        if name not in known:
            raise BadUsage(f"'{name}' is no option of {kind}. Known are: {', '.join(known)}.")
        if value is None or value is False:
            continue
        kept[name] = _checked_value(name, known[name], value)
    for name in _REQUIRED[kind]:
        if name not in kept:
            raise BadUsage(f"{kind} needs '{name}': {known[name].value}.")
    return kept


def options_from_config(config: Mapping[str, Any]) -> list[str]:
    """Turn ``{"data": ["a", "b"], "max_steps": 20, "skip_bad": True}`` into the words of a command line.

    ``config["kind"]`` says whose options they are. None and False are left out; a list repeats its option.
    """
    kind = str(config.get("kind", ""))
    words: list[str] = []
    for name, value in checked_config(kind, config).items():
        if name == "kind":
            continue
        option = "--" + name.replace("_", "-")
        for each in value if isinstance(value, list) else [value]:
            if each is True:
                words.append(option)
            elif isinstance(each, int | float) and each < 0:
                # argparse takes "-1e-05" for an option of that name, unless it is glued on.
                words.append(f"{option}={each!r}")
            else:
                words += [option, str(each)]
    return words


def command_line(config: Mapping[str, Any]) -> str:
    """Return the command that does the same work without a job, quoted for a POSIX shell, an option a line.

    Several processes are started by `accelerate launch`, which takes several machines as well.
    """
    kind = str(config.get("kind", ""))
    processes = int(config.get("processes") or 1)
    options = options_from_config({name: value for name, value in config.items() if name != "processes"})
    if "--out" not in options:
        options += ["--out", _OUT_BY_HAND[kind]]
    lines = ["python -m reader " + kind]
    if processes > 1:
        lines = [f"accelerate launch --multi_gpu --num_processes {processes}", f"-m reader {kind}"]
    for word in options:
        if word.startswith("--"):
            lines.append(shlex.quote(word))
        else:
            lines[-1] += f" {shlex.quote(word)}"
    return " \\\n  ".join(lines)


def _checked_value(name: str, takes: Takes, value: Any) -> Any:
    wrong = BadUsage(f"'{name}' takes {takes.value}; found {value!r:.200}.")
    if takes is Takes.FLAG:
        if value is not True:
            raise wrong
        return True
    if takes is Takes.WHOLES:
        many = list(value) if isinstance(value, list | tuple) else [value]
        return [_checked_value(name, Takes.WHOLE, each) for each in many]
    if takes in (Takes.WHOLE, Takes.NUMBER):
        numbers = int if takes is Takes.WHOLE else (int, float)
        if isinstance(value, bool) or not isinstance(value, numbers) or not math.isfinite(value):
            raise wrong
        return value
    if takes in (Takes.PLACES, Takes.TEXTS) and isinstance(value, list | tuple):
        if not value or not all(isinstance(each, str | Path) for each in value):
            raise wrong
        read = _place if takes is Takes.PLACES else _text
        return [read(name, str(each)) for each in value]
    if not isinstance(value, str | Path):
        raise wrong
    if takes in (Takes.TEXT, Takes.TEXTS):
        text = _text(name, str(value))
        return [text] if takes is Takes.TEXTS else text
    place = _place(name, str(value))
    return [place] if takes is Takes.PLACES else place


def _place(name: str, text: str) -> str:
    path = os.path.expanduser(_text(name, text))
    # What is written need not exist yet; what is read may be a name instead.
    return os.path.abspath(path) if name == "out" or os.path.exists(path) else text


def _text(name: str, text: str) -> str:
    if not text.strip():
        raise BadUsage(f"'{name}' is empty. Leave it out, or give it a value.")
    if text.startswith("-"):
        raise BadUsage(f"'{name}' starts with a dash ('{text:.80}'), which reads as an option. Put ./ before a path.")
    longest = _LONGEST_PROBE_TEXT if name == "probe_text" else _LONGEST_TEXT
    if len(text) > longest:
        raise BadUsage(f"'{name}' has {len(text):,} characters; at most {longest:,} are taken.")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadUsage(f"'{name}' holds a character that no file name or command can hold.")
    return text
