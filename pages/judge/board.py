"""The leaderboard as HTML: all runs beside each other, data set by data set, and what others have published.

Published rows never look like measured ones: they come under a divider, in italics, without a rank, and each says who
published it and that it was not run here.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence, Set
from html import escape
from itertools import groupby

from pages.judge.browse import margin_text, number, shortened
from pages.judge.runs import data_name, day_of
from pages.judge.scorecard import EXACT, F1, HAS_ANSWER, NO_ANSWER
from pages.phrases import tip
from pages.readers import label_of
from reader.exports import counted
from reader.hub import is_hub_id
from reader.leaderboard import Row

LONGEST_REASON = 44  # characters of how a threshold was chosen

ROUGE = (
    "ROUGE-1 and ROUGE-L F from 0 to 1, the reader forced to answer as in the article: over all questions, where each "
    "unanswerable one counts 0, and over the answerable ones."
)
SPEED = "Questions read in a second, on the machine that the run was made on."
NONE_YET = "No runs yet. Evaluate the embedded reader on the starter set: it takes less than a minute."

CLICK_RUN = """
element.addEventListener("click", event => {
    const button = event.target.closest("[data-run], [data-evaluate]");
    if (button) trigger("click", {run: button.dataset.run || "", evaluate: button.dataset.evaluate || ""});
});
"""


def board(rows: Sequence[Row], chosen: str, key_of: Callable[[Row], str]) -> str:
    """All rows of `reader.leaderboard.leaderboard`.

    ``key_of``: the page's name of a measured row's run; ``chosen``: that of the run that is open.
    """
    if not rows:
        return f'<div class="board"><p class="quiet">{NONE_YET}</p></div>'
    fit = [row for row in rows if not row.problem]
    tables = "".join(_table(list(group), chosen, key_of) for _, group in groupby(fit, key=lambda row: row.fingerprint))
    return f'<div class="board">{tables}{_broken([row for row in rows if row.problem])}</div>'


def _table(rows: Sequence[Row], chosen: str, key_of: Callable[[Row], str]) -> str:
    measured = [row for row in rows if not row.published]
    published = [row for row in rows if row.published]
    named = measured[0] if measured else rows[0]
    head = (
        tip("F1 %", F1),
        tip("EM %", EXACT),
        tip("HasAns F1 %", HAS_ANSWER),
        tip("NoAns %", NO_ANSWER),
        tip("ROUGE-1 forced", ROUGE),
        tip("ROUGE-L forced", ROUGE),
        "Threshold",
        "Size",
        tip("Speed", SPEED),
    )
    body = "".join(
        _measured(row, rank, chosen, key_of(row)) for row, rank in zip(measured, _ranks(measured), strict=True)
    )
    if published:
        body += (
            f'<tr class="divider"><th colspan="{len(head) + 1}" scope="rowgroup"><span>Published, not run here</span>'
            "</th></tr>" + "".join(_published(row, {each.reader for each in measured}) for row in published)
        )
    return (
        f"<section><h2>{escape(data_name(named.data))} <small>{counted(named.questions, 'question')}</small></h2>"
        '<div class="wide" tabindex="0" role="region" aria-label="Leaderboard"><table class="plain standing">'
        '<thead><tr><th scope="col">Reader</th>'
        + "".join(f'<th scope="col" class="number">{title}</th>' for title in head)
        + f"</tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def _ranks(rows: Sequence[Row]) -> Iterator[str]:
    """The rank of each row, which come by F1; equals share theirs, and a row without F1 has none."""
    rank, last = 0, None
    for place, row in enumerate(rows, start=1):
        if row.f1 is None:
            yield "–"
            continue
        if row.f1 != last:
            rank, last = place, row.f1
        yield f"{rank}."


def _measured(row: Row, rank: str, chosen: str, key: str) -> str:
    is_open = key == chosen
    facts = " · ".join(filter(None, (escape(day_of(row.created)), "<b>the open run</b>" if is_open else "")))
    return (
        f"<tr{' class=chosen aria-current=true' if is_open else ''}>"
        f'<th scope="row"><span class="who"><span class="rank">{rank}</span><span>'
        f'<button type="button" class="pick" data-run="{escape(key)}" title="Open this run">'
        f"<bdi>{escape(shortened(label_of(row.reader), 80))}</bdi></button><small>{facts}</small></span></span></th>"
        f"{_figures(row)}</tr>"
    )


def _published(row: Row, measured: Set[str]) -> str:
    run = ""
    if is_hub_id(row.reader) and row.reader not in measured:
        run = (
            f'<button type="button" class="small" data-evaluate="{escape(row.reader)}" '
            f'aria-label="Run {escape(row.reader)} here">Run it here</button>'
        )
    return (
        '<tr class="published"><th scope="row"><span class="who"><span class="rank"></span><span>'
        f"{escape(row.reader)}<small>Published: {escape(row.source)}.</small>{run}</span></span></th>"
        f"{_figures(row)}</tr>"
    )


def _figures(row: Row) -> str:
    cells = (
        *(_percent(value) for value in (row.f1, row.exact, row.has_answer_f1, row.no_answer)),
        _rouge(row.rouge1_forced, row.rouge1_forced_answerable, row.rouge1_abstaining),
        _rouge(row.rougeL_forced, row.rougeL_forced_answerable, row.rougeL_abstaining),
        _threshold(row),
        _size(row.parameters),
        _speed(row.examples_per_second),
    )
    return "".join(f'<td class="number">{cell}</td>' for cell in cells)


def _percent(value: float | None) -> str:
    return "–" if value is None else number(value)


def _rouge(forced: float | None, answerable: float | None, abstaining: float | None) -> str:
    # Three decimals, as the article has them.
    parts = [
        "" if value is None else f"<small>{which}\u00a0{number(value, 3)}</small>"
        for which, value in (("answerable", answerable), ("abstaining", abstaining))
    ]
    return ("–" if forced is None else number(forced, 3)) + "".join(parts)


def _threshold(row: Row) -> str:
    if row.threshold is None:
        return "–" if row.published else "–<small>has none</small>"
    if not row.chosen_on:
        return margin_text(row.threshold)
    why = escape(textwrap.shorten(row.chosen_on, LONGEST_REASON, placeholder="…"))
    return f'{margin_text(row.threshold)}<small title="{escape(row.chosen_on)}">{why}</small>'


def _size(parameters: int | None) -> str:
    if parameters is None:
        return "–"
    if parameters < 1_000_000:
        return f"{parameters / 1e3:.0f}\u00a0k"
    if parameters < 1_000_000_000:
        return f"{parameters / 1e6:.{0 if parameters >= 1e8 else 1}f}\u00a0M"
    return f"{parameters / 1e9:.1f}\u00a0G"


def _speed(examples: float | None) -> str:
    return "–" if examples is None else f"{examples:,.{0 if examples >= 100 else 1}f}/s"


def _without_folder(row: Row) -> str:
    return row.problem.replace(str(row.folder), row.name) if row.folder else row.problem


def _broken(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    items = "".join(f"<li><b>{escape(row.name)}</b> {escape(_without_folder(row))}</li>" for row in rows)
    return f"<section><h2>Cannot be shown</h2><ul class=broken>{items}</ul></section>"
