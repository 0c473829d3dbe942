"""The Judge tab's parts and where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from pages.data_sets import STARTER, data_label
from pages.judge.behaviour_view import CLICK_CHANGE
from pages.judge.board import CLICK_RUN
from pages.judge.browse import ALL, HEADERS, SECTIONS, Browsing
from pages.judge.slices_view import CLICK_SLICE
from pages.judge.versus import CLICK_EXAMPLE
from pages.readers import EMBEDDED

SECONDS_BETWEEN_LOOKS = 2.0  # at the files of running evaluations
EXPORTS = ("predictions.json and null_odds.json", "CSV", "Parquet", "the whole run", "a report")

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
# The address names all that is looked at, so that a copied link opens exactly this.
NOTE_EXAMPLE = """
const note = () => {
    const shown = element.querySelector("[data-link]");
    if (!shown) return;
    const address = new URL(window.location);
    // Whoever has gone on to another tab meanwhile keeps that one's address.
    if (address.searchParams.get("tab") !== "judge") return;
    for (const [name, value] of Object.entries(JSON.parse(shown.dataset.link))) {
        if (value) address.searchParams.set(name, value);
        else address.searchParams.delete(name);
    }
    history.replaceState(null, "", address);
};
note();
watch("value", note);
"""
TITLES = {
    "examples": "Examples",
    "slices": "Slices",
    "threshold": "Threshold",
    "versus": "Comparison",
    "article": "The article",
    "behaviour": "Behaviour",
    "board": "All runs",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """The tab's components."""

    run: gr.Dropdown
    other: gr.Dropdown
    panel: gr.Accordion
    reader: gr.Dropdown
    data: gr.Dropdown
    evaluate: gr.Button
    evaluate_says: gr.HTML
    predictions: gr.File
    null_odds: gr.File
    import_name: gr.Textbox
    import_run: gr.Button
    export: gr.Dropdown
    export_now: gr.Button
    exported: gr.DownloadButton
    jobs: gr.HTML
    timer: gr.Timer
    says: gr.HTML
    body: gr.Column
    overview: gr.HTML
    bars: gr.HTML
    outcome: gr.Radio
    threshold_row: gr.Column
    threshold: gr.Slider
    own_threshold: gr.Button
    zero: gr.Button
    oracle: gr.Button
    wanted: gr.Textbox
    guard: gr.Button
    threshold_says: gr.HTML
    sections: gr.Tabs
    tabs: dict[str, gr.Tab]
    search: gr.Textbox
    filter_says: gr.HTML
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
    neighbours: gr.HTML
    slicing: gr.Dropdown
    slices: gr.HTML
    thresholds: gr.HTML
    chart: gr.Plot
    recall: gr.Plot
    margins: gr.Plot
    reliability: gr.Plot
    versus: gr.HTML
    article: gr.HTML
    said: gr.Textbox
    gold: gr.Textbox
    bench: gr.HTML
    behave_data: gr.Dropdown
    behave: gr.Button
    behaviour: gr.HTML
    board: gr.HTML
    browsing: gr.State
    going: gr.State

    @property
    def listed(self) -> list[Any]:
        """What changes with the choice of questions, and with a page or an example."""
        return [
            self.browsing, self.outcome, self.search, self.filter_says, self.sort, self.table, self.back, self.on,
            self.paging, self.previous, self.next, self.heading, self.text, self.figures, self.nbest, self.neighbours,
        ]  # fmt: skip

    @property
    def sectioned(self) -> list[Any]:
        """What stands in the sections beside the examples."""
        return [
            self.sections, self.slicing, self.slices, self.thresholds, self.chart, self.recall, self.margins,
            self.reliability, self.versus, self.article, self.behaviour, self.board,
        ]  # fmt: skip

    @property
    def opened(self) -> list[Any]:
        """What changes with the run, the one beside it, and the threshold."""
        return [
            self.run, self.other, self.says, self.body, self.overview, self.bars, self.threshold_row, self.threshold,
            self.threshold_says, *self.listed, *self.sectioned,
        ]  # fmt: skip

    @property
    def watched(self) -> list[Any]:
        """What changes with the evaluations that run."""
        return [self.jobs, self.timer, self.going, self.evaluate_says]


def layout() -> Parts:
    """One column on a phone; from a tablet on the table stands beside the example, by the grid in judge.css."""
    own: dict[str, Any] = {}
    with gr.Column(elem_id="judge"):
        with gr.Row(elem_id="judge-runs"):
            own["run"] = gr.Dropdown([], label="Run", elem_id="judge-run", num_choices_shown=None)
            own["other"] = gr.Dropdown(
                [("nothing", "")], value="", label="Compare with", elem_id="judge-other", num_choices_shown=None
            )
        with gr.Accordion("New run, import, export", open=False, elem_id="judge-evaluate-panel") as own["panel"]:
            _lay_out_making(own)
        own["jobs"] = gr.HTML(elem_id="judge-evaluations", js_on_load=CLICK_EVALUATION)
        own["says"] = gr.HTML(elem_id="judge-says")
        with gr.Column(visible=False, elem_id="judge-body") as own["body"]:
            own["overview"] = gr.HTML(elem_id="judge-overview")
            own["bars"] = gr.HTML(elem_id="judge-outcome-bars", js_on_load=CLICK_PART)
            _lay_out_threshold(own)
            with gr.Tabs(selected=SECTIONS[0], elem_id="judge-sections") as own["sections"]:
                own["tabs"] = {}
                for name, lay_out in _SECTIONS.items():
                    with gr.Tab(TITLES[name], id=name) as own["tabs"][name]:
                        lay_out(own)
    own["timer"] = gr.Timer(SECONDS_BETWEEN_LOOKS, active=False)
    own["browsing"] = gr.State(Browsing())
    own["going"] = gr.State(())
    return Parts(**own)


def _lay_out_making(own: dict[str, Any]) -> None:
    with gr.Row(elem_id="judge-evaluate-form"):
        own["reader"] = gr.Dropdown(
            [("embedded", EMBEDDED)],
            value=EMBEDDED,
            label="Reader: pick one, or type a Hub id",
            allow_custom_value=True,
            elem_id="judge-evaluate-reader",
        )
        own["data"] = gr.Dropdown(
            [(data_label(STARTER), STARTER)],
            value=STARTER,
            label="Data set: pick one, or type a Hub id",
            allow_custom_value=True,
            elem_id="judge-evaluate-data",
        )
        own["evaluate"] = gr.Button("Evaluate", variant="primary", scale=0, min_width=120, elem_id="judge-evaluate")
    own["evaluate_says"] = gr.HTML(elem_id="judge-evaluate-says")
    with gr.Row(elem_id="judge-import"):
        own["predictions"] = gr.File(label="predictions.json", file_types=[".json"], height=160, elem_classes="drop")
        own["null_odds"] = gr.File(
            label="null_odds.json, if there is one", file_types=[".json"], height=160, elem_classes="drop"
        )
        with gr.Column(min_width=200):
            own["import_name"] = gr.Textbox(label="Whose predictions, on the data set above", max_lines=1)
            own["import_run"] = gr.Button("Import", min_width=120, elem_id="judge-import-now")
    with gr.Row(elem_id="judge-export"):
        own["export"] = gr.Dropdown(
            list(EXPORTS), value=EXPORTS[-1], label="Take the run with you, at its threshold, as", filterable=False
        )
        own["export_now"] = gr.Button("Export", scale=0, min_width=120, elem_id="judge-export-now")
        # Shown, but out of sight: a hidden one is not on the page, and cannot be clicked by the other.
        own["exported"] = gr.DownloadButton("Run", elem_id="exported-run", elem_classes="unseen", scale=0)


def _lay_out_threshold(own: dict[str, Any]) -> None:
    with gr.Column(elem_id="judge-threshold") as own["threshold_row"]:
        own["threshold"] = gr.Slider(
            -10, 10, value=0, step=0.01, label="Threshold: above this margin nothing is said", buttons=[]
        )
        with gr.Row(elem_id="judge-threshold-buttons"):
            own["own_threshold"] = gr.Button("Its own", size="sm", scale=0, min_width=90)
            own["zero"] = gr.Button("0.0", size="sm", scale=0, min_width=70)
            own["oracle"] = gr.Button("Oracle", size="sm", scale=0, min_width=90)
            own["wanted"] = gr.Textbox("90", label="NoAns of at least, %", max_lines=1, scale=0, min_width=150)
            own["guard"] = gr.Button("Find", size="sm", scale=0, min_width=80)
        own["threshold_says"] = gr.HTML(elem_id="judge-threshold-says")


def _lay_out_examples(own: dict[str, Any]) -> None:
    with gr.Column(elem_id="judge-browse"):
        own["outcome"] = gr.Radio([("all", ALL)], value=ALL, label="Show", elem_id="judge-outcome")
        with gr.Column(elem_id="judge-examples"):
            with gr.Row(elem_id="judge-examples-head"):
                own["search"] = gr.Textbox(
                    label="Filter",
                    placeholder="words, or f1 < 0.5 and question word = who",
                    max_lines=1,
                    elem_id="judge-examples-search",
                )
                own["sort"] = gr.Dropdown([], label="Order", elem_id="judge-examples-sort", filterable=False)
            own["filter_says"] = gr.HTML(elem_id="judge-filter-says")
            own["table"] = gr.Dataframe(
                headers=list(HEADERS),
                column_count=len(HEADERS),
                datatype="str",
                type="array",
                interactive=False,
                show_label=False,
                buttons=[],
                max_height=820,
                column_widths=[
                    "208px",
                    "118px",
                    "140px",
                    "70px",
                    "60px",
                    "52px",
                    "84px",
                    "118px",
                    "70px",
                    "180px",
                    "220px",
                ],
                elem_id="judge-examples-table",
            )
            with gr.Row(elem_id="judge-examples-pages"):
                own["back"] = gr.Button("Previous 25", size="sm", scale=0, min_width=110, elem_id="judge-page-back")
                own["paging"] = gr.HTML(elem_id="judge-paging")
                own["on"] = gr.Button("Next 25", size="sm", scale=0, min_width=110, elem_id="judge-page-on")
        with gr.Column(elem_id="judge-example"):
            own["heading"] = gr.HTML(elem_id="judge-example-heading", js_on_load=NOTE_EXAMPLE)
            with gr.Row(elem_id="judge-example-steps"):
                own["previous"] = _step("Previous", "judge-example-previous")
                own["next"] = _step("Next", "judge-example-next")
            own["text"] = gr.HTML(elem_id="judge-example-text")
            own["figures"] = gr.HTML(elem_id="judge-example-figures")
            own["nbest"] = gr.HTML(elem_id="judge-example-nbest")
            own["neighbours"] = gr.HTML(elem_id="judge-neighbours", js_on_load=CLICK_EXAMPLE)


def _lay_out_slices(own: dict[str, Any]) -> None:
    own["slicing"] = gr.Dropdown([], label="Questions by", filterable=False, elem_id="judge-slicing")
    own["slices"] = gr.HTML(elem_id="judge-slices", js_on_load=CLICK_SLICE)


def _lay_out_thresholds(own: dict[str, Any]) -> None:
    own["thresholds"] = gr.HTML(elem_id="judge-threshold-table")
    with gr.Row(elem_id="judge-charts"):
        for name in ("chart", "recall", "margins", "reliability"):
            own[name] = gr.Plot(show_label=False, container=False, visible=False, elem_id=f"judge-{name}")


def _lay_out_versus(own: dict[str, Any]) -> None:
    own["versus"] = gr.HTML(elem_id="judge-versus", js_on_load=CLICK_EXAMPLE)


def _lay_out_article(own: dict[str, Any]) -> None:
    own["article"] = gr.HTML(elem_id="judge-article")
    with gr.Row(elem_id="judge-bench-form"):
        own["said"] = gr.Textbox("the Normans", label="Said", max_lines=3)
        own["gold"] = gr.Textbox("Normans", label="Right answer", max_lines=3)
    own["bench"] = gr.HTML(elem_id="judge-bench")


def _lay_out_behaviour(own: dict[str, Any]) -> None:
    with gr.Row(elem_id="judge-behave-form"):
        own["behave_data"] = gr.Dropdown(
            [(data_label(STARTER), STARTER)],
            value=STARTER,
            label="Test this run's reader on questions of",
            allow_custom_value=True,
        )
        own["behave"] = gr.Button("Test", scale=0, min_width=120, elem_id="judge-behave-now")
    own["behaviour"] = gr.HTML(elem_id="judge-behaviour", js_on_load=CLICK_CHANGE)


def _lay_out_board(own: dict[str, Any]) -> None:
    own["board"] = gr.HTML(elem_id="judge-board", js_on_load=CLICK_RUN)


_SECTIONS = {
    "examples": _lay_out_examples,
    "slices": _lay_out_slices,
    "threshold": _lay_out_thresholds,
    "versus": _lay_out_versus,
    "article": _lay_out_article,
    "behaviour": _lay_out_behaviour,
    "board": _lay_out_board,
}


def _step(title: str, name: str) -> gr.Button:
    return gr.Button(title, size="sm", scale=0, min_width=100, elem_id=name)
