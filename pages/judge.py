"""The Judge tab: how good a reader is, where it fails, and each question with what was said to it.

A run is opened once and shared; a session keeps a `Browsing`, which names what is looked at. What is shown is made
in scorecard.py (the run), browse.py (the table) and example_view.py (one question), laid out in judge_layout.py; here
it is wired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from pages import example_view, scorecard
from pages.access import Access, may, why_not
from pages.browse import (
    HEADERS,
    PAGE,
    Browsing,
    filter_by,
    open_link,
    outcome_choices,
    page_of,
    place_of,
    sorts_of,
    turn_to,
)
from pages.charts import threshold_chart, threshold_curves
from pages.evaluating import (
    evaluation_lines,
    evaluations,
    is_going,
    list_data,
    start_evaluation,
    stop_evaluation,
)
from pages.judge_layout import Parts, layout
from pages.readers import Shelf, list_readers
from pages.runs import OpenedRun, RunShelf, list_choices
from pages.verdict import notice
from reader.errors import ReaderboardError
from reader.views import judged

NO_RUNS = "No runs yet. Evaluate the embedded reader on the starter set: about 20 seconds."
FAULT = "Something went wrong in Readerboard itself. What it was stands in the terminal that it was started from."

PLAIN: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

# In one column the example stands below the table, out of sight.
SHOW_EXAMPLE = """() => {
    if (window.innerWidth < 900) document.querySelector("#judge-example").scrollIntoView({block: "start"});
}"""
SHOW_MARK = """() => requestAnimationFrame(() => {
    const box = document.querySelector("#judge-example-text .reading");
    const mark = box?.querySelector("mark.predicted") || box?.querySelector("mark");
    const above = mark?.getBoundingClientRect().top - box?.getBoundingClientRect().top;
    if (mark) box.scrollTop += above - box.clientHeight / 3;
})"""


def build(access: Access, tab: gr.Tab, shelf: Shelf) -> None:
    """Lay the tab out and wire it; to be called inside its gr.Tab. Nothing is read before somebody opens it."""
    parts = layout()
    runs = RunShelf()
    _wire_opening(parts, access, tab, runs)
    _wire_choosing(parts, runs)
    _wire_example(parts, runs)
    _wire_evaluating(parts, access, runs, shelf)


def _shown(parts: Parts, opened: OpenedRun, browsing: Browsing, says: str = "") -> dict[Any, Any]:
    """What the page shows of a run that was just opened."""
    return {
        parts.run: gr.Dropdown(value=opened.key),
        parts.says: notice(says) if says else "",
        parts.body: gr.Column(visible=True),
        parts.overview: scorecard.facts(opened) + scorecard.tiles(opened),
        parts.bars: scorecard.outcome_bars(opened),
        parts.article: scorecard.article_table(opened),
        parts.thresholds: scorecard.threshold_table(opened),
        parts.chart: _chart(opened),
        parts.outcome: gr.Radio(outcome_choices(opened.figures["outcomes"]), value=browsing.outcome),
        parts.search: browsing.search,
        parts.sort: gr.Dropdown(sorts_of(opened), value=browsing.sort),
        **_listed(parts, opened, browsing),
    }


def _listed(parts: Parts, opened: OpenedRun, browsing: Browsing) -> dict[Any, Any]:
    """The page of the table, and the example."""
    rows, outcomes, total = page_of(opened, browsing)
    first = browsing.page * PAGE
    where = f"{first + 1:,}–{first + len(rows):,} of {total:,}" if rows else "0 questions"
    return {
        parts.table: {"headers": list(HEADERS), "data": rows, "metadata": {"styling": _styling(outcomes)}},
        parts.paging: f'<p class="quiet">{where}</p>',
        parts.back: gr.Button(interactive=first > 0),
        parts.on: gr.Button(interactive=first + PAGE < total),
        **_example(parts, opened, browsing),
    }


def _styling(outcomes: list[str]) -> list[list[str]]:
    """The outcome's cell wears its colour at the edge."""
    edge = "border-inline-start: 6px solid var(--rb-outcome-{})"
    return [
        [edge.format(outcome.replace("_", "-")) if header == "Outcome" else "" for header in HEADERS]
        for outcome in outcomes
    ]


def _example(parts: Parts, opened: OpenedRun, browsing: Browsing) -> dict[Any, Any]:
    """One question, and where it stands among the chosen ones."""
    if not browsing.example:
        nothing = dict.fromkeys((parts.text, parts.figures, parts.nbest), "")
        still = dict.fromkeys((parts.previous, parts.next), gr.Button(interactive=False))
        return {parts.browsing: browsing, parts.heading: example_view.nothing(opened, browsing), **nothing, **still}
    place = place_of(opened, browsing)
    return {
        parts.browsing: browsing,
        parts.heading: example_view.heading(opened, browsing, place),
        parts.text: example_view.text(opened, browsing.example),
        parts.figures: example_view.figures(opened, browsing.example),
        parts.nbest: example_view.nbest(opened, browsing.example),
        parts.previous: gr.Button(interactive=bool(place.previous)),
        parts.next: gr.Button(interactive=bool(place.next)),
    }


def _closed(parts: Parts, says: str, kind: str = "hint") -> dict[Any, Any]:
    """What the page shows while no run is open."""
    return {parts.says: notice(says, kind), parts.body: gr.Column(visible=False), parts.browsing: Browsing()}


def _open(parts: Parts, runs: RunShelf, key: str, parameters: Mapping[str, str]) -> dict[Any, Any]:
    try:
        opened = runs.take(key)
    except ReaderboardError as error:
        return _closed(parts, str(error), "alarm")
    browsing, says = open_link(opened, parameters)
    return _shown(parts, opened, browsing, says)


def _wire_opening(parts: Parts, access: Access, tab: gr.Tab, runs: RunShelf) -> None:
    def open_tab(browsing: Browsing, request: gr.Request) -> dict[Any, Any]:
        """Read what is there; on a second visit to the tab, leave open what is open."""
        choices = [(choice.label, choice.key) for choice in list_choices()]
        allowed = may(request, access)
        filled = {
            parts.run: gr.Dropdown(choices),
            parts.reader: gr.Dropdown([(choice.label, choice.name) for choice in list_readers()]),
            parts.data: gr.Dropdown(list_data()),
            parts.evaluate: gr.Button(interactive=allowed),
            **_watched(parts),
            parts.evaluate_says: "" if allowed else notice(why_not(access)),
        }
        parameters = dict(request.query_params)
        if browsing.run:
            return filled
        if not choices:
            return filled | _closed(parts, NO_RUNS) | {parts.panel: gr.Accordion(open=True)}
        shown = _open(parts, runs, parameters.get("run") or choices[0][1], parameters)
        if parts.run in shown:
            shown[parts.run] = gr.Dropdown(choices, value=parameters.get("run") or choices[0][1])
        return filled | shown

    def open_run(key: str | None) -> dict[Any, Any]:
        return _open(parts, runs, key or "", {})

    outputs = [*parts.opened, parts.panel, parts.reader, parts.data, parts.evaluate, *parts.watched]
    opening = tab.select(open_tab, inputs=parts.browsing, outputs=outputs, **PLAIN)
    picking = parts.run.input(open_run, inputs=parts.run, outputs=parts.opened, **PLAIN)
    for event in (opening, picking):
        event.failure(lambda: _closed(parts, FAULT, "alarm"), outputs=parts.opened, **PLAIN)
        event.then(None, js=SHOW_MARK, api_visibility="private")


def _chart(opened: OpenedRun) -> Any:
    """The curves over the threshold, with the reader's own and the best one marked; none without margins."""
    found = opened.figures["thresholds"]
    if found is None:
        return gr.Plot(visible=False)
    marks = {name: found[name]["threshold"] for name in ("own", "oracle")}
    curves = threshold_curves(judged(opened.run.examples), opened.margins)
    figure = threshold_chart(curves, {name: at for name, at in marks.items() if at is not None})
    return gr.Plot(figure, visible=True)


def _wire_choosing(parts: Parts, runs: RunShelf) -> None:
    def again(browsing: Browsing, **controls: Any) -> dict[Any, Any]:
        """Show the chosen questions. A run that is gone meanwhile is said to be."""
        try:
            opened = runs.take(browsing.run)
        except ReaderboardError as error:
            return _closed(parts, str(error), "alarm")
        settled = turn_to(opened, browsing)
        return {**{getattr(parts, name): value for name, value in controls.items()}, **_listed(parts, opened, settled)}

    def by_outcome(browsing: Browsing, outcome: str) -> dict[Any, Any]:
        chosen = filter_by(browsing, outcome, browsing.search)
        return again(chosen, sort=chosen.sort)

    def by_part(browsing: Browsing, clicked: gr.EventData) -> dict[Any, Any]:
        chosen = filter_by(browsing, clicked.outcome, browsing.search)
        return again(chosen, sort=chosen.sort, outcome=chosen.outcome)

    def by_words(browsing: Browsing, search: str) -> Any:
        # A search that was set with another run changes nothing.
        return gr.skip() if search == browsing.search else again(filter_by(browsing, browsing.outcome, search))

    def in_order(browsing: Browsing, sort: Any) -> dict[Any, Any]:
        return again(replace(browsing, sort=sort, page=0, example=""))

    def turn(browsing: Browsing, pages: int) -> dict[Any, Any]:
        return again(replace(browsing, page=browsing.page + pages, example=""))

    outputs = [*parts.listed, parts.says, parts.body]
    for event in (
        parts.outcome.input(by_outcome, inputs=[parts.browsing, parts.outcome], outputs=outputs, **PLAIN),
        parts.bars.click(by_part, inputs=parts.browsing, outputs=outputs, **PLAIN),
        # Not ``input``: that one misses what is pasted.
        parts.search.change(
            by_words,
            inputs=[parts.browsing, parts.search],
            outputs=outputs,
            trigger_mode="always_last",
            **PLAIN,
        ),
        parts.sort.input(in_order, inputs=[parts.browsing, parts.sort], outputs=outputs, **PLAIN),
        parts.back.click(lambda browsing: turn(browsing, -1), inputs=parts.browsing, outputs=outputs, **PLAIN),
        parts.on.click(lambda browsing: turn(browsing, 1), inputs=parts.browsing, outputs=outputs, **PLAIN),
    ):
        event.then(None, js=SHOW_MARK, api_visibility="private")


def _wire_example(parts: Parts, runs: RunShelf) -> None:
    def show(browsing: Browsing, example: str) -> Any:
        try:
            opened = runs.take(browsing.run)
        except ReaderboardError as error:
            return _closed(parts, str(error), "alarm")
        if example not in opened.rows:
            return gr.skip()
        turned = turn_to(opened, replace(browsing, example=example))
        # The table stays as it is on the same page, and with it the cell that has the focus.
        return _example(parts, opened, turned) if turned.page == browsing.page else _listed(parts, opened, turned)

    def select(browsing: Browsing, selected: gr.SelectData) -> Any:
        # The id tells which row it is, wherever the browser shows it.
        return show(browsing, str(selected.row_value[-1]) if selected.row_value else "")

    def step(browsing: Browsing, forward: bool) -> Any:
        try:
            place = place_of(runs.take(browsing.run), browsing)
        except ReaderboardError as error:
            return _closed(parts, str(error), "alarm")
        return show(browsing, place.next if forward else place.previous)

    outputs = [*parts.listed, parts.says, parts.body]
    parts.table.select(select, inputs=parts.browsing, outputs=outputs, **PLAIN).then(
        None, js=SHOW_EXAMPLE, api_visibility="private"
    ).then(None, js=SHOW_MARK, api_visibility="private")
    for button, forward in ((parts.previous, False), (parts.next, True)):
        button.click(
            lambda browsing, forward=forward: step(browsing, forward),
            inputs=parts.browsing,
            outputs=outputs,
            **PLAIN,
        ).then(None, js=SHOW_MARK, api_visibility="private")


def _watched(parts: Parts) -> dict[Any, Any]:
    """The evaluations as their files tell; the timer looks on as long as one is going."""
    jobs = evaluations()
    going = tuple(job.id for job in jobs if is_going(job))
    return {parts.jobs: evaluation_lines(jobs), parts.timer: gr.Timer(active=bool(going)), parts.going: going}


def _wire_evaluating(parts: Parts, access: Access, runs: RunShelf, shelf: Shelf) -> None:
    def evaluate(reader: str | None, data: str | None, request: gr.Request) -> dict[Any, Any]:
        try:
            start_evaluation(reader or "", data or "", shelf, request, access)
        except ReaderboardError as error:
            return {parts.evaluate_says: notice(str(error), "alarm")}
        return {parts.evaluate_says: "", **_watched(parts)}

    def look(going: tuple[str, ...], browsing: Browsing) -> dict[Any, Any]:
        """Look again; a run that has come meanwhile joins the list, and is opened where none is open."""
        watched = _watched(parts)
        if set(watched[parts.going]) >= set(going):
            return watched
        choices = [(choice.label, choice.key) for choice in list_choices()]
        if browsing.run or not choices:
            return {**watched, parts.run: gr.Dropdown(choices)}
        shown = _open(parts, runs, choices[0][1], {})
        shown[parts.run] = gr.Dropdown(choices, value=choices[0][1])
        return {**watched, **shown}

    def act(clicked: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        if clicked.show:
            choices = [(choice.label, choice.key) for choice in list_choices()]
            return {**_open(parts, runs, clicked.show, {}), parts.run: gr.Dropdown(choices, value=clicked.show)}
        try:
            stop_evaluation(clicked.stop, request, access)
        except ReaderboardError as error:
            return {parts.evaluate_says: notice(str(error), "alarm")}
        return _watched(parts)

    outputs = [*parts.opened, *parts.watched]
    parts.evaluate.click(
        evaluate,
        inputs=[parts.reader, parts.data],
        outputs=parts.watched,
        trigger_mode="once",
        **PLAIN,
    )
    parts.timer.tick(look, inputs=[parts.going, parts.browsing], outputs=outputs, **PLAIN)
    parts.jobs.click(act, outputs=outputs, **PLAIN)
