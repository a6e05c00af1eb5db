"""What changed as the report lists it: both sides' figures and their difference in words, and the chart of them.

Promises the diff's order, length first, and that what is drawn was confirmed on held-out prompts and has words of
its own; length is there in any case, as everything else is read by it.
"""

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diffing.common import colours
from diffing.common.colours import GREY
from diffing.diff import answer
from diffing.diff.answer import Behaviour
from diffing.report import drawing
from diffing.report.drawing import Chart
from diffing.report.facts import Facts


class Line(NamedTuple):
    """One behaviour, ready to be read."""

    title: str
    """As a sentence about a side."""
    name: str
    side: str
    amount: bool
    a: float
    """Share of answers; of an amount its mean."""
    b: float
    figures: str
    """Both."""
    difference: float
    """In shares, or in the amount itself."""
    low: float
    high: float
    told: str
    """The difference with its interval, with its unit."""
    length: bool
    """Whether it may follow from length alone."""


def of(facts: Facts) -> list[Line]:
    """All that was confirmed and has words, length first whatever became of it; behind it what may be length."""
    sure = [each for each in facts.behaviours if each.kind == "amount" or (confirmed(each) and each.said)]
    return [line(each) for each in [*sure, *(each for each in facts.behaviours if maybe(each) and each.said)]]


def confirmed(each: Behaviour) -> bool:
    return bool(each.confirmed == "yes")


def maybe(each: Behaviour) -> bool:
    """Whether it differs, and may follow from length alone."""
    return bool(each.confirmed == "may be length")


def by_features(facts: Facts) -> int:
    """How many more were confirmed that only features tell of."""
    return sum(confirmed(each) and not each.said for each in facts.behaviours)


def line(each: Behaviour) -> Line:
    amount = each.kind == "amount"
    difference, low, high = each.spread
    return Line(
        title=title(each),
        name=each.name,
        side=each.direction,
        amount=amount,
        a=each.share_a,
        b=each.share_b,
        figures=f"{each.figures} words" if amount else each.figures,
        difference=difference,
        low=low,
        high=high,
        told=each.told,
        length=maybe(each),
    )


def title(each: Behaviour) -> str:
    """What changed, in a clause."""
    if each.kind == "amount" and not confirmed(each):
        return "Length: no change confirmed"
    return f"{each.subject} {each.rest}"


def chart(facts: Facts) -> Chart | None:
    """From A to B for each, and the difference with its interval."""
    rows = of(facts)[: answer.SHOWN]
    if not rows:
        return None
    amounts, shares = ([row for row in rows if row.amount is kind] for kind in (True, False))

    def on(figure: Figure) -> None:
        panels = [part for part in (amounts, shares) if part]
        grid = figure.add_gridspec(len(panels), 2, width_ratios=(3, 2), height_ratios=[len(p) for p in panels])
        for place, part in enumerate(panels):
            left, right = (figure.add_subplot(grid[place, column]) for column in (0, 1))
            _from_a_to_b(left, part)
            _difference(right, part)
            if place == 0:
                left.set_title("from A to B")
                _legend(left)
                right.set_title("B − A, with 95 % intervals")

    left_out = len(of(facts)) - len(rows)
    caption = (
        "On new prompts, which nothing was chosen by. Hollow: may follow from the answers' length alone."
        if _hollow(rows)
        else ("On new prompts, which nothing was chosen by.")
    )
    caption += f" {left_out} more are in the table of behaviours." if left_out else ""
    # A quarter of an inch a row, and room for titles and axes.
    return drawing.panels("behaviours", "What changed", caption, on, 0.95 + 0.27 * len(rows))


def _hollow(rows: list[Line]) -> bool:
    return any(row.length for row in rows)


def _from_a_to_b(axes: Axes, rows: list[Line]) -> None:
    amount = rows[0].amount
    for place, row in enumerate(reversed(rows)):
        axes.plot([row.a, row.b], [place, place], color=GREY, linewidth=1.2, zorder=1)
        for value, colour, marker in ((row.a, colours.A, "o"), (row.b, colours.B, "s")):
            fill = "none" if row.length else "full"
            axes.plot(value, place, marker, color=colour, markersize=5.5, fillstyle=fill, zorder=2)
        # Behind the last mark.
        end = (max(row.a, row.b), place)
        axes.annotate(row.figures, end, xytext=(8, 0), textcoords="offset points", va="center", fontsize=8)
    names = [drawing.short(_named(row), 44) for row in reversed(rows)]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.tick_params(axis="y", length=0)
    if amount:
        # Room behind the larger one for both figures.
        axes.set_xlim(0, 1.6 * max(max(row.a, row.b) for row in rows))
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
    else:
        drawing.shares(axes, "share of answers")
        # And for the figures behind the last mark.
        axes.set_xlim(-0.02, 1.36)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])


def _legend(axes: Axes) -> None:
    for letter, colour, marker in (("A", colours.A, "o"), ("B", colours.B, "s")):
        axes.plot([], [], marker, color=colour, markersize=5.5, label=letter)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)


def _named(row: Line) -> str:
    return "length, in words" if row.amount else row.name


def _difference(axes: Axes, rows: list[Line]) -> None:
    for place, row in enumerate(reversed(rows)):
        colour = colours.B if row.difference > 0 else colours.A
        if row.low <= 0 <= row.high:
            colour = GREY
        axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.4)
        axes.plot(
            row.difference, place, "o", color=colour, markersize=4.5, fillstyle="none" if row.length else "full"
        )
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.yaxis.tick_right()
    told = [row.told.split(" [")[0].removesuffix(" points") for row in reversed(rows)]
    axes.set_yticks(range(len(rows)), told)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    furthest = 1.1 * max(max(abs(row.low), abs(row.high)) for row in rows)
    axes.set_xlim(-furthest, furthest)
    if rows[0].amount:
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
    else:
        drawing.differences(axes, "← more on A · points · more on B →")
