"""Charts, as plotly figures. plotly is imported when one is drawn.

Figures carry no colours of their own: the style sheet colours what is drawn, the first curve as the main one, so that
one figure is right in light and dark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reader.metrics import Judged

if TYPE_CHECKING:
    import plotly.graph_objects as go

FAMILY = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif'
PERCENTS = (0, 25, 50, 75, 100)
POINTS = 200  # of a curve; more than a screen shows

Curves = dict[str, NDArray[np.float64]]


def threshold_curves(judged: Judged, margins: NDArray[np.float64]) -> Curves:
    """Return ``threshold`` and the percentages ``f1, HasAns_f1, NoAns_exact`` at each, shape (points,).

    The thresholds are quantiles of the margins, so that every step moves about as many questions; a group without
    questions has no curve.
    """
    finite = np.where(np.isfinite(margins), margins, np.nanmax(margins, where=np.isfinite(margins), initial=0.0) + 1)
    order = np.argsort(finite, kind="stable")
    thresholds = np.unique(np.quantile(finite, np.linspace(0, 1, POINTS)))
    thresholds = np.concatenate(([thresholds[0] - 1e-6], thresholds))
    answering = np.searchsorted(finite[order], thresholds, side="right")
    has = judged.has_answer
    said_right = np.concatenate(([0.0], np.cumsum(np.where(has, judged.f1, 0.0)[order])))[answering]
    # Saying nothing is right where there is no answer; saying something there nearly always is not.
    said_wrongly = np.concatenate(([0.0], np.cumsum(np.where(has, 0.0, 1 - judged.f1)[order])))[answering]
    silent = np.count_nonzero(~has) - said_wrongly
    curves: Curves = {"threshold": thresholds, "f1": 100 * (said_right + silent) / len(judged)}
    if has.any():
        curves["HasAns_f1"] = 100 * said_right / np.count_nonzero(has)
    if not has.all():
        curves["NoAns_exact"] = 100 * silent / np.count_nonzero(~has)
    return curves


def threshold_chart(curves: Curves, marks: Mapping[str, float]) -> go.Figure:
    """F1, HasAns F1 and NoAns over the threshold. ``marks``: what stands at which threshold, by its name."""
    import plotly.graph_objects as go

    figure = go.Figure()
    names = {"f1": "F1", "HasAns_f1": "HasAns F1", "NoAns_exact": "NoAns"}
    for key, name in names.items():
        if key not in curves:
            continue
        figure.add_scatter(
            x=curves["threshold"],
            y=curves[key],
            mode="lines",
            name=name,
            line={"width": 3 if key == "f1" else 2, "dash": "dot" if key == "NoAns_exact" else "solid"},
            hovertemplate=f"{name} %{{y:.1f}} at %{{x:+.2f}}<extra></extra>",
        )
    _label_ends(figure, curves, names)
    best = round(float(curves["threshold"][int(np.argmax(curves["f1"]))]), 1)
    _mark_thresholds(figure, marks)
    _quiet(figure, "F1 is highest at a threshold of " + (f"{best:+.1f}".replace("-", "−") if best else "0.0"))
    figure.update_xaxes(title={"text": "threshold: above this margin it says nothing", "font": {"size": 13}})
    figure.update_yaxes(range=[0, 108], tickvals=PERCENTS, ticktext=[f"{value} %" for value in PERCENTS])
    return figure


def _label_ends(figure: Any, curves: Curves, names: Mapping[str, str]) -> None:
    """Each curve's name at the end where it stands alone: NoAns falls from the left, the others rise to the right."""
    for key, name in names.items():
        if key not in curves:
            continue
        at = 0 if key == "NoAns_exact" else -1
        figure.add_annotation(
            x=float(curves["threshold"][at]),
            y=float(curves[key][at]),
            text=name,
            showarrow=False,
            xanchor="left" if at == 0 else "right",
            yshift=12,
        )


def _mark_thresholds(figure: Any, marks: Mapping[str, float]) -> None:
    """Dashed lines with their names, on the outer sides of two that may lie close together."""
    for place, (name, at) in enumerate(sorted(marks.items(), key=lambda mark: mark[1])):
        figure.add_shape(type="line", x0=at, x1=at, y0=0, y1=100, line={"width": 1, "dash": "dash"})
        side = "left" if place else "right"
        figure.add_annotation(x=at, y=4, text=f" {name} ", showarrow=False, xanchor=side, yanchor="bottom")


def _quiet(figure: Any, title: str) -> None:
    figure.update_layout(
        title={
            "text": title,
            "x": 0,
            "xref": "container",
            "pad": {"l": 0},
            "font": {"size": 16},
            "y": 0.98,
            "yanchor": "top",
        },
        font={"family": FAMILY, "size": 13},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        hovermode="closest",
        dragmode=False,
        margin={"l": 48, "r": 8, "t": 44, "b": 44},
        height=320,
    )
    figure.update_xaxes(fixedrange=True, zeroline=False, showgrid=False, ticks="outside", separatethousands=True)
    figure.update_yaxes(fixedrange=True, zeroline=False)
