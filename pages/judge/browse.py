"""Browsing a run: which of its questions are meant, in which order, and one page of them at a time.

What a visitor looks at is a `Browsing`, small and plain. The questions meant are found anew each time, from columns
that are in memory anyway: at 11,873 questions that takes milliseconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pages.judge.runs import OpenedRun
from pages.phrases import signed
from pages.theme import OUTCOME_WORDS
from reader.errors import BadUsage
from reader.filters import Filter, look_for, parse
from reader.metrics import OUTCOMES

PAGE = 25  # questions at a time
LONGEST_CELL = 140  # characters
LONGEST_FILTER = 1_000
ALL = "all"
SECTIONS = ("examples", "slices", "threshold", "versus", "article", "behaviour", "board")
# What reads as a filter; all else are words to search for.
_FILTER = re.compile(r"[=<>()\"“≠≤≥]|\b(?:and|or|not|contains)\b", re.IGNORECASE)

Sort = Literal["data", "answers", "silences", "f1"]
SORTS: dict[Sort, str] = {
    "data": "as in the data",
    "answers": "surest answers first",
    "silences": "surest silences first",
    "f1": "lowest F1 first",
}
# The order in which each outcome is worth reading: mistakes that the reader was sure of come first.
WORST_FIRST: dict[str, Sort] = {
    "false_answer": "answers",
    "wrong_span": "answers",
    "missed": "silences",
    "partial": "f1",
}
HEADERS = ("Question", "Said", "Outcome", "Margin", "F1", "EM", "ROUGE-1", "Other said", "Other F1", "Gold", "id")
OTHERS = ("Other said", "Other F1")  # there with a run to compare with only


@dataclass(frozen=True, slots=True)
class Browsing:
    """What a visitor looks at: a run, a choice of its questions, a page of them and one of them. ``page`` is from 0.

    ``other``: the run to compare with, "" for none; ``threshold``: None for the run's own; ``where``: a filter, or
    words to search for.
    """

    run: str = ""
    other: str = ""
    threshold: float | None = None
    section: str = SECTIONS[0]
    outcome: str = ALL
    where: str = ""
    sort: Sort = "data"
    page: int = 0
    example: str = ""

    def as_link(self) -> str:
        """The query parameters that lead here, as JSON; "" stands for what is left out."""
        threshold = "" if self.threshold is None else repr(self.threshold)
        return json.dumps(
            {
                "run": self.run,
                "with": self.other,
                "threshold": threshold,
                "section": "" if self.section == SECTIONS[0] else self.section,
                "outcome": "" if self.outcome == ALL else self.outcome,
                "where": self.where if len(self.where) <= LONGEST_FILTER else "",
                "order": "" if self.sort == WORST_FIRST.get(self.outcome, "data") else self.sort,
                "example": self.example,
            }
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where an example stands among the chosen ones: ``number`` from 1 (0 if it is not among them) of ``total``."""

    number: int
    total: int
    previous: str = ""
    next: str = ""


def read_filter(text: str) -> Filter:
    """Read a filter; words without an operator are searched for, all of them. Raises `BadUsage` with a sentence."""
    if text.strip() and not _FILTER.search(text):
        return look_for(text)
    return parse(text)


def choose(opened: OpenedRun, browsing: Browsing) -> NDArray[np.int64]:
    """Return the rows of the questions that are meant, in their order. Raises `BadUsage` for a filter that is none."""
    meant = read_filter(browsing.where).mask(opened.decided, opened.slices)
    if browsing.outcome in OUTCOMES:
        meant &= opened.outcomes == browsing.outcome
    rows = np.flatnonzero(meant)
    keys = {"answers": opened.margins, "silences": -opened.margins, "f1": opened.f1}.get(browsing.sort)
    return rows if keys is None else rows[np.argsort(keys[rows], kind="stable")]


def filter_by(browsing: Browsing, outcome: str, where: str) -> Browsing:
    """Choose other questions. Each outcome comes in its own order; the first of the chosen is the one to open."""
    outcome = outcome if outcome in OUTCOMES else ALL
    sort = browsing.sort if outcome == browsing.outcome else WORST_FIRST.get(outcome, "data")
    return replace(browsing, outcome=outcome, where=where.strip(), sort=sort, page=0, example="")


def turn_to(opened: OpenedRun, browsing: Browsing) -> Browsing:
    """Settle the page and the example on some that are there: of the example its own page, or the page's first."""
    rows = choose(opened, browsing)
    if not len(rows):
        return replace(browsing, page=0, example="")
    at = np.flatnonzero(rows == opened.rows.get(browsing.example, -1))
    if len(at):
        return replace(browsing, page=int(at[0]) // PAGE)
    page = min(max(browsing.page, 0), (len(rows) - 1) // PAGE)
    return replace(browsing, page=page, example=str(opened.decided["id"].iat[rows[page * PAGE]]))


def place_of(opened: OpenedRun, browsing: Browsing) -> Place:
    """Return where the example stands among the chosen ones, and its neighbours."""
    rows = choose(opened, browsing)
    at = np.flatnonzero(rows == opened.rows.get(browsing.example, -1))
    if not len(at):
        return Place(0, len(rows))
    ids, here = opened.decided["id"], int(at[0])
    return Place(
        here + 1,
        len(rows),
        previous=str(ids.iat[rows[here - 1]]) if here else "",
        next=str(ids.iat[rows[here + 1]]) if here + 1 < len(rows) else "",
    )


def headers(other: OpenedRun | None) -> tuple[str, ...]:
    """The table's columns: those of the other run only where there is one."""
    return HEADERS if other else tuple(name for name in HEADERS if name not in OTHERS)


def page_of(
    opened: OpenedRun, browsing: Browsing, other: OpenedRun | None = None
) -> tuple[list[list[str]], list[str], int]:
    """Return the page's rows as the table shows them, the id last, their outcomes, and how many are chosen in all."""
    rows = choose(opened, browsing)
    here = rows[browsing.page * PAGE : (browsing.page + 1) * PAGE]
    cells = [_cells(row, other) for row in opened.decided.iloc[here][list(_SHOWN)].to_dict("records")]
    return cells, opened.outcomes[here].tolist(), len(rows)


def threshold_of(text: str | None) -> float | None:
    """A link's threshold; None for the run's own, or where it is no number."""
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def open_link(opened: OpenedRun, parameters: Mapping[str, str]) -> tuple[Browsing, str]:
    """Read a link's parameters; returns what to look at, and a sentence on what is not there.

    The run to compare with is not looked for here.
    """
    example = parameters.get("example", "")
    section = parameters.get("section", SECTIONS[0])
    asked = Browsing(
        run=opened.key,
        other=parameters.get("with", ""),
        threshold=opened.threshold if opened.moved else None,
        section=section if section in SECTIONS else SECTIONS[0],
    )
    browsing = filter_by(asked, parameters.get("outcome", ALL), parameters.get("where", ""))
    for sort in SORTS:
        if sort == parameters.get("order") and sort in [value for _, value in sorts_of(opened)]:
            browsing = replace(browsing, sort=sort)
    try:
        choose(opened, browsing)
    except BadUsage as error:
        return turn_to(opened, replace(browsing, where="")), str(error)
    if example and example not in opened.rows:
        return turn_to(opened, browsing), f"This run holds no question with the id “{example[:60]}”."
    browsing = replace(browsing, example=example)
    if example and browsing.outcome != ALL and opened.outcomes[opened.rows[example]] != browsing.outcome:
        browsing = replace(browsing, outcome=ALL, sort="data")
    return turn_to(opened, browsing), ""


def sorts_of(opened: OpenedRun) -> list[tuple[str, str]]:
    """Return the orders that this run can be read in, as (label, value)."""
    return [(label, sort) for sort, label in SORTS.items() if opened.movable or sort in ("data", "f1")]


def outcome_choices(outcomes: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return "all" and each outcome with its count, as (label, value)."""
    return [(f"all {sum(outcomes.values()):,}", ALL)] + [
        (f"{OUTCOME_WORDS[name]} {count:,}", name) for name, count in outcomes.items()
    ]


def shortened(text: str, longest: int = LONGEST_CELL) -> str:
    """A text in one line, cut at the end."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def number(value: float, digits: int = 2) -> str:
    """A figure with a true minus; "–" where there is none."""
    if value != value:
        return "–"
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def margin_text(value: float) -> str:
    """A margin or threshold with its sign, 0.00 without one; "–" where it is not known."""
    if value != value or abs(value) == float("inf"):
        return "–" if value != value else "+∞" if value > 0 else "−∞"
    return "0.00" if abs(value) < 0.005 else signed(value)


def gold_texts(answers: Sequence[str]) -> list[str]:
    """The gold answers, each text once."""
    return list(dict.fromkeys(answers))


_SHOWN = (
    *("id", "question", "answers", "prediction", "answered", "outcome", "null_score_diff", "f1", "exact", "rouge1_f"),
)


def _cells(row: Mapping[Any, Any], other: OpenedRun | None) -> list[str]:
    golds = gold_texts(row["answers"])
    return [
        shortened(row["question"]),
        shortened(row["prediction"]) if row["answered"] else "(nothing)",
        OUTCOME_WORDS[row["outcome"]],
        margin_text(row["null_score_diff"]),
        number(row["f1"]),
        number(row["exact"], 0),
        number(row["rouge1_f"]),
        *_other_cells(row["id"], other),
        shortened(" / ".join(golds)) if golds else "(none)",
        row["id"],
    ]


def _other_cells(example: str, other: OpenedRun | None) -> list[str]:
    if other is None:
        return []
    row = other.rows.get(example)
    if row is None:
        return ["–", "–"]
    said = other.decided["prediction"].iat[row]
    return [shortened(said) if other.decided["answered"].iat[row] else "(nothing)", number(other.f1[row])]
