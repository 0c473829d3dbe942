"""The Judge tab: how good a reader is, where it fails, which of two is better, and each question with what was said.

A run is opened once and shared; a session keeps a `Browsing`, which names what is looked at. Where things stand is in
layout.py, what is shown in shown.py and the files it calls; here it is wired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from pages.access import Access, may, why_not
from pages.events import CLICK_DOWNLOAD, PLAIN
from pages.judge import article
from pages.judge.behaving import behaviour_of, start_behaviour
from pages.judge.browse import ALL, SECTIONS, Browsing, filter_by, open_link, place_of, threshold_of, turn_to
from pages.judge.evaluating import (
    data_choices,
    evaluation_lines,
    evaluations,
    is_going,
    start_evaluation,
    stop_evaluation,
)
from pages.judge.layout import Parts, layout
from pages.judge.runs import OpenedRun, RunShelf
from pages.judge.shown import Changes, closed, example, listed, picks, scored, section, shown
from pages.judge.transfer import take_in, take_out
from pages.phrases import notice, signed
from pages.readers import Shelf, list_readers
from reader.calibration import at_no_answer_accuracy
from reader.errors import BadUsage, ReaderboardError
from reader.exports import counted
from reader.leaderboard import SQUAD2_DEV_SOURCE
from reader.views import judged

NO_RUNS = "No runs yet. Evaluate the embedded reader on the starter set: about 20 seconds."
FAULT = "Something went wrong in Readerboard itself. What it was stands in the terminal that it was started from."
OTHER_DATA = "The two runs are on different questions, so they cannot be compared. Pick one on the same data set."


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
# Where what was started from the foot of the page is told of.
SHOW_EVALUATIONS = """() => {
    const told = document.querySelector("#judge-evaluations");
    if (told?.textContent.trim()) told.scrollIntoView({block: "center"});
}"""
# n and p go on and back among the examples, where nobody is typing.
KEYS = """() => document.addEventListener("keydown", event => {
    const typing = event.target.closest("input, textarea, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !["n", "p"].includes(event.key)) return;
    document.querySelector(event.key === "n" ? "#judge-example-next" : "#judge-example-previous")?.click();
})"""


def build(demo: gr.Blocks, access: Access, tab: gr.Tab, shelf: Shelf) -> None:
    """Lay the tab out and wire it; to be called inside its gr.Tab. Nothing is read before somebody opens it."""
    parts = layout()
    runs = RunShelf()
    _wire_opening(parts, access, tab, runs)
    _wire_threshold(parts, runs)
    _wire_sections(parts, runs)
    _wire_choosing(parts, runs)
    _wire_example(parts, runs)
    _wire_evaluating(parts, access, runs, shelf)
    _wire_transfer(parts, access, runs)
    demo.load(None, js=KEYS, api_visibility="private")


# What is looked at


def _looked_at(runs: RunShelf, browsing: Browsing) -> tuple[OpenedRun, OpenedRun | None]:
    """The run, and the one beside it. Raises `ReaderboardError`; one that does not go with the other is left out."""
    opened = runs.take(browsing.run, browsing.threshold)
    other = runs.take(browsing.other) if browsing.other and browsing.other != browsing.run else None
    return opened, other if other is not None and _same_data(opened, other) else None


def _same_data(one: OpenedRun, other: OpenedRun) -> bool:
    return bool(one.run.info["data"]["fingerprint"] == other.run.info["data"]["fingerprint"])


def _open(parts: Parts, runs: RunShelf, key: str, parameters: Mapping[str, str]) -> Changes:
    try:
        opened = runs.take(key, threshold_of(parameters.get("threshold")))
        browsing, says = open_link(opened, parameters)
        other = None
        if browsing.other:
            try:
                _, other = _looked_at(runs, browsing)
                says = says if other else OTHER_DATA
            except ReaderboardError as error:
                says = str(error)
            browsing = browsing if other else replace(browsing, other="")
    except ReaderboardError as error:
        return closed(parts, str(error), "alarm")
    return shown(parts, opened, other, browsing, says)


def _wire_opening(parts: Parts, access: Access, tab: gr.Tab, runs: RunShelf) -> None:
    def open_tab(browsing: Browsing, request: gr.Request) -> Changes:
        """Read what is there; on a second visit to the tab, leave open what is open."""
        choices = picks()
        allowed = may(request, access)
        filled: Changes = {
            parts.run: gr.Dropdown(choices),
            parts.other: gr.Dropdown([("nothing", ""), *choices]),
            parts.reader: gr.Dropdown([(choice.label, choice.name) for choice in list_readers()]),
            **{part: gr.Dropdown(data_choices()) for part in (parts.data, parts.behave_data)},
            parts.evaluate: gr.Button(interactive=allowed),
            parts.import_run: gr.Button(interactive=allowed),
            parts.behave: gr.Button(interactive=allowed),
            **_watched(parts),
            parts.evaluate_says: "" if allowed else notice(why_not(access)),
        }
        parameters = dict(request.query_params)
        if browsing.run:
            return filled
        if not choices:
            return filled | closed(parts, NO_RUNS) | {parts.panel: gr.Accordion(open=True)}
        first = parameters.get("run") or choices[0][1]
        opened = _open(parts, runs, first, parameters)
        if parts.run in opened:
            opened[parts.run] = gr.Dropdown(choices, value=first)
            opened[parts.other] = gr.Dropdown([("nothing", ""), *choices], value=_other_in(opened, parts))
        return filled | opened

    def open_run(key: str | None, browsing: Browsing) -> Changes:
        # Another run on the same questions is read with the same eyes.
        kept = {"section": browsing.section, "outcome": browsing.outcome, "where": browsing.where}
        opened = _open(parts, runs, key or "", kept)
        return opened

    def compare(key: str | None, browsing: Browsing) -> Changes:
        asked = replace(browsing, other=key or "")
        try:
            opened, other = _looked_at(runs, asked)
        except ReaderboardError as error:
            return {parts.says: notice(str(error), "alarm")}
        says = OTHER_DATA if key and other is None and key != browsing.run else ""
        settled = turn_to(opened, replace(asked, other=other.key if other else ""))
        return {
            parts.says: notice(says, "alarm") if says else "",
            **scored(parts, opened, other),
            **listed(parts, opened, other, settled),
            **section(parts, opened, other, settled),
        }

    outputs = [
        *parts.opened, parts.panel, parts.reader, parts.data, parts.evaluate, parts.import_run, parts.behave,
        parts.behave_data, *parts.watched,
    ]  # fmt: skip
    opening = tab.select(open_tab, inputs=parts.browsing, outputs=outputs, **PLAIN)
    picking = parts.run.input(open_run, inputs=[parts.run, parts.browsing], outputs=parts.opened, **PLAIN)
    comparing = parts.other.input(compare, inputs=[parts.other, parts.browsing], outputs=parts.opened, **PLAIN)
    for event in (opening, picking, comparing):
        event.failure(lambda: closed(parts, FAULT, "alarm"), outputs=parts.opened, **PLAIN)
        event.then(None, js=SHOW_MARK, api_visibility="private")


def _other_in(opened: Changes, parts: Parts) -> str:
    browsing = opened.get(parts.browsing)
    return browsing.other if isinstance(browsing, Browsing) else ""


def _again(parts: Parts, runs: RunShelf, browsing: Browsing, *, moved: bool = False) -> Changes:
    """Show the chosen questions, and with ``moved`` what a threshold moves. A run that is gone is said to be."""
    try:
        opened, other = _looked_at(runs, browsing)
    except ReaderboardError as error:
        return closed(parts, str(error), "alarm")
    try:
        settled = turn_to(opened, browsing)
    except BadUsage:
        settled = replace(browsing, page=0, example="")  # said at the filter
    changes = listed(parts, opened, other, settled)
    if moved:
        changes |= scored(parts, opened, other) | section(parts, opened, other, settled)
    return changes


# The threshold


def _wire_threshold(parts: Parts, runs: RunShelf) -> None:
    def move(browsing: Browsing, threshold: Any) -> Changes:
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not math.isfinite(threshold):
            return gr.skip()
        return _again(parts, runs, replace(browsing, threshold=float(threshold)), moved=True)

    def to(pick: Callable[[OpenedRun], float | None]) -> Callable[[Browsing], Changes]:
        def handle(browsing: Browsing) -> Changes:
            try:
                at = pick(runs.take(browsing.run))
            except ReaderboardError as error:
                return closed(parts, str(error), "alarm")
            if at is None:
                return gr.skip()
            return {**move(browsing, at), parts.threshold: round(at, 2), parts.threshold_says: ""}

        return handle

    def guard(browsing: Browsing, wanted: str) -> Changes:
        try:
            opened = runs.take(browsing.run)
            found = at_no_answer_accuracy(judged(opened.run.examples), opened.margins, _percentage(wanted))
        except ReaderboardError as error:
            return {parts.threshold_says: notice(str(error), "alarm")}
        at = round(found.threshold, 2) if found.threshold == found.threshold else 0.0
        says = (
            f"At {signed(at)} NoAns is {found.metrics['NoAns_exact']:.1f} %. It costs {found.f1_lost:.1f} points of F1 "
            f"against the best threshold here, and {counted(found.missed, 'answerable question')} "
            f"{'gets' if found.missed == 1 else 'get'} no answer."
        )
        return {**move(browsing, found.threshold), parts.threshold: at, parts.threshold_says: notice(says)}

    outputs = [*parts.opened]
    parts.threshold.input(
        move,
        inputs=[parts.browsing, parts.threshold],
        outputs=outputs,
        trigger_mode="always_last",
        preprocess=False,  # which would refuse what is typed beyond the slider's ends with an error
        **PLAIN,
    )
    for button, pick in (
        (parts.own_threshold, lambda opened: opened.threshold),
        (parts.zero, lambda opened: 0.0 if opened.movable else None),
        (parts.oracle, lambda opened: (opened.figures["thresholds"] or {}).get("oracle", {}).get("threshold")),
    ):
        button.click(to(pick), inputs=parts.browsing, outputs=outputs, **PLAIN)
    parts.guard.click(guard, inputs=[parts.browsing, parts.wanted], outputs=outputs, **PLAIN)


def _percentage(text: Any) -> float:
    try:
        return float(str(text).strip().rstrip("%").replace(",", ".")) / 100
    except ValueError:
        raise BadUsage(f"“{str(text)[:40]}” is no percentage; expected a number such as 90.") from None


# The sections


def _wire_sections(parts: Parts, runs: RunShelf) -> None:
    def turn_section(name: str) -> Callable[[Browsing, Any], Changes]:
        def handle(browsing: Browsing, slicing: Any) -> Changes:
            turned = replace(browsing, section=name)
            try:
                opened, other = _looked_at(runs, turned)
            except ReaderboardError as error:
                return closed(parts, str(error), "alarm")
            # The heading's data make the link, so it goes along.
            told = example(parts, opened, other, turned)
            kept = {part: told[part] for part in (parts.browsing, parts.heading)}
            return {**section(parts, opened, other, turned, slicing), **kept, **_behaviour(parts, opened, name)}

        return handle

    outputs = [*parts.sectioned, parts.browsing, parts.heading, parts.says, parts.body]
    for name in SECTIONS:
        parts.tabs[name].select(turn_section(name), inputs=[parts.browsing, parts.slicing], outputs=outputs, **PLAIN)
    parts.slicing.input(turn_section("slices"), inputs=[parts.browsing, parts.slicing], outputs=outputs, **PLAIN)

    def show_slice(browsing: Browsing, clicked: gr.EventData) -> Changes:
        if clicked.slice:
            return {**turn_section("slices")(browsing, clicked.slice), parts.slicing: clicked.slice}
        chosen = filter_by(replace(browsing, section=SECTIONS[0]), ALL, str(clicked.where))
        return {**_again(parts, runs, chosen), parts.sections: gr.Tabs(selected=SECTIONS[0])}

    def show_example(browsing: Browsing, clicked: gr.EventData) -> Changes:
        chosen = replace(
            browsing, section=SECTIONS[0], outcome=ALL, where="", sort="data", example=str(clicked.example)
        )
        return {**_again(parts, runs, chosen), parts.sections: gr.Tabs(selected=SECTIONS[0])}

    def show_run(browsing: Browsing, clicked: gr.EventData) -> Changes:
        # The other button on the board starts an evaluation.
        return _open(parts, runs, str(clicked.run), {"section": browsing.section}) if clicked.run else gr.skip()

    def show_change(browsing: Browsing, clicked: gr.EventData) -> Changes:
        try:
            opened = runs.take(browsing.run)
        except ReaderboardError as error:
            return closed(parts, str(error), "alarm")
        return _behaviour(parts, opened, "behaviour", str(clicked.change))

    parts.slices.click(show_slice, inputs=parts.browsing, outputs=parts.opened, **PLAIN)
    parts.versus.click(show_example, inputs=parts.browsing, outputs=parts.opened, **PLAIN)
    parts.board.click(show_run, inputs=parts.browsing, outputs=parts.opened, **PLAIN)
    parts.behaviour.click(
        show_change, inputs=parts.browsing, outputs=[*parts.sectioned, parts.says, parts.body], **PLAIN
    )
    gr.on(
        [parts.said.change, parts.gold.change],
        article.bench,
        inputs=[parts.said, parts.gold],
        outputs=parts.bench,
        trigger_mode="always_last",
        **PLAIN,
    )
    parts.tabs["article"].select(article.bench, inputs=[parts.said, parts.gold], outputs=parts.bench, **PLAIN)


def _behaviour(parts: Parts, opened: OpenedRun, name: str, change: str = "") -> Changes:
    return {parts.behaviour: behaviour_of(opened, change)} if name == "behaviour" else {}


# The questions


def _wire_choosing(parts: Parts, runs: RunShelf) -> None:
    def by_outcome(browsing: Browsing, outcome: str) -> Changes:
        return _again(parts, runs, filter_by(browsing, outcome, browsing.where))

    def by_part(browsing: Browsing, clicked: gr.EventData) -> Changes:
        chosen = filter_by(replace(browsing, section=SECTIONS[0]), clicked.outcome, browsing.where)
        return {**_again(parts, runs, chosen), parts.sections: gr.Tabs(selected=SECTIONS[0])}

    def by_filter(browsing: Browsing, where: str) -> Any:
        # A filter that was set with another run changes nothing.
        if where.strip() == browsing.where:
            return gr.skip()
        changes = _again(parts, runs, filter_by(browsing, browsing.outcome, where))
        # What is being typed is not typed over.
        return {part: value for part, value in changes.items() if part is not parts.search}

    def in_order(browsing: Browsing, sort: Any) -> Changes:
        return _again(parts, runs, replace(browsing, sort=sort, page=0, example=""))

    def turn(browsing: Browsing, pages: int) -> Changes:
        return _again(parts, runs, replace(browsing, page=browsing.page + pages, example=""))

    outputs = parts.opened
    for event in (
        parts.outcome.input(by_outcome, inputs=[parts.browsing, parts.outcome], outputs=outputs, **PLAIN),
        parts.bars.click(by_part, inputs=parts.browsing, outputs=outputs, **PLAIN),
        # Not ``input``: that one misses what is pasted.
        parts.search.change(
            by_filter,
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
    def show(browsing: Browsing, name: str) -> Any:
        try:
            opened, other = _looked_at(runs, browsing)
        except ReaderboardError as error:
            return closed(parts, str(error), "alarm")
        if name not in opened.rows:
            return gr.skip()
        turned = turn_to(opened, replace(browsing, example=name))
        # The table stays as it is on the same page, and with it the cell that has the focus.
        if turned.page == browsing.page:
            return example(parts, opened, other, turned)
        return listed(parts, opened, other, turned)

    def select(browsing: Browsing, selected: gr.SelectData) -> Any:
        # The id tells which row it is, wherever the browser shows it.
        return show(browsing, str(selected.row_value[-1]) if selected.row_value else "")

    def step(browsing: Browsing, forward: bool) -> Any:
        try:
            place = place_of(runs.take(browsing.run, browsing.threshold), browsing)
        except ReaderboardError as error:
            return closed(parts, str(error), "alarm")
        return show(browsing, place.next if forward else place.previous)

    def go_to(browsing: Browsing, clicked: gr.EventData) -> Any:
        return show(browsing, str(clicked.example))

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
    parts.neighbours.click(go_to, inputs=parts.browsing, outputs=outputs, **PLAIN).then(
        None, js=SHOW_MARK, api_visibility="private"
    )


# What runs here, comes in and goes out


def _watched(parts: Parts) -> Changes:
    """The evaluations as their files tell; the timer looks on as long as one is going."""
    jobs = evaluations()
    going = tuple(job.id for job in jobs if is_going(job))
    return {parts.jobs: evaluation_lines(jobs), parts.timer: gr.Timer(active=bool(going)), parts.going: going}


def _refused(parts: Parts, error: ReaderboardError) -> Changes:
    """Why nothing was started, where those that were started stand."""
    return {parts.jobs: notice(str(error), "alarm") + evaluation_lines(evaluations())}


def _wire_evaluating(parts: Parts, access: Access, runs: RunShelf, shelf: Shelf) -> None:
    def evaluate(reader: str | None, data: str | None, request: gr.Request) -> Changes:
        try:
            start_evaluation(reader or "", data or "", shelf, request, access)
        except ReaderboardError as error:
            return {parts.evaluate_says: notice(str(error), "alarm")}
        return {parts.evaluate_says: "", **_watched(parts)}

    def evaluate_published(clicked: gr.EventData, request: gr.Request) -> Changes:
        if not clicked.evaluate:  # the board's other buttons open runs
            return gr.skip()
        try:
            start_evaluation(str(clicked.evaluate), SQUAD2_DEV_SOURCE, shelf, request, access)
        except ReaderboardError as error:
            return _refused(parts, error)
        return _watched(parts)

    def behave(browsing: Browsing, data: str | None, request: gr.Request) -> Changes:
        try:
            start_behaviour(runs.take(browsing.run), data or "", shelf, request, access)
        except ReaderboardError as error:
            return _refused(parts, error)
        return _watched(parts)

    def look(going: tuple[str, ...], browsing: Browsing) -> Changes:
        """Look again; a run that has come meanwhile joins the list, and is opened where none is open."""
        watched = _watched(parts)
        if set(watched[parts.going]) >= set(going):
            return watched
        choices = picks()
        listed_anew = {parts.run: gr.Dropdown(choices), parts.other: gr.Dropdown([("nothing", ""), *choices])}
        if browsing.run or not choices:
            return {**watched, **listed_anew, **_tested(browsing)}
        opened = _open(parts, runs, choices[0][1], {})
        return {**watched, **opened, **listed_anew, parts.run: gr.Dropdown(choices, value=choices[0][1])}

    def _tested(browsing: Browsing) -> Changes:
        try:
            return _behaviour(parts, runs.take(browsing.run), browsing.section) if browsing.run else {}
        except ReaderboardError:
            return {}

    def act(clicked: gr.EventData, request: gr.Request) -> Changes:
        if clicked.show:
            choices = picks()
            return {**_open(parts, runs, clicked.show, {}), parts.run: gr.Dropdown(choices, value=clicked.show)}
        try:
            stop_evaluation(clicked.stop, request, access)
        except ReaderboardError as error:
            return {parts.evaluate_says: notice(str(error), "alarm")}
        return _watched(parts)

    outputs = [*parts.opened, *parts.watched]
    for button, handler, inputs in (
        (parts.evaluate, evaluate, [parts.reader, parts.data]),
        (parts.behave, behave, [parts.browsing, parts.behave_data]),
    ):
        button.click(handler, inputs=inputs, outputs=parts.watched, trigger_mode="once", **PLAIN).then(
            None, js=SHOW_EVALUATIONS, api_visibility="private"
        )
    parts.board.click(evaluate_published, outputs=parts.watched, **PLAIN).then(
        None, js=SHOW_EVALUATIONS, api_visibility="private"
    )
    parts.timer.tick(look, inputs=[parts.going, parts.browsing], outputs=outputs, **PLAIN)
    parts.jobs.click(act, outputs=outputs, **PLAIN)


def _wire_transfer(parts: Parts, access: Access, runs: RunShelf) -> None:
    def bring_in(
        predictions: str | None, null_odds: str | None, data: str | None, name: str | None, request: gr.Request
    ) -> Changes:
        try:
            key, says = take_in(predictions, null_odds, data, name, request, access)
        except ReaderboardError as error:
            return {parts.evaluate_says: notice(str(error), "alarm")}
        choices = picks()
        return {
            **_open(parts, runs, key, {}),
            parts.run: gr.Dropdown(choices, value=key),
            parts.other: gr.Dropdown([("nothing", ""), *choices], value=""),
            parts.evaluate_says: notice(says) if says else "",
        }

    def send_out(browsing: Browsing, form: str | None) -> Changes:
        try:
            opened, other = _looked_at(runs, browsing)
            file = take_out(opened, other, form)
        except ReaderboardError as error:
            return {parts.evaluate_says: notice(str(error), "alarm")}
        return {parts.exported: gr.DownloadButton(value=str(file)), parts.evaluate_says: ""}

    parts.import_run.click(
        bring_in,
        inputs=[parts.predictions, parts.null_odds, parts.data, parts.import_name],
        outputs=[*parts.opened, parts.evaluate_says],
        trigger_mode="once",
        concurrency_limit=1,
        show_progress="hidden",
        api_visibility="private",
    )
    sent = parts.export_now.click(
        send_out,
        inputs=[parts.browsing, parts.export],
        outputs=[parts.exported, parts.evaluate_says],
        trigger_mode="once",
        **PLAIN,
    )
    sent.success(None, js=CLICK_DOWNLOAD.format("exported-run"), api_visibility="private")
