"""A training run in words and HTML: its state in a sentence, its figures, the list of all, and the end of its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlencode

from pages.data_sets import data_label
from pages.job_words import WORDS, moment, shape, spent, time_left
from pages.readers import label_of
from pages.train.curves import figures_curve, loss_curve, rate_curve
from pages.watching import Course, View
from reader.jobs import Job, disk_usage
from reader.printing import gigabytes

PROBE_CHANGES = 5  # of a watched question's answers, so many are shown at most: the first and the last ones
NARROW = "\u202f"  # between a number and its unit, so that no line ends there
FEW = 100  # questions; figures of fewer say little

NOTHING_YET = '<div class="empty"><p>No training yet.</p>{}</div>'
FIRST_STEP = (
    '<p class="quiet">Press Train: as the form stands, it takes a minute or two, and ends with a reader of your own '
    "to ask.</p>"
)


# One job


def title_of(job: Job) -> str:
    """What a job does, in a few words."""
    if not job.config:
        return f"Job {job.id}"
    return f"{_base_of(job)} on {_data_of(job)}, {_length_of(job)}"


def status(view: View, may_train: bool = True) -> str:
    """The chosen job: title, state, how far it is, and what to do with the result."""
    job, course = view.chosen, view.course
    if job is None:
        return NOTHING_YET.format(FIRST_STEP if may_train else "")
    says, remedy = _sentence(job, course, view.before)
    why = f'<p class="why">{escape(remedy)}</p>' if remedy else ""
    return (
        f'<section class="job {job.state}"><h2>{escape(title_of(job))}</h2>'
        f'<p class="state"><b>{shape(job)}{WORDS[job.state]}</b> <span>{escape(says)}</span></p>{_bar(job, course)}'
        f"{why}{_history(course)}{_figures(job, course)}{_evaluated(job, course)}{_ways_on(job)}"
        f'<p class="facts">{_facts(job, course)}</p></section>'
    )


def curves(view: View) -> str:
    """The loss, the learning rate and, from the second evaluation on, the held-out figures, beside each other."""
    course = view.course
    if view.chosen is None:
        return ""
    told = course.evaluations
    held_out = figures_curve(
        [each["step"] for each in told],
        [
            ("F1", [each.get("f1") for each in told]),
            ("answerable", [each.get("HasAns_f1") for each in told]),
            ("not answerable", [each.get("NoAns_f1") for each in told]),
            ("exact match", [each.get("exact") for each in told]),
        ],
        course.total_steps,
    )
    drawn = (
        loss_curve(course.steps, course.losses, course.total_steps)
        + held_out
        + rate_curve(course.steps, course.rates, course.total_steps)
    )
    return f'<div class="charts">{drawn}</div>' if drawn else ""


def probes(view: View) -> str:
    """The questions that are watched, each with its answers as they changed from evaluation to evaluation."""
    told = view.course.probes
    if view.chosen is None or not told:
        return ""
    questions = [str(answer.get("question", "")) for answer in told[-1]["answers"]]
    items = "".join(_probe(number, question, told) for number, question in enumerate(questions))
    return f'<section class="probes"><h3>Questions to watch</h3><ol>{items}</ol></section>'


def _probe(number: int, question: str, told: Sequence[Mapping[str, Any]]) -> str:
    answers = [(each["step"], each["answers"][number]) for each in told if number < len(each["answers"])]
    gold = next((text for _, answer in answers for text in answer.get("gold") or []), None)
    # What stayed as it was is told once, with the step from which it holds.
    changes = [
        (step, answer)
        for at, (step, answer) in enumerate(answers)
        if at in (0, len(answers) - 1) or answer.get("text") != answers[at - 1][1].get("text")
    ]
    shown = changes if len(changes) <= PROBE_CHANGES else [changes[0], *changes[1 - PROBE_CHANGES :]]
    steps = "".join(
        f'<li><span class="when">{f"step {step:,}" if step else "before"}</span> {_said(answer)}</li>'
        for step, answer in shown
    )
    wanted = f" <small>wanted: “{escape(str(gold))}”</small>" if gold else ""
    return f'<li><p>{escape(question)}{wanted}</p><ol class="answers">{steps}</ol></li>'


def _said(answer: Mapping[str, Any]) -> str:
    probability = answer.get("probability")
    sure = f" <small>{100 * probability:.0f} %</small>" if isinstance(probability, int | float) else ""
    text = str(answer.get("text") or "")
    return (f"<q>{escape(text)}</q>" if text else "<em>not answerable</em>") + sure


def log_tail(lines: Sequence[str]) -> str:
    """The last lines of the log, as they are."""
    text = escape("\n".join(lines)) or "Nothing has been written yet."
    return f'<pre class="log" tabindex="0"><span>{text}</span></pre>'


def _sentence(job: Job, course: Course, before: int) -> tuple[str, str]:
    """What goes on, and what a person can do about it."""
    step = f"step {course.step:,} of {course.total_steps:,}"
    match job.state:
        case "queued":
            ahead = "for 1 job before it" if before == 1 else f"for {before} jobs before it" if before else ""
            return f"{ahead}; it starts by itself" if ahead else "it starts in a moment", ""
        case "running":
            return _at_work(course, step), ""
        case "stopping":
            return "it finishes its step and saves", ""
        case "succeeded":
            return f"in {spent(job)}", ""
        case "stopped":
            at = f"at {step}" if course.step else "before its first step"
            return at, job.error or "Resume goes on from its last checkpoint."
        case "lost":
            return f"at {step}" if course.step else "", job.error
        case _:
            return f"at {step}" if course.step else "", job.error


def _at_work(course: Course, step: str) -> str:
    if not course.start:
        return "loading the base and the data…"
    if not course.steps:
        return f"preparing the first of {course.total_steps:,} steps…"
    if course.step >= course.total_steps:
        if course.done and course.latest == "progress":
            return f"evaluating: {course.done[0]:,} of {course.done[1]:,} questions"
        return "all steps done; evaluating and saving the reader…"
    rate, left = course.last_step.get("examples_per_second"), course.last_step.get("eta_seconds")
    parts = [step]
    if isinstance(rate, int | float):
        parts.append(f"{rate:.1f} examples/s")
    tokens = course.last_step.get("tokens_per_second")
    if isinstance(tokens, int | float):
        parts.append(f"{tokens:,.0f} tokens/s")
    if isinstance(left, int | float):
        parts.append(time_left(left))
    return " · ".join(parts)


def _bar(job: Job, course: Course) -> str:
    begun = course.step > 0 or job.active
    if job.state in ("queued", "succeeded") or not course.total_steps or not begun:
        return ""
    label = f"step {course.step} of {course.total_steps}"
    return f'<progress max="{course.total_steps}" value="{course.step}" aria-label="{label}"></progress>'


def _history(course: Course) -> str:
    """Where memory ran out, and what became of it."""
    return "".join(
        f'<p class="why">Memory ran out at step {step:,}: it goes on with {windows:,} '
        f"window{'s' * (windows != 1)} at a time, the batch stays the same.</p>"
        for step, windows in course.shrunk
    )


def _figures(job: Job, course: Course) -> str:
    best = course.best
    if best is None:
        if job.state == "succeeded" and not course.end.get("figures"):
            return "<p>No questions were held out, so there are no figures of it yet.</p>"
        return ""
    figures = [
        ("F1", _percent(best.get("f1"))),
        ("exact match", _percent(best.get("exact"))),
        ("F1, answerable", _percent(best.get("HasAns_f1"))),
        ("F1, not answerable", _percent(best.get("NoAns_f1"))),
        ("threshold", _signed(best.get("threshold"))),
    ]
    shown = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures if value)
    held_out = course.start.get("held_out")
    count = f"{held_out:,} held-out questions" if isinstance(held_out, int) else "the held-out questions"
    few = " So few say little." if isinstance(held_out, int) and held_out < FEW else ""
    when = f"best so far, after step {best['step']:,}" if job.active else f"after step {best['step']:,}"
    return f'<dl class="figures">{shown}</dl><p class="facts">On {count}, {when}.{few}</p>'


def _evaluated(job: Job, course: Course) -> str:
    """What the finished reader reaches on what it was evaluated on, under both protocols, beside the baseline."""
    figures = course.end.get("figures")
    if job.state != "succeeded" or not isinstance(figures, Mapping):
        return ""
    against = {each["metric"]: each for each in course.end.get("against") or [] if isinstance(each, Mapping)}
    if figures.get("questions", 0) < FEW:
        # An interval over a handful of texts would be as narrow as they are alike.
        against = {metric: {**each, "low": None} for metric, each in against.items()}
    rows = [
        ("exact match", figures.get("exact"), against.get("exact"), 1),
        ("F1", figures.get("f1"), against.get("f1"), 1),
        ("F1, answerable", figures.get("HasAns_f1"), against.get("HasAns_f1"), 1),
        ("F1, not answerable", figures.get("NoAns_f1"), against.get("NoAns_exact"), 1),
        ("F1, answerable, never abstaining", figures.get("forced_HasAns_f1"), None, 1),
        ("ROUGE-1, answerable, never abstaining", figures.get("rouge1_answerable"), None, 3),
        ("ROUGE-1, all, never abstaining", figures.get("rouge1_all"), None, 3),
    ]
    heads = '<th scope="col">Measure</th><th scope="col" class="number">This reader</th>'
    if against:
        heads += f'<th scope="col" class="number">{escape(_baseline_of(job))}</th>'
        heads += '<th scope="col" class="number">Difference</th>'
    body = "".join(
        _measure(name, value, other, places, wide=bool(against))
        for name, value, other, places in rows
        if isinstance(value, int | float)
    )
    where = data_label(str(figures.get("data", "")))
    caption = f"On {escape(where)}, {figures.get('questions', 0):,} questions"
    return (
        f'<div class="table"><table class="plain evaluated"><caption>{caption}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _measure(name: str, value: float, other: Mapping[str, Any] | None, places: int, *, wide: bool) -> str:
    cells = f'<td class="number">{value:.{places}f}</td>'
    if wide and other is None:
        cells += '<td class="number">–</td><td class="number">–</td>'
    elif other is not None:
        low, high = other.get("low"), other.get("high")
        known = isinstance(low, int | float) and isinstance(high, int | float)
        interval = f" <small>({_signed(low, 1)} to {_signed(high, 1)})</small>" if known else ""
        cells += f'<td class="number">{other["a"]:.{places}f}</td>'
        cells += f'<td class="number">{_signed(other["difference"], 1)}{interval}</td>'
    return f'<tr><th scope="row">{name}</th>{cells}</tr>'


def _baseline_of(job: Job) -> str:
    baseline = str(job.config.get("baseline", ""))
    return "The base" if baseline == str(job.config.get("base")) else label_of(baseline)


def _ways_on(job: Job) -> str:
    """Links, so that they can be opened beside this page, too."""
    links = []
    if (job.folder / "reader" / "config.json").is_file() and job.state == "succeeded":
        asked = urlencode({"tab": "ask", "reader": f"jobs/{job.id}/reader"})
        links.append(f'<a class="go primary" href="?{asked}">Ask it</a>')
    if (job.folder / "evaluation" / "run.json").is_file():
        judged = {"tab": "judge", "run": f"jobs/{job.id}/evaluation"}
        if (job.folder / "baseline" / "run.json").is_file():
            against = urlencode({**judged, "with": f"jobs/{job.id}/baseline", "section": "versus"})
            baseline = escape(_baseline_of(job).replace("The base", "the base"))
            links.append(f'<a class="go" href="?{against}">Judge it against {baseline}</a>')
        else:
            links.append(f'<a class="go" href="?{urlencode(judged)}">Judge it</a>')
    return f'<p class="ways">{" ".join(links)}</p>' if links else ""


def _facts(job: Job, course: Course) -> str:
    facts = [f"recipe {job.config['recipe']}"] if job.config.get("recipe") else []
    start = course.start
    if isinstance(start.get("examples"), int) and isinstance(start.get("features"), int):
        facts.append(f"{start['examples']:,} questions in {start['features']:,} windows")
    if start.get("device"):
        precision = f", {start['precision']}" if start.get("precision") else ""
        facts.append(f"{'GPU' if start['device'] == 'cuda' else str(start['device']).upper()}{precision}")
    processes = start.get("processes")
    if isinstance(processes, int) and processes > 1:
        facts.append(f"{processes} processes")
    facts += _taken(job, course)
    if job.started:
        facts.append(f"started {moment(job.started)}")
    return " · ".join([*map(escape, facts), f'<span class="id">job {job.id}</span>'])


def _taken(job: Job, course: Course) -> list[str]:
    """What it takes of the machine, and of its disk."""
    taken = []
    memory, total, busy = (course.last_step.get(name) for name in ("memory", "memory_total", "busy"))
    if job.active and isinstance(memory, int) and isinstance(total, int) and memory:
        taken.append(f"{memory / 1e9:.1f} of {total / 1e9:.0f} GB memory")
    if job.active and isinstance(busy, int | float):
        taken.append(f"{100 * busy:.0f} % busy")
    on_disk = disk_usage(job)
    # A megabyte of notes is not worth a word.
    return [*taken, f"{gigabytes(on_disk).replace(' ', NARROW)} on disk"] if on_disk > 1e6 else taken


# All jobs


def jobs_table(view: View) -> str:
    """All training jobs; each name is a link, which the page follows without loading itself anew."""
    if not view.jobs:
        return ""
    chosen = view.chosen.id if view.chosen else ""
    rows = "".join(
        _row(job, view.courses[job.id], job.id == chosen, job.id in view.compared, len(view.jobs) > 1)
        for job in view.jobs
    )
    tick = '<th scope="col"><span class="unseen">Compare</span></th>' if len(view.jobs) > 1 else ""
    hint = " <small>Tick two or more to compare them.</small>" if len(view.jobs) > 1 else ""
    return (
        f'<div class="table"><table class="plain jobs"><caption>All training jobs{hint}</caption><thead><tr>{tick}'
        '<th scope="col">Job</th><th scope="col">State</th><th scope="col">Training</th>'
        '<th scope="col" class="number">Time</th>'
        f'<th scope="col" class="number">Held-out F1</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(job: Job, course: Course, chosen: bool, ticked: bool, many: bool) -> str:
    best = course.best
    state = WORDS[job.state]
    if job.active and course.total_steps:
        state = f"{state}, {100 * course.step // course.total_steps} %"
    link = urlencode({"tab": "train", "job": job.id})
    how = " · ".join(filter(None, (_base_of(job), _length_of(job), str(job.config.get("recipe", "")))))
    name = moment(job.created) or job.id
    box = f'<input type="checkbox" data-tick="{job.id}" aria-label="Compare {name}"{" checked" * ticked}>'
    tick = f'<td class="ticks"><label class="tick">{box}</label></td>'
    return (
        f"<tr{' class=chosen aria-current=true' if chosen else ''}>{tick if many else ''}"
        f'<td class="name"><a href="?{link}" data-job="{job.id}">{name}</a></td>'
        f'<td class="state {job.state}">{shape(job)}{state}</td>'
        f'<td class="what">{escape(_data_of(job))} <small>{escape(how)}</small></td>'
        f'<td class="number time">{spent(job) if job.started else "–"}</td>'
        f'<td class="number f1">{_percent(best.get("f1")) if best else "–"}</td></tr>'
    )


def _base_of(job: Job) -> str:
    return label_of(str(job.config.get("base", "")))


def _data_of(job: Job) -> str:
    return " + ".join(data_label(str(source)) for source in job.config.get("data", []))


def _length_of(job: Job) -> str:
    steps, epochs = job.config.get("max_steps"), job.config.get("epochs")
    if steps is not None:
        return f"{steps:,} step{'s' * (steps != 1)}"
    return f"{epochs:g} epoch{'s' * (epochs != 1)}" if epochs is not None else ""


def _percent(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else ""


def _signed(value: Any, places: int = 2) -> str:
    return f"{value:+.{places}f}".replace("-", "−") if isinstance(value, int | float) else ""
