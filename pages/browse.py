"""Browsing a run: which of its questions are meant, in which order, and one page of them at a time.

What a visitor looks at is a `Browsing`, small and plain. The questions meant are found anew each time, from columns
that are in memory anyway: at 11,873 questions that takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pages.runs import OpenedRun
from pages.theme import OUTCOME_WORDS
from pages.verdict import signed
from reader.metrics import OUTCOMES

PAGE = 25  # questions at a time
LONGEST_CELL = 140  # characters
LONGEST_SEARCH = 200
ALL = "all"

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
HEADERS = ("Question", "Said", "Outcome", "Margin", "F1", "EM", "ROUGE-1", "Gold", "id")


@dataclass(frozen=True, slots=True)
class Browsing:
    """What a visitor looks at: a run, a choice of its questions, a page of them and one of them. ``page`` is from 0."""

    run: str = ""
    outcome: str = ALL
    search: str = ""
    sort: Sort = "data"
    page: int = 0
    example: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an example stands among the chosen ones: ``number`` from 1 (0 if it is not among them) of ``total``."""

    number: int
    total: int
    previous: str = ""
    next: str = ""


def choose(opened: OpenedRun, browsing: Browsing) -> NDArray[np.int64]:
    """Return the rows of the questions that are meant, in their order."""
    meant = np.ones(len(opened.texts), dtype=np.bool_)
    if browsing.outcome in OUTCOMES:
        meant &= opened.outcomes == browsing.outcome
    words = browsing.search[:LONGEST_SEARCH].casefold().split()
    if words:
        meant &= np.array([all(word in text for word in words) for text in opened.texts], dtype=np.bool_)
    rows = np.flatnonzero(meant)
    keys = {"answers": opened.margins, "silences": -opened.margins, "f1": opened.f1}.get(browsing.sort)
    return rows if keys is None else rows[np.argsort(keys[rows], kind="stable")]


def filter_by(browsing: Browsing, outcome: str, search: str) -> Browsing:
    """Choose other questions. Each outcome comes in its own order; the first of the chosen is the one to open."""
    outcome = outcome if outcome in OUTCOMES else ALL
    sort = browsing.sort if outcome == browsing.outcome else WORST_FIRST.get(outcome, "data")
    return replace(browsing, outcome=outcome, search=search[:LONGEST_SEARCH], sort=sort, page=0, example="")


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


def page_of(opened: OpenedRun, browsing: Browsing) -> tuple[list[list[str]], list[str], int]:
    """Return the page's rows as the table shows them, the id last, their outcomes, and how many are chosen in all."""
    rows = choose(opened, browsing)
    here = rows[browsing.page * PAGE : (browsing.page + 1) * PAGE]
    cells = [_cells(row) for row in opened.decided.iloc[here].to_dict("records")]
    return cells, opened.outcomes[here].tolist(), len(rows)


def open_link(opened: OpenedRun, parameters: Mapping[str, str]) -> tuple[Browsing, str]:
    """Read a link's ``outcome`` and ``example``; returns what to look at, and a sentence on what is not there."""
    example = parameters.get("example", "")
    browsing = filter_by(Browsing(run=opened.key), parameters.get("outcome", ALL), "")
    if example and example not in opened.rows:
        return turn_to(opened, browsing), f"This run holds no question with the id “{example[:60]}”."
    browsing = replace(browsing, example=example)
    if example and opened.outcomes[opened.rows[example]] != browsing.outcome:
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


def _cells(row: Mapping[Any, Any]) -> list[str]:
    golds = gold_texts(row["answers"])
    return [
        shortened(row["question"]),
        shortened(row["prediction"]) if row["answered"] else "(nothing)",
        OUTCOME_WORDS[row["outcome"]],
        margin_text(row["null_score_diff"]),
        number(row["f1"]),
        number(row["exact"], 0),
        number(row["rouge1_f"]),
        shortened(" / ".join(golds)) if golds else "(none)",
        row["id"],
    ]
