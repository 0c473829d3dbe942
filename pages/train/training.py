"""What goes before a training run, without a page: the presets, the form as a job's config and back, the start."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pages.data_sets import STARTER, UPLOAD, UPLOADS, check_data
from pages.readers import EMBEDDED
from reader.errors import BadData, BadUsage, HubUnreachable
from reader.hub import require_hub
from reader.job_options import checked_config
from reader.jobs import Job, create_job, list_jobs
from reader.processes import usable_devices
from reader.recipes import MOST_PROBES, RecipeName, TrainOptions
from reader.settings import home

HELD_OUT = ""  # stands in the picker of what is evaluated on for the held-out questions
NO_BASELINE, THE_BASE = "", "base"  # stand in the picker of the baseline
BASELINE = "deepset/bert-base-uncased-squad2"
DOUBLE_CLICK = 3.0  # seconds within which the same training, asked for again, is the same

Unit = Literal["steps", "epochs"]


@dataclass(frozen=True, slots=True)
class Form:
    """What stands in the form, by the field's name; None or "" means: as the recipe says."""

    base: str | None = EMBEDDED
    data: Sequence[str] = (STARTER,)
    amount: float | None = 3
    unit: Unit = "epochs"
    recipe: RecipeName = "corrected"
    skip_bad: bool = False
    cap: str | None = ""
    unanswerable: float | None = None
    negatives: float | None = None
    held_out: float | None = None
    eval_data: str | None = HELD_OUT
    baseline: str | None = THE_BASE
    learning_rate: float | None = None
    batch_size: float | None = None
    gradient_accumulation: float | None = None
    warmup: float | None = None
    weight_decay: float | None = None
    max_seq_length: float | None = None
    doc_stride: float | None = None
    precision: str | None = ""
    evaluations: float | None = None
    patience: float | None = None
    processes: float | None = None
    seed: float | None = None
    probe: str | None = ""
    probe_text: str | None = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """A way to begin: its name on the page, what it does in a sentence, and the form filled for it."""

    title: str
    says: str
    form: Form


QUICK, OWN, ARTICLE, BEST = "quick", "own", "article", "best"
PRESETS: dict[str, Preset] = {
    QUICK: Preset(
        "Quick try",
        "The embedded reader learns for 20 steps from the starter set. It shows the whole way in two minutes or so; "
        "the reader will hardly be a better one.",
        Form(amount=20, unit="steps", evaluations=2),
    ),
    OWN: Preset(
        "My own CSV",
        "The embedded reader learns your texts from your own questions. A few hundred are a good start, and some "
        "of them should have no answer.",
        Form(data=(UPLOAD,), held_out=0.1, evaluations=3),
    ),
    ARTICLE: Preset(
        "The article's run",
        "BERT base learns SQuAD v2 in 3 epochs, just as the source article did it: with its recipe and its faults.",
        Form(
            base="bert-base-uncased",
            data=("rajpurkar/squad_v2:train",),
            recipe="article",
            eval_data="rajpurkar/squad_v2:validation",
            baseline=BASELINE,
        ),
    ),
    # Settings of Liu et al. (2019), RoBERTa, table 10.
    BEST: Preset(
        "Best quality",
        "RoBERTa large learns SQuAD v2 as its authors had it do: they report an F1 of 89.4. It wants a GPU with 24 GB.",
        Form(
            base="FacebookAI/roberta-large",
            data=("rajpurkar/squad_v2:train",),
            amount=2,
            learning_rate=1.5e-5,
            batch_size=48,
            gradient_accumulation=4,
            warmup=0.06,
            weight_decay=0.01,
            eval_data="rajpurkar/squad_v2:validation",
            baseline=BASELINE,
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """A number of the form: what it is called, and between what it lies."""

    title: str
    least: float
    most: float = math.inf
    whole: bool = False


NUMBERS: dict[str, Limits] = {
    "learning_rate": Limits("The learning rate", 1e-9, 0.1),
    "unanswerable": Limits("The unanswerable share", 0, 0.99),
    "negatives": Limits("The share of made negatives", 0, 3),
    "held_out": Limits("The held-out share", 0, 0.5),
    "batch_size": Limits("The batch size", 1, 65_536, whole=True),
    "gradient_accumulation": Limits("The number of parts of a batch", 1, 65_536, whole=True),
    "warmup": Limits("The warm-up", 0, 1),
    "weight_decay": Limits("The weight decay", 0, 1),
    "max_seq_length": Limits("The window", 16, 100_000, whole=True),
    "doc_stride": Limits("The overlap of windows", 0, 100_000, whole=True),
    "evaluations": Limits("The number of evaluations", 1, 100_000, whole=True),
    "patience": Limits("The evaluations to wait", 0, 100_000, whole=True),
    "processes": Limits("The number of processes", 1, 1_024, whole=True),
    "seed": Limits("The seed", 0, 2**32 - 1, whole=True),
}
PRECISIONS = ("", "fp32", "bf16", "fp16")
_TEXTS = ("base", "cap", "eval_data", "baseline", "precision", "probe", "probe_text")


def needs_of(form: Form) -> str:
    """What a run of the Hub's readers misses on this machine, or that it misses nothing. Takes up to 3 s."""
    misses = []
    if usable_devices() == ("cpu",):
        misses.append("It wants a GPU, and this machine has none: on its CPU it would take days.")
    try:
        require_hub(form.base or "")
    except HubUnreachable as error:
        misses.append(f"It needs the Hub, unless this machine's cache has its base and its data. {error}")
    return " ".join(misses) or "A GPU is here and the Hub answers: it can start."


def form_of(values: Mapping[str, Any]) -> Form:
    """Read the form's fields as they came over HTTP. Raises `BadUsage` for what no field can hold."""
    for name in _TEXTS:
        if not isinstance(values[name], str | None):
            raise BadUsage(f"{name} must be a text.")
    if not isinstance(values["data"], list | tuple) or not all(isinstance(each, str) for each in values["data"]):
        raise BadUsage("The data must be a list of names.")
    if values["recipe"] not in ("corrected", "article") or values["unit"] not in ("steps", "epochs"):
        raise BadUsage("The recipe is corrected or article, and the length is in steps or epochs.")
    if (values["precision"] or "") not in PRECISIONS:
        raise BadUsage("The precision is fp32, bf16 or fp16, or none for the quickest.")
    titles = {"amount": "How long it trains", **{name: limits.title for name, limits in NUMBERS.items()}}
    numbers = {name: _number(values[name], title) for name, title in titles.items()}
    return Form(**{**values, **numbers, "data": tuple(values["data"])})


def config_of(
    form: Form, base: str, data: Sequence[str], eval_data: str | None = None, baseline: str | None = None
) -> dict[str, Any]:
    """Return the job's config; the names of readers and data are what `find_reader` and `find_data` made of them.

    Raises `BadUsage` with a sentence for a number that cannot be meant.
    """
    config: dict[str, Any] = {"kind": "train", "base": base, "data": list(data), "recipe": form.recipe}
    config |= _length(form)
    for name, limits in NUMBERS.items():
        value = getattr(form, name)
        if value is not None:
            config[name] = _within(value, limits)
    if form.cap and form.cap.strip():
        config["cap"] = _caps(form.cap, len(data))
    config |= _probes(form)
    chosen = {"eval_data": eval_data, "baseline": baseline, "precision": form.precision, "skip_bad": form.skip_bad}
    return config | {name: value for name, value in chosen.items() if value}


def form_of_config(config: Mapping[str, Any]) -> Form:
    """The form that `config_of` makes this config of, as far as the form has fields for it.

    Raises `BadUsage` for what is no training's config, or sets what the form has no field for.
    """
    checked = checked_config("train", config)
    rest = set(checked) - set(Form.__dataclass_fields__) - {"kind", "epochs", "max_steps"}
    if rest:
        names = ", ".join(sorted(rest))
        raise BadUsage(f"These settings are the command line's alone, the form has no field for them: {names}.")
    values: dict[str, Any] = {name: checked[name] for name in NUMBERS if name in checked}
    values |= {name: checked[name] for name in ("recipe", "precision", "skip_bad") if name in checked}
    if "max_steps" in checked:
        values |= {"amount": checked["max_steps"], "unit": "steps"}
    else:
        values["amount"] = checked.get("epochs", 3)
    values["base"] = _known(checked["base"])
    values["data"] = tuple(_known(source) for source in checked["data"])
    values["eval_data"] = _known(checked.get("eval_data", HELD_OUT))
    baseline = checked.get("baseline", NO_BASELINE)
    values["baseline"] = THE_BASE if baseline == checked["base"] else _known(baseline)
    values["cap"] = ", ".join(str(most) if most else "all" for most in checked.get("cap", []))
    values["probe"] = "\n".join(checked.get("probe", []))
    values["probe_text"] = checked.get("probe_text", "")
    return Form(**values)


def start_once(config: Mapping[str, Any]) -> Job:
    """Start a training job; the same one asked for twice within `DOUBLE_CLICK` seconds is one job.

    To be called by one thread at a time. Raises `BadUsage`, `JobError`, and `BadData` for what would fail anyway.
    """
    checked = checked_config("train", config)
    require_sense(checked)
    require_good_data(checked)
    for job in list_jobs()[:1]:
        # Whichever way the clock was moved in between.
        if job.config == checked and abs(time.time() - job.created) < DOUBLE_CLICK:
            return job
    return create_job("train", checked)


def require_sense(config: Mapping[str, Any]) -> None:
    """Refuse what the command would refuse, before a job waits for its turn to hear it. Raises `BadUsage`."""
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in config.items()
        if name in TrainOptions.__dataclass_fields__
    }
    TrainOptions(**known)


def require_good_data(config: Mapping[str, Any]) -> None:
    """Refuse data with rows that cannot be used, unless these are to be left out. Raises `BadData`."""
    if config.get("skip_bad"):
        return
    for source in config["data"]:
        check = check_data(source)
        if not check.good:
            mend = ("Mend them, or tick “Train without these rows”.",) if check.can_skip else ()
            raise BadData(" ".join((check.says, *check.rows, *mend)))


def _length(form: Form) -> dict[str, Any]:
    amount = form.amount
    if amount is None or not (amount > 0 and math.isfinite(amount)):
        raise BadUsage(f"How long shall it train? Give a number of {form.unit} over 0.")
    if form.unit == "epochs":
        return {"epochs": amount}
    if amount != int(amount):
        raise BadUsage(f"{amount:g} is no whole number of steps.")
    return {"max_steps": int(amount)}


def _number(value: Any, title: str) -> float | None:
    """A number as a field gives it, typed or not; None where it is empty."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and len(value) < 40:
        try:
            return float(value.strip().replace(",", ".").replace("−", "-"))
        except ValueError:
            raise BadUsage(f"{title} is “{value}”; expected a number, or nothing.") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadUsage(f"{title} must be a number.")
    return value


def _within(value: float, limits: Limits) -> float:
    if limits.whole and (not math.isfinite(value) or value != int(value)):
        raise BadUsage(f"{limits.title} is {value:g}; expected a whole number from {limits.least}.")
    if not limits.least <= value <= limits.most:
        span = f"from {limits.least:g} to {limits.most:g}" if math.isfinite(limits.most) else f"from {limits.least:g}"
        raise BadUsage(
            f"{limits.title} is {value:g}; expected {'a whole number' if limits.whole else 'a number'} {span}."
        )
    return int(value) if limits.whole else value


def _caps(text: str, sets: int) -> list[int]:
    words = text.replace(",", " ").split()
    caps = [0 if word == "all" else int(word) for word in words if word == "all" or word.isdecimal()]
    if len(caps) != len(words) or len(caps) not in (1, sets):
        raise BadUsage(
            f"Questions of each, at most: “{text.strip()[:80]}”; expected one number, or one for each of the {sets} "
            "data sets, such as “2000, all”."
        )
    return caps


def _probes(form: Form) -> dict[str, Any]:
    questions = [line.strip() for line in (form.probe or "").splitlines() if line.strip()]
    text = (form.probe_text or "").strip()
    if bool(questions) != bool(text):
        missing = "the text that they are about" if questions else "at least one question about the text"
        raise BadUsage(f"To watch your own questions, give {missing} too; or leave both fields empty.")
    if len(questions) > MOST_PROBES:
        raise BadUsage(f"There are {len(questions)} questions to watch; at most {MOST_PROBES} are.")
    return {"probe": questions, "probe_text": text} if questions else {}


def _known(name: str) -> str:
    """What lies under READER_HOME by its name there, as the pickers have it."""
    path = Path(name)
    if path.is_absolute() and path.is_relative_to(home()):
        return path.relative_to(home()).as_posix()
    # Uploaded on another machine, and here as well.
    return f"{UPLOADS}/{path.name}" if path.is_absolute() and (home() / UPLOADS / path.name).is_file() else name
