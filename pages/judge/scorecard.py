"""A run as HTML: its figures in tiles, what became of its questions, its thresholds, and the article's table.

Measured and published figures never look alike: the published ones are set in italics, under a heading of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from pages.judge.browse import margin_text, number
from pages.judge.runs import OpenedRun, data_name, day_of
from pages.phrases import MARGIN, signed, tip
from pages.readers import label_of
from pages.theme import OUTCOME_WORDS
from reader.exports import counted

ROUGE = (
    "ROUGE-1 F between the reader's span and the best gold answer, from 0 to 1, counted by the package that the "
    "article uses: it compares sets of words, minds case and splits at full stops."
)
EXACT = "Exact match: the share of questions answered word for word, or rightly not at all (SQuAD's own count)."
F1 = "The overlap of words with the best gold answer, averaged over the questions (SQuAD's own count)."
HAS_ANSWER = "F1 over the questions that have an answer in their text."
NO_ANSWER = "The share of unanswerable questions at which the reader says nothing."
CROSS_FITTED = "Chosen on one half of the {by} and applied to the other, both ways: an honest estimate."
ORACLE = "Chosen on these very questions, so a bound and not a result."


def facts(opened: OpenedRun) -> str:
    """What was read by whom, when, and by which rule it may keep silent, in two sentences."""
    info = opened.run.info
    data = info["data"]
    skipped = f", {counted(data['skipped'], 'bad row')} left out" if data.get("skipped") else ""
    took = f", read in {_duration(info['seconds'])}" if info.get("seconds") and not info.get("imported") else ""
    return (
        f'<div class="run-facts"><p><b>{escape(label_of(info["reader"]))}</b> on '
        f"<b>{escape(data_name(data['source']))}</b>: {counted(data['examples'], 'question')}{skipped}{took}, "
        f"{escape(day_of(info['created']))} UTC.</p><p>{_rule(opened)}</p></div>"
    )


def _rule(opened: OpenedRun) -> str:
    if not opened.movable:
        return escape(opened.run.why_no_thresholds)
    chosen_on = "moved by hand" if opened.moved else opened.run.info["threshold_chosen_on"]
    why = f" ({escape(chosen_on)})" if chosen_on else ""
    return (
        f"It says nothing where the {tip('margin', MARGIN)} is above its threshold of "
        f"{margin_text(opened.threshold or 0.0)}{why}: SQuAD v2's protocol. ROUGE-1 is counted as the article "
        "does: forced to answer, and 0 where there is no answer."
    )


def tiles(opened: OpenedRun, other: OpenedRun | None = None) -> str:
    """The figures that matter most, each with what the compared run reaches."""
    theirs = other.figures["metrics"] if other else {}
    metrics, protocol = opened.figures["metrics"], opened.figures["rouge"]["protocol"]
    everything, answerable = _rouge1(opened)
    shown = (
        ("Exact match", EXACT, _tile(metrics.get("exact")), _of(metrics, "")),
        ("F1", F1, _tile(metrics.get("f1")), _of(metrics, "")),
        ("HasAns F1", HAS_ANSWER, _tile(metrics.get("HasAns_f1")), _of(metrics, "HasAns_")),
        ("NoAns", NO_ANSWER, _tile(metrics.get("NoAns_exact")), _of(metrics, "NoAns_")),
        (f"ROUGE-1, {protocol}", ROUGE, _share(answerable), f"answerable, {_share(everything)} over all"),
    )
    return (
        '<dl class="tiles">'
        + "".join(
            f"<div><dt>{tip(name, explanation)}</dt><dd>{value}</dd>"
            + (f"<dd>{note}</dd>" if note else "")
            + _beside(metrics, theirs, TILES.get(name))
            + "</div>"
            for name, explanation, value, note in shown
        )
        + "</dl>"
    )


TILES = {"Exact match": "exact", "F1": "f1", "HasAns F1": "HasAns_f1", "NoAns": "NoAns_exact"}


def _beside(metrics: Mapping[str, Any], theirs: Mapping[str, Any], key: str | None) -> str:
    if key is None or metrics.get(key) is None or theirs.get(key) is None:
        return ""
    difference = metrics[key] - theirs[key]
    return f"<dd>{signed(difference)} against {number(theirs[key])}</dd>"


def confusion(opened: OpenedRun) -> str:
    """Answerable or not, against answered or not."""
    has = ~opened.decided["is_impossible"].to_numpy(dtype=np.bool_)
    said = opened.decided["answered"].to_numpy(dtype=np.bool_)
    rows = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f'<td class="number">{int((group & answered).sum()):,}</td>' for answered in (said, ~said))
        + "</tr>"
        for name, group in (("Answerable", has), ("Not answerable", ~has))
    )
    return "<h2>Answerable, and answered</h2>" + _table(("", "Answered", "Not answered"), rows, "confusion")


def outcome_bars(opened: OpenedRun) -> str:
    """What became of the answerable questions and of the others, as two bars whose parts can be clicked."""
    counts = opened.figures["outcomes"]
    groups = (
        ("Answerable", ("correct", "partial", "wrong_span", "missed")),
        ("Not answerable", ("abstained", "false_answer")),
    )
    most = max(sum(counts[name] for name in names) for _, names in groups)
    return "<h2>What became of the questions</h2>" + "".join(
        _bar(title, {name: counts[name] for name in names}, most) for title, names in groups
    )


def _bar(title: str, counts: Mapping[str, int], most: int) -> str:
    total = sum(counts.values())
    if not total:
        return f'<p class="bar-title"><b>{title}</b> none in this data set</p>'
    parts = "".join(
        f'<i class="part {name}" data-outcome="{name}" style="flex-grow: {count}" '
        f'title="{OUTCOME_WORDS[name]}: {count:,} of {total:,}, {_share_of(count, total)}">'
        f"<span>{OUTCOME_WORDS[name]} {_share_of(count, total)}</span></i>"
        for name, count in counts.items()
        if count
    )
    return (
        f'<p class="bar-title"><b>{title}</b> {total:,}</p>'
        f'<div class="bar" style="width: {100 * total / most:.2f}%">{parts}</div>'
    )


def threshold_table(opened: OpenedRun) -> str:
    """The reader's own threshold, the cross-fitted and the oracle, side by side and named as what they are."""
    found = opened.figures["thresholds"]
    if found is None:
        return f'<h2>Three thresholds</h2><p class="quiet">{escape(opened.run.why_no_thresholds)}</p>'
    own, fitted, oracle = found["own"], found["cross_fitted"], found["oracle"]
    chosen_on = own["chosen_on"] or "as the run was made"
    chosen_on = f"{chosen_on[:1].upper()}{chosen_on[1:]}."
    rows = [("The reader's own", chosen_on, margin_text(own["threshold"]), own)]
    if fitted is not None:
        applied = " and ".join(_limit(threshold) for threshold in fitted["thresholds"])
        rows.append(("Cross-fitted", CROSS_FITTED.format(by=fitted["by"]), applied, fitted))
    for_f1, for_exact = _limit(oracle["threshold"]), _limit(oracle["exact_threshold"])
    rows.append(("Oracle", ORACLE, for_f1 if for_f1 == for_exact else f"{for_f1}; EM {for_exact}", oracle))
    body = "".join(
        f'<tr><th scope="row">{name}<small>{escape(note)}</small></th><td class="number">{at}</td>'
        + "".join(
            f'<td class="number">{_percent(figures.get(key))}</td>'
            for key in ("exact", "f1", "HasAns_f1", "NoAns_exact")
        )
        + "</tr>"
        for name, note, at, figures in rows
    )
    head = ("Chosen how", "Threshold", "EM", "F1", "HasAns F1", "NoAns")
    return "<h2>Three thresholds</h2>" + _table(head, body, "thresholds")


def _rouge1(opened: OpenedRun) -> tuple[float | None, float | None]:
    """ROUGE-1 F over all questions, and over the answerable ones."""
    rouge = opened.figures["rouge"]["raw"]
    return rouge["all"]["rouge1"]["f"], rouge["answerable"]["rouge1"]["f"]


def _table(head: tuple[str, ...], body: str, name: str) -> str:
    first, *rest = head
    return (
        f'<div class="wide"><table class="plain {name}"><thead><tr><th scope="col">{first}</th>'
        + "".join(f'<th scope="col" class="number">{title}</th>' for title in rest)
        + f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _of(metrics: Mapping[str, Any], group: str) -> str:
    total = metrics.get(f"{group}total")
    return f"over {counted(int(total), 'question')}" if total else "no such question"


def _tile(value: float | None) -> str:
    return "–" if value is None else f"{number(value)}<small>\u00a0%</small>"


def _percent(value: float | None) -> str:
    return "–" if value is None else number(value)


def _share(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else number(value, digits)


def _share_of(count: int, total: int) -> str:
    return (
        f"{100 * count / total:.0f}\u00a0%"
        if count in (0, total) or 0.01 < count / total < 0.99
        else (f"{100 * count / total:.1f}\u00a0%")
    )


def _limit(threshold: float | None) -> str:
    return "any" if threshold is None else margin_text(threshold)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s" if seconds >= 1 else "under a second"
