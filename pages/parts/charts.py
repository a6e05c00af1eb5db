"""Charts of a diff. A is always blue and B always orange, with the letter beside the colour.

Functions from tables to plotly figures, each titled by what it shows; no Streamlit, no files. Ids of features
travel in `customdata`, so that a click can name what was clicked.
"""

import base64
import io

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from PIL import Image

from diffing.common.colours import GREY, A, B, rgb
from diffing.diff.measure import LEVEL
from diffing.diff.selection import Dots

FONT = {"family": "Source Sans, sans-serif", "size": 13}


TOP_LEFT = {"x": 0, "xanchor": "left", "xref": "container", "y": 1, "yanchor": "top", "yref": "container"}
"""In the figure's own corner, so that long names of rows, which move the axes, do not move the title."""


def laid_out(figure: go.Figure, title: str, height: int, legend: bool = False) -> go.Figure:
    """A figure with its title, size and margins as all of them have."""
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


PIXELS = (260, 200)
"""Of the cloud: at half of its size on a page its dots are still dots, and it weighs a few kilobytes."""


WITHIN = 0.995
"""Of all differences, how many the axis is made for: a few far ones of the cloud would squeeze the rest."""


def volcano(
    dots: Dots, band: float | None, unit: str = "", level: float = LEVEL, height: int = 420, per_cent: bool = True
) -> go.Figure:
    """Difference against evidence: chosen features as dots that can be clicked, all others as a cloud behind them.

    `unit` is what differences are of, and `per_cent` whether they are shares. The noise band is grey.
    """
    # Differences of shares are said in points.
    times = 100 if per_cent else 1
    live, cloud = _placed(dots.live, level, times), _placed(dots.cloud, level, times)
    both = pd.concat([live, cloud])
    # An image has no axes of its own, so that these are set by all dots.
    ends = [live["delta"].abs().max(), both["delta"].abs().quantile(WITHIN)]
    reach = 1.08 * float(np.nanmax(ends)) if len(both) else 1.0
    top = 1.08 * float(max(both["evidence"].max(), -np.log10(level))) if len(both) else 2.0
    reach, top = reach or 1.0, top or 2.0
    figure = go.Figure()
    if len(cloud):
        place = {"x": -reach, "y": top, "sizex": 2 * reach, "sizey": top, "xref": "x", "yref": "y"}
        figure.add_layout_image(source=_cloud(cloud, reach, top), sizing="stretch", layer="below", **place)
    # A trace a colour: plotly would check a colour for each dot.
    for colour, some in live.groupby("colour", sort=False):
        figure.add_scatter(
            x=[float(f"{x:.3g}") for x in some["delta"]],
            y=[float(f"{y:.3g}") for y in some["evidence"]],
            mode="markers",
            customdata=some["feature"].tolist(),
            showlegend=False,
            text=[short(f"#{f} {title}", 60) for f, title in zip(some["feature"], some["title"], strict=True)],
            marker={"color": colour, "size": 7, "opacity": 0.8},
            hovertemplate=f"%{{text}}<br>B − A %{{x:+.{1 if per_cent else 2}f}}{' points' if per_cent else ''}"
            "<extra></extra>",
        )
    if band:
        figure.add_vrect(
            x0=-times * band,
            x1=times * band,
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
    about = "B − A in points" if per_cent else "B − A"
    about += f", {unit}" if unit else ""
    figure.update_xaxes(title=f"← more on A    {about}    more on B →", range=[-reach, reach])
    figure.update_yaxes(title="surer ↑ (−log₁₀ q)", range=[0, top])
    # Whoever drags wants to read, and a moved chart would hide what it is about.
    figure.update_layout(dragmode=False)
    shown = f"{dots.chosen:,} of {dots.tested:,} features"
    first = f", the first {len(live):,} as dots" if len(live) < dots.chosen else ""
    return laid_out(figure, f"How surely it differs: {shown}{first}", height)


def _placed(rows: pd.DataFrame, level: float, times: float) -> pd.DataFrame:
    """With evidence and colour; without what has no difference here."""
    rows = rows[rows["q"].notna() & rows["delta"].notna()]
    colour = np.where(rows["q"] >= level, GREY, np.where(rows["delta"] < 0, A, B))
    return rows.assign(
        delta=times * rows["delta"], evidence=-np.log10(rows["q"].clip(lower=1e-300)), colour=colour
    )


def _cloud(rows: pd.DataFrame, reach: float, top: float) -> str:
    """Dots as a picture in an address: paler where there are fewer, and none that can be pointed at."""
    wide, high = PIXELS
    x = ((rows["delta"].clip(-reach, reach).to_numpy() / reach + 1) / 2 * (wide - 3)).astype(int)
    y = ((1 - rows["evidence"].to_numpy() / top) * (high - 3)).astype(int)
    pixels = np.zeros((high, wide, 4), np.uint8)
    for colour in (GREY, A, B):
        mine = (rows["colour"] == colour).to_numpy()
        # Of two by two pixels, as a dot is wider than one.
        spots = [(y[mine] + down, x[mine] + right) for down in (0, 1) for right in (0, 1)]
        for spot in spots:
            pixels[spot] = [*(int(part) for part in rgb(colour).split(",")), 90]
    written = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(written, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode()}"


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
    return laid_out(figure, "How strongly answers show it, where they do", 300, legend=True)


def by_group(rows: pd.DataFrame, title: str) -> go.Figure:
    """A feature's difference in each group of prompts: `group`, `delta`, `ci_low`, `ci_high`; `n` where known."""
    rows = rows.sort_values("delta", kind="stable")
    counts = [f" ({n})" for n in rows["n"]] if "n" in rows else [""] * len(rows)
    names = [short(str(group), 28) + count for group, count in zip(rows["group"], counts, strict=True)]
    colour = np.where(rows["delta"] < 0, A, B)
    figure = go.Figure(
        go.Scatter(
            x=100 * rows["delta"],
            y=names,
            mode="markers",
            marker={"color": colour, "size": 9},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": 100 * (rows["ci_high"] - rows["delta"]),
                "arrayminus": 100 * (rows["delta"] - rows["ci_low"]),
                "color": GREY,
                "thickness": 1,
            },
            hovertemplate="%{y}<br>B − A %{x:+.1f} points<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.update_xaxes(title="← more on A    B − A in points    more on B →")
    figure.update_yaxes(automargin=True)
    return laid_out(figure, title, max(220, 90 + 24 * len(rows)))
