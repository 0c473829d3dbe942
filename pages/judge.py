"""The Judge tab: how good a reader is, where it fails, and each question with what was said to it.

A run is opened once and shared; a session keeps a `Browsing`, which names what is looked at. What is shown is made
in scorecard.py (the run), browse.py (the table) and example_view.py (one question); here it is laid out and wired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from pages import example_view, scorecard
from pages.access import Access, may, why_not
from pages.browse import (
    ALL,
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
    STARTER_SET,
    evaluation_lines,
    evaluations,
    is_going,
    list_data,
    start_evaluation,
    stop_evaluation,
)
from pages.readers import EMBEDDED, Shelf, list_readers
from pages.runs import OpenedRun, RunShelf, list_choices
from pages.verdict import notice
from reader.errors import ReaderboardError
from reader.views import judged

SECONDS_BETWEEN_LOOKS = 2.0  # at the files of running evaluations

NO_RUNS = "No runs yet. Evaluate the embedded reader on the starter set: about 20 seconds."
FAULT = "Something went wrong in Readerboard itself. What it was stands in the terminal that it was started from."

# A click on a part of the outcome bar, or on a button in a line of HTML, is an event with what was clicked.
CLICK_PART = """
element.addEventListener("click", event => {
    const part = event.target.closest("[data-outcome]");
    if (part) trigger("click", {outcome: part.dataset.outcome});
});
"""
CLICK_EVALUATION = """
element.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (button) trigger("click", {stop: button.dataset.stop || "", show: button.dataset.show || ""});
});
"""
# The address names the run and the example, so that a copied link opens exactly this.
NOTE_EXAMPLE = """
const note = () => {
    const shown = element.querySelector("[data-run]");
    if (!shown) return;
    const address = new URL(window.location);
    const named = {run: shown.dataset.run, example: shown.dataset.example, outcome: shown.dataset.outcome};
    for (const [name, value] of Object.entries(named)) {
        if (value && value !== "all") address.searchParams.set(name, value);
        else address.searchParams.delete(name);
    }
    address.searchParams.set("tab", "judge");
    history.replaceState(null, "", address);
};
note();
watch("value", note);
"""
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


# How it is laid out


@dataclass(frozen=True, slots=True)
class Parts:
    """The tab's components."""

    run: gr.Dropdown
    new: gr.Button
    panel: gr.Column
    reader: gr.Dropdown
    data: gr.Dropdown
    evaluate: gr.Button
    evaluate_says: gr.HTML
    jobs: gr.HTML
    timer: gr.Timer
    says: gr.HTML
    body: gr.Column
    overview: gr.HTML
    bars: gr.HTML
    outcome: gr.Radio
    article: gr.HTML
    search: gr.Textbox
    sort: gr.Dropdown
    table: gr.Dataframe
    back: gr.Button
    on: gr.Button
    paging: gr.HTML
    previous: gr.Button
    next: gr.Button
    heading: gr.HTML
    text: gr.HTML
    figures: gr.HTML
    nbest: gr.HTML
    thresholds: gr.HTML
    chart: gr.Plot
    browsing: gr.State
    going: gr.State

    @property
    def listed(self) -> list[Any]:
        """What changes with the choice of questions, and with a page or an example."""
        return [
            self.browsing, self.outcome, self.search, self.sort, self.table, self.back, self.on, self.paging,
            self.previous, self.next, self.heading, self.text, self.figures, self.nbest,
        ]  # fmt: skip

    @property
    def opened(self) -> list[Any]:
        """What changes with the run."""
        return [
            self.run, self.says, self.body, self.overview, self.bars, self.article, self.thresholds, *self.listed,
        ]  # fmt: skip

    @property
    def watched(self) -> list[Any]:
        """What changes with the evaluations that run."""
        return [self.jobs, self.timer, self.going, self.evaluate_says]


def layout() -> Parts:
    """One column on a phone; from a tablet on the table stands beside the example, by the grid in judge.css."""
    with gr.Column(elem_id="judge"):
        with gr.Row(elem_id="judge-pick"):
            run = gr.Dropdown([], label="Run", elem_id="judge-run", scale=1, num_choices_shown=None)
            new = gr.Button("New evaluation", elem_id="judge-new-evaluation", scale=0, min_width=150)
        with gr.Column(visible=False, elem_id="judge-evaluate-panel") as panel:
            with gr.Row(elem_id="judge-evaluate-form"):
                reader = gr.Dropdown(
                    [("embedded", EMBEDDED)],
                    value=EMBEDDED,
                    label="Reader: pick one, or type a Hub id",
                    allow_custom_value=True,
                    elem_id="judge-evaluate-reader",
                )
                data = gr.Dropdown(
                    [("starter set", STARTER_SET)],
                    value=STARTER_SET,
                    label="Data set: pick one, or type a Hub id",
                    allow_custom_value=True,
                    elem_id="judge-evaluate-data",
                )
                evaluate = gr.Button("Evaluate", variant="primary", scale=0, min_width=120, elem_id="judge-evaluate")
            evaluate_says = gr.HTML(elem_id="judge-evaluate-says")
        jobs = gr.HTML(elem_id="judge-evaluations", js_on_load=CLICK_EVALUATION)
        says = gr.HTML(elem_id="judge-says")
        with gr.Column(visible=False, elem_id="judge-body") as body:
            overview = gr.HTML(elem_id="judge-overview")
            with gr.Column(elem_id="judge-outcomes"):
                bars = gr.HTML(elem_id="judge-outcome-bars", js_on_load=CLICK_PART)
                outcome = gr.Radio([("all", ALL)], value=ALL, label="Show", elem_id="judge-outcome")
            article = gr.HTML(elem_id="judge-article")
            with gr.Column(elem_id="judge-examples"):
                with gr.Row(elem_id="judge-examples-head"):
                    search = gr.Textbox(
                        label="Search",
                        placeholder="words of a question, answer or title",
                        max_lines=1,
                        elem_id="judge-examples-search",
                    )
                    sort = gr.Dropdown([], label="Order", elem_id="judge-examples-sort", filterable=False)
                table = gr.Dataframe(
                    headers=list(HEADERS),
                    column_count=len(HEADERS),
                    datatype="str",
                    type="array",
                    interactive=False,
                    show_label=False,
                    buttons=[],
                    max_height=820,
                    column_widths=["216px", "124px", "122px", "74px", "60px", "52px", "84px", "180px", "220px"],
                    elem_id="judge-examples-table",
                )
                with gr.Row(elem_id="judge-examples-pages"):
                    back = gr.Button("Previous 25", size="sm", scale=0, min_width=110, elem_id="judge-page-back")
                    paging = gr.HTML(elem_id="judge-paging")
                    on = gr.Button("Next 25", size="sm", scale=0, min_width=110, elem_id="judge-page-on")
            with gr.Column(elem_id="judge-example"):
                heading = gr.HTML(elem_id="judge-example-heading", js_on_load=NOTE_EXAMPLE)
                with gr.Row(elem_id="judge-example-steps"):
                    before = gr.Button("Previous", size="sm", scale=0, min_width=100, elem_id="judge-example-previous")
                    after = gr.Button("Next", size="sm", scale=0, min_width=100, elem_id="judge-example-next")
                text = gr.HTML(elem_id="judge-example-text")
                figures = gr.HTML(elem_id="judge-example-figures")
                nbest = gr.HTML(elem_id="judge-example-nbest")
            with gr.Column(elem_id="judge-thresholds"):
                thresholds = gr.HTML(elem_id="judge-threshold-table")
                chart = gr.Plot(show_label=False, container=False, elem_id="judge-threshold-chart")
    return Parts(
        run=run, new=new, panel=panel, reader=reader, data=data, evaluate=evaluate, evaluate_says=evaluate_says,
        jobs=jobs, timer=gr.Timer(SECONDS_BETWEEN_LOOKS, active=False), says=says, body=body, overview=overview,
        bars=bars, outcome=outcome, article=article, search=search, sort=sort, table=table, back=back, on=on,
        paging=paging, previous=before, next=after, heading=heading, text=text, figures=figures, nbest=nbest,
        thresholds=thresholds, chart=chart, browsing=gr.State(Browsing()), going=gr.State(()),
    )  # fmt: skip


# How it is wired


def build(access: Access, tab: gr.Tab, shelf: Shelf) -> None:
    """Lay the tab out and wire it; to be called inside its gr.Tab. Nothing is read before somebody opens it."""
    parts = layout()
    runs = RunShelf()
    _wire_opening(parts, access, tab, runs)
    _wire_choosing(parts, runs)
    _wire_example(parts, runs)
    _wire_evaluating(parts, access, runs, shelf)


PLAIN: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


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
            return filled | _closed(parts, NO_RUNS) | {parts.panel: gr.Column(visible=True)}
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
        _then_draw(parts, runs, event)


def _then_draw(parts: Parts, runs: RunShelf, event: Any) -> None:
    """Draw the curves afterwards: the figures need not wait for the chart."""

    def draw(browsing: Browsing) -> Any:
        try:
            opened = runs.take(browsing.run) if browsing.run else None
        except ReaderboardError:
            opened = None
        if opened is None or not opened.movable:
            return gr.Plot(visible=False)
        curves = threshold_curves(judged(opened.run.examples), opened.margins)
        found = opened.figures["thresholds"]
        marks = {"own": found["own"]["threshold"], "oracle": found["oracle"]["threshold"]}
        return gr.Plot(
            threshold_chart(curves, {name: at for name, at in marks.items() if at is not None}), visible=True
        )

    event.then(draw, inputs=parts.browsing, outputs=parts.chart, **PLAIN)


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

    def by_words(browsing: Browsing, search: str) -> dict[Any, Any]:
        return again(filter_by(browsing, browsing.outcome, search))

    def in_order(browsing: Browsing, sort: Any) -> dict[Any, Any]:
        return again(replace(browsing, sort=sort, page=0, example=""))

    def turn(browsing: Browsing, pages: int) -> dict[Any, Any]:
        return again(replace(browsing, page=browsing.page + pages, example=""))

    outputs = [*parts.listed, parts.says, parts.body]
    for event in (
        parts.outcome.input(by_outcome, inputs=[parts.browsing, parts.outcome], outputs=outputs, **PLAIN),
        parts.bars.click(by_part, inputs=parts.browsing, outputs=outputs, **PLAIN),
        parts.search.input(
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
    def show(browsing: Browsing, example: str) -> dict[Any, Any]:
        try:
            opened = runs.take(browsing.run)
        except ReaderboardError as error:
            return _closed(parts, str(error), "alarm")
        if example not in opened.rows:
            return {}
        turned = turn_to(opened, replace(browsing, example=example))
        # The table stays as it is on the same page, and with it the cell that has the focus.
        return _example(parts, opened, turned) if turned.page == browsing.page else _listed(parts, opened, turned)

    def select(browsing: Browsing, selected: gr.SelectData) -> dict[Any, Any]:
        # The id tells which row it is, wherever the browser shows it.
        return show(browsing, str(selected.row_value[-1]) if selected.row_value else "")

    def step(browsing: Browsing, forward: bool) -> dict[Any, Any]:
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
        return {**watched, **shown, parts.run: gr.Dropdown(choices, value=choices[0][1])}

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
    parts.new.click(lambda: gr.Column(visible=True), outputs=parts.panel, **PLAIN)
    parts.evaluate.click(
        evaluate,
        inputs=[parts.reader, parts.data],
        outputs=parts.watched,
        trigger_mode="once",
        **PLAIN,
    )
    looking = parts.timer.tick(look, inputs=[parts.going, parts.browsing], outputs=outputs, **PLAIN)
    acting = parts.jobs.click(act, outputs=outputs, **PLAIN)
    del looking
    _then_draw(parts, runs, acting)
