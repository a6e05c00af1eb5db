"""Charts of a diff. A is always blue and B always orange, with the letter beside the colour.

Functions from tables to plotly figures, each titled by what it shows; no Streamlit, no files. Ids of features
travel in `customdata`, so that a click can name what was clicked.
"""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from diffing.common.colours import GREY, A, B
from diffing.diff.measure import LEVEL

FONT = {"family": "Source Sans, sans-serif", "size": 13}


TOP_LEFT = {"x": 0, "xanchor": "left", "xref": "container", "y": 1, "yanchor": "top", "yref": "container"}
"""In the figure's own corner, so that long names of rows, which move the axes, do not move the title."""


def _layout(figure: go.Figure, title: str, height: int, legend: bool = False) -> go.Figure:
    # The title has a line of its own, and so has the legend: neither runs into the other at any width.
    figure.update_layout(
        title=TOP_LEFT | {"text": title, "font": {"size": 15}, "pad": {"t": 8, "l": 2}},
        height=height,
        font=FONT,
        margin={"l": 8, "r": 12, "t": 66 if legend else 48, "b": 48},
        showlegend=legend,
        legend=TOP_LEFT | {"orientation": "h", "title": {"text": ""}},
        hoverlabel={"align": "left"},
    )
    if legend:
        figure.update_layout(legend={"y": 1 - 30 / height})
    return figure


def short(text: str, width: int = 44) -> str:
    """A label that fits an axis; plotly would read tags in it, so their brackets are shown as look-alikes."""
    plain = " ".join(text.split()).replace("<", "‹").replace(">", "›")
    return plain if len(plain) <= width else plain[: width - 1].rstrip() + "…"


def frequency_bars(rows: pd.DataFrame, a: str, b: str, per_mille: bool = False) -> go.Figure:
    """Share of prompts on A and B for each feature, in the rows' order from the top.

    `rows`: feature, label, frequency_a, frequency_b and the intervals low_a, high_a, low_b, high_b; with
    `per_mille` the bars are rate_a and rate_b, which have no intervals.
    """
    rows = rows.iloc[::-1]
    names = [
        f"{short(label, 38)}  #{feature}" for label, feature in zip(rows["label"], rows["feature"], strict=True)
    ]
    figure = go.Figure()
    # B first: horizontal bars are drawn from below, and A is to stand on top.
    for side, name, colour in (("b", f"B · {b}", B), ("a", f"A · {a}", A)):
        amount = rows[f"rate_{side}" if per_mille else f"frequency_{side}"]
        interval = {
            "type": "data",
            "symmetric": False,
            "array": rows[f"high_{side}"] - amount,
            "arrayminus": amount - rows[f"low_{side}"],
            "thickness": 1,
            "width": 2,
            "color": GREY,
        }
        figure.add_bar(
            y=names,
            x=amount,
            name=short(name, 40),
            orientation="h",
            marker_color=colour,
            error_x=None if per_mille else interval,
            customdata=rows["feature"],
            hovertemplate=f"%{{y}}<br>{side.upper()} %{{x:{'.2f' if per_mille else '.1%'}}}<extra></extra>",
        )
    if per_mille:
        figure.update_xaxes(rangemode="tozero", title="active tokens in 1,000")
    else:
        figure.update_xaxes(tickformat=".0%", range=[0, 1.02], title="share of prompts")
    figure.update_yaxes(automargin=True)
    figure.update_layout(barmode="group", bargap=0.25, legend_traceorder="reversed")
    title = "How many tokens show it" if per_mille else "How often each side shows it (95 % intervals)"
    return _layout(figure, title, bars_height(len(rows)), legend=True)


def bars_height(rows: int) -> int:
    """Pixels of the bar chart; what stands beside it may be as high."""
    return max(280, 114 + 32 * rows)


def volcano(
    rows: pd.DataFrame, band: float | None, per_mille: bool = False, level: float = LEVEL, height: int = 420
) -> go.Figure:
    """Difference against evidence for each feature: `delta`, `q`, `feature`, `label`; the noise band is grey."""
    rows = rows.assign(
        evidence=-np.log10(rows["q"].clip(lower=1e-300)),
        colour=np.where(rows["q"] >= level, GREY, np.where(rows["delta"] < 0, A, B)),
    )
    figure = go.Figure()
    # A trace a colour: plotly would check a colour for each dot.
    for colour, dots in rows.groupby("colour", sort=False):
        figure.add_scattergl(
            x=dots["delta"],
            y=dots["evidence"],
            mode="markers",
            customdata=dots["feature"],
            showlegend=False,
            text=[short(f"#{f} {label}", 70) for f, label in zip(dots["feature"], dots["label"], strict=True)],
            marker={"color": colour, "size": 7, "opacity": 0.75},
            hovertemplate="%{text}<br>B − A %{x:+.1%}<extra></extra>",
        )
    if band:
        figure.add_vrect(
            x0=-band,
            x1=band,
            fillcolor=GREY,
            opacity=0.14,
            line_width=0,
            annotation={
                "text": "noise of one checkpoint",
                "x": 0,
                "xref": "x",
                "xanchor": "center",
                "y": 1,
                "yref": "paper",
                "yanchor": "bottom",
                "font": {"size": 11, "color": GREY},
            },
        )
    figure.add_hline(
        y=-np.log10(level),
        line={"dash": "dot", "color": GREY, "width": 1},
        annotation={"text": f"q = {level}", "font": {"size": 11, "color": GREY}},
        annotation_position="top right",
    )
    unit = "B − A, tokens in 1,000" if per_mille else "B − A"
    figure.update_xaxes(tickformat="" if per_mille else ".0%", title=f"← more on A    {unit}    more on B →")
    figure.update_yaxes(title="surer ↑ (−log₁₀ q)", rangemode="tozero")
    return _layout(figure, "What differs, and how surely", height)


def activations(a: np.ndarray, b: np.ndarray, mark_a: float | None, mark_b: float | None) -> go.Figure:
    """How strongly each side shows a feature where it does, on one scale, the shown documents marked."""
    figure = go.Figure()
    both = np.concatenate([a, b])
    size = float(both.max()) / 30 if len(both) else 1.0
    for name, values, colour in (("A", a, A), ("B", b, B)):
        figure.add_histogram(
            x=values,
            name=name,
            marker_color=colour,
            xbins={"start": 0, "size": size or 1.0},
            hovertemplate=name + " %{y} answers at %{x}<extra></extra>",
        )
    for name, value, colour, side in (("A", mark_a, A, "right"), ("B", mark_b, B, "left")):
        if value is not None:
            # Each name on its own side of its line: the two may lie close together.
            figure.add_vline(
                x=value,
                line={"color": colour, "width": 2, "dash": "dot"},
                annotation={
                    "text": f"this {name}",
                    "yanchor": "bottom",
                    "xanchor": side,
                    "y": 1,
                    "yref": "paper",
                    "font": {"color": colour},
                },
            )
    figure.update_layout(barmode="group", bargap=0.15, bargroupgap=0)
    figure.update_xaxes(title="strongest activation in an answer")
    figure.update_yaxes(title="answers")
    return _layout(figure, "How strongly answers show it, where they do", 300, legend=True)


def by_group(rows: pd.DataFrame, title: str) -> go.Figure:
    """A feature's difference in each group of prompts: `group`, `delta`, `ci_low`, `ci_high`; `n` where known."""
    rows = rows.sort_values("delta", kind="stable")
    counts = [f" ({n})" for n in rows["n"]] if "n" in rows else [""] * len(rows)
    names = [short(str(group), 28) + count for group, count in zip(rows["group"], counts, strict=True)]
    colour = np.where(rows["delta"] < 0, A, B)
    figure = go.Figure(
        go.Scatter(
            x=rows["delta"],
            y=names,
            mode="markers",
            marker={"color": colour, "size": 9},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": rows["ci_high"] - rows["delta"],
                "arrayminus": rows["delta"] - rows["ci_low"],
                "color": GREY,
                "thickness": 1,
            },
            hovertemplate="%{y}<br>B − A %{x:+.1%}<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.update_xaxes(tickformat=".0%", title="← more on A    B − A    more on B →")
    figure.update_yaxes(automargin=True)
    return _layout(figure, title, max(220, 90 + 24 * len(rows)))
