"""What goes before a training run, without a page: the presets, the form as a job's config, the data and its check."""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from pages.access import Access, NotAllowed, may, why_not
from pages.readers import EMBEDDED, LONGEST_NAME, Choice
from reader.errors import BadData, BadUsage, HubUnreachable
from reader.examples import load_examples
from reader.hub import is_hub_id, require_hub
from reader.job_options import checked_config
from reader.jobs import Job, create_job, list_jobs
from reader.processes import usable_devices
from reader.recipes import RecipeName
from reader.settings import home
from reader.sources import READERS

STARTER = "starter"
HELD_OUT = ""  # stands in the picker of what is evaluated on for the held-out questions
UPLOAD = "upload"  # stands in the data picker for "a file that is still to come"
UPLOADS = "uploads"  # the folder under READER_HOME
ENDINGS = list(READERS)
ROWS_SHOWN = 8
DOUBLE_CLICK = 3.0  # seconds within which the same training, asked for again, is the same

Unit = Literal["steps", "epochs"]


@dataclass(frozen=True, slots=True)
class Form:
    """What stands in the form, by the field's name; None means: as the recipe says."""

    base: str | None = EMBEDDED
    data: str | None = STARTER
    amount: float | None = 3
    unit: Unit = "epochs"
    recipe: RecipeName = "corrected"
    skip_bad: bool = False
    learning_rate: float | None = None
    batch_size: float | None = None
    seed: float | None = None
    held_out: float | None = None
    negatives: float | None = None
    evaluations: float | None = None
    eval_data: str | None = HELD_OUT


@dataclass(frozen=True, slots=True)
class Preset:
    """A way to begin: its name on the page, what it does in a sentence, and the form filled for it."""

    title: str
    says: str
    form: Form


QUICK, OWN, ARTICLE = "quick", "own", "article"
PRESETS: dict[str, Preset] = {
    QUICK: Preset(
        "Quick try",
        "The embedded reader learns for 20 steps from the starter set. It shows the whole way in a minute or two; "
        "the reader will hardly be a better one.",
        Form(amount=20, unit="steps", evaluations=2),
    ),
    OWN: Preset(
        "My own CSV",
        "The embedded reader learns your texts from your own questions. A few hundred are a good start, and some "
        "of them should have no answer.",
        Form(data=UPLOAD, held_out=0.1, evaluations=3),
    ),
    ARTICLE: Preset(
        "The article's run",
        "BERT base learns SQuAD v2 in 3 epochs, just as the source article did it: with its recipe and its faults.",
        Form(base="bert-base-uncased", data="rajpurkar/squad_v2:train", recipe="article"),
    ),
}

_WHOLE = {"batch_size": "The batch size", "seed": "The seed", "evaluations": "The number of evaluations"}
_SMALLEST = {"batch_size": 1, "seed": 0, "evaluations": 1}
_SHARES = {"held_out": ("The held-out share", 0.5), "negatives": ("The share of made negatives", 3.0)}


def needs_of_the_article() -> str:
    """What the article's run misses on this machine, or that it misses nothing. Takes up to 3 s, on demand only."""
    misses = []
    if usable_devices() == ("cpu",):
        misses.append("It wants a GPU, and this machine has none: on its CPU it would take days.")
    try:
        require_hub(PRESETS[ARTICLE].form.base or "")
    except HubUnreachable as error:
        misses.append(f"It needs the Hub, unless this machine's cache has its base and its data. {error}")
    return " ".join(misses) or "A GPU is here and the Hub answers: it can start."


def form_of(values: Mapping[str, Any]) -> Form:
    """Read the form's fields as they came over HTTP. Raises `BadUsage` for what no field can hold."""
    for name in ("base", "data", "eval_data"):
        if not isinstance(values[name], str | None):
            raise BadUsage(f"The {name} must be a name.")
    if values["recipe"] not in ("corrected", "article") or values["unit"] not in ("steps", "epochs"):
        raise BadUsage("The recipe is corrected or article, and the length is in steps or epochs.")
    for name in ("amount", "learning_rate", *_WHOLE, *_SHARES):
        value = values[name]
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise BadUsage(f"{name} must be a number.")
    return Form(**values)


def config_of(form: Form, base: str, data: str, eval_data: str | None = None) -> dict[str, Any]:
    """Return the job's config; ``base`` and the data are what `find_reader` and `find_data` made of the names.

    Raises `BadUsage` with a sentence for a number that cannot be meant.
    """
    config: dict[str, Any] = {"kind": "train", "base": base, "data": [data], "recipe": form.recipe}
    amount = form.amount
    if amount is None or not (amount > 0 and math.isfinite(amount)):
        raise BadUsage(f"How long shall it train? Give a number of {form.unit} over 0.")
    if form.unit == "epochs":
        config["epochs"] = amount
    elif amount == int(amount):
        config["max_steps"] = int(amount)
    else:
        raise BadUsage(f"{amount:g} is no whole number of steps.")
    if form.learning_rate is not None:
        if not 0 < form.learning_rate < 1:
            raise BadUsage(f"The learning rate is {form.learning_rate:g}; expected a small number over 0, like 2e-5.")
        config["learning_rate"] = form.learning_rate
    for name, title in _WHOLE.items():
        value = getattr(form, name)
        if value is not None:
            if value != int(value) or value < _SMALLEST[name]:
                raise BadUsage(f"{title} is {value:g}; expected a whole number from {_SMALLEST[name]}.")
            config[name] = int(value)
    for name, (title, most) in _SHARES.items():
        value = getattr(form, name)
        if value is not None:
            if not 0 <= value <= most:
                raise BadUsage(f"{title} is {value:g}; expected a number from 0 to {most:g}.")
            config[name] = value
    if eval_data:
        config["eval_data"] = eval_data
    if form.skip_bad:
        config["skip_bad"] = True
    return config


def start_once(config: Mapping[str, Any]) -> Job:
    """Start a training job; the same one asked for twice within `DOUBLE_CLICK` seconds is one job.

    To be called by one thread at a time. Raises `BadUsage`, `JobError`, and `BadData` for what would fail anyway.
    """
    checked = checked_config("train", config)
    if not checked.get("skip_bad"):
        for source in checked["data"]:
            check = check_data(source)
            if not check.good:
                mend = ("Mend them, or tick “Train without these rows”.",) if check.can_skip else ()
                raise BadData(" ".join((check.says, *check.rows, *mend)))
    for job in list_jobs()[:1]:
        if job.config == checked and time.time() - job.created < DOUBLE_CLICK:
            return job
    return create_job("train", checked)


# The data


@dataclass(frozen=True, slots=True)
class Check:
    """What a look at the data found: a sentence, the rows that cannot be used, and whether the others can."""

    says: str
    rows: tuple[str, ...] = ()
    good: bool = True
    can_skip: bool = False


def list_data() -> list[Choice]:
    """The data sets to pick from: the starter set, what was uploaded here (the newest first), and a new upload."""
    folder = home() / UPLOADS
    files = sorted(folder.glob("[!.]*"), key=lambda file: -file.stat().st_mtime) if folder.is_dir() else []
    kept = [Choice(data_label(str(file)), f"{UPLOADS}/{file.name}") for file in files if file.suffix in ENDINGS]
    return [Choice("the starter set", STARTER), *kept, Choice("a file of yours…", UPLOAD)]


def data_label(name: str) -> str:
    """What a data set is called on the page: an uploaded file by the name that it came with."""
    if name == STARTER:
        return "the starter set"
    path = Path(name)
    if path.parent.name == UPLOADS:
        return re.sub(r"-[0-9a-f]{8}$", "", path.stem) + path.suffix
    return path.name if path.is_absolute() else name


def find_data(name: str | None, request: gr.Request | None, access: Access) -> str:
    """Turn the data set that somebody picked or typed into one for a job's config.

    Other files of this machine than those uploaded here are for those at the machine itself. Raises `BadData`.
    """
    name = (name or "").strip()
    if not name or name == UPLOAD:
        raise BadData("There is no data yet: upload a file, or pick the starter set.")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise BadData("That is not the name of a data set.")
    if name == STARTER:
        return name
    uploads = home() / UPLOADS
    file = (home() / name).resolve()
    if file.parent == uploads and file.is_file():
        return str(file)
    if not may(request, access):
        raise NotAllowed(why_not(access))
    if access.mode != "on" and (os.path.exists(name) or not is_hub_id(name)):
        raise BadData(f"There is no data set “{name}” here: upload it, or name one of the Hub.")
    return name


def check_data(source: str) -> Check:
    """Count the questions of a data set that `find_data` allowed, or say what is wrong with it and where."""
    label = data_label(source)
    path = Path(source).expanduser()
    if source != STARTER and not path.exists() and is_hub_id(source):
        return Check("A data set of the Hub: it is fetched and checked when training starts.")
    try:
        found = load_examples(str(path) if path.exists() else source)
    except BadData as error:
        if not error.rows:
            return Check(str(error).replace(source, label), good=False)
        count = len(error.rows)
        what = "1 row cannot be used" if count == 1 else f"{count:,} rows cannot be used"
        rows = [str(row) for row in error.rows[:ROWS_SHOWN]]
        more = [f"and {count - ROWS_SHOWN:,} more"] if count > ROWS_SHOWN else []
        return Check(f"{label}: {what}.", (*rows, *more), good=False, can_skip="skip them" in str(error))
    unanswerable = sum(example.is_impossible for example in found.examples)
    count = len(found.examples)
    questions = "1 question" if count == 1 else f"{count:,} questions"
    return Check(f"{questions} · {100 * unanswerable / count:.0f} % not answerable")


def keep_upload(path: Path) -> str:
    """Copy an uploaded file to READER_HOME/uploads, whole or not at all; return the name for `find_data`.

    The name holds a hash of the content: nothing that an earlier job was trained on is ever overwritten, and the
    same file is kept once. Raises `BadData` for a file of which nothing can be used.
    """
    suffix = path.suffix.lower()
    check = check_data(str(path))
    if not check.good and not check.can_skip:
        raise BadData(" ".join((check.says, *check.rows)))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    stem = re.sub(r"[^\w.]+", "-", path.stem)[:60].strip("-.") or "data"
    kept = home() / UPLOADS / f"{stem}-{digest}{suffix}"
    if not kept.exists():
        beside = kept.with_name(f".{uuid.uuid4().hex}")
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, beside)
            os.replace(beside, kept)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise BadData(
                f"{path.name} cannot be kept here: {error.strerror}. Free some space and try again."
            ) from None
    return f"{UPLOADS}/{kept.name}"
