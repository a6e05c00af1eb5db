"""What methods point at, each thing with its interval beside the range of its nulls."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from diffing.common.colours import GREY, B
from pages.parts import charts


class Line(NamedTuple):
    """One thing with its figure and what nulls show of the same thing."""

    text: str
    figure: float
    low: float
    high: float
    null_low: float
    null_high: float
    above: bool
    said: str = ""
    """What hovering says before the figure, where that is more than the name."""


def line(text: str, of: Any, above: bool, unit: float = 1.0, said: str = "") -> Line:
    """A thing in shares of some unit; `of` has its figures by their names."""
    return Line(
        text=text,
        figure=of.figure / unit,
        low=of.low / unit,
        high=of.high / unit,
        null_low=of.null_low / unit,
        null_high=of.null_high / unit,
        above=above,
        said=said,
    )


def beside_nulls(lines: Sequence[Line], title: str, unit: str = "") -> go.Figure:
    """A dot with its interval a thing, grey bands for the nulls; filled dots stand above all nulls."""
    figure = go.Figure()
    # The first on top.
    places = list(range(len(lines)))[::-1]
    for place, line in zip(places, lines, strict=True):
        if line.null_low == line.null_low:
            figure.add_shape(
                type="rect",
                x0=min(line.null_low, 0.0),
                x1=line.null_high,
                y0=place - 0.32,
                y1=place + 0.32,
                fillcolor=GREY,
                opacity=0.35,
                line_width=0,
                layer="below",
            )
    values = np.array([line.figure for line in lines])
    figure.add_scatter(
        x=values.tolist(),
        y=places,
        mode="markers",
        marker={
            "color": B,
            "size": 10,
            "symbol": ["circle" if line.above else "circle-open" for line in lines],
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [line.high - line.figure for line in lines],
            "arrayminus": [line.figure - line.low for line in lines],
            "color": B,
            "thickness": 1.5,
        },
        text=[charts.short(line.said or line.text, 140) for line in lines],
        customdata=[_range(line) for line in lines],
        hovertemplate="%{text}<br>%{x:.3~r}; nulls %{customdata}<extra></extra>",
        showlegend=False,
    )
    figure.update_yaxes(
        tickvals=places,
        ticktext=[charts.short(line.text, 34) for line in lines],
        range=[-0.6, len(lines) - 0.4],
        showgrid=False,
    )
    figure.update_xaxes(title=unit or None, rangemode="tozero")
    figure.update_layout(dragmode=False)
    return charts.laid_out(figure, title, 96 + 25 * len(lines))


def _range(line: Line) -> str:
    if line.null_low != line.null_low:
        return "not there yet"
    return f"{line.null_low:.3g} to {line.null_high:.3g}"
