"""One item along the checkpoints: its share or mean with intervals, and the step between two of them.

What stands before the step is A's blue and what follows is B's orange, as on the Answer page of the two.
"""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from diffing.common.colours import GREY, A, B
from diffing.diff.followed import SHARE
from diffing.diff.timeline import Timeline
from pages.parts import charts

HEIGHT = 190
"""Pixels: three rows of charts fit a screen."""


def item(found: Timeline, row: "pd.Series[Any]") -> go.Figure:
    """A small chart, titled by what it shows."""
    points = found.points_of(row["kind"], row["item"])
    times = 100 if row["unit"] == SHARE else 1
    steady = row["shape"] == "steady"
    place = found.keys.index(row["from"])
    last = len(found.keys) - 1
    ends = (0, last) if steady else (place - 1, place)
    colours = [A if n <= ends[0] else B if n >= ends[1] else GREY for n in range(last + 1)]
    values = times * points["value"]
    figure = go.Figure(
        go.Scatter(
            # By place, so that two checkpoints of one name stay two.
            x=list(range(last + 1)),
            y=values.tolist(),
            mode="lines+markers",
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
    if not steady:
        figure.add_vrect(x0=place - 1, x1=place, fillcolor=GREY, opacity=0.14, line_width=0)
    # Every checkpoint by name where there is room for the names, by its ends where there is none.
    shown = range(last + 1) if last <= 6 else (0, *ends, last)
    figure.update_xaxes(
        tickvals=list(shown),
        ticktext=[charts.short(found.names[n], 12) for n in shown],
        range=[-0.3, last + 0.3],
    )
    figure.update_yaxes(ticksuffix=" %" if times == 100 else "", rangemode="tozero", nticks=4)
    figure.update_layout(
        title=charts.TOP_LEFT
        | {"text": charts.short(row["says"], 46), "font": {"size": 14}, "pad": {"t": 6, "l": 2}},
        height=HEIGHT,
        font=charts.FONT,
        margin={"l": 8, "r": 8, "t": 38, "b": 28},
        dragmode=False,
    )
    return figure
