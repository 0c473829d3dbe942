"""Charts, as plotly figures. plotly is imported when one is drawn.

Figures carry no colours of their own: the style sheet colours what is drawn, the first curve as the main one, so that
one figure is right in light and dark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pages.judge.browse import margin_text
from reader.calibration import Curves, Histograms, PrecisionRecall, Reliability

if TYPE_CHECKING:
    import plotly.graph_objects as go

FAMILY = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif'
PERCENTS = (0, 25, 50, 75, 100)


def threshold_chart(curves: Curves, marks: Mapping[str, float]) -> go.Figure:
    """F1, HasAns F1 and NoAns over the threshold. ``marks``: what stands at which threshold, by its name.

    The oracle's, where there is one, is the best for F1 to which the title leads.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    names = {"f1": "F1", "HasAns_f1": "HasAns F1", "NoAns_exact": "NoAns"}
    if not {"HasAns_f1", "NoAns_exact"} <= curves.keys():
        names = {"f1": "F1"}  # with one kind of question its curve is that of all
    for key, name in names.items():
        figure.add_scatter(
            x=curves["threshold"],
            y=curves[key],
            mode="lines",
            name=name,
            line={"width": 3 if key == "f1" else 2, "dash": "dot" if key == "NoAns_exact" else "solid"},
            hovertemplate=f"{name} %{{y:.1f}} at %{{x:+.2f}}<extra></extra>",
        )
    _label_ends(figure, curves, names)
    best = marks.get("oracle", float(curves["threshold"][int(np.argmax(curves["f1"]))]))
    _mark_thresholds(figure, marks)
    _quiet(figure, f"F1 is highest at a threshold of {margin_text(best)}")
    figure.update_xaxes(title={"text": "threshold: above this margin it says nothing", "font": {"size": 13}})
    figure.update_yaxes(range=[0, 108], tickvals=PERCENTS, ticktext=[f"{value} %" for value in PERCENTS])
    return figure


def recall_chart(found: PrecisionRecall) -> go.Figure:
    """Precision and recall of keeping silence, and the level of chance."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_scatter(
        x=100 * found.recall,
        y=100 * found.precision,
        mode="lines",
        line={"width": 3},
        customdata=found.threshold,
        hovertemplate="%{x:.1f} % of the unanswerable caught, %{y:.1f} % of silences right, "
        "at %{customdata:+.2f}<extra></extra>",
    )
    figure.add_shape(
        type="line", x0=0, x1=100, y0=100 * found.share, y1=100 * found.share, line={"width": 1, "dash": "dash"}
    )
    figure.add_annotation(x=2, y=100 * found.share, text="chance", showarrow=False, xanchor="left", yshift=9)
    _quiet(figure, f"Average precision of silence: {100 * found.average_precision:.1f} %")
    figure.update_xaxes(
        title={"text": "unanswerable questions met by silence, %", "font": {"size": 13}}, range=[0, 100]
    )
    figure.update_yaxes(title={"text": "silences that are right, %", "font": {"size": 13}}, range=[0, 104])
    return figure


def histogram_chart(found: Histograms) -> go.Figure:
    """The margins of answerable and of unanswerable questions."""
    import plotly.graph_objects as go

    middles = (found.edges[:-1] + found.edges[1:]) / 2
    figure = go.Figure()
    kinds = [
        (name, counts, dash)
        for name, counts, dash in (
            ("answerable", found.answerable, "solid"),
            ("not answerable", found.unanswerable, "dot"),
        )
        if counts.any()
    ]
    for name, counts, dash in kinds:
        figure.add_scatter(
            x=middles,
            y=counts,
            mode="lines",
            line={"width": 3 if dash == "solid" else 2, "dash": dash, "shape": "hvh"},
            name=name,
            hovertemplate=f"%{{y:,}} {name} around %{{x:+.2f}}<extra></extra>",
        )
        top = int(counts.argmax())
        figure.add_annotation(x=float(middles[top]), y=int(counts[top]), text=name, showarrow=False, yshift=12)
    says = (
        [f"all questions are {name}" for name, _, _ in kinds] if len(kinds) == 1 else ["the further apart, the better"]
    )
    _quiet(figure, f"Margins: {says[0]}")
    figure.update_xaxes(title={"text": "margin", "font": {"size": 13}})
    # Few questions would be counted in tenths.
    most = max((int(counts.max()) for _, counts, _ in kinds), default=0)
    figure.update_yaxes(
        title={"text": "questions", "font": {"size": 13}}, rangemode="tozero", dtick=1 if most <= 5 else None
    )
    return figure


def reliability_chart(found: Reliability) -> go.Figure:
    """How often there was no answer, where the reader said so with which probability."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_scatter(
        x=100 * found.said,
        y=100 * found.true,
        mode="lines+markers",
        line={"width": 3},
        customdata=found.counts,
        hovertemplate="said %{x:.0f} %, true %{y:.0f} % of %{customdata:,} questions<extra></extra>",
    )
    figure.add_shape(type="line", x0=0, x1=100, y0=0, y1=100, line={"width": 1, "dash": "dash"})
    _quiet(figure, f"“No answer” is off by {100 * found.error:.1f} points")
    figure.update_xaxes(title={"text": "probability of “no answer”, %", "font": {"size": 13}}, range=[0, 100])
    figure.update_yaxes(title={"text": "really none, %", "font": {"size": 13}}, range=[0, 104])
    return figure


def _label_ends(figure: Any, curves: Curves, names: Mapping[str, str]) -> None:
    """Each curve's name at the end where it stands alone: NoAns falls from the left, the others rise to the right."""
    for key, name in names.items():
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
    """Dashed lines with their names."""
    for place, (name, at) in enumerate(sorted(marks.items(), key=lambda mark: mark[1])):
        figure.add_shape(type="line", x0=at, x1=at, y0=0, y1=100, line={"width": 1, "dash": "dash"})
        side = "left" if place else "right"
        # One above the other, since they may lie close together.
        figure.add_annotation(x=at, y=2 + 9 * place, text=f" {name} ", showarrow=False, xanchor=side, yanchor="bottom")


def _quiet(figure: Any, title: str) -> None:
    """The looks that all share. On a phone there is room for some 42 characters of title."""
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
