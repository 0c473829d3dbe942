"""The runs that Judge can open: where they lie, what they are called, and the few that stay open.

A run is read once and then serves every visitor: tables are never copied into a session, which keeps only names.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pages.readers import label_of
from reader.errors import BadRun
from reader.examples import STARTER
from reader.job_files import load_jobs
from reader.results import Run, RunSummary, list_runs, open_run, summarize, view
from reader.settings import home

SHIPPED = "starter"  # what the page and links call the run that comes with the project
KEPT_OPEN = 3  # runs in memory, each some 60 MB at 11,873 questions
LONGEST_KEY = 300


@dataclass(frozen=True, slots=True)
class RunChoice:
    """A run to pick: what it is called on the page, and the name that the page and links use for it."""

    label: str
    key: str


@dataclass(frozen=True, slots=True, eq=False)
class OpenedRun:
    """A run as read at its own threshold, with what every filter and every page needs at hand.

    ``decided`` is `view` of its table, ``figures`` its `summarize`; ``margins`` (NaN where unknown), ``f1`` and
    ``outcomes`` are columns of it, ``texts`` what a search looks through (casefolded), one entry per question.
    """

    key: str
    run: Run
    decided: pd.DataFrame
    figures: dict[str, Any]
    margins: NDArray[np.float64]
    f1: NDArray[np.float64]
    outcomes: NDArray[np.str_]
    texts: list[str]
    rows: dict[str, int]

    @property
    def movable(self) -> bool:
        """Whether there are margins, and so thresholds."""
        return not self.run.why_no_thresholds


class RunShelf:
    """At most `KEPT_OPEN` open runs; the one that was not looked at for longest goes first."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[Path, int], OpenedRun] = OrderedDict()
        self._looking = threading.Lock()
        self._opening = threading.Lock()

    def take(self, key: str) -> OpenedRun:
        """Return an open run, read anew where its folder has changed. Raises `BadRun`."""
        folder = find_run(key)
        name = (folder, _changed(folder))
        opened = self._look(name)
        if opened is not None:
            return opened
        with self._opening:
            # Another visitor may have opened it while this one waited.
            opened = self._look(name) or _opened(key, open_run(folder))
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
    root = home()
    here = list_runs(root / "evaluations", *(job.folder for job in load_jobs(root / "jobs")))
    choices = [RunChoice(_label(run), run.folder.relative_to(root).as_posix()) for run in here]
    return choices + [RunChoice(_label(run), SHIPPED) for run in list_runs(STARTER.parent) if run.name == "run"]


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
    if source == "starter":
        return "starter set"
    return Path(source).name if Path(source).is_absolute() else source


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


def _opened(key: str, run: Run) -> OpenedRun:
    decided = view(run.examples, run.threshold if not run.why_no_thresholds else None)
    titles, questions, ids = (decided[name].tolist() for name in ("title", "question", "id"))
    golds, spans = decided["answers"].tolist(), decided["span"].tolist()
    return OpenedRun(
        key=key,
        run=run,
        decided=decided,
        figures=summarize(run),
        margins=decided["null_score_diff"].to_numpy(dtype=np.float64),
        f1=decided["f1"].to_numpy(dtype=np.float64),
        outcomes=np.array(decided["outcome"].tolist(), dtype=np.str_),
        texts=[
            "\n".join((question, *answers, span, title, name)).casefold()
            for question, answers, span, title, name in zip(questions, golds, spans, titles, ids, strict=True)
        ],
        rows={name: row for row, name in enumerate(ids)},
    )
