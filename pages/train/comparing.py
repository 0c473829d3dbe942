"""Two to four training jobs beside each other, as HTML: their curves, where their settings differ, what came of each.

A setting that a job leaves out counts as what it means for that job, so that only real differences are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from html import escape
from typing import Any
from urllib.parse import urlencode

from pages.data_sets import data_label
from pages.job_words import SHAPES, WORDS, moment, spent
from pages.readers import label_of
from pages.train.curves import RUN_KINDS, Series, joint_f1_curve, joint_loss_curve, scientific
from pages.train.progress import title_of
from pages.watching import Course
from reader.jobs import Job
from reader.recipes import ARTICLE, RECIPES, TrainOptions

LABELS = "ABCD"
TOO_FEW = '<p class="quiet">Tick two or more jobs in the table to compare them.</p>'
NOTHING = "–"

# As the form calls them; a setting that is not here is called by its own name.
TITLES = {
    "extra_data": "Extra data",
    "cap": "Questions taken at most",
    "unanswerable": "Unanswerable share",
    "length": "How long",
    "batch_size": "Batch size",
    "gradient_accumulation": "Parts of a batch",
    "warmup": "Warm-up",
    "max_seq_length": "Window, tokens",
    "doc_stride": "Overlap, tokens",
    "held_out": "Held-out share",
    "held_out_by": "Held out by",
    "negatives": "Negatives per answer",
    "average_last": "Checkpoints averaged",
    "teacher": "Teachers",
    "assume_unanswerable": "Assumed unanswerable",
    "skip_bad": "Unusable rows skipped",
    "eval_data": "Evaluated on",
}
# What it means where a setting says nothing; else it is a dash.
UNSAID = {
    "extra_data": "none",
    "cap": "all",
    "unanswerable": "as in the data",
    "precision": "the quickest",
    "evaluations": "one an epoch",
    "dropout": "the base’s own",
    "teacher": "none",
    "assume_unanswerable": "as held out",
    "eval_data": "the held-out questions",
}
NO_SETTINGS = ("kind", "probe", "probe_text")  # what is watched changes nothing
DATA = ("data", "extra_data", "eval_data")
READERS = ("base", "teacher")
# These choose the held-out questions, or how they count; in words for a sentence.
MEASURE = {
    "data": "data",
    "cap": "how many questions are taken",
    "held_out": "the share held out",
    "held_out_by": "what is held out together",
    "assume_unanswerable": "the share assumed unanswerable",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One of the jobs. ``settings``: what holds for it, by name; empty where its config cannot be read."""

    label: str
    job: Job
    course: Course
    settings: Mapping[str, Any]


def comparison(jobs_and_courses: Sequence[tuple[Job, Course]]) -> str:
    """Compare the first four jobs: who they are, their curves, and a table of what differs and what came of it."""
    if len(jobs_and_courses) < 2:
        return TOO_FEW
    all_of_them = [
        Compared(label, job, course, settings_of(job.config))
        for label, (job, course) in zip(LABELS, jobs_and_courses, strict=False)
    ]
    unlike = _unlike_measures(all_of_them)
    told = []
    if len(jobs_and_courses) > len(LABELS):
        told.append(f"Only the first {len(LABELS)} of {len(jobs_and_courses)} jobs are compared.")
    told += [f"The settings of {each.label} cannot be read." for each in all_of_them if not each.settings]
    if unlike:
        told.append(f"These jobs differ in {_listed(unlike)}, so their held-out figures cannot be compared.")
    notes = f'<p class="quiet">{escape(" ".join(told))}</p>' if told else ""
    return (
        f'<section class="comparison"><h2>{len(all_of_them)} jobs compared</h2>{_names(all_of_them)}'
        f"{notes}{_curves(all_of_them, alike=not unlike)}{_table(all_of_them)}</section>"
    )


# Settings


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """All settings that hold for a job, by name: what its config leaves out is as its recipe says."""
    if not config:
        return {}
    name = config.get("recipe", "corrected")
    recipe = next((each for each in RECIPES.values() if each.name == name), None)
    given = {"eval_data": None, **{name: value for name, value in config.items() if name not in NO_SETTINGS}}
    known: dict[str, Any] = {}
    for field in fields(TrainOptions):
        if field.name in NO_SETTINGS:
            continue
        value = given.pop(field.name, None)
        if value is None and field.default is not MISSING:
            value = field.default
        known[field.name] = getattr(recipe, field.name, None) if value is None else value
    if recipe == ARTICLE:
        known |= {"held_out": 0.0, "warmup": "counted in examples"}
    # One of the two holds: epochs are for runs without a number of steps.
    steps, epochs = known.pop("max_steps"), known.pop("epochs")
    length = (steps, "step") if steps is not None else (epochs, "epoch")
    settings = {"base": known.pop("base"), "data": known.pop("data"), "length": length, **known, **given}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


def _differing(compared: Sequence[Compared]) -> tuple[list[str], int]:
    """The names of the settings that differ among the jobs that can be read, and how many are the same."""
    readable = [each.settings for each in compared if each.settings]
    names = list(dict.fromkeys(name for settings in readable for name in settings))
    differing = [name for name in names if any(each.get(name) != readable[0].get(name) for each in readable)]
    return differing, len(names) - len(differing)


def _unlike_measures(compared: Sequence[Compared]) -> list[str]:
    """In what the jobs' held-out figures are not measured alike."""
    differing, _ = _differing(compared)
    unlike = [words for name, words in MEASURE.items() if name in differing]
    counts = {count for each in compared if isinstance(count := each.course.start.get("held_out"), int)}
    return unlike or (["the number of held-out questions"] if len(counts) > 1 else [])


def _title(name: str) -> str:
    return TITLES.get(name, name.replace("_", " ").capitalize())


def _texts(name: str, compared: Sequence[Compared]) -> list[str]:
    """A setting of each job, as it is shown; two files of one name are told apart by whose they are."""
    values = [each.settings.get(name) for each in compared]
    texts = [_text(name, value) if each.settings else NOTHING for each, value in zip(compared, values, strict=True)]
    owners = [compared[values.index(value)].label for value in values]
    whose = {text: {owner for other, owner in zip(texts, owners, strict=True) if other == text} for text in texts}
    return [
        f"{text} ({owner}’s)" if len(whose[text]) > 1 and text != NOTHING else text
        for text, owner in zip(texts, owners, strict=True)
    ]


def _text(name: str, value: Any) -> str:
    if value is None or value == ():
        return UNSAID.get(name, NOTHING)
    if name in DATA or name in READERS:
        label = data_label if name in DATA else label_of
        return " + ".join(label(str(each)) for each in (value if isinstance(value, tuple) else (value,)))
    if name == "length":
        amount, unit = value
        return f"{_plain(amount)} {unit}{'s' * (amount != 1)}"
    if name == "warmup" and _is_number(value):
        return f"{100 * value:g} % of the steps"
    if name == "learning_rate" and isinstance(value, float):
        return scientific(value)
    if name == "seed":
        return str(value)
    return ", ".join(map(_plain, value)) if isinstance(value, tuple) else _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.10g}" if isinstance(value, float) else NOTHING if value is None else str(value)


# What came of it


def _outcome(job: Job, course: Course) -> dict[str, str]:
    """What came of a job so far, as HTML by its title."""
    best = course.best or {}
    when = f"<small>after step {best['step']:,}</small>" if best else ""
    start = course.start
    device = "GPU" if start.get("device") == "cuda" else str(start.get("device", "")).upper()
    steps = f"{course.step:,} of {course.total_steps:,}" if course.total_steps else NOTHING
    return {
        "State": f'<i class="{job.state}" aria-hidden="true">{SHAPES[job.state]}</i> {WORDS[job.state]}',
        "Best held-out F1": _percent(best.get("f1")) + when,
        "Exact match": _percent(best.get("exact")),
        "F1, answerable": _percent(best.get("HasAns_f1")),
        "F1, not answerable": _percent(best.get("NoAns_f1")),
        "Threshold": _number(best.get("threshold"), "+.2f").replace("-", "−"),
        "Steps": steps,
        "Time": spent(job) if job.started else NOTHING,
        "Examples/s": _number(course.last_step.get("examples_per_second"), ",.1f"),
        "Ran on": escape(", ".join(filter(None, (device, str(start.get("precision") or ""))))) or NOTHING,
    }


def _percent(value: Any) -> str:
    text = _number(value, ".1f")
    return text if text == NOTHING else f"{text}\u00a0%"


def _number(value: Any, form: str) -> str:
    return format(value, form) if _is_number(value) else NOTHING


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# HTML


def _names(compared: Sequence[Compared]) -> str:
    """Who is A, who is B, each with a piece of its line."""
    rows = []
    for each, kind in zip(compared, RUN_KINDS, strict=False):
        link = urlencode({"tab": "train", "job": each.job.id})
        rows.append(
            f'<li><b>{each.label}</b><svg class="key" viewBox="0 0 36 8" aria-hidden="true">'
            f'<path class="{kind}" d="M1 4H35"/></svg><span><a href="?{escape(link)}" '
            f'data-job="{escape(each.job.id)}">{escape(title_of(each.job))}</a> '
            f"<small>{moment(each.job.created)}</small></span></li>"
        )
    return f'<ul class="compared">{"".join(rows)}</ul>'


def _curves(compared: Sequence[Compared], *, alike: bool) -> str:
    losses = [Series(each.label, each.course.steps, each.course.losses) for each in compared]
    held_out = []
    for each in compared:
        told = [one for one in each.course.evaluations if _is_number(one.get("f1"))]
        held_out.append(Series(each.label, [one["step"] for one in told], [one["f1"] for one in told]))
    drawn = joint_loss_curve(losses) + joint_f1_curve(held_out, alike)
    return f'<div class="charts">{drawn}</div>' if drawn else ""


def _table(compared: Sequence[Compared]) -> str:
    outcomes = [_outcome(each.job, each.course) for each in compared]
    came = [(title, [outcome[title] for outcome in outcomes]) for title in outcomes[0]]
    came = [(title, cells) for title, cells in came if any(cell != NOTHING for cell in cells)]
    head = "".join(f'<th scope="col" class="number">{each.label}</th>' for each in compared)
    return (
        f'<div class="table"><table class="plain comparing" style="--jobs:{len(compared)}">'
        f"<thead><tr><td></td>{head}</tr></thead>"
        f"{_settings(compared)}{_group('What came of it', came, columns=1 + len(compared))}</table></div>"
    )


def _settings(compared: Sequence[Compared]) -> str:
    """The rows of settings that differ, and in a sentence how many are the same."""
    if sum(bool(each.settings) for each in compared) < 2:
        return ""
    differing, same = _differing(compared)
    rows = [(escape(_title(name)), [escape(text) for text in _texts(name, compared)]) for name in differing]
    alike = "1 setting is the same." if same == 1 else f"{same} settings are the same."
    title, says = ("Settings that differ", alike) if rows else ("Settings", f"All {alike}")
    return _group(title, rows, columns=1 + len(compared), says=says)


def _group(title: str, rows: Sequence[tuple[str, Sequence[str]]], *, columns: int, says: str = "") -> str:
    """A part of the table; titles and cells are HTML already."""
    body = "".join(
        f'<tr><th scope="row">{name}</th>' + "".join(f'<td class="number">{cell}</td>' for cell in cells) + "</tr>"
        for name, cells in rows
    )
    note = f" <small>{says}</small>" if says else ""
    return f'<tbody><tr class="group"><th scope="rowgroup" colspan="{columns}">{title}{note}</th></tr>{body}</tbody>'


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
