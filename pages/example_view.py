"""One question of a run as HTML: its text with gold and predicted spans marked, the figures, the n-best spans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pages.browse import PAGE, Browsing, Place, gold_texts, margin_text, number, shortened
from pages.highlight import REACH, Kind, Mark, legend, reading_view, surroundings
from pages.runs import OpenedRun
from pages.scorecard import ROUGE
from pages.theme import OUTCOME_WORDS
from pages.verdict import MARGIN, PROBABILITY, percent, tip

NBEST = 8  # spans shown
LONGEST_QUESTION = 2_000  # characters

NOTHING_CHOSEN = "No question fits. Choose another outcome, or search for something else."


def heading(opened: OpenedRun, browsing: Browsing, place: Place) -> str:
    """The question and its outcome. The link to exactly this example is made of the data in it."""
    row = _row(opened, browsing.example)
    title = f"{escape(row['title'])} · " if row["title"] else ""
    where = f"{place.number:,} of {place.total:,}" if place.number else "not among the chosen questions"
    # The table's own row of it, shaded without drawing the table anew.
    shaded = f'#judge-examples-table [data-testid^="cell-{(place.number - 1) % PAGE}-"]' if place.number else ":not(*)"
    return (
        f"<style>{shaded} {{ background: var(--rb-shade); }}</style>"
        f'<div class="example" data-run="{escape(opened.key)}" data-example="{escape(row["id"])}" '
        f'data-outcome="{escape(browsing.outcome)}">'
        f'<p class="facts"><span class="outcome {row["outcome"]}">{OUTCOME_WORDS[row["outcome"]]}</span> '
        f"{where} · {title}{escape(row['id'])}</p>"
        f'<p class="question" dir="auto">{escape(row["question"][:LONGEST_QUESTION])}</p></div>'
    )


def nothing(opened: OpenedRun, browsing: Browsing) -> str:
    """What stands in the example's place where no question fits."""
    return (
        f'<div class="example" data-run="{escape(opened.key)}" data-example="" '
        f'data-outcome="{escape(browsing.outcome)}"><p class="facts">{NOTHING_CHOSEN}</p></div>'
    )


def text(opened: OpenedRun, example: str) -> str:
    """The context with its gold answers underlined and the reader's answer filled."""
    row = _row(opened, example)
    marks = _marks(row)
    kinds: list[Kind] = [kind for kind in ("gold", "predicted") if any(mark.kind == kind for mark in marks)]
    return reading_view(_excerpt(row["context"], marks), marks) + (legend(kinds) if kinds else "")


def figures(opened: OpenedRun, example: str) -> str:
    """What was said and what is right, with the figures that the outcome rests on."""
    row = _row(opened, example)
    golds = "".join(f"<li dir=auto>{escape(shortened(answer))}</li>" for answer in gold_texts(row["answers"]))
    pairs = [
        ("Right answers", f"<ul>{golds}</ul>" if golds else "none: not answerable from this text"),
        ("The reader says", _said(row)),
        ("EM · F1 · " + tip("ROUGE-1", ROUGE), " · ".join(number(row[key]) for key in ("exact", "f1", "rouge1_f"))),
    ]
    if opened.movable:
        threshold = opened.run.threshold or 0.0
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


def _reading(entry: Mapping[str, Any], row: Mapping[Any, Any]) -> str:
    reading = escape(shortened(entry["text"])) if entry["text"] else "not answerable"
    said = row["answered"] and (entry["start"], entry["end"]) == (row["span_start"], row["span_end"])
    kind = " class=said" if said or (not entry["text"] and not row["answered"]) else ""
    return (
        f"<tr{kind}><td{' dir=auto' if entry['text'] else ' class=none'}>{reading}</td>"
        f'<td class="number">{number(entry["score"])}</td><td class="number">{percent(entry["probability"])}</td></tr>'
    )


def _said(row: Mapping[Any, Any]) -> str:
    if row["answered"]:
        unplaced = row["span_start"] < 0
        note = " <small>its place in the text is not known, so it is not marked</small>" if unplaced else ""
        return f"<span dir=auto>{escape(shortened(row['prediction'], 400))}</span>{note}"
    closest = f" <small>its closest reading: “{escape(shortened(row['span']))}”</small>" if row["span"] else ""
    return f"nothing{closest}"


def _marks(row: Mapping[Any, Any]) -> list[Mark]:
    marks = [
        Mark(start, start + len(answer), "gold")
        for answer, start in zip(row["answers"], row["answer_starts"], strict=True)
    ]
    if row["answered"] and row["span_start"] >= 0:
        marks.append(Mark(row["span_start"], row["span_end"], "predicted"))
    return marks


def _excerpt(context: str, marks: Sequence[Mark]) -> Any:
    """The part of the text that holds all marks, or where they lie too far apart, the last one: the reader's."""
    if not marks:
        return surroundings(context)
    first, last = min(mark.start for mark in marks), max(mark.end for mark in marks)
    if last - first > REACH:
        first, last = marks[-1].start, marks[-1].end
    return surroundings(context, first, last)


def _row(opened: OpenedRun, example: str) -> dict[Any, Any]:
    return opened.decided.iloc[opened.rows[example]].to_dict()
