"""The runs that Judge can open: where they lie, what they are called, and the few that stay open.

A run is read once and then serves every visitor: tables are never copied into a session, which keeps only names.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pages.data_sets import data_label
from pages.readers import label_of
from reader.errors import BadRun
from reader.examples import STARTER
from reader.job_files import load_jobs
from reader.metrics import OUTCOMES, metrics_at
from reader.names import plain_name
from reader.results import Run, RunSummary, list_runs, open_run, summarize, view
from reader.settings import home
from reader.slices import slicings
from reader.views import judged, outcome_counts

SHIPPED = "starter"  # what the page and links call the run that comes with the project
KEPT_OPEN = 4  # runs in memory, each some 60 MB at 11,873 questions; a comparison takes two
KEPT_READ = 12  # runs as read at some threshold; each some 10 MB
LONGEST_KEY = 300


@dataclass(frozen=True, slots=True)
class RunChoice:
    """A run to pick: what it is called on the page, and the name that the page and links use for it."""

    label: str
    key: str


@dataclass(frozen=True, slots=True, eq=False)
class OpenedRun:
    """A run as read at a threshold, with what every filter and every page needs at hand.

    ``decided`` is `view` of its table, ``figures`` what `summarize` says, the metrics, outcomes and abstaining ROUGE
    at this threshold; ``margins`` (NaN where unknown), ``f1`` and ``outcomes`` are columns of it; ``slices`` what
    `slicings` makes of it, by name. ``threshold`` is None where the run has no margins.
    """

    key: str
    run: Run
    threshold: float | None
    decided: pd.DataFrame
    figures: dict[str, Any]
    margins: NDArray[np.float64]
    f1: NDArray[np.float64]
    outcomes: NDArray[np.str_]
    rows: dict[str, int]
    slices: dict[str, pd.Series]

    @property
    def movable(self) -> bool:
        """Whether there are margins, and so thresholds."""
        return not self.run.why_no_thresholds

    @property
    def moved(self) -> bool:
        """Whether it is read at another threshold than the run's own."""
        return self.threshold != self.run.threshold and self.movable


class RunShelf:
    """At most `KEPT_OPEN` open runs; the one that was not looked at for longest goes first."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[Path, int], OpenedRun] = OrderedDict()
        self._read: OrderedDict[tuple[Path, int, float], OpenedRun] = OrderedDict()
        self._looking = threading.Lock()
        self._opening = threading.Lock()

    def take(self, key: str, threshold: float | None = None) -> OpenedRun:
        """Return an open run, read anew where its folder has changed; at its own threshold, or at another one.

        A threshold is of no effect on a run without margins. Raises `BadRun`.
        """
        opened = self._take(find_run(key), key)
        if threshold is None or not opened.movable or threshold == opened.threshold:
            return opened
        name = (opened.run.folder, _changed(opened.run.folder), threshold)
        with self._looking:
            read = self._read.get(name)
        if read is None:
            read = at_threshold(opened, threshold)
        with self._looking:
            self._read[name] = read
            self._read.move_to_end(name)
            while len(self._read) > KEPT_READ:
                self._read.popitem(last=False)
        return read

    def _take(self, folder: Path, key: str) -> OpenedRun:
        name = (folder, _changed(folder))
        opened = self._look(name)
        if opened is not None:
            return opened
        with self._opening:
            # Another visitor may have opened it while this one waited.
            opened = self._look(name) or _opened(key, _read(folder))
            with self._looking:
                self._open[name] = opened
                while len(self._open) > KEPT_OPEN:
                    self._open.popitem(last=False)
        return opened

    def _look(self, name: tuple[Path, int]) -> OpenedRun | None:
        with self._looking:
            if name in self._open:
                self._open.move_to_end(name)
            return self._open.get(name)


def list_choices() -> list[RunChoice]:
    """Return all runs, newest first: those of evaluations and jobs here, then the one that ships."""
    return [RunChoice(_label(run), key_of(run.folder)) for run in all_runs()]


def all_runs() -> list[RunSummary]:
    """Return all runs as they are listed, newest first, the one that ships last."""
    root = home()
    here = list_runs(root / "evaluations", *(job.folder for job in load_jobs(root / "jobs")))
    return here + [run for run in list_runs(STARTER.parent) if run.name == "run"]


def key_of(folder: Path) -> str:
    """What the page and links call the run in a folder."""
    root = home()
    return folder.relative_to(root).as_posix() if folder.is_relative_to(root) else SHIPPED


def find_run(key: str) -> Path:
    """Return the folder of a run by the name that the page uses. Raises `BadRun` where there is none."""
    # A name may come straight over HTTP, and so be anything.
    if not isinstance(key, str) or len(key) > LONGEST_KEY or not key.isprintable():
        raise BadRun("That is not the name of a run: pick one from the list.")
    root = home()
    folder = STARTER.parent / "run" if key == SHIPPED else (root / key).resolve()
    if key != SHIPPED and (not folder.is_relative_to(root) or folder == root):
        raise BadRun(f"There is no run “{key}” here: pick one from the list.")
    if not (folder / "run.json").is_file():
        raise BadRun(f"There is no run “{key}” here any more: pick one from the list.")
    return folder


def data_name(source: str) -> str:
    """What a data set is called on the page: its file's name rather than the whole path."""
    return "starter set" if source == "starter" else plain_name(data_label(source))


def day_of(created: str) -> str:
    """Return an ISO time (UTC) as "24 Jan 2026, 07:05"; what is none stays as it is."""
    try:
        return f"{datetime.fromisoformat(created):%d %b %Y, %H:%M}".lstrip("0")
    except ValueError:
        return created


def _changed(folder: Path) -> int:
    try:
        return (folder / "run.json").stat().st_mtime_ns
    except OSError:
        raise BadRun(f"The run {folder.name} was removed: pick another one from the list.") from None


def _label(run: RunSummary) -> str:
    if run.problem:
        return f"{run.name} · cannot be opened"
    return f"{label_of(run.reader)} · {data_name(run.data)} · {day_of(run.created)}"


def at_threshold(opened: OpenedRun, threshold: float) -> OpenedRun:
    """The same run, decided anew; what does not hang on the threshold is shared."""
    decided = view(opened.run.examples, threshold)
    own = judged(opened.run.examples)
    # Of the figures that a threshold does not move, those stay.
    return replace(
        opened,
        threshold=threshold,
        decided=decided,
        figures={
            **opened.figures,
            "threshold": threshold,
            "metrics": {**opened.figures["metrics"], **metrics_at(own, opened.margins, threshold)},
            "outcomes": outcome_counts(decided),
        },
        f1=decided["f1"].to_numpy(dtype=np.float64),
        outcomes=_names(decided["outcome"]),
    )


def _read(folder: Path) -> Run:
    """Open the run; what is wrong with it is said without the folders of this machine."""
    try:
        return open_run(folder)
    except BadRun as error:
        raise BadRun(str(error).replace(str(folder), folder.name)) from None


def _opened(key: str, run: Run) -> OpenedRun:
    threshold = run.threshold if not run.why_no_thresholds else None
    decided = view(run.examples, threshold)
    return OpenedRun(
        key=key,
        run=run,
        threshold=threshold,
        decided=decided,
        figures=summarize(run),
        margins=decided["null_score_diff"].to_numpy(dtype=np.float64),
        f1=decided["f1"].to_numpy(dtype=np.float64),
        outcomes=_names(decided["outcome"]),
        rows={name: row for row, name in enumerate(decided["id"].tolist())},
        slices=slicings(run.examples),
    )


def _names(outcome: pd.Series) -> NDArray[np.str_]:
    """The outcomes as an array of their names."""
    return np.asarray(OUTCOMES, dtype=np.str_)[outcome.cat.codes.to_numpy()]
