"""The Judge tab's parts and where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from pages.browse import ALL, HEADERS, Browsing
from pages.evaluating import STARTER_SET
from pages.readers import EMBEDDED

SECONDS_BETWEEN_LOOKS = 2.0  # at the files of running evaluations

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


@dataclass(frozen=True, slots=True)
class Parts:
    """The tab's components."""

    run: gr.Dropdown
    panel: gr.Accordion
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
            self.run, self.says, self.body, self.overview, self.bars, self.article, self.thresholds, self.chart,
            *self.listed,
        ]  # fmt: skip

    @property
    def watched(self) -> list[Any]:
        """What changes with the evaluations that run."""
        return [self.jobs, self.timer, self.going, self.evaluate_says]


def layout() -> Parts:
    """One column on a phone; from a tablet on the table stands beside the example, by the grid in judge.css."""
    with gr.Column(elem_id="judge"):
        run = gr.Dropdown([], label="Run", elem_id="judge-run", num_choices_shown=None)
        with gr.Accordion("New evaluation", open=False, elem_id="judge-evaluate-panel") as panel:
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
                    column_widths=["208px", "118px", "140px", "70px", "60px", "52px", "84px", "180px", "220px"],
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
        run=run, panel=panel, reader=reader, data=data, evaluate=evaluate, evaluate_says=evaluate_says,
        jobs=jobs, timer=gr.Timer(SECONDS_BETWEEN_LOOKS, active=False), says=says, body=body, overview=overview,
        bars=bars, outcome=outcome, article=article, search=search, sort=sort, table=table, back=back, on=on,
        paging=paging, previous=before, next=after, heading=heading, text=text, figures=figures, nbest=nbest,
        thresholds=thresholds, chart=chart, browsing=gr.State(Browsing()), going=gr.State(()),
    )  # fmt: skip
