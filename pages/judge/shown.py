"""What the Judge tab shows, as updates of its parts: the run that is looked at, and only the section that is open."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import gradio as gr
import numpy as np

from pages.judge import article, example_view, scorecard
from pages.judge.board import board
from pages.judge.browse import (
    PAGE,
    Browsing,
    headers,
    outcome_choices,
    page_of,
    place_of,
    sorts_of,
)
from pages.judge.charts import histogram_chart, recall_chart, reliability_chart, threshold_chart
from pages.judge.layout import Parts
from pages.judge.runs import OpenedRun, all_runs, key_of, list_choices
from pages.judge.slices_view import overview, slices, slicing_choices
from pages.judge.versus import versus
from pages.phrases import notice
from reader.calibration import ENDLESS, curves, histograms, precision_recall, reliability
from reader.errors import BadRun, BadUsage
from reader.leaderboard import leaderboard, with_published
from reader.views import judged

Changes = dict[Any, Any]


def shown(parts: Parts, opened: OpenedRun, other: OpenedRun | None, browsing: Browsing, says: str = "") -> Changes:
    """All of the page, for a run that was just opened."""
    return {
        parts.run: gr.Dropdown(value=opened.key),
        parts.other: gr.Dropdown(value=other.key if other else ""),
        parts.says: notice(says) if says else "",
        parts.body: gr.Column(visible=True),
        parts.threshold_row: gr.Column(visible=opened.movable),
        parts.threshold: _slider(opened),
        parts.threshold_says: "",
        parts.sections: gr.Tabs(selected=browsing.section),
        parts.slicing: gr.Dropdown(slicing_choices(opened), value=next(iter(opened.slices))),
        **scored(parts, opened, other),
        **listed(parts, opened, other, browsing),
        **section(parts, opened, other, browsing),
    }


def scored(parts: Parts, opened: OpenedRun, other: OpenedRun | None) -> Changes:
    """What moves with the threshold, whatever section is open."""
    facts = scorecard.facts(opened) + scorecard.tiles(opened, other)
    return {
        parts.overview: facts,
        parts.bars: '<div class="both">{}</div>'.format(
            "".join(f"<div>{part}</div>" for part in (scorecard.outcome_bars(opened), scorecard.confusion(opened)))
        ),
    }


def section(
    parts: Parts, opened: OpenedRun, other: OpenedRun | None, browsing: Browsing, slicing: str | None = None
) -> Changes:
    """What stands in the open section; the examples are always kept at hand."""
    match browsing.section:
        case "slices":
            name = slicing if slicing in opened.slices else next(iter(opened.slices))
            return {parts.slices: overview(opened, other) + slices(opened, name, other)}
        case "threshold":
            return {parts.thresholds: scorecard.threshold_table(opened), **_charts(parts, opened)}
        case "versus":
            if other is None:
                return {parts.versus: notice("Pick a run to compare with, above: one on the same questions.")}
            return {parts.versus: versus(opened, other)}
        case "article":
            return {parts.article: article.tables(opened, other) + article.three_questions(opened, other)}
        case "board":
            rows = with_published(leaderboard(all_runs()))
            return {parts.board: board(rows, opened.key, key_of=lambda row: key_of(row.folder) if row.folder else "")}
        case _:
            return {}


def listed(parts: Parts, opened: OpenedRun, other: OpenedRun | None, browsing: Browsing) -> Changes:
    """The page of the table, and the example."""
    try:
        rows, outcomes, total = page_of(opened, browsing, other)
        trouble = ""
    except BadUsage as error:
        rows, outcomes, total, trouble = [], [], 0, str(error)
    first = browsing.page * PAGE
    where = f"{first + 1:,}–{first + len(rows):,} of {total:,}" if rows else "0 questions"
    columns = headers(other)
    return {
        parts.outcome: gr.Radio(outcome_choices(opened.figures["outcomes"]), value=browsing.outcome),
        parts.search: browsing.where,
        parts.filter_says: notice(trouble, "alarm") if trouble else "",
        parts.sort: gr.Dropdown(sorts_of(opened), value=browsing.sort),
        parts.table: {
            "headers": list(columns),
            "data": rows,
            "metadata": {"styling": _styling(outcomes, columns)},
        },
        parts.paging: f'<p class="quiet">{where}</p>',
        parts.back: gr.Button(interactive=first > 0),
        parts.on: gr.Button(interactive=first + PAGE < total),
        **example(parts, opened, other, browsing),
    }


def example(parts: Parts, opened: OpenedRun, other: OpenedRun | None, browsing: Browsing) -> Changes:
    """One question, and where it stands among the chosen ones."""
    if not browsing.example:
        nothing = dict.fromkeys((parts.text, parts.figures, parts.nbest, parts.neighbours), "")
        still = dict.fromkeys((parts.previous, parts.next), gr.Button(interactive=False))
        return {parts.browsing: browsing, parts.heading: example_view.nothing(opened, browsing), **nothing, **still}
    place = place_of(opened, browsing)
    name = browsing.example
    return {
        parts.browsing: browsing,
        parts.heading: example_view.heading(opened, browsing, place),
        parts.text: example_view.text(opened, name, other),
        parts.figures: example_view.figures(opened, name, other),
        parts.nbest: example_view.nbest(opened, name),
        parts.neighbours: example_view.ask_it(opened, name) + example_view.neighbours(opened, name),
        parts.previous: gr.Button(interactive=bool(place.previous)),
        parts.next: gr.Button(interactive=bool(place.next)),
    }


def closed(parts: Parts, says: str, kind: Any = "hint") -> Changes:
    """What the page shows while no run is open."""
    return {parts.says: notice(says, kind), parts.body: gr.Column(visible=False), parts.browsing: Browsing()}


def picks() -> list[tuple[str, str]]:
    """The runs to pick from, as (label, value)."""
    return [(choice.label, choice.key) for choice in list_choices()]


def _slider(opened: OpenedRun) -> gr.Slider:
    finite = opened.margins[np.abs(opened.margins) < ENDLESS]
    if not len(finite) or not opened.movable:
        return gr.Slider(value=0)
    lowest, highest = float(np.floor(finite.min())), float(np.ceil(finite.max()))
    own = opened.threshold or 0.0
    return gr.Slider(min(lowest, own), max(highest, own), value=own, step=0.01)


def _charts(parts: Parts, opened: OpenedRun) -> Changes:
    """What the margins tell; a drawing for which the run has nothing is not there."""
    drawn = drawings(opened)
    plots = {"chart": parts.chart, "recall": parts.recall, "margins": parts.margins, "reliability": parts.reliability}
    return {plot: gr.Plot(drawn.get(name), visible=name in drawn) for name, plot in plots.items()}


def drawings(opened: OpenedRun) -> dict[str, Any]:
    """The figures of a run's margins and probabilities, by name; none for a run without margins."""
    found = opened.figures["thresholds"]
    if found is None:
        return {}
    own = judged(opened.run.examples)
    marks = {"own": found["own"]["threshold"], "oracle": found["oracle"]["threshold"], "0": 0.0}
    if found["cross_fitted"] is not None:
        # Two thresholds, one for each half; their middle is where the mark stands.
        halves = [at for at in found["cross_fitted"]["thresholds"] if at is not None]
        marks |= {"cross-fitted, middle": sum(halves) / len(halves)} if halves else {}
    over_thresholds = curves(own, opened.margins)
    drawn = {"chart": threshold_chart(over_thresholds, {name: at for name, at in marks.items() if at is not None})}
    with suppress(BadRun):  # every question has an answer
        drawn["recall"] = recall_chart(precision_recall(opened.margins, own.has_answer))
    drawn["margins"] = histogram_chart(histograms(opened.margins, own.has_answer))
    if own.has_answer.any() and not own.has_answer.all():  # else how often there is none is no question
        with suppress(BadRun):  # no probabilities were kept
            probability = opened.decided["no_answer_probability"].to_numpy(dtype=np.float64)
            drawn["reliability"] = reliability_chart(reliability(probability, ~own.has_answer))
    return drawn


def _styling(outcomes: list[str], columns: tuple[str, ...]) -> list[list[str]]:
    """The outcome's cell wears its colour at the edge."""
    edge = "border-inline-start: 6px solid var(--rb-outcome-{})"
    return [
        [edge.format(outcome.replace("_", "-")) if header == "Outcome" else "" for header in columns]
        for outcome in outcomes
    ]
