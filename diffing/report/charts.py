"""The report's charts as SVG and PNG, drawn by matplotlib: from the same figures the same bytes on one machine.

A is always blue and B always orange, with the letter beside the colour. Promises that no outside text is read as
markup or formula. Needs no browser and keeps no state between charts.
"""

import base64
import io
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from diffing.common import colours
from diffing.common.colours import GREY
from diffing.common.escape import visible
from diffing.common.words import count, points, share
from diffing.diff import measure
from diffing.report.facts import Facts, sure

INK, PAPER = "#24292f", "#ffffff"
NIGHT = {INK: "#e6e8eb", PAPER: "#14171c"}
"""What ink and paper become where the reader's system is dark."""
FIXED: dict[RcKeyType, Any] = {
    # Names inside an SVG are drawn at random unless salted.
    "svg.hashsalt": "checkpoint-diffing",
    # Letters stay text: they can be searched, read aloud, and shown in a font that has what ours lacks.
    "svg.fonttype": "none",
    # Comes with matplotlib, and so is the same on every machine.
    "font.family": "DejaVu Sans",
    # A dollar sign in a label begins no formula.
    "text.parse_math": False,
    "axes.unicode_minus": True,
}
LOOK: dict[RcKeyType, Any] = {
    **{"font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left", "legend.frameon": False},
    **{"axes.spines.top": False, "axes.spines.right": False},
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), PAPER),
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    "axes.edgecolor": GREY,
}
WIDTH = 8.2
"""Inches of every chart; chosen by eye."""


class Chart(NamedTuple):
    """One drawing."""

    name: str
    """Of its files."""
    title: str
    told: str
    """What it shows, for those who cannot see it."""
    svg: bytes
    png: bytes

    @property
    def uri(self) -> str:
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode()


def draw(facts: Facts) -> list[Chart]:
    """All charts that the figures allow."""
    makers = (top, evidence, equal_length, replication, probes, lengths, verified)
    return [chart for maker in makers if (chart := maker(facts)) is not None]


def top(facts: Facts) -> Chart | None:
    """Shares on both sides for the families that come first."""
    if not facts.top:
        return None
    # The first row of a chart is its lowest.
    rows = facts.table.loc[facts.top[::-1]]
    names = [f"{short(facts.named[f])}  #{f}" for f in rows["feature"]]

    def on(axes: Axes) -> None:
        # Apart by a third of a row, so that equal shares do not cover each other.
        for offset, side, colour in ((0.16, "a", colours.A), (-0.16, "b", colours.B)):
            _ranges(axes, np.arange(len(rows)) + offset, rows, side, colour)
        axes.set_yticks(range(len(rows)), names)
        _shares(axes, "share of prompts whose answers show it, with 95 % intervals")

    lead, name = facts.table.loc[facts.top[0]], short(facts.named[facts.top[0]])
    caption = (
        f"{count(len(rows), 'family', 'families')}; the surest difference is that of feature {facts.top[0]} "
        f"({name}), {share(lead['frequency_a'])} on A and {share(lead['frequency_b'])} on B."
    )
    # As high as its rows need, and room for the title and the axis; so are the other charts with rows.
    return _chart("top_differences", "The first families of each side", caption, on, 1.2 + 0.34 * len(rows))


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
        _differences(axes, "← more on A · B − A, points · more on B →")

    differ = int((rows["q"] < measure.LEVEL).sum())
    caption = (
        f"{count(len(rows), 'tested feature')}, of which {differ:,} lie above the line of q = {measure.LEVEL}."
    )
    return _chart("difference_and_evidence", "Difference and evidence, every tested feature", caption, on, 3.6)


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
        _diagonal(axes)
        shades = _colours(rows["delta"], rows["q"])
        axes.scatter(rows["delta"], rows[column], c=shades, s=12, linewidths=0, rasterized=True)
        axes.yaxis.set_major_formatter(lambda value, _: points(value))
        axes.set_ylabel(said)
        _differences(axes, "B − A of whole answers, points")

    kept = facts.diff.summary["survive_equal_length"]
    caption = (
        f"Of {count(len(rows), 'differing feature')} {kept:,} survive at equal length; the rest may be length."
    )
    return _chart("equal_length", "What is left at equal length", caption, on, 3.6)


def replication(facts: Facts) -> Chart | None:
    """Differences on discovery prompts against those on held-out ones."""
    rows = facts.table[facts.table["replicated"] != ""]
    if rows.empty:
        return None

    def on(axes: Axes) -> None:
        _diagonal(axes)
        shades = np.where(rows["replicated"] == "yes", _colours(rows["delta_discovery"]), GREY)
        axes.scatter(rows["delta_discovery"], rows["delta_heldout"], c=shades, s=12, linewidths=0, rasterized=True)
        axes.yaxis.set_major_formatter(lambda value, _: points(value))
        axes.set_ylabel("B − A on held-out prompts")
        _differences(axes, "B − A on discovery prompts, points")

    again = int((rows["replicated"] == "yes").sum())
    caption = (
        f"Of {count(len(rows), 'feature')} chosen on discovery prompts {again:,} came again on held-out ones."
    )
    return _chart(
        "replication", "Chosen on discovery prompts, looked for again on held-out ones", caption, on, 3.6
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
        axes.set_yticks(y, [short(str(name)) for name in rows["probe"]])
        _differences(axes, "← more on A · B − A, points, with 95 % intervals · more on B →")

    differ = int((rows["q"] < measure.LEVEL).sum())
    caption = f"Of {count(len(rows), 'surface probe')} tested {differ} differ; grey ones do not after correction."
    return _chart("surface_probes", "Counted without features", caption, on, 1.1 + 0.2 * len(rows))


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
    return _chart("lengths", "How long the answers are", caption, on, 2.6)


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
            names.append(f"{side}: {short(standing.finding.claim)}")
        axes.set_yticks(range(len(judged)), names)
        axes.axvline(0, color=GREY, linewidth=0.8)
        _differences(axes, "net share of held-out prompts for the claim, points, with 95 % intervals")

    held = sum(sure(standing) == "verified" for standing, _ in judged)
    ways = "All are uncorrected for the judge's error."
    if any(check.corrected for _, check in judged):
        ways = "Filled: by the judge's word; hollow: corrected by a person's verdicts."
    caption = (
        f"Of {count(len(judged), 'claim')} put forward here the judge confirmed {held}; the others are grey. "
        f"{ways} "
        "Blocked, rejected and repeated ones are not drawn."
    )
    return _chart("verification", "What the judge said of each claim", caption, on, 1.1 + 0.3 * len(judged))


# Drawing.


def short(text: str, width: int = 46) -> str:
    """Outside text that fits an axis, without what XML cannot hold; 46 letters leave more than half of it."""
    plain = " ".join(visible(text).split())
    return plain if len(plain) <= width else plain[: width - 1].rstrip() + "…"


def _colours(delta: "pd.Series[float]", q: "pd.Series[float] | None" = None) -> np.ndarray:
    side = np.where(delta < 0, colours.A, colours.B)
    return side if q is None else np.where(q < measure.LEVEL, side, GREY)


def _shares(axes: Axes, label: str) -> None:
    # A little beyond both ends, so that marks at 0 and 100 % are whole.
    axes.set_xlim(-0.02, 1.02)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlabel(label)
    axes.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)


def _differences(axes: Axes, label: str) -> None:
    axes.xaxis.set_major_formatter(lambda value, _: points(value))
    axes.set_xlabel(label)
    axes.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)


def _diagonal(axes: Axes) -> None:
    axes.axline((0, 0), slope=1, color=GREY, linewidth=0.8, linestyle=":")
    axes.axhline(0, color=GREY, linewidth=0.6)
    axes.axvline(0, color=GREY, linewidth=0.6)


def _chart(name: str, title: str, told: str, on: Callable[[Axes], None], height: float) -> Chart:
    # A figure of its own rather than pyplot's, which keeps every figure and asks for a screen.
    with matplotlib.rc_context(FIXED | LOOK), warnings.catch_warnings():
        # Labels may hold signs that the font lacks; the SVG shows them in the reader's own font.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(WIDTH, height), layout="constrained", dpi=130)
        axes = figure.add_subplot()
        on(axes)
        axes.set_title(title)
        # Without dates and names of programs: the same figures give the same bytes.
        png, svg = io.BytesIO(), io.BytesIO()
        FigureCanvasAgg(figure)
        figure.savefig(png, format="png", metadata={"Software": None})
        FigureCanvasSVG(figure)
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return Chart(name, title, told, _both_lights(svg.getvalue()), png.getvalue())


def _both_lights(svg: bytes) -> bytes:
    """The drawing with ink and paper exchanged where the reader's system is dark."""
    # By what each shape states for itself, hence the !important: a style sheet's word is weaker than that.
    rules = "".join(
        f'[style*="{what}: {day}"]{{{what}:{night}!important}}'
        for day, night in NIGHT.items()
        for what in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    at = svg.index(b">", svg.index(b"<svg ")) + 1
    return svg[:at] + style.encode() + svg[at:]
