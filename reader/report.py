"""A run as one page to pass on: for a mail, an archive or a printer.

It is one HTML file that asks for nothing from anywhere: it opens offline, prints, and shows texts as texts whatever
they hold.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from reader.comparison import Change, Comparison, Difference, compare
from reader.exports import counted, import_notes
from reader.leaderboard import PUBLISHED, SQUAD2_DEV
from reader.names import plain_name
from reader.results import Run, summarize, view
from reader.slices import Slice, by_slice, slicings

WORST = 20  # examples that a report shows
CHANGES = 10  # gains and losses that it lists
REACH = 1_500  # characters of context around the marks; a whole book would freeze a browser
WORD = 80  # how far a cut may move to fall between two words

Mark = tuple[int, int, str]  # context[start:end], and what it is


def report(run: Run, *, threshold: float | None = None, other: Run | None = None, charts: Sequence[str] = ()) -> str:
    """Return a run as one HTML page that needs nothing else: for a mail, an archive or a printer.

    ``threshold``: what it is read at, None for the run's own. ``other``: a run on the same questions to compare
    with, read at its own threshold. ``charts``: HTML that is put in as it is, with its own style, so it must come
    from this program; the page forbids it to fetch anything. Raises `BadRun` where a run does not allow such a
    view, or the data differ.
    """
    at = run.threshold if threshold is None else threshold
    figures = summarize(run, threshold=threshold)
    decided = view(run.examples, at)
    title = f"{plain_name(run.info['reader'])} on {plain_name(run.info['data']['source'])}"
    parts = [
        _head(run, title, _rule(run, at, chosen_here=at != run.threshold)),
        _figures(figures, at),
        _outcomes(figures["outcomes"]),
        _thresholds(figures["thresholds"], own=run.threshold, at=at, read=figures["metrics"]),
        _published(run, figures) if run.info["data"]["fingerprint"] == SQUAD2_DEV else "",
        _slices(decided),
        _comparison(compare(other, run, threshold_b=at, changes=CHANGES)) if other is not None else "",
        *(f'<section class="chart">{chart}</section>' for chart in charts),
        _worst(decided, at),
        _settings(run.info),
    ]
    return _page(title, "\n".join(filter(None, parts)), scripts=any("<script" in chart.lower() for chart in charts))


def _page(title: str, body: str, *, scripts: bool) -> str:
    # The browser itself holds the page to it: nothing is fetched, and without a chart that needs one no script runs.
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    policy += "script-src 'unsafe-inline'; " if scripts else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(title)}</title>\n<style>{_style()}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _head(run: Run, title: str, rule: str) -> str:
    data = run.info["data"]
    facts = [counted(data["examples"], "question")]
    if "unanswerable" in data:
        facts.append(f"{data['unanswerable']:,} of them unanswerable")
    if data.get("skipped"):
        facts.append(f"{counted(data['skipped'], 'bad row')} left out")
    facts.append("predictions imported" if run.info.get("imported") else "read")
    said = [f"{', '.join(facts)} on {_moment(run.info['created'])}.", rule]
    said += [note for note in import_notes(run) if note != rule]
    return f"<header><h1>{_inline(title)}</h1>{''.join(f'<p>{_text(line)}</p>' for line in said if line)}</header>"


def _rule(run: Run, at: float | None, *, chosen_here: bool) -> str:
    if at is None:
        return run.why_no_thresholds
    why = "chosen for this report" if chosen_here else run.info["threshold_chosen_on"] or "as the run was made"
    return (
        f"It says nothing where its margin is above {_signed(at)} ({why}). The margin is how far “no answer” is ahead "
        "of the best span, as a difference of scores."
    )


def _figures(figures: Mapping[str, Any], at: float | None) -> str:
    """The main figures in both protocols; where a run abstains already, nobody knows the forced ones."""
    rouge, forced = figures["rouge"], figures["forced"]
    as_read = rouge["abstain"] if forced is not None else rouge
    first = "as predicted" if at is None else f"abstaining above {_signed(at)}"
    columns = [(first, figures["metrics"], as_read)]
    columns += [("forced to answer", forced, rouge)] if forced is not None else []
    body = [
        (name, [_percent(metrics.get(key)) for _, metrics, _ in columns])
        for name, key in (
            ("Exact match", "exact"),
            ("F1", "f1"),
            ("Exact match, answerable questions (HasAns)", "HasAns_exact"),
            ("F1, answerable questions (HasAns)", "HasAns_f1"),
            ("Unanswerable questions rightly met by silence (NoAns)", "NoAns_exact"),
        )
    ]
    for kind, name in (("rouge1", "ROUGE-1 F"), ("rouge2", "ROUGE-2 F"), ("rougeL", "ROUGE-L F")):
        for group, of in (("all", "all questions"), ("answerable", "answerable questions")):
            means = [scores["raw"][group][kind]["f"] if scores else None for _, _, scores in columns]
            body.append((f"{name}, {of}", [_number(mean, 3) for mean in means]))
    note = "ROUGE is counted as the article does, from 0 to 1."
    note += " Forced to answer, every unanswerable question scores 0." if forced is not None else ""
    note += (
        " ROUGE-2 is undefined where the chosen gold answer has fewer than two words, so also where there is none: its "
        "mean leaves these questions out, and over all questions is that over the answerable ones."
    )
    return _section("Figures", _table(["Measured here", *(name for name, _, _ in columns)], body), note)


def _outcomes(counts: Mapping[str, int]) -> str:
    """What became of the questions: a bar for each group, and the same in words and numbers."""
    groups = (
        ("Answerable", ("correct", "partial", "wrong_span", "missed")),
        ("Not answerable", ("abstained", "false_answer")),
    )
    most = max(sum(counts[name] for name in names) for _, names in groups)
    bars = "".join(_bar(title, {name: counts[name] for name in names}, most) for title, names in groups)
    return _section("What became of the questions", bars)


def _bar(title: str, counts: Mapping[str, int], most: int) -> str:
    total = sum(counts.values())
    if not total:
        return f"<p><b>{title}</b>: none in this data set</p>"
    parts = "".join(f'<i class="{name}" style="flex-grow:{count}"></i>' for name, count in counts.items() if count)
    words = "".join(
        f'<li><i class="{name}"></i>{OUTCOMES[name][0]} {count:,} <small>{100 * count / total:.1f}\u00a0%</small></li>'
        for name, count in counts.items()
    )
    width = 100 * total / most
    return (
        f'<p><b>{title}</b> {total:,}</p><div class="bar" style="width:{width:.2f}%" aria-hidden="true">{parts}</div>'
        f'<ul class="legend">{words}</ul>'
    )


def _thresholds(
    found: Mapping[str, Any] | None, *, own: float | None, at: float | None, read: Mapping[str, Any]
) -> str:
    """The reader's own threshold, the cross-fitted and the oracle, side by side and named as what they are."""
    if found is None:
        return ""
    fitted, oracle = found["cross_fitted"], found["oracle"]
    rows = [("The reader's own", found["own"]["chosen_on"] or "as the run was made", _signed(own), found["own"])]
    if at != own:
        rows.insert(0, ("This report's", "chosen for this report", _signed(at), read))
    if fitted is not None:
        limits = " and ".join(_signed(limit) for limit in fitted["thresholds"])
        how = f"chosen on one half of the {fitted['by']} and applied to the other, both ways: an honest estimate"
        rows.append(("Cross-fitted", how, limits, fitted))
    best = _signed(oracle["threshold"])
    if oracle["exact_threshold"] != oracle["threshold"]:
        best += f"; EM {_signed(oracle['exact_threshold'])}"
    rows.append(("Oracle", oracle["label"], best, oracle))
    body = [
        (
            f"{name} <small>{_text(how)}</small>",
            [limit, *(_number(scores.get(key)) for key in ("exact", "f1", "HasAns_f1", "NoAns_exact"))],
        )
        for name, how, limit, scores in rows
    ]
    return _section("Thresholds", _table(["Chosen how", "Threshold", *PERCENTS], body))


def _published(run: Run, figures: Mapping[str, Any]) -> str:
    """Measured here, and below a line, in italics and each with its source, what others have published."""
    metrics, rouge = figures["metrics"], figures["rouge"]
    raw = rouge["raw"] if rouge["protocol"] == "forced" else None
    everything, answerable = (raw[group]["rouge1"]["f"] if raw else None for group in ("all", "answerable"))
    scores = [metrics.get(key) for key in ("exact", "f1", "HasAns_f1", "NoAns_exact")]
    here = _line(
        f"{_inline(plain_name(run.info['reader']))} <small>measured here</small>",
        [_number(everything, 3), _number(answerable, 3), *map(_number, scores)],
    )
    others = "".join(
        _line(
            f"{_text(row.reader)} <small>published: {_text(row.source)}</small>",
            [
                _number(row.rouge1_forced, 3),
                _number(row.rouge1_forced_answerable, 3),
                *map(_number, (row.exact, row.f1, row.has_answer_f1, row.no_answer)),
            ],
            "published",
        )
        for row in PUBLISHED
    )
    head = ["Reader", "R-1 all", "R-1 answerable", *PERCENTS]
    divider = (
        f'<tr class="divider"><th colspan="{len(head)}">Published by others on SQuAD 2.0 dev, not run here</th></tr>'
    )
    note = "R-1: ROUGE-1 F from 0 to 1, forced to answer, as the article counts it."
    return _section("Beside published readers", _table_of(head, here + divider + others), note)


def _slices(decided: pd.DataFrame) -> str:
    """The groups of the app's Slices, in every way that is known of the run."""
    answerable, others = (decided[decided["is_impossible"] == impossible] for impossible in (False, True))
    tables = ""
    for name, labels in slicings(decided).items():
        has_answer, no_answer = (
            {group.label: group for group in by_slice(rows, labels)} for rows in (answerable, others)
        )
        body = [
            (
                _inline(_short(group.label)),
                [
                    f"{group.questions:,}",
                    _number(group.exact),
                    _number(group.f1),
                    _interval(group.f1_low, group.f1_high),
                    _of(has_answer.get(group.label), "f1"),
                    _of(no_answer.get(group.label), "exact"),
                ],
            )
            for group in by_slice(decided, labels)
        ]
        head = [f"By {SLICINGS.get(name, name)}", "Questions", "EM, %", "F1, %", "F1, 95 %", "HasAns F1, %", "NoAns, %"]
        tables += _table(head, body)
    return _section("Where it is strong and weak", tables, "Intervals: over whole paragraphs. Lengths: in words.")


def _of(group: Slice | None, figure: str) -> str:
    return _number(getattr(group, figure)) if group is not None else "–"


def _comparison(found: Comparison) -> str:
    """This run (B) against another (A); a positive difference speaks for this one."""
    body = [
        (
            MEASURES.get(one.metric, one.metric),
            [f"{one.questions:,}", *(_scored(one, value) for value in (one.b, one.a)), *_apart(one)],
        )
        for one in found.differences
    ]
    reader, at = plain_name(found.reader_a), found.threshold_a
    limit = f", read at {_signed(at)}" if at is not None else ""
    says = (
        f"The other: {reader} ({found.a}{limit}). A positive difference speaks for this report's run. Its F1 is higher "
        f"on {found.wins:,} questions, lower on {found.losses:,}, the same on {found.ties:,}. Only this one is exactly "
        f"right on {found.only_b_right:,}, only the other on {found.only_a_right:,}: McNemar's exact test gives "
        f"p {_probability(found.mcnemar_p)}. They say the same on {100 * found.agreement:.1f} % of the questions."
    )
    head = ["Measure", "Questions", "This run", "The other", "Difference", "95 %"]
    changes = _changes("Most gained by this run", found.gained) + _changes("Most lost by this run", found.lost)
    return _section("Compared with another run", _table(head, body) + changes, says)


def _scored(one: Difference, value: float) -> str:
    return _number(value, 3 if one.metric.startswith("rouge") else 2)


def _apart(one: Difference) -> list[str]:
    digits = 3 if one.metric.startswith("rouge") else 2
    return [_signed(one.difference, digits), _interval(one.low, one.high, digits, signed=True)]


def _changes(title: str, changes: Sequence[Change]) -> str:
    if not changes:
        return ""
    rows = "".join(
        f"<tr><td dir=auto>{_text(_short(one.question))}</td><td dir=auto>{_text(_short(_golds(one.answers)))}</td>"
        f"<td dir=auto>{_text(_short(one.b or SILENT))}</td><td dir=auto>{_text(_short(one.a or SILENT))}</td>"
        f'<td class="number">{_signed(one.f1_b - one.f1_a)}</td></tr>'
        for one in changes
    )
    return _table_of([title, "Right", "This run says", "The other says", "F1"], rows, texts=4, kind="changes")


# The examples


def _worst(decided: pd.DataFrame, at: float | None) -> str:
    """The questions with the lowest F1; of equals those that the reader was surest of."""
    f1, margins = decided["f1"].to_numpy(dtype=np.float64), decided["null_score_diff"].to_numpy(dtype=np.float64)
    sure = np.abs(margins - at) if at is not None else np.zeros(len(decided))
    order = np.lexsort((-np.where(np.isfinite(sure), sure, 0.0), f1))
    worst = [row for row in order[:WORST] if f1[row] < 1]
    if not worst:
        return _section("The worst answers", "", "There are none: every answer is right.")
    how = "F1 lowest first; of equals " + (
        "the surest first, whose margin is farthest from the threshold." if at is not None else "as in the data."
    )
    marks = '<mark class="gold">gold answer</mark>, <mark class="predicted">the reader’s answer</mark>'
    shown = "".join(_example(decided.iloc[row].to_dict(), at) for row in worst)
    title = "The worst answer" if len(worst) == 1 else f"The {len(worst)} worst answers"
    return _section(title, f"<p>In the texts: {marks}.</p>{shown}", how)


def _example(row: Mapping[Any, Any], at: float | None) -> str:
    outcome, golds = row["outcome"], _golds(row["answers"])
    said = _inline(row["prediction"]) if row["answered"] else SILENT
    if row["answered"] and row["span_start"] < 0:
        said += " <small>its place in the text is not known, so it is not marked</small>"
    if not row["answered"] and row["span"]:
        said += f" <small>its closest reading: “{_inline(_short(row['span']))}”</small>"
    pairs = [("Right", _inline(golds)), ("The reader says", said), ("F1", _number(row["f1"]))]
    if at is not None:
        side = "above" if row["null_score_diff"] > at else "not above"
        pairs.append(("Margin", f"{_signed(row['null_score_diff'])}, {side} the threshold of {_signed(at)}"))
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in pairs)
    where = " · ".join(_inline(part) for part in (row["title"], row["id"]) if part)
    return (
        f'<article><h3 dir="auto">{_text(_short(row["question"], 2_000))}</h3>'
        f'<p class="facts"><b class="{outcome}">{OUTCOMES[outcome][0]}</b> {where}</p>'
        f"{_marked(row['context'], _marks(row))}<dl>{listed}</dl></article>"
    )


def _marks(row: Mapping[Any, Any]) -> list[Mark]:
    """The spans by their offsets; one that is not where it says it is gets no mark rather than a wrong one."""
    spans = [
        (start, start + len(text), "gold", text)
        for text, start in zip(row["answers"], row["answer_starts"], strict=True)
    ]
    if row["answered"]:
        spans.append((row["span_start"], row["span_end"], "predicted", row["span"]))
    return [(a, b, kind) for a, b, kind, text in spans if 0 <= a < b and row["context"][a:b] == text]


def _marked(context: str, marks: Sequence[Mark]) -> str:
    """The text around the marks, cut into pieces in which every character carries the same ones."""
    first = _between_words(context, min((mark[0] for mark in marks), default=0) - REACH, -1)
    last = _between_words(context, max((mark[1] for mark in marks), default=0) + REACH, 1)
    cuts = sorted({first, last, *(place for mark in marks for place in mark[:2])})
    pieces = []
    for start, end in pairwise(cuts):
        kinds = sorted({kind for a, b, kind in marks if a <= start and end <= b})
        text = _text(context[start:end])
        pieces.append(f'<mark class="{" ".join(kinds)}">{text}</mark>' if kinds else text)
    before = f'<p class="facts">… {first:,} characters before</p>' if first else ""
    after = f'<p class="facts">{len(context) - last:,} characters after …</p>' if last < len(context) else ""
    return f'{before}<div class="context" dir="auto">{"".join(pieces)}</div>{after}'


def _between_words(text: str, cut: int, step: int) -> int:
    for place in range(cut, cut + step * WORD, step):
        if not 0 < place < len(text):
            return max(0, min(place, len(text)))
        if text[place - 1].isspace() or text[place].isspace():
            return place
    return cut


# How it was made


def _settings(info: Mapping[str, Any]) -> str:
    data, versions = info["data"], info.get("versions", {})
    facts = {
        "reader": info["reader"],
        "data": data["source"],
        "data fingerprint (SHA-256)": data["fingerprint"],
        **{name: value for name, value in info.items() if name not in _ELSEWHERE},
        **{f"{name} (version)": value for name, value in versions.items()},
    }
    body = "".join(
        f'<tr><th scope="row">{_text(name.replace("_", " "))}</th><td dir=auto>{_text(_value(name, value))}</td></tr>'
        for name, value in facts.items()
        if value not in (None, "")
    )
    return _section("How it was made", f'<div class="wide"><table class="settings"><tbody>{body}</tbody></table></div>')


_ELSEWHERE = ("reader", "data", "headline", "versions", "note", "missing", "extra", "imported")


def _value(name: str, value: Any) -> str:
    if name == "command" and isinstance(value, str):
        return _command(value)
    if isinstance(value, str):
        return plain_name(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}"
    return json.dumps(value, ensure_ascii=False)


def _command(line: str) -> str:
    """A command without this machine's folders, which mean nothing elsewhere and tell who sits here."""
    try:
        return shlex.join(plain_name(word) for word in shlex.split(line))
    except ValueError:
        return "not readable"


# Words, numbers and tables


OUTCOMES: dict[str, tuple[str, str]] = {
    "correct": ("correct", "#009E73"),
    "abstained": ("rightly abstained", "#009E73"),
    "partial": ("partial", "#56B4E9"),
    "wrong_span": ("wrong span", "#D55E00"),
    "missed": ("missed", "#E69F00"),
    "false_answer": ("false answer", "#CC79A7"),
}
"""What each outcome is called and its colour (Okabe and Ito), as on the app's pages."""

MEASURES = {
    "exact": "Exact match, %",
    "f1": "F1, %",
    "HasAns_exact": "Exact match, answerable, %",
    "HasAns_f1": "F1, answerable, %",
    "NoAns_exact": "NoAns, %",
    "rouge1_f": "ROUGE-1 F, 0 to 1",
}
SLICINGS = {
    "answer position": "position of the answer, by quarters of the text",
    "overlap": "overlap of question and text",
    "seen": "text seen in training",
}
"""What the slicings are called, where their own names say too little."""
PERCENTS = ("EM, %", "F1, %", "HasAns F1, %", "NoAns, %")
SILENT = "nothing"


def _text(text: str) -> str:
    """A text as HTML shows it: itself, character by character; a parser would change CR and drop NUL."""
    return escape(text).replace("\r", "&#13;").replace("\0", "\ufffd")


def _inline(text: str) -> str:
    """A text among others, in its own direction."""
    return f"<bdi>{_text(text)}</bdi>"


def _short(text: str, longest: int = 200) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _golds(answers: Sequence[str]) -> str:
    return " / ".join(dict.fromkeys(answers)) or "not answerable"


def _moment(created: str) -> str:
    try:
        return f"{datetime.fromisoformat(created):%d %b %Y, %H:%M} UTC".lstrip("0")
    except ValueError:
        return created


def _number(value: float | None, digits: int = 2) -> str:
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{_number(value)}\u00a0%"


def _signed(value: float | None, digits: int = 2) -> str:
    """A margin, threshold or difference with its sign, 0 without one; "any" where a threshold lies beyond all."""
    if value is None or math.isinf(value):
        return "any" if value is None else "+∞" if value > 0 else "−∞"
    text = _number(value, digits)
    return text if text[0] == "−" or math.isnan(value) or float(text) == 0 else f"+{text}"


def _interval(low: float | None, high: float | None, digits: int = 2, *, signed: bool = False) -> str:
    if low is None or high is None or math.isnan(low):
        return "–"
    show = _signed if signed else _number
    return f"{show(low, digits)} to {show(high, digits)}"


def _probability(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"= {p:.3f}"


def _section(title: str, body: str, note: str = "") -> str:
    says = f'<p class="note">{_text(note)}</p>' if note else ""
    return f"<section><h2>{_text(title)}</h2>{says}{body}</section>"


def _table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A table of numbers; titles of rows are HTML already."""
    return _table_of(head, "".join(_line(title, cells) for title, cells in rows))


def _line(title: str, cells: Sequence[str], kind: str = "") -> str:
    numbers = "".join(f'<td class="number">{_text(cell)}</td>' for cell in cells)
    return f'<tr class="{kind}"><th scope="row">{title}</th>{numbers}</tr>'


def _table_of(head: Sequence[str], body: str, *, texts: int = 1, kind: str = "") -> str:
    titles = "".join(
        f'<th scope="col"{" class=number" if place >= texts else ""}>{_text(title)}</th>'
        for place, title in enumerate(head)
    )
    return (
        f'<div class="wide"><table class="{kind}"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'
    )


# Its looks: the reading room of the app, in one sheet. Paper is light whatever the screen is.

_LIGHT = "--paper:#fcfbf8;--line:#dfdad0;--ink:#23211d;--quiet:#625d54;--mark:#ffe493;--edge:#a67c00"
_DARK = "--paper:#17191c;--line:#373c43;--ink:#e9e6e0;--quiet:#aba79f;--mark:#5e4d0e;--edge:#a98f2c"
_SHEET = """
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", "Noto Sans", sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 1000px; margin: 0 auto; padding: 24px 20px 60px; overflow-wrap: break-word; }
h1, h3, .context { font-family: Charter, "Bitstream Charter", "Iowan Old Style", "Source Serif 4", "Noto Serif",
  Cambria, Georgia, serif; }
h1 { margin: 0 0 8px; font-size: 26px; line-height: 1.3; }
h2 { margin: 36px 0 8px; font-size: 18px; }
h3 { margin: 0; font-size: 18px; line-height: 1.4; }
p { margin: 0 0 6px; }
header p, .note, .facts, small, thead th, dt { color: var(--quiet); }
small { font-size: 13px; font-weight: 400; }
.wide { overflow-x: auto; margin-bottom: 18px; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: 6px 0; border-bottom: 1px solid var(--line); text-align: start; vertical-align: baseline; }
td + td, th + td, th + th { padding-inline-start: 16px; }
thead th { font-size: 13px; font-weight: 500; }
tbody th { min-width: 10em; font-weight: 400; }
tbody th small { display: block; }
.number { text-align: end; white-space: nowrap; }
.settings th { width: 16em; color: var(--quiet); }
.settings td, h1, h3, dd, .facts { overflow-wrap: anywhere; }
.changes { table-layout: fixed; min-width: 640px; }
.changes .number { width: 5em; }
.changes td { overflow-wrap: anywhere; }
.divider th { padding-top: 18px; border-bottom: 2px dashed var(--quiet); color: var(--quiet); font-size: 13px; }
.published { font-style: italic; color: var(--quiet); }
.bar { display: flex; gap: 2px; height: 28px; margin-bottom: 6px; }
.bar i { flex: 0 1 0; min-width: 3px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 20px; margin: 0 0 16px; padding: 0; list-style: none; }
.legend i { display: inline-block; width: 0.8em; height: 0.8em; margin-inline-end: 6px; }
.facts b { padding-inline-start: 8px; border-inline-start: 6px solid; background: none !important;
  color: var(--ink); font-weight: 600; }
article { margin: 0 0 24px; padding-top: 16px; border-top: 1px solid var(--line); }
.context { max-width: 72ch; margin: 8px 0; font-size: 17px; line-height: 1.6; white-space: pre-wrap;
  unicode-bidi: plaintext; text-align: start; }
mark { background: none; color: inherit; }
mark.predicted { background: var(--mark); box-shadow: 0 0 0 1px var(--edge); border-radius: 2px; }
mark.gold { text-decoration: underline solid #009E73 3px; text-underline-offset: 4px; text-decoration-skip-ink: none; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 2px 16px; margin: 0; }
dd { margin: 0; }
@media print {
  :root { --paper: #fff; }
  main { max-width: none; padding: 0; }
  body { font-size: 10.5pt; }
  .context { font-size: 11pt; }
  .bar, .legend i, mark, .facts b { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  article, tr, .bar { break-inside: avoid; }
  h2, h3, .facts { break-after: avoid; }
  .wide { overflow: visible; }
}
"""


def _style() -> str:
    outcomes = "".join(
        f".{name} {{ background: {colour}; border-color: {colour} !important; }}\n"
        for name, (_, colour) in OUTCOMES.items()
    )
    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {_DARK}; color-scheme: dark; }} }}\n"
    return f":root {{ {_LIGHT}; color-scheme: light; }}\n{dark}{_SHEET}{outcomes}"
