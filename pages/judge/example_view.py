"""One question of a run as HTML: its text with gold and predicted spans marked, the figures, the n-best spans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from pages.highlight import REACH, Kind, Mark, legend, reading_view, surroundings
from pages.judge.browse import PAGE, Browsing, Place, gold_texts, margin_text, number, shortened
from pages.judge.runs import OpenedRun
from pages.judge.scorecard import ROUGE
from pages.phrases import MARGIN, PROBABILITY, percent, tip
from pages.readers import EMBEDDED, label_of
from pages.theme import OUTCOME_WORDS
from reader.settings import home

NBEST = 8  # spans shown
NEIGHBOURS = 12
LONGEST_LINK = 4_000  # characters of question and text; longer addresses are cut by some servers
LONGEST_QUESTION = 2_000  # characters

NOTHING_CHOSEN = "No question fits. Choose another outcome, or another filter."


def heading(opened: OpenedRun, browsing: Browsing, place: Place) -> str:
    """The question and its outcome. The link to exactly this example is made of the data in it."""
    row = _row(opened, browsing.example)
    title = f"{escape(row['title'])} · " if row["title"] else ""
    where = f"{place.number:,} of {place.total:,}" if place.number else "not among the chosen questions"
    # The table's own row of it, shaded without drawing the table anew.
    shaded = f'#judge-examples-table [data-testid^="cell-{(place.number - 1) % PAGE}-"]' if place.number else ":not(*)"
    return (
        f"<style>{shaded} {{ background: var(--rb-shade); }}</style>"
        f'<div class="example" data-link="{escape(browsing.as_link())}">'
        f'<p class="facts"><span class="outcome {row["outcome"]}">{OUTCOME_WORDS[row["outcome"]]}</span> '
        f"{where} · {title}{escape(row['id'])}</p>"
        f'<p class="question" dir="auto">{escape(row["question"][:LONGEST_QUESTION])}</p></div>'
    )


def nothing(opened: OpenedRun, browsing: Browsing) -> str:
    """What stands in the example's place where no question fits."""
    return f'<div class="example" data-link="{escape(browsing.as_link())}"><p class="facts">{NOTHING_CHOSEN}</p></div>'


def text(opened: OpenedRun, example: str, other: OpenedRun | None = None) -> str:
    """The context with its gold answers underlined, the reader's answer filled and the compared one's dashed."""
    row = _row(opened, example)
    marks = _marks(row) + _compared_marks(other, example)
    present = {mark.kind for mark in marks}
    kinds: list[Kind] = [kind for kind in ("gold", "predicted", "compared") if kind in present]
    return reading_view(_excerpt(row["context"], marks), marks) + (legend(kinds) if kinds else "")


def figures(opened: OpenedRun, example: str, other: OpenedRun | None = None) -> str:
    """What was said and what is right, with the figures that the outcome rests on."""
    row = _row(opened, example)
    golds = "".join(f"<li dir=auto>{escape(shortened(answer))}</li>" for answer in gold_texts(row["answers"]))
    pairs = [
        ("Right answers", f"<ul>{golds}</ul>" if golds else "none: not answerable from this text"),
        ("The reader says", _said(row)),
        ("EM · F1 · " + tip("ROUGE-1", ROUGE), " · ".join(number(row[key]) for key in ("exact", "f1", "rouge1_f"))),
    ]
    if other is not None and example in other.rows:
        theirs = _row(other, example)
        pairs.append((f"{escape(label_of(other.run.info['reader']))} says", _said(theirs)))
        pairs.append(("Its EM · F1 · ROUGE-1", " · ".join(number(theirs[key]) for key in ("exact", "f1", "rouge1_f"))))
    if opened.movable:
        threshold = opened.threshold or 0.0
        side = "above" if row["null_score_diff"] > threshold else "not above"
        pairs.append(
            (
                tip("Margin", MARGIN),
                f"{margin_text(row['null_score_diff'])}, {side} the threshold of {margin_text(threshold)}",
            )
        )
    if row["windows"] > 1:
        pairs.append(("Read in", f"{row['windows']:,} windows"))
    return '<dl class="pairs">' + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in pairs) + "</dl>"


def neighbours(opened: OpenedRun, example: str) -> str:
    """The other questions on the same paragraph, each a button that opens it, with its outcome."""
    at = opened.rows[example]
    paragraphs = opened.decided["paragraph"].to_numpy()
    others = [row for row in np.flatnonzero(paragraphs == paragraphs[at]).tolist() if row != at][:NEIGHBOURS]
    if not others:
        return ""
    ids, questions = opened.decided["id"], opened.decided["question"]
    items = "".join(
        f'<li><button type="button" data-example="{escape(ids.iat[row])}">{escape(shortened(questions.iat[row]))}'
        "</button> "
        f'<span class="outcome {opened.outcomes[row]}">{OUTCOME_WORDS[opened.outcomes[row]]}</span></li>'
        for row in others
    )
    return f'<section class="neighbours"><h3>On the same text</h3><ul>{items}</ul></section>'


def ask_it(opened: OpenedRun, example: str) -> str:
    """A link that asks this very question live, where the text is short enough for an address."""
    row = _row(opened, example)
    reader = reader_key(opened.run.info["reader"])
    if len(row["context"]) + len(row["question"]) > LONGEST_LINK or reader is None:
        return ""
    asked = urlencode({"tab": "ask", "reader": reader, "question": row["question"], "context": row["context"]})
    return f'<p><a class="go" href="?{escape(asked)}">Ask it live</a></p>'


def reader_key(name: str) -> str | None:
    """How the Ask tab's links name a run's reader; None where it is no reader that is here."""
    if name == EMBEDDED:
        return name
    path = Path(name)
    if path.is_absolute() and path.is_relative_to(home()) and (path / "config.json").is_file():
        return path.relative_to(home()).as_posix()
    return None


def nbest(opened: OpenedRun, example: str) -> str:
    """The reader's n-best spans and "not answerable", by score, the best first."""
    entries = opened.run.nbest(example)
    if not entries:
        return ""
    row = _row(opened, example)
    body = "".join(_reading(entry, row) for entry in _shown(entries))
    return (
        '<table class="readings"><caption>Readings, the best first</caption><thead><tr><th scope="col">Reading</th>'
        f'<th scope="col" class="number">Score</th><th scope="col" class="number">{tip("Probability", PROBABILITY)}'
        f"</th></tr></thead><tbody>{body}</tbody></table>"
    )


def _shown(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The best spans, and "not answerable" wherever it stands."""
    best = [entry for entry in entries if entry["text"]][:NBEST]
    return [entry for entry in entries if not entry["text"] or entry in best]


def _reading(entry: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    reading = escape(shortened(entry["text"])) if entry["text"] else "not answerable"
    said = row["answered"] and (entry["start"], entry["end"]) == (row["span_start"], row["span_end"])
    kind = " class=said" if said or (not entry["text"] and not row["answered"]) else ""
    return (
        f"<tr{kind}><td{' dir=auto' if entry['text'] else ' class=none'}>{reading}</td>"
        f'<td class="number">{number(entry["score"])}</td><td class="number">{percent(entry["probability"])}</td></tr>'
    )


def _said(row: Mapping[str, Any]) -> str:
    if row["answered"]:
        unplaced = row["span_start"] < 0
        note = " <small>its place in the text is not known, so it is not marked</small>" if unplaced else ""
        return f"<span dir=auto>{escape(shortened(row['prediction'], 400))}</span>{note}"
    closest = f" <small>its closest reading: “{escape(shortened(row['span']))}”</small>" if row["span"] else ""
    return f"nothing{closest}"


def _marks(row: Mapping[str, Any]) -> list[Mark]:
    marks = [
        Mark(start, start + len(answer), "gold")
        for answer, start in zip(row["answers"], row["answer_starts"], strict=True)
    ]
    if row["answered"] and row["span_start"] >= 0:
        marks.append(Mark(row["span_start"], row["span_end"], "predicted"))
    return marks


def _compared_marks(other: OpenedRun | None, example: str) -> list[Mark]:
    if other is None or example not in other.rows:
        return []
    row = _row(other, example)
    placed = row["answered"] and row["span_start"] >= 0
    return [Mark(row["span_start"], row["span_end"], "compared")] if placed else []


def _excerpt(context: str, marks: Sequence[Mark]) -> Any:
    """The part of the text that holds all marks, or where they lie too far apart, the last one: the reader's."""
    if not marks:
        return surroundings(context)
    first, last = min(mark.start for mark in marks), max(mark.end for mark in marks)
    if last - first > REACH:
        first, last = marks[-1].start, marks[-1].end
    return surroundings(context, first, last)


_COLUMNS = (
    *("id", "title", "question", "context", "answers", "answer_starts", "prediction", "answered", "outcome"),
    *("null_score_diff", "exact", "f1", "rouge1_f", "span", "span_start", "span_end", "windows"),
)


def _row(opened: OpenedRun, example: str) -> dict[str, Any]:
    """One question's columns; taken one by one, since a row of mixed types is slow to make."""
    at = opened.rows[example]
    return {name: opened.decided[name].iat[at] for name in _COLUMNS}
