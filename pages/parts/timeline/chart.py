"""One item at each checkpoint: its share or mean with intervals, and its step or who stands apart in it.

What stands before a step is A's blue and what follows is B's orange, as on the Answer page of the two. Of a set
the one that stands apart is B's, and A's the other that the row leads to.
"""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from diffing.common.colours import GREY, A, B
from diffing.diff.along import Series
from diffing.diff.followed import SHARE
from pages.parts import charts
from pages.parts.timeline import table

NAME = 12
"""Letters of a name under a point: seven of them stand side by side."""
HEIGHT = 190
"""Pixels: three rows of charts fit a screen."""


def item(found: Series, row: "pd.Series[Any]") -> go.Figure:
    """A small chart, titled by what it shows."""
    points = found.points_of(row["kind"], row["item"])
    times = 100 if row["unit"] == SHARE else 1
    apart = "one" in row
    last = len(found.keys) - 1
    ends = table.pair(found, row)
    if apart:
        colours = [{ends[0]: A, ends[1]: B}.get(n, GREY) for n in range(last + 1)]
    else:
        colours = [A if n <= ends[0] else B if n >= ends[1] else GREY for n in range(last + 1)]
    values = times * points["value"]
    figure = go.Figure(
        go.Scatter(
            # By place, so that two checkpoints of one name stay two.
            x=list(range(last + 1)),
            y=values.tolist(),
            # No line between what has no order.
            mode="markers" if apart else "lines+markers",
            line={"color": GREY, "width": 1},
            marker={"color": colours, "size": 9},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": (times * points["high"] - values).tolist(),
                "arrayminus": (values - times * points["low"]).tolist(),
                "color": GREY,
                "thickness": 1,
            },
            text=[charts.short(name, 40) for name in found.names],
            hovertemplate="%{text}: %{y:,.3~r}" + (" %" if times == 100 else "") + "<extra></extra>",
            showlegend=False,
        )
    )
    if apart:
        figure.add_hline(y=times * row["others"], line={"dash": "dot", "color": GREY, "width": 1})
    elif row["shape"] == "step":
        figure.add_vrect(x0=ends[0], x1=ends[1], fillcolor=GREY, opacity=0.14, line_width=0)
    # Every checkpoint by name where there is room for the names, by its ends where there is none.
    shown = range(last + 1) if last <= 6 else sorted({0, *ends, last})
    figure.update_xaxes(
        tickvals=list(shown),
        ticktext=[_tail(found.names[n]) for n in shown],
        range=[-0.3, last + 0.3],
    )
    figure.update_yaxes(ticksuffix=" %" if times == 100 else "", rangemode="tozero", nticks=4)
    figure.update_layout(
        title=charts.TOP_LEFT
        | {"text": charts.short(row["says"], 46), "font": {"size": 14}, "pad": {"t": 6, "l": 2}},
        height=HEIGHT,
        font=charts.FONT,
        margin={"l": 8, "r": 30, "t": 38, "b": 28},
        dragmode=False,
    )
    return figure


def _tail(name: str) -> str:
    """A name that fits under its point: its end, in which a version mostly stands."""
    return charts.short(name if len(name) <= NAME else f"…{name[1 - NAME :]}", NAME)
