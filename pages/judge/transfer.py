"""Runs that come in from elsewhere, and go out: somebody else's predictions, and every form a run can be taken in."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

import gradio as gr

from pages.access import Access, require
from pages.judge.evaluating import data_asked_for
from pages.judge.layout import EXPORTS
from pages.judge.runs import OpenedRun
from pages.judge.shown import drawings
from pages.scratch import scratch
from reader.errors import BadUsage, ReaderboardError
from reader.examples import load_examples
from reader.exports import (
    examples_csv,
    examples_parquet,
    import_notes,
    import_predictions,
    official_json,
    zip_run,
)
from reader.files import write_text
from reader.report import report
from reader.settings import home

LONGEST_NAME = 80


def take_in(
    predictions: str | None,
    null_odds: str | None,
    data: str | None,
    name: str | None,
    request: gr.Request,
    access: Access,
) -> tuple[str, str]:
    """Make a run of uploaded predictions; returns the page's name for it, and what did not fit.

    Raises `NotAllowed` for those who may not, and `ReaderboardError`.
    """
    require(request, access)
    if predictions is None:
        raise BadUsage("There are no predictions yet: drop a predictions.json, as the official script reads it.")
    whose = (name or "").strip()[:LONGEST_NAME]
    source = data_asked_for(data, request, access)
    stem = re.sub(r"[^\w.]+", "-", whose).strip("-.") or "imported"
    out = home() / "evaluations" / f"{stem}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    said, odds = Path(predictions), Path(null_odds) if null_odds else None
    try:
        run = import_predictions(load_examples(source), said, odds, out, name=whose)
    except ReaderboardError as error:
        raise type(error)(_without_folders(str(error), source, predictions, null_odds or "", str(out))) from None
    return out.relative_to(home()).as_posix(), " ".join(import_notes(run))


def _without_folders(sentence: str, *files: str) -> str:
    """A sentence that names files by their names alone: where they lie on this machine is nobody's business."""
    for file in filter(os.path.isabs, files):
        sentence = sentence.replace(file, Path(file).name)
    return sentence


def take_out(opened: OpenedRun, other: OpenedRun | None, form: str | None) -> Path:
    """Write the run as read at its threshold in one of `EXPORTS`; returns the file. Raises `ReaderboardError`."""
    folder = scratch()
    name = re.sub(r"[^\w.]+", "-", opened.key).strip("-.")
    run, at = opened.run, opened.threshold
    official, csv, parquet, whole, as_report = EXPORTS
    if form == official:
        made = official_json(run, at, folder / name)
        return Path(shutil.make_archive(str(folder / f"{name}-official"), "zip", made))
    if form == csv:
        return examples_csv(run, at, folder / f"{name}.csv")
    if form == parquet:
        return examples_parquet(run, at, folder / f"{name}.parquet")
    if form == whole:
        return zip_run(run, folder / f"{name}.zip")
    if form == as_report:
        target = folder / f"{name}.html"
        write_text(target, report(run, threshold=at, other=other.run if other else None, charts=_charts(opened)))
        return target
    raise BadUsage(f"A run is taken out as one of: {', '.join(EXPORTS)}.")


# In the report a drawing takes the page's colour for its words, in light and dark; plotly would write them dark blue.
_CHART_STYLE = (
    "<style>.chart .js-plotly-plot text { fill: currentColor !important; }"
    ".chart .gridlayer path { stroke: currentColor !important; stroke-opacity: 0.15 !important; }"
    ".chart .shapelayer path { stroke: currentColor !important; stroke-opacity: 0.6 !important; }</style>"
)


def _charts(opened: OpenedRun) -> list[str]:
    """The run's drawings as HTML that asks for nothing: plotly's own script goes along with the first."""
    drawn = drawings(opened).values()
    return [
        _CHART_STYLE * (number == 0)
        + figure.to_html(full_html=False, include_plotlyjs=number == 0, config={"displayModeBar": False})
        for number, figure in enumerate(drawn)
    ]
