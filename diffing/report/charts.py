"""The report's charts of figures: what differs, how surely, at equal length, again, and what the judge said.

The chart of what changed is `report.behaviours`'s. Promises what `report.drawing` does.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from diffing.common import colours
from diffing.common.colours import GREY
from diffing.common.words import count, points, share
from diffing.diff import measure
from diffing.report import behaviours, drawing
from diffing.report.drawing import Chart
from diffing.report.facts import Facts, sure


def draw(facts: Facts) -> list[Chart]:
    """All charts that the figures allow."""
    makers = (behaviours.chart, top, evidence, equal_length, replication, probes, lengths, verified)
    return [chart for maker in makers if (chart := maker(facts)) is not None]


def top(facts: Facts) -> Chart | None:
    """Shares on both sides for the families that come first."""
    if not facts.top:
        return None
    # The first row of a chart is its lowest.
    rows = facts.table.loc[facts.top[::-1]]
    names = [f"{drawing.short(facts.named[f])}  #{f}" for f in rows["feature"]]

    def on(axes: Axes) -> None:
        # Apart by a third of a row, so that equal shares do not cover each other.
        for offset, side, colour in ((0.16, "a", colours.A), (-0.16, "b", colours.B)):
            _ranges(axes, np.arange(len(rows)) + offset, rows, side, colour)
        axes.set_yticks(range(len(rows)), names)
        drawing.shares(axes, "share of prompts whose answers show it, with 95 % intervals")

    lead, name = facts.table.loc[facts.top[0]], drawing.short(facts.named[facts.top[0]])
    caption = (
        f"{count(len(rows), 'family', 'families')}; the surest difference is that of feature {facts.top[0]} "
        f"({name}), {share(lead['frequency_a'])} on A and {share(lead['frequency_b'])} on B."
    )
    # As high as its rows need, and room for the title and the axis; so are the other charts with rows.
    return drawing.chart("top_differences", "The families that come first", caption, on, 1.2 + 0.34 * len(rows))


def _ranges(axes: Axes, y: np.ndarray, rows: pd.DataFrame, side: str, colour: str) -> None:
    value = rows[f"frequency_{side}"].to_numpy(dtype=float)
    around = np.abs([value - rows[f"low_{side}"], rows[f"high_{side}"] - value])
    axes.errorbar(value, y, xerr=around, fmt="none", ecolor=colour, elinewidth=1, alpha=0.6)
    # A shape for each side, for those to whom the colours look alike.
    marker = "o" if side == "a" else "s"
    axes.plot(value, y, marker, color=colour, markersize=5, label=side.upper())
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)


def evidence(facts: Facts) -> Chart | None:
    """Difference against evidence for every tested feature."""
    rows = facts.table[facts.table["testable"]]
    if rows.empty:
        return None

    def on(axes: Axes) -> None:
        # Below 1e-300 a float may be 0, whose logarithm no axis has.
        height = -np.log10(rows["q"].clip(lower=1e-300))
        # Thousands of points are a picture inside the SVG: as shapes they would make a file of megabytes.
        axes.scatter(
            rows["delta"], height, c=_colours(rows["delta"], rows["q"]), s=9, linewidths=0, rasterized=True
        )
        axes.axhline(-np.log10(measure.LEVEL), color=GREY, linewidth=0.8, linestyle=":")
        axes.set_ylabel("−log₁₀ q")
        drawing.differences(axes, "← more on A · B − A, points · more on B →")

    differ = int((rows["q"] < measure.LEVEL).sum())
    caption = (
        f"{count(len(rows), 'tested feature')}, of which {differ:,} lie above the line of q = {measure.LEVEL}."
    )
    return drawing.chart(
        "difference_and_evidence", "Difference and evidence, every tested feature", caption, on, 3.6
    )


def equal_length(facts: Facts) -> Chart | None:
    """What is left of each difference among as many tokens of both answers."""
    rows = facts.table[facts.table["q"] < measure.LEVEL]
    if rows.empty:
        return None
    # An older diff has the cuts alone.
    column, said = "delta_rarefied", "in L random tokens, L the shorter answer's length"
    if column not in rows:
        column, said = "delta_equal_length", "in the first L tokens, L the shorter answer's length"

    def on(axes: Axes) -> None:
        drawing.diagonal(axes)
        shades = _colours(rows["delta"], rows["q"])
        axes.scatter(rows["delta"], rows[column], c=shades, s=12, linewidths=0, rasterized=True)
        axes.yaxis.set_major_formatter(lambda value, _: points(value))
        axes.set_ylabel(said)
        drawing.differences(axes, "B − A of whole answers, points")

    kept = facts.diff.summary["survive_equal_length"]
    caption = (
        f"Of {count(len(rows), 'differing feature')} {kept:,} survive at equal length; the rest may be length."
    )
    return drawing.chart("equal_length", "What is left at equal length", caption, on, 3.6)


def replication(facts: Facts) -> Chart | None:
    """Differences on discovery prompts against those on held-out ones."""
    rows = facts.table[facts.table["replicated"] != ""]
    if rows.empty:
        return None

    def on(axes: Axes) -> None:
        drawing.diagonal(axes)
        shades = np.where(rows["replicated"] == "yes", _colours(rows["delta_discovery"]), GREY)
        axes.scatter(rows["delta_discovery"], rows["delta_heldout"], c=shades, s=12, linewidths=0, rasterized=True)
        axes.yaxis.set_major_formatter(lambda value, _: points(value))
        axes.set_ylabel("B − A on new prompts")
        drawing.differences(axes, "B − A on discovery prompts, points")

    again = int((rows["replicated"] == "yes").sum())
    caption = f"Of {count(len(rows), 'feature')} chosen on discovery prompts {again:,} came again on new ones."
    return drawing.chart(
        "replication", "Chosen on discovery prompts, looked for again on new ones", caption, on, 3.6
    )


def probes(facts: Facts) -> Chart | None:
    """What can be counted, with intervals."""
    rows = facts.probes[facts.probes["testable"]]
    rows = rows.loc[rows["delta"].sort_values(kind="stable").index]
    if rows.empty:
        return None

    def on(axes: Axes) -> None:
        y, delta = np.arange(len(rows)), rows["delta"].to_numpy(dtype=float)
        for place, colour in enumerate(_colours(rows["delta"], rows["q"])):
            ends = rows.iloc[place][["ci_low", "ci_high"]].to_numpy(dtype=float)
            axes.plot(ends, [place, place], color=colour, linewidth=1)
            axes.plot(delta[place], place, "o", color=colour, markersize=4.5)
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set_yticks(y, [drawing.short(str(name)) for name in rows["probe"]])
        drawing.differences(axes, "← more on A · B − A, points, with 95 % intervals · more on B →")

    differ = int((rows["q"] < measure.LEVEL).sum())
    caption = f"Of {count(len(rows), 'surface probe')} tested {differ} differ; grey ones do not after correction."
    return drawing.chart("surface_probes", "Counted in the answers", caption, on, 1.1 + 0.2 * len(rows))


def lengths(facts: Facts) -> Chart | None:
    """How long the answers are."""
    documents = facts.encodings.documents
    sides = {
        side: documents.loc[(documents["checkpoint"] == key) & (documents["error"] == ""), "tokens"].to_numpy()
        for side, key in (("A", facts.a.key), ("B", facts.b.key))
    }
    if not all(len(values) for values in sides.values()):
        return None
    # Thirty bins, the same for both sides; 1 more than the longest, so that all answers being alike is no empty
    # range.
    edges = np.linspace(0, max(values.max() for values in sides.values()) + 1, 31).tolist()

    def on(axes: Axes) -> None:
        for (side, values), colour in zip(sides.items(), (colours.A, colours.B), strict=True):
            axes.hist(values, edges, color=colour, alpha=0.22)
            axes.hist(values, edges, color=colour, histtype="step", label=side)
            axes.axvline(values.mean(), color=colour, linewidth=1, linestyle="--")
        axes.legend(loc="upper right")
        axes.set_xlabel("reader's tokens in an answer, means dashed")
        axes.set_ylabel("answers")

    means = {side: f"{values.mean():,.0f}" for side, values in sides.items()}
    caption = f"Answers of A have {means['A']} tokens on average, those of B {means['B']}."
    return drawing.chart("lengths", "How long the answers are", caption, on, 2.6)


def verified(facts: Facts) -> Chart | None:
    """What the judge said of each claim."""
    judged = [(one, one.check) for one in facts.claimed if one.check is not None and one.check.prompts]
    if not judged:
        return None

    def on(axes: Axes) -> None:
        names = []
        for place, (standing, check) in enumerate(reversed(judged)):
            side = facts.side(standing.finding.more)
            colour = (colours.B if side == "B" else colours.A) if sure(standing) == "verified" else GREY
            axes.plot([check.low, check.high], [place, place], color=colour, linewidth=1)
            axes.plot(check.net, place, "o", color=colour, markersize=5)
            if check.corrected:
                ends, below = [check.corrected.low, check.corrected.high], place - 0.25
                axes.plot(ends, [below, below], color=colour, linewidth=1, linestyle=":")
                axes.plot(check.corrected.net, below, "o", color=colour, markersize=5, fillstyle="none")
            names.append(f"{side}: {drawing.short(standing.finding.claim)}")
        axes.set_yticks(range(len(judged)), names)
        axes.axvline(0, color=GREY, linewidth=0.8)
        drawing.differences(axes, "net share of new prompts for the claim, points, with 95 % intervals")

    held = sum(sure(standing) == "verified" for standing, _ in judged)
    ways = "All are uncorrected for the judge's error."
    if any(check.corrected for _, check in judged):
        ways = "Filled: by the judge's word; hollow: corrected by a person's verdicts."
    caption = (
        f"Of {count(len(judged), 'claim')} put forward here the judge confirmed {held}; the others are grey. "
        f"{ways} "
        "Blocked, rejected and repeated ones are not drawn."
    )
    return drawing.chart("verification", "What the judge said of each claim", caption, on, 1.1 + 0.3 * len(judged))


def _colours(delta: "pd.Series[float]", q: "pd.Series[float] | None" = None) -> np.ndarray:
    side = np.where(delta < 0, colours.A, colours.B)
    return side if q is None else np.where(q < measure.LEVEL, side, GREY)
