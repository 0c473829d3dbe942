"""The sets that were taught, as HTML: the list of them, a page of questions, and what is about to be deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from urllib.parse import urlencode

from pages.ask.marking import quoted
from pages.phrases import notice
from reader.examples import Example
from reader.teaching import SETS, TaughtSet

LONGEST_SHOWN = 300  # characters of a question in the list

NO_SETS = "No sets yet. Mark an answer and add it: the set is made with it."


def sets_table(sets: Sequence[TaughtSet], opened: str) -> str:
    """The sets, each with a button that opens it."""
    if not sets:
        return f'<h2>Your sets</h2><p class="quiet">{NO_SETS}</p>'
    rows = "".join(_set_row(each, each.name == opened) for each in sets)
    return (
        '<h2>Your sets</h2><table class="plain sets"><thead><tr><th scope="col">Set</th>'
        '<th scope="col" class="number">Questions</th><th scope="col" class="number">Not answerable</th>'
        f'<th scope="col" class="number">Changed</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _set_row(one: TaughtSet, is_open: bool) -> str:
    button = (
        f'<button type="button" class="pick" data-set="{escape(one.name)}" aria-expanded="{str(is_open).lower()}">'
        f"{escape(one.name)}</button>"
    )
    if one.trouble:
        return f'<tr><th scope="row">{button}</th><td colspan="3" class="number">damaged</td></tr>'
    changed = datetime.fromtimestamp(one.changed)
    day = changed.strftime("%H:%M" if changed.date() == datetime.now().date() else "%d %b %Y")
    return (
        f'<tr><th scope="row">{button}</th><td class="number">{one.questions:,}</td>'
        f'<td class="number">{one.unanswerable:,}</td><td class="number">{day}</td></tr>'
    )


def heading(one: TaughtSet) -> str:
    """What the open set is, and where it can be used."""
    title = f"<h2>{escape(one.name)}</h2>"
    if one.trouble:
        return f"{title}{notice(one.trouble, 'alarm')}"
    train_on = urlencode({"tab": "train", "data": f"{SETS}/{one.name}.json"})
    count = "1 question" if one.questions == 1 else f"{one.questions:,} questions"
    return (
        f'{title}<p class="quiet">{count}, {one.unanswerable:,} not answerable. '
        f'<a href="?{escape(train_on)}">Train on it</a>; Judge has it among its data sets, too.</p>'
    )


def question_list(examples: Sequence[Example], first: int) -> str:
    """A page of questions with their right answers; ``first`` is the index of the first one."""
    rows = "".join(_question_row(example) for example in examples)
    return f'<ol class="taught" start="{first + 1}">{rows}</ol>' if rows else ""


def _question_row(example: Example) -> str:
    question = escape(_shortened(example.question))
    says = (
        f'<mark class="gold">{escape(_shortened(example.answers[0].text))}</mark>'
        if example.answers
        else '<span class="quiet">Not answerable from this text</span>'
    )
    name = escape(example.id)
    return (
        f'<li><p class="asked" dir="auto">{question}</p><p class="right" dir="auto">{says}</p>'
        f'<p class="quiet of" dir="auto">{escape(example.title)}</p><p class="acts">'
        f'<button type="button" class="small" data-edit="{name}" aria-label="Edit: {question}">Edit</button>'
        f'<button type="button" class="small" data-drop="{name}" aria-label="Delete: {question}">Delete</button>'
        "</p></li>"
    )


def about_to_go(one: TaughtSet, examples: Sequence[Example], going: str | None) -> str:
    """What is about to be deleted, as a question."""
    if going is None:
        return ""
    if not going:
        count = (
            ""
            if one.trouble
            else f" with {'its question' if one.questions == 1 else f'all {one.questions:,} questions'}"
        )
        return f'<p role="status">Delete the set “{escape(one.name)}”{count}? It cannot be brought back.</p>'
    question = next((quoted(each.question) for each in examples if each.id == going), "this question")
    last = " It is the last one: the set goes with it." if len(examples) == 1 else ""
    return f'<p role="status" dir="auto">Delete {escape(question)}?{last}</p>'


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_SHOWN else f"{line[: LONGEST_SHOWN - 1]}…"
