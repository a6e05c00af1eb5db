"""Lines of a pair over layers, places or strengths, and in grey the range of its nulls' lines."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from diffing.common.arrays import Floats
from diffing.common.colours import GREY, B, rgb
from pages.parts import charts

DASHES = ("solid", "dot", "dash")


class Line(NamedTuple):
    """One line; `nulls` are the same line of each null."""

    name: str
    values: Sequence[float]
    nulls: Sequence[Sequence[float]] = ()


def drawn(
    x: Sequence[Any], lines: Sequence[Line], title: str, across: str, up: str, height: int = 300
) -> go.Figure:
    """Lines in the variant's colour over the range of their nulls; several are told apart by their dashes."""
    figure = go.Figure()
    for line in lines:
        band(figure, x, line)
    for line, dash in zip(lines, DASHES, strict=False):
        figure.add_scatter(
            x=list(x),
            y=rounded(line.values),
            name=line.name,
            mode="lines+markers",
            line={"color": B, "dash": dash, "width": 2},
            marker={"size": 6},
            hovertemplate=f"{charts.short(line.name, 40)} %{{y:.3~r}}<extra></extra>",
        )
    # Names of places may be numbers, and are names all the same.
    figure.update_xaxes(title=across, type="category" if x and isinstance(x[0], str) else "linear")
    figure.update_yaxes(title=up, rangemode="tozero")
    figure.update_layout(dragmode=False, hovermode="x unified")
    return charts.laid_out(figure, title, height, legend=True)


def band(figure: go.Figure, x: Sequence[Any], line: Line, **where: int) -> None:
    """The range of a line's nulls, which is one entry of the legend however many lines there are."""
    if not len(line.nulls):
        return
    first = not any(trace.name == "nulls" for trace in figure.data)
    edge = {"mode": "lines", "line": {"width": 0}, "legendgroup": "nulls", "hoverinfo": "skip", "x": list(x)}
    low, high = spread(line.nulls)
    figure.add_scatter(y=rounded(low), showlegend=False, **edge, **where)
    # Down to the trace before it, which is the lower edge.
    fill = {"fill": "tonexty", "fillcolor": f"rgba({rgb(GREY)},0.3)"}
    figure.add_scatter(y=rounded(high), name="nulls", showlegend=first, **fill, **edge, **where)


def spread(nulls: Sequence[Sequence[float]]) -> tuple[Floats, Floats]:
    """The least and the most that nulls show, place by place."""
    grid = np.array(nulls, np.float64)
    # A place that one null has no figure of has the others' range.
    return np.fmin.reduce(grid), np.fmax.reduce(grid)


def rounded(values: Sequence[float] | Floats) -> list[float | None]:
    """As many digits as a chart can show; what is not known is a gap."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]
