"""Groups of a run's questions as HTML: what the reader scores on each, and beside it what another run scores.

A row leads to its questions: it carries the filter that shows them (`reader.filters`). Bars and their intervals are
drawn by views.css from the figures in their styles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from pages.judge.browse import number
from pages.judge.runs import OpenedRun, day_of
from pages.phrases import notice, tip
from pages.readers import label_of
from pages.theme import OUTCOME_WORDS
from reader.errors import BadRun
from reader.filters import Condition
from reader.slices import Slice, SliceDifference, by_slice, by_slice_pair

FEWEST = 30  # questions that a group needs to be called the weakest or the strongest
LONGEST_LABEL = 60  # characters; an article may have any name

TITLES = {"seen": "text seen in training"}  # of slicings whose names say too little
SEEN = "Seen: the text is among those that this reader was fine-tuned on. What its base model had read is not known."
SEEN_BY_A = "Seen: the text is among those that A was fine-tuned on. What its base model had read is not known."
NOT_KNOWN = "not known of this run, since what its reader was trained on was not kept"

INTERVAL = "With 95 % confidence it lies in here, were other texts drawn. Few questions make it wide."
PAIRED = "With 95 % confidence the difference lies in here. Where it holds 0, it may be chance."

# A click anywhere in a row, or on its button, is an event with the filter of its questions; one on the name of a
# slicing is an event with that name.
CLICK_SLICE = """
element.addEventListener("click", event => {
    const part = event.target.closest("[data-where], [data-slice]");
    if (part) trigger("click", {where: part.dataset.where || "", slice: part.dataset.slice || ""});
});
"""


def slicing_choices(opened: OpenedRun) -> list[tuple[str, str]]:
    """The ways to group a run's questions, as (label, value)."""
    return [(title(name), name) for name in opened.slices]


def title(name: str) -> str:
    """What a slicing is called on the page."""
    return TITLES.get(name, name)


def where(name: str, label: str) -> str:
    """The text of the filter that shows the questions of a group."""
    return str(Condition(name, "=", label))


def slices(opened: OpenedRun, name: str, other: OpenedRun | None = None) -> str:
    """One slicing of a run: its groups in order, with F1, its interval, exact match and what became of the questions.

    With ``other``: F1 of both, and the difference B − A with its paired interval.
    """
    if name not in opened.slices:
        known = ", ".join(opened.slices)
        return notice(f"This run's questions cannot be grouped by {name[:40]}; they can be by {known}.")
    if other is None:
        return _groups(opened, name, by_slice(opened.decided, opened.slices[name]))
    try:
        found = by_slice_pair(opened.decided, other.decided, opened.slices[name])
    except BadRun as error:
        return notice(str(error), "alarm")
    return _pairs(opened, other, name, found)


def overview(opened: OpenedRun, other: OpenedRun | None = None) -> str:
    """The weakest and the strongest group of every slicing, a line each; with ``other`` the best and the worst for B.

    Groups under `FEWEST` questions are left out, and how many these are is said.
    """
    lines, left_out = [], 0
    for name, labels in opened.slices.items():
        groups: Sequence[Slice] | Sequence[SliceDifference]
        if other is None:
            groups = by_slice(opened.decided, labels)
        else:
            try:
                groups = by_slice_pair(opened.decided, other.decided, labels)
            except BadRun as error:
                return notice(str(error), "alarm")
        large = [group for group in groups if group.questions >= FEWEST]
        left_out += len(groups) - len(large)
        lines.append(_line(name, sorted(large, key=_rank), len(groups)))
    if not any("data-where" in line for line in lines):
        unknown = "" if "seen" in opened.slices else f" {_capital(title('seen'))} is {NOT_KNOWN}."
        return (
            f'<div class="slices"><p class="quiet">Too few questions to call a group the weakest or the strongest: no '
            f"two that are grouped in the same way have {FEWEST}.{unknown}</p></div>"
        )
    if "seen" not in opened.slices:
        lines.append(f'<li><span class="unknown">{title("seen")}</span><span class="quiet">{NOT_KNOWN}</span></li>')
    heading = (
        "Where it is weak, and where strong" if other is None else "Where B stands best against A, and where worst"
    )
    key = "" if other is None else versus_key(opened, other)
    left = f"{left_out:,} {'groups' if left_out != 1 else 'group'} under {FEWEST} questions left out. "
    return (
        f'<div class="slices"><h2>{heading}</h2>{key}<ul class="extremes">{"".join(lines)}</ul>'
        f'<p class="quiet">{left if left_out else ""}The extremes of many groups are extreme by chance too: '
        "the intervals tell how far.</p></div>"
    )


# One run


def _groups(opened: OpenedRun, name: str, groups: Sequence[Slice]) -> str:
    overall = 100 * float(opened.f1.mean()) if len(opened.f1) else 0.0
    rows = "".join(
        f'<tr data-where="{escape(where(name, group.label))}">{_label(group.label)}'
        f'<td class="draw">{gauge(group.f1, group.f1_low, group.f1_high)}</td>'
        f'<td class="number f1">{number(group.f1)}</td>'
        f'<td class="number range">{interval_text(group.f1_low, group.f1_high, 1)}</td>'
        f'<td class="number em">{number(group.exact)}</td>'
        f'<td class="number count">{group.questions:,}</td><td class="became">{_mix(group.outcomes)}</td></tr>'
        for group in groups
    )
    seen = [outcome for outcome in OUTCOME_WORDS if any(group.outcomes.get(outcome) for group in groups)]
    legend = "".join(f'<span class="{outcome}"><i></i>{OUTCOME_WORDS[outcome]}</span>' for outcome in seen)
    return (
        f'<div class="slices" style="--all: {overall:.2f}"><h2>F1 by {escape(title(name))}</h2>'
        f'<table class="plain groups"><thead><tr><th scope="col">{escape(_capital(title(name)))}</th>'
        '<th scope="col" class="draw"><span class="axis"><span>0</span><span>50</span><span>100</span></span></th>'
        f'<th scope="col" class="number">F1 %</th><th scope="col" class="number">{tip("95 % interval", INTERVAL)}</th>'
        '<th scope="col" class="number">EM %</th><th scope="col" class="number">Questions</th>'
        f'<th scope="col" class="became">What became of them</th></tr></thead><tbody>{rows}</tbody></table>'
        f'<p class="mixed">{legend}</p><p class="quiet">The dashed line is F1 over all questions, {number(overall)}'
        f"\u00a0%. Choose a group to see its questions. {SEEN if name == 'seen' else ''}</p></div>"
    )


def gauge(value: float, low: float | None, high: float | None, what: str = "F1") -> str:
    """A bar from 0 to 100 % with its 95 % interval as a whisker; the words are for those who do not see it."""
    says = f"{what} {number(value)}\u00a0%"
    if low is None or high is None:
        return (
            f'<span class="gauge" role="img" style="--value: {value:.2f}" aria-label="{says}, interval not known">'
            "<i></i></span>"
        )
    return (
        f'<span class="gauge" role="img" style="--value: {value:.2f}; --low: {low:.2f}; --high: {high:.2f}" '
        f'aria-label="{says}, 95\u00a0% interval {interval_text(low, high)}"><i></i><b></b></span>'
    )


def _mix(outcomes: Mapping[str, int]) -> str:
    total = sum(outcomes.values())
    shown = {name: count for name, count in outcomes.items() if count}
    words = {
        name: f"{OUTCOME_WORDS[name]} {count:,} of {total:,}, {100 * count / total:.0f}\u00a0%"
        for name, count in shown.items()
    }
    parts = "".join(
        f'<i class="{name}" style="flex-grow: {count}" title="{words[name]}"></i>' for name, count in shown.items()
    )
    return f'<span class="mix" role="img" aria-label="{"; ".join(words.values())}">{parts}</span>'


# Two runs


def _pairs(a: OpenedRun, b: OpenedRun, name: str, groups: Sequence[SliceDifference]) -> str:
    reach = _reach(groups)
    rows = "".join(
        f'<tr data-where="{escape(where(name, group.label))}">{_label(group.label)}'
        f'<td class="number count">{group.questions:,}</td>'
        f'<td class="number a">{number(group.f1_a)}</td><td class="number b">{number(group.f1_b)}</td>'
        f'<td class="number change">{difference(group.difference)}</td>'
        f'<td class="number range">{interval_text(group.low, group.high)}</td>'
        f'<td class="draw">{_seesaw(group, reach)}</td><td class="says">{better(group.low, group.high)}</td></tr>'
        for group in groups
    )
    axis = "".join(f"<span>{difference(float(end), 0)}</span>" for end in (-reach, 0, reach))
    return (
        f'<div class="slices"><h2>F1 by {escape(title(name))}, two runs</h2>{versus_key(a, b)}'
        f'<table class="plain groups paired"><thead><tr><th scope="col">{escape(_capital(title(name)))}</th>'
        '<th scope="col" class="number">Questions</th><th scope="col" class="number">F1 of A</th>'
        '<th scope="col" class="number">F1 of B</th><th scope="col" class="number">B − A</th>'
        f'<th scope="col" class="number">{tip("95 % interval", PAIRED)}</th>'
        f'<th scope="col" class="draw"><span class="axis">{axis}</span></th>'
        f'<th scope="col" class="says">Better</th></tr></thead><tbody>{rows}</tbody></table>'
        f'<p class="quiet">Choose a group to see its questions. {SEEN_BY_A if name == "seen" else ""}</p></div>'
    )


def versus_key(a: OpenedRun, b: OpenedRun) -> str:
    """Which run is called A, and which B."""
    return f'<p class="versus-key">{_who("A", a)}{_who("B", b)}</p>'


def _who(letter: str, opened: OpenedRun) -> str:
    threshold = f", threshold {difference(opened.threshold)}" if opened.threshold is not None else ""
    return (
        f"<span><b>{letter}</b> {escape(label_of(opened.run.info['reader']))} "
        f"<small>{escape(day_of(opened.run.info['created']))}{threshold}</small></span>"
    )


def _seesaw(group: SliceDifference, reach: int) -> str:
    """The difference as a dot on an axis with 0 in its middle, and its interval as a whisker."""
    says = f"B − A {difference(group.difference)}"
    at = f"--at: {_on_axis(group.difference, reach):.2f}"
    if group.low is None or group.high is None:
        return f'<span class="seesaw" role="img" style="{at}" aria-label="{says}, interval not known"><i></i></span>'
    ends = f"; --low: {_on_axis(group.low, reach):.2f}; --high: {_on_axis(group.high, reach):.2f}"
    return (
        f'<span class="seesaw" role="img" style="{at}{ends}" '
        f'aria-label="{says}, 95\u00a0% interval {interval_text(group.low, group.high)}"><b></b><i></i></span>'
    )


def _on_axis(value: float, reach: int) -> float:
    return 50 + 50 * max(-1.0, min(1.0, value / reach))


def _reach(groups: Sequence[SliceDifference]) -> int:
    """How far the axis goes to both sides of 0, so that intervals of groups that are large enough lie inside."""
    large = [group for group in groups if group.questions >= FEWEST] or groups
    ends = [abs(end) for group in large for end in (group.difference, group.low or 0.0, group.high or 0.0)]
    return next((reach for reach in (5, 10, 20, 50) if reach >= max(ends, default=0.0)), 100)


# The overview


def _rank(group: Slice | SliceDifference) -> float:
    return group.f1 if isinstance(group, Slice) else -group.difference


def _line(name: str, ranked: Sequence[Slice | SliceDifference], groups: int) -> str:
    button = f'<button type="button" class="pick" data-slice="{escape(name)}">{escape(title(name))}</button>'
    if len(ranked) < 2:
        says = (
            f"only <bdi>“{escape(_cut(ranked[0].label))}”</bdi> has {FEWEST} questions"
            if ranked
            else "no group is large enough"
        )
        says = "all in one group" if groups == 1 else says
        return f'<li>{button}<span class="quiet">{says}</span></li>'
    words = ("weakest", "strongest") if isinstance(ranked[0], Slice) else ("best for B", "worst for B")
    return f"<li>{button}{_extreme(words[0], name, ranked[0])}{_extreme(words[1], name, ranked[-1])}</li>"


def _extreme(word: str, name: str, group: Slice | SliceDifference) -> str:
    if isinstance(group, Slice):
        value, low, high = number(group.f1, 1), group.f1_low, group.f1_high
    else:
        value, low, high = difference(group.difference, 1), group.low, group.high
    shows = escape(where(name, group.label))
    return (
        f'<span class="extreme">{word} <button type="button" class="pick" data-where="{shows}">'
        f"<bdi>{escape(_cut(group.label))}</bdi></button> <b>{value}</b> "
        f"<small>{interval_text(low, high, 1)} · {group.questions:,} questions</small></span>"
    )


# Words and figures


def difference(value: float, digits: int = 2) -> str:
    """A difference with its sign and a true minus; 0 without one."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def interval_text(low: float | None, high: float | None, digits: int = 2) -> str:
    """An interval in words, "1.90 to 4.40"; "not known" where all questions lie in one paragraph."""
    if low is None or high is None:
        return "not known"
    return f"{number(low, digits)} to {number(high, digits)}"


def better(low: float | None, high: float | None) -> str:
    """Which run is better by the interval of B − A."""
    if low is None or high is None:
        return "not known"
    return "B is better" if low > 0 else "A is better" if high < 0 else "may be chance"


def _label(label: str) -> str:
    return (
        f'<th scope="row"><button type="button" class="pick" title="Show these questions"><bdi>{escape(_cut(label))}'
        "</bdi></button></th>"
    )


def _cut(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
