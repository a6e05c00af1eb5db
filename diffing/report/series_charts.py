"""A series drawn: a small chart for each thing that changed, every checkpoint's interval and the step in it.

What stands before a step is A's blue and what follows is B's orange, as on the timeline page. Promises what
`report.drawing` does.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from diffing.common import colours
from diffing.common.colours import GREY
from diffing.common.words import count
from diffing.diff import told
from diffing.diff.followed import SHARE
from diffing.diff.timeline import Timeline
from diffing.report import drawing
from diffing.report.drawing import Chart

SHOWN, ACROSS = 9, 3
"""Charts on the first page, and how many stand side by side: three rows leave room for the words above them."""
ROW = 1.62
"""Inches of a row of charts."""
NAME = 11
"""Letters of a checkpoint's name under its point."""


def draw(found: Timeline, most: int = SHOWN, where: str = "in the appendix") -> Chart | None:
    """The surest changes as one picture; None where nothing changed that is worth a chart.

    `where` the others are to be found stands below it.
    """
    rows = told.notable(found).head(most)
    if rows.empty:
        return None

    def on(figure: Figure) -> None:
        grid = figure.subplots(-(-len(rows) // ACROSS), ACROSS, squeeze=False)
        for axes, (_, row) in zip(grid.flat, rows.iterrows(), strict=False):
            panel(axes, found, row)
        for axes in grid.flat[len(rows) :]:
            axes.set_axis_off()

    left = len(told.notable(found)) - len(rows)
    more = f" {count(left, 'more change')} {where}." if left else ""
    caption = (
        f"{count(len(rows), 'change')}, the surest first, with 95 % intervals: blue before the change, orange "
        f"after it, the step in grey.{more}"
    )
    height = ROW * -(-len(rows) // ACROSS)
    return drawing.panels("along", "What changed along the checkpoints", caption, on, height)


def panel(axes: Axes, found: Timeline, row: "pd.Series[Any]", size: float = 8.5) -> None:
    """One item at each checkpoint."""
    points = found.points_of(row["kind"], row["item"])
    times = 100 if row["unit"] == SHARE else 1
    value, low, high = (times * points[name].to_numpy(np.float64) for name in ("value", "low", "high"))
    place, last = np.arange(len(value)), len(value) - 1
    step = found.keys.index(row["from"])
    first, late = (step - 1, step) if row["shape"] == "step" else (0, last)
    if row["shape"] == "step":
        axes.axvspan(first, late, color=GREY, alpha=0.16, linewidth=0)
    axes.plot(place, value, color=GREY, linewidth=0.8, zorder=1)
    for n, (middle, under, over) in enumerate(zip(value, low, high, strict=True)):
        colour = colours.A if n <= first else colours.B if n >= late else GREY
        around = [[max(middle - under, 0.0)], [max(over - middle, 0.0)]]
        axes.errorbar(n, middle, yerr=around, color=colour, elinewidth=0.9, marker="o", markersize=4, zorder=2)
    axes.set_title(drawing.short(str(row["says"]), 38), fontsize=size)
    axes.set_ylim(bottom=0)
    axes.set_xlim(-0.4, last + 0.4)
    # Every name where there is room for them, else those of the ends and around the step.
    shown = place if last < 4 else np.array(sorted({0, first, late, last}))
    axes.set_xticks(shown, [_tail(found.called[n]) for n in shown], fontsize=0.72 * size)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(axis="y", labelsize=0.8 * size)
    if times == 100:
        axes.yaxis.set_major_formatter(lambda level, _: f"{level:g} %")
    axes.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.6)


def _tail(name: str) -> str:
    """A name that fits under its point: its end, in which a version mostly stands."""
    return drawing.short(name if len(name) <= NAME else f"…{name[1 - NAME :]}", NAME)
