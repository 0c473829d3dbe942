"""Many questions as HTML: the file that was dropped, how far its answers are, the first of them, all such jobs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape

from pages.ask.many_jobs import ENDED, Dropped, View, data_of
from pages.data_sets import data_label
from pages.job_words import WORDS, moment, shape, spent, time_left
from pages.readers import label_of
from reader.errors import BadRow
from reader.jobs import Job

SHOWN = 140  # characters of a text in a table
NOT_ANSWERABLE = "Not answerable from this text"
NOTHING_YET = '<p class="quiet">No file has been answered yet. Drop one above: its first rows are shown at once.</p>'
KINDS = {"train": "a training", "evaluate": "an evaluation", "behave": "a behaviour test", "predict": "another file"}


# The file


def dropped_view(dropped: Dropped) -> str:
    """What is in a file: how many questions, the first of them, and which rows cannot be used and why."""
    label = escape(data_label(dropped.name))
    bad = ""
    if dropped.bad:
        says = f"{_counted(dropped.bad, 'row')} cannot be used and will be left out"
        bad = f'<p class="why">{says}:</p>{_bad_rows(dropped.first_bad, dropped.bad)}'
    rows = "".join(
        f'<tr><td dir="auto">{_beginning(question)}</td><td class="text" dir="auto">{_beginning(text)}</td></tr>'
        for _, question, text in dropped.first
    )
    more = "" if dropped.questions <= len(dropped.first) else f" <small>the first {len(dropped.first)}</small>"
    caption = f"{_counted(dropped.questions, 'question')} in {label}{more}"
    return (
        f'<div class="table"><table class="plain many"><caption>{caption}</caption><thead><tr>'
        f'<th scope="col">Question</th><th scope="col">Text</th></tr></thead><tbody>{rows}</tbody></table></div>{bad}'
    )


def _bad_rows(rows: Sequence[BadRow], total: int) -> str:
    items = "".join(f"<li>{escape(str(row))}</li>" for row in rows)
    more = f"<li>and {total - len(rows):,} more</li>" if total > len(rows) else ""
    return f'<ul class="rows">{items}{more}</ul>'


# One job


def status(view: View) -> str:
    """The chosen job: what it answers, its state, how far it is."""
    job = view.chosen
    if job is None:
        return NOTHING_YET
    says, why = _sentence(view, job)
    remedy = f'<p class="why">{escape(why)}</p>' if why else ""
    facts = [f"reader {label_of(str(job.config.get('reader', '?')))}"]
    if job.started:
        facts.append(f"started {moment(job.started)}")
    return (
        f'<section class="job many {job.state}"><h3>{escape(data_of(job))}</h3>'
        f'<p class="state"><b>{shape(job)}{WORDS[job.state]}</b> <span>{escape(says)}</span></p>{_bar(view, job)}'
        f'{remedy}<p class="facts">{escape(" · ".join(facts))}</p></section>'
    )


def _sentence(view: View, job: Job) -> tuple[str, str]:
    """What goes on, and what a person can do about it."""
    read, total = view.read[job.id], view.total(job)
    so_far = f"{read:,} of {total:,} questions answered" if total is not None else "before its first question"
    if job.state == "queued":
        return _turn(view), ""
    if job.state == "running":
        if total is None:
            return "loading the reader and the questions…", ""
        return " · ".join(filter(None, (f"{read:,} of {total:,} questions", _left(view, job)))), ""
    if job.state == "stopping":
        return so_far, ""
    if job.state == "succeeded":
        found = view.courses[job.id].end.get("answered")
        if not isinstance(found, int):
            return f"{_counted(read, 'question')} in {spent(job)}", ""
        return f"{_counted(read, 'question')} in {spent(job)}: {_outcome(found, read)}", ""
    # What a lost job says of what it saved is said here in its own words.
    error = job.error.partition(" What it saved is kept")[0]
    on = "What was answered is kept; Resume answers the rest." if read else "Resume begins it again."
    return so_far, " ".join(filter(None, (error, on)))


def _outcome(found: int, read: int) -> str:
    if found == read:
        return "all with an answer" if read > 1 else "with an answer"
    if found == 0:
        return "not answerable from their texts" if read > 1 else "not answerable from its text"
    return f"{found:,} with an answer, {read - found:,} not answerable from their text"


def _turn(view: View) -> str:
    runs = " and ".join(dict.fromkeys(KINDS.get(kind, "another job") for kind in view.ahead))
    waits = f"{_counted(view.waiting, 'job')} {'waits' if view.waiting == 1 else 'wait'} before it" * bool(view.waiting)
    why = ", and ".join(filter(None, (f"{runs} {'run' if ' and ' in runs else 'runs'}" if runs else "", waits)))
    return f"for its turn, as {why}; it starts by itself" if why else "it starts in a moment"


def _left(view: View, job: Job) -> str:
    start, read, total = view.courses[job.id].start, view.read[job.id], view.total(job) or 0
    new = read - int(start.get("before") or 0)
    took = time.time() - float(start.get("time") or 0)
    return time_left((total - read) * took / new) if new > 0 and took > 0 else ""


def _bar(view: View, job: Job) -> str:
    total = view.total(job)
    if not total or job.state in ("queued", "succeeded"):
        return ""
    read = view.read[job.id]
    return f'<progress max="{total}" value="{read}" aria-label="{read:,} of {total:,} questions"></progress>'


def answers_view(view: View) -> str:
    """The first answers of the chosen job."""
    job = view.chosen
    if job is None or not view.rows:
        return ""
    rows = "".join(
        f'<tr><td dir="auto">{_beginning(str(row.get("question", "")))}</td>'
        + (
            f'<td class="said" dir="auto">{_beginning(str(row.get("answer", "")))}</td>'
            if row.get("answered")
            else f'<td class="none">{NOT_ANSWERABLE}</td>'
        )
        + f'<td class="number">{_share(row)}</td></tr>'
        for row in view.rows
    )
    first = f"The first {len(view.rows)} answers" if len(view.rows) > 1 else "The first answer"
    return (
        f'<div class="table"><table class="plain many answers"><caption>{first}</caption><thead><tr>'
        '<th scope="col">Question</th><th scope="col">Answer</th><th scope="col" class="number">Probability</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _share(row: object) -> str:
    value = (
        row.get("probability" if row.get("answered") else "no_answer_probability") if isinstance(row, dict) else None
    )
    return f"{100 * value:.0f}\u00a0%" if isinstance(value, int | float) else "–"


def skipped_view(view: View) -> str:
    """The rows of the chosen job's file that could not be used."""
    total = bad_count(view)
    if not total:
        return ""
    return f'<p class="why">{_counted(total, "row")} could not be used:</p>{_bad_rows(view.bad, total)}'


def bad_count(view: View) -> int:
    """How many rows of the chosen job's file could not be used."""
    told = view.courses[view.chosen.id].start.get("skipped") if view.chosen else None
    return told if isinstance(told, int) else 0


# All jobs


def jobs_table(view: View) -> str:
    """All jobs that answer files, where there are several; each name is a button that shows it."""
    if len(view.jobs) < 2:
        return ""
    rows = "".join(_row(view, job) for job in view.jobs)
    return (
        '<div class="table"><table class="plain many-jobs"><caption>All files</caption><thead><tr>'
        '<th scope="col">File</th><th scope="col">State</th><th scope="col">Reader</th>'
        f'<th scope="col" class="number">Answered</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(view: View, job: Job) -> str:
    chosen = view.chosen is not None and job.id == view.chosen.id
    total, read = view.total(job), view.read[job.id]
    count = f"{read:,} of {total:,}" if total is not None and read != total else f"{read:,}" if read else "–"
    return (
        f"<tr{' class=chosen' if chosen else ''}><td>"
        f'<button class="choose" data-job="{escape(job.id)}" aria-pressed="{"true" if chosen else "false"}">'
        f"{escape(data_of(job))} <small>{moment(job.created)}</small></button></td>"
        f'<td class="state {job.state}">{shape(job)}{WORDS[job.state]}</td>'
        f"<td class=reader>{escape(label_of(str(job.config.get('reader', '?'))))}</td>"
        f'<td class="number">{count}</td></tr>'
    )


# Words


def ended(view: View) -> bool:
    """Whether there is a chosen job and it has come to an end, whichever."""
    return view.chosen is not None and view.chosen.state in ENDED


def _beginning(text: str) -> str:
    """The beginning of a text in one line; the rest goes unsaid."""
    line = " ".join(text[: 2 * SHOWN].split())
    return escape(line if len(line) <= SHOWN else f"{line[: SHOWN - 1].rstrip()}…")


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'s' * (number != 1)}"
