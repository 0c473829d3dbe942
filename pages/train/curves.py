"""Curves of a training run, or of several beside each other, as small drawings that a page can redraw at any time.

Lines are SVG stretched to the width that is there; words and numbers are HTML over it, so they keep their size on a
phone, and both take their colours from the page's theme.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, pairwise

POINTS = 300  # drawn per line; more cannot be told apart on a screen
LEAST_RANGE = 10.0  # percent: a smaller rise shall not look like a steep one
LABEL_GAP = 0.09  # of the height: how close the names of two lines may stand
LABEL_REACH = 0.2  # of the width: names of lines that end further apart cannot meet
DIGIT = 0.04  # of the width: what a digit of a number under the axis takes on a phone
FIGURE_KINDS = ("main", "second", "third", "fourth")
RUN_KINDS = ("run-1", "run-2", "run-3", "run-4")
"""CSS classes of lines: of one run's figures, and of several runs; each has its own colour and dashes."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its (x, y) points, and its CSS class; ``name`` stands at its end, "" for none."""

    points: Points
    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """What one of several runs told over its steps. ``steps`` and ``values`` belong together."""

    label: str
    steps: Sequence[int]
    values: Sequence[float | None]

    @property
    def points(self) -> list[tuple[float, float]]:
        """The steps at which a value was told, and the value."""
        return _told(self.steps, self.values)


# One run


def loss_curve(steps: Sequence[int], losses: Sequence[float | None], total_steps: int) -> str:
    """The loss of every step, faint, and smoothed over it; "" before the second step."""
    points = _told(steps, losses)
    if len(points) < 2:
        return ""
    smooth = smoothed([loss for _, loss in points])
    begin, end = smooth[0], smooth[-1]
    moved = "falls" if end < 0.97 * begin else "rises" if end > 1.03 * begin else "stays"
    title = f"Loss {moved} at {end:.2f}" if moved == "stays" else f"Loss {moved} from {begin:.2f} to {end:.2f}"
    # A single wild step must not press all others flat.
    highest = max(*smooth, sorted(loss for _, loss in points)[int(0.95 * (len(points) - 1))])
    lines = [
        Line(thinned(points), "raw"),
        Line(thinned([(step, loss) for (step, _), loss in zip(points, smooth, strict=True)]), "main", f"{end:.2f}"),
    ]
    return _chart(title, lines, total_steps, 0.0, highest, _short)


def rate_curve(steps: Sequence[int], rates: Sequence[float | None], total_steps: int) -> str:
    """The learning rate of every step; "" before the second step."""
    points = _told(steps, rates)
    if len(points) < 2:
        return ""
    told = [rate for _, rate in points]
    begin, peak, end = told[0], max(told), told[-1]
    climbs, falls = peak > 1.01 * begin, end < 0.99 * peak
    highest, last = scientific(peak, 2), scientific(end, 2)
    if climbs and falls:
        title = f"Learning rate climbs to {highest}, then falls to {last}"
    elif climbs:
        title = f"Learning rate climbs to {highest}"
    elif falls:
        title = f"Learning rate falls from {scientific(begin, 2)} to {last}"
    else:
        title = f"Learning rate stays at {highest}"
    return _chart(title, [Line(thinned(points), "main", last)], total_steps, 0.0, peak, scientific)


def figures_curve(steps: Sequence[int], figures: Sequence[tuple[str, Sequence[float | None]]], total_steps: int) -> str:
    """F1, and up to three figures more, at each evaluation, in percent; "" before the second one."""
    lines = []
    for kind, (name, values) in zip(FIGURE_KINDS, figures, strict=False):
        points = _told(steps, values)
        if len(points) >= 2:
            lines.append(Line(thinned(points), kind, f"{name} {points[-1][1]:.1f}"))
    if not lines:
        return ""
    begin, end = lines[0].points[0][1], lines[0].points[-1][1]
    moved = "rises" if end > begin + 0.5 else "falls" if end < begin - 0.5 else "stays"
    title = f"F1 stays at {end:.1f}" if moved == "stays" else f"F1 {moved} from {begin:.1f} to {end:.1f}"
    return _chart(f"Held-out {title}", lines, total_steps, *_percent_range(lines), _short)


# Several runs


def joint_loss_curve(runs: Sequence[Series]) -> str:
    """The smoothed losses of up to four runs; "" where fewer than two have a second step."""
    lines, ends = [], []
    for kind, run in zip(RUN_KINDS, runs, strict=False):
        points = run.points
        if len(points) < 2:
            continue
        smooth = smoothed([loss for _, loss in points])
        ends.append((run.label, smooth[-1]))
        drawn = thinned([(step, loss) for (step, _), loss in zip(points, smooth, strict=True)])
        lines.append(Line(drawn, kind, run.label))
    if len(lines) < 2:
        return ""
    highest = max(loss for line in lines for _, loss in line.points)
    title = _ranked([(label, end, f"{end:.2f}") for label, end in ends], ("ends with", "end with"), "lower", "loss")
    return _chart(title, lines, 0, 0.0, highest, _short)


def joint_f1_curve(runs: Sequence[Series], alike: bool = True) -> str:
    """Held-out F1 at each evaluation of up to four runs, in percent; "" where fewer than two have one.

    ``alike``: whether they were measured on the same questions in the same way, so that one may be called higher.
    """
    told = [
        (Line(thinned(run.points), kind, run.label), max(f1 for _, f1 in run.points))
        for kind, run in zip(RUN_KINDS, runs, strict=False)
        if run.points
    ]
    lines = [line for line, _ in told]
    if len(lines) < 2 or all(len(line.points) < 2 for line in lines):
        return ""
    best = [(line.name, -f1, f"{f1:.1f}") for line, f1 in told]
    if alike:
        title = _ranked(best, ("reaches", "reach"), "higher", "held-out F1")
    else:
        title = "Best held-out F1, not measured alike: " + ", ".join(f"{label}\u00a0{text}" for label, _, text in best)
    return _chart(title, lines, 0, *_percent_range(lines), _short)


def _ranked(figures: Sequence[tuple[str, float, str]], verbs: tuple[str, str], degree: str, what: str) -> str:
    """Say in a title who is first. ``figures``: label, what to sort by, and the text that stands for it."""
    order = sorted(figures, key=lambda figure: figure[1])
    first = order[0][2]
    leaders = [label for label, _, text in order if text == first]
    others = [f"{label}\u00a0{text}" for label, _, text in order if text != first]
    who, verb = " and ".join(filter(None, (", ".join(leaders[:-1]), leaders[-1]))), verbs[len(leaders) > 1]
    if not others:
        return f"{who} {verb} the same {what}: {first}"
    degree = degree if len(figures) == 2 else degree.removesuffix("er") + "est"
    return f"{who} {verb} the {degree} {what}: {', '.join([first, *others])}"


# Numbers


def smoothed(values: Sequence[float]) -> list[float]:
    """Means of each value's neighbourhood, a twentieth of all values to each side; at the ends, of what is there."""
    reach = max(1, len(values) // 20)
    sums = [0.0, *accumulate(values)]
    spans = [(max(0, i - reach), min(len(values), i + reach + 1)) for i in range(len(values))]
    return [(sums[end] - sums[begin]) / (end - begin) for begin, end in spans]


def thinned(points: Points, most: int = POINTS) -> list[tuple[float, float]]:
    """At most ``most`` points: the means of neighbours, and the last one as it is."""
    if len(points) <= most:
        return list(points)
    size = math.ceil((len(points) - 1) / (most - 1))
    groups = [points[i : min(i + size, len(points) - 1)] for i in range(0, len(points) - 1, size)]
    means = [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]
    return [*means, points[-1]]


def ticks(lowest: float, highest: float, wanted: int = 4) -> list[float]:
    """About ``wanted`` round numbers, in steps of 1, 2 or 5, that have ``lowest`` and ``highest`` between them."""
    rough = max(highest - lowest, 1e-9) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(lowest / step + 1e-9), math.ceil(highest / step - 1e-9)
    return [float(f"{step * i:.10g}") for i in range(first, max(last, first + 1) + 1)]


def spread(places: Sequence[float], gap: float = LABEL_GAP) -> list[float]:
    """Move places (0 to 1) apart until neighbours are ``gap`` from each other, in their order."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for lower, upper in pairwise(order):
        moved[upper] = max(moved[upper], moved[lower] + gap)
    over = max([0.0, *(place - 1 for place in moved)])
    return [place - over for place in moved]


def scientific(value: float, digits: int = 7) -> str:
    """A small number as short as it can be written: 2e-5, 1.5e-5, 0."""
    if not value:
        return "0"
    factor, power = f"{value:.{digits - 1}e}".split("e")
    return f"{float(factor):.{digits}g}e{int(power)}"


def _told(steps: Sequence[int], values: Sequence[float | None]) -> list[tuple[float, float]]:
    return [(step, value) for step, value in zip(steps, values, strict=True) if value is not None]


def _percent_range(lines: Sequence[Line]) -> tuple[float, float]:
    told = [y for line in lines for _, y in line.points]
    lowest = max(0.0, min(*told, (min(told) + max(told) - LEAST_RANGE) / 2))
    return lowest, min(100.0, max(*told, lowest + LEAST_RANGE))


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


# Drawing


def _chart(
    title: str,
    lines: Sequence[Line],
    total_steps: int,
    lowest: float,
    highest: float,
    written: Callable[[float], str],
) -> str:
    """One chart; ``written`` makes the labels of the y axis."""
    rows = ticks(lowest, highest)
    right = max(total_steps, max(x for line in lines for x, _ in line.points), 1)

    def height(y: float) -> float:
        return (min(y, rows[-1]) - rows[0]) / (rows[-1] - rows[0])

    grid = "".join(f'<path d="M0 {300 * (1 - height(y)):.1f}H1000"/>' for y in rows)
    drawn = "".join(
        '<polyline class="{}" points="{}"/>'.format(
            line.kind if len(line.points) > 1 else f"{line.kind} dot",
            # A line of no length is drawn as a dot.
            " ".join(f"{1000 * x / right:.1f},{300 * (1 - height(y)):.1f}" for x, y in [*line.points, line.points[-1]]),
        )
        for line in lines
    )
    y_labels = "".join(f'<span class="y" style="--y:{height(y):.4f}">{written(y)}</span>' for y in rows)
    x_labels = "".join(f'<span class="x" style="--x:{x / right:.4f}">{text}</span>' for x, text in _columns(right))
    named = [line for line in lines if line.name]
    ends = [(line.points[-1][0] / right, height(line.points[-1][1])) for line in named]
    names = "".join(
        f'<span class="name {line.kind}" style="--x:{x:.4f};--y:{y:.4f}">{escape(line.name)}</span>'
        for line, (x, _), y in zip(named, ends, _name_places(ends), strict=True)
    )
    # The style sheet makes as much room beside the drawing as these texts take.
    beside = 'data-left="{}" data-right="{}"'.format(
        "&#10;".join(map(written, rows)), "&#10;".join(escape(line.name) for line in named)
    )
    # A title breaks between words, not within 2e-5.
    caption = escape(title).replace("-", "-&NoBreak;")
    return (
        f'<figure class="chart"><figcaption>{caption}</figcaption><div class="plot" role="img" '
        f'aria-label="{escape(title)}" {beside}><div class="area">'
        f'<svg viewBox="0 0 1000 300" preserveAspectRatio="none" aria-hidden="true">{grid}{drawn}</svg>'
        f"{y_labels}{x_labels}{names}</div></div></figure>"
    )


def _columns(right: float) -> list[tuple[float, str]]:
    """The numbers under the chart. The last step has a label of its own, so the round numbers keep away from it."""
    last = f"step {right:,.0f}"
    texts = [(tick, f"{tick:,.0f}") for tick in ticks(0, right)]
    return [
        *[(tick, text) for tick, text in texts if right - tick > right * DIGIT * (1 + (len(text) + len(last)) / 2)],
        (right, last),
    ]


def _name_places(ends: Sequence[tuple[float, float]]) -> list[float]:
    """The heights of the lines' names: moved apart where lines end beside each other, else at the lines' ends."""
    groups: list[list[int]] = []
    for i in sorted(range(len(ends)), key=lambda i: ends[i][0]):
        if groups and ends[i][0] - ends[groups[-1][-1]][0] < LABEL_REACH:
            groups[-1].append(i)
        else:
            groups.append([i])
    heights = [height for _, height in ends]
    for group in groups:
        for i, height in zip(group, spread([ends[i][1] for i in group]), strict=True):
            heights[i] = height
    return heights
