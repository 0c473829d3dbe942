"""Curves of a training run, as small drawings that a page can redraw every other second.

Lines are SVG stretched to the width that is there; words and numbers are HTML over it, so they keep their size on a
phone, and both take their colours from the page's theme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, pairwise

POINTS = 300  # drawn per line; more cannot be told apart on a screen
LEAST_RANGE = 10.0  # percent: a smaller rise shall not look like a steep one
LABEL_GAP = 0.11  # of the height: how close the names of two lines may stand

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its (x, y) points, and its CSS class; ``name`` stands at its end, "" for none."""

    points: Points
    kind: str
    name: str = ""


def loss_curve(steps: Sequence[int], losses: Sequence[float | None], total_steps: int) -> str:
    """The loss of every step, faint, and smoothed over it; "" before the second step."""
    points = [(step, loss) for step, loss in zip(steps, losses, strict=True) if loss is not None]
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
    return _chart(title, lines, total_steps, 0.0, highest)


def figures_curve(steps: Sequence[int], figures: Sequence[tuple[str, Sequence[float | None]]], total_steps: int) -> str:
    """F1 and its two halves at each evaluation, in percent; "" before the second one."""
    lines = []
    for kind, (name, values) in zip(("main", "second", "third"), figures, strict=False):
        points = [(step, value) for step, value in zip(steps, values, strict=True) if value is not None]
        if len(points) >= 2:
            lines.append(Line(thinned(points), kind, f"{name} {points[-1][1]:.1f}"))
    if not lines:
        return ""
    begin, end = lines[0].points[0][1], lines[0].points[-1][1]
    moved = "rises" if end > begin + 0.5 else "falls" if end < begin - 0.5 else "stays"
    title = f"F1 stays at {end:.1f}" if moved == "stays" else f"F1 {moved} from {begin:.1f} to {end:.1f}"
    told = [y for line in lines for _, y in line.points]
    lowest = max(0.0, min(*told, (min(told) + max(told) - LEAST_RANGE) / 2))
    return _chart(f"Held-out {title}", lines, total_steps, lowest, min(100.0, max(*told, lowest + LEAST_RANGE)))


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
    rough = max(highest - lowest, 1e-6) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(lowest / step + 1e-9), math.ceil(highest / step - 1e-9)
    return [round(step * i, 10) for i in range(first, max(last, first + 1) + 1)]


def spread(places: Sequence[float], gap: float = LABEL_GAP) -> list[float]:
    """Move places (0 to 1) apart until neighbours are ``gap`` from each other, in their order."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for lower, upper in pairwise(order):
        moved[upper] = max(moved[upper], moved[lower] + gap)
    over = max([0.0, *(place - 1 for place in moved)])
    return [place - over for place in moved]


def _chart(title: str, lines: Sequence[Line], total_steps: int, lowest: float, highest: float) -> str:
    rows = ticks(lowest, highest)
    right = max(total_steps, max(x for line in lines for x, _ in line.points), 1)
    # The last step has a label of its own, so the round numbers keep away from it.
    columns = [*[tick for tick in ticks(0, right) if tick <= 0.86 * right], right]

    def height(y: float) -> float:
        return (min(y, rows[-1]) - rows[0]) / (rows[-1] - rows[0])

    grid = "".join(f'<path d="M0 {300 * (1 - height(y)):.1f}H1000"/>' for y in rows)
    drawn = "".join(
        '<polyline class="{}" points="{}"/>'.format(
            line.kind, " ".join(f"{1000 * x / right:.1f},{300 * (1 - height(y)):.1f}" for x, y in line.points)
        )
        for line in lines
    )
    y_labels = "".join(f'<span class="y" style="--y:{height(y):.4f}">{_short(y)}</span>' for y in rows)
    x_labels = "".join(
        f'<span class="x" style="--x:{x / right:.4f}">{"step " if x == right else ""}{x:,.0f}</span>' for x in columns
    )
    named = [line for line in lines if line.name]
    places = spread([height(line.points[-1][1]) for line in named])
    names = "".join(
        f'<span class="name {line.kind}" style="--x:{line.points[-1][0] / right:.4f};--y:{y:.4f}">'
        f"{escape(line.name)}</span>"
        for line, y in zip(named, places, strict=True)
    )
    kind = "plot named" if len(named) > 1 else "plot"
    return (
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption><div class="{kind}" role="img" '
        f'aria-label="{escape(title)}"><svg viewBox="0 0 1000 300" preserveAspectRatio="none" aria-hidden="true">'
        f"{grid}{drawn}</svg>{y_labels}{x_labels}{names}</div></figure>"
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"
