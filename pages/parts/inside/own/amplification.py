"""What grows as the change is turned up, until which strength texts stay coherent, and what is written there."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from diffing.common.colours import GREY, B
from diffing.whitebox.sight.evidence import less
from diffing.whitebox.sight.seen import Seen
from pages.parts import charts, download, highlight
from pages.parts.address import Comparison
from pages.parts.inside import heat, lines
from pages.parts.inside.lines import Line

DRAWN = 3
"""Habits and words of the chart: as many as dashes tell apart."""
SHOWN = 6
"""Texts of the strength that was kept, each behind another beginning."""


def show(here: Comparison, seen: Seen) -> None:
    """A curve for what grows most, one for how strange texts become, and some of the texts."""
    facts = seen.facts()
    curve = seen.table("curve").sort_values("alpha")
    # Of what grows: what becomes rarer ends where nothing is left of it.
    things = seen.judged.table[~seen.judged.table["kind"].map(less).astype(bool)].head(DRAWN)
    shares, theirs = seen.table("shares"), seen.null_tables("shares")
    grown = [
        Line(str(row.text), _of(shares, row, curve), [found for n in theirs if (found := _of(n, row, curve))])
        for row in things.itertuples()
    ]
    stranger = Line(
        "the pair",
        curve["base_nll"].tolist(),
        [null.sort_values("alpha")["base_nll"].tolist() for null in seen.null_tables("curve")],
    )
    st.plotly_chart(
        _figure(curve["alpha"].tolist(), grown, stranger, facts),
        key="own-amplification",
        config={"displayModeBar": False},
        alt="Share of texts that show what grows most, and how strange texts are, by strength, beside nulls",
    )
    st.caption(
        "At 0 the base writes, at 1 the variant; beyond it the change is made stronger than it is. Evidence "
        f"was taken at {facts['alpha']:g}: there most had risen while the base found texts no stranger than all "
        f"but the strangest of the variant's own (the dotted line below). Of {facts['prompts']} beginnings "
        f"{facts['held_out']} were held out to confirm. Grey is what nulls show of the same, where they show "
        "it."
    )
    _texts(seen, facts, things)
    download.csv("Download by strength", curve, f"{here.study.name}-inside-amplification-strengths")
    download.csv("Download all texts", seen.table("texts"), f"{here.study.name}-inside-amplification-texts")


def _flat(text: str) -> str:
    return text.replace("\n", " ⏎ ")


def _of(shares: pd.DataFrame, row: Any, curve: pd.DataFrame) -> list[float]:
    """A thing's share of texts at each strength, in per cent; empty where there is no figure of it."""
    mine = shares[(shares["kind"] == row.kind) & (shares["key"] == row.key)]
    if not len(mine):
        return []
    told = mine.set_index("alpha")["share"].reindex(curve["alpha"])
    return [100 * float(share) for share in told]


def _figure(alphas: list[float], grown: list[Line], stranger: Line, facts: dict[str, Any]) -> go.Figure:
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.64, 0.36], vertical_spacing=0.07)
    for line in grown:
        lines.band(figure, alphas, line, row=1, col=1)
    for line, dash in zip(grown, lines.DASHES, strict=False):
        _line(figure, alphas, line, dash, charts.short(line.name, 30), 1)
    lines.band(figure, alphas, stranger, row=2, col=1)
    _line(figure, alphas, stranger, "solid", "the base's surprise", 2)
    figure.data[-1].showlegend = False
    figure.add_hline(y=facts["limit"], line={"dash": "dot", "color": GREY, "width": 1}, row=2, col=1)
    figure.add_vline(x=facts["alpha"], line={"dash": "dot", "color": GREY, "width": 1})
    figure.add_annotation(
        x=facts["alpha"],
        y=1,
        yref="paper",
        yanchor="bottom",
        text=f"kept: {facts['alpha']:g}",
        showarrow=False,
        font={"size": 11, "color": GREY},
    )
    figure.update_yaxes(title="% of texts", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title="strange to the base,<br>nats a token", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(title="strength of the change", row=2, col=1)
    figure.update_layout(dragmode=False, hovermode="x unified")
    return charts.laid_out(figure, "What grows as the change is turned up", 440, legend=True)


def _line(figure: go.Figure, x: list[float], line: Line, dash: str, name: str, row: int) -> None:
    figure.add_scatter(
        x=x,
        y=lines.rounded(line.values),
        name=name,
        mode="lines+markers",
        line={"color": B, "dash": dash, "width": 2},
        marker={"size": 6},
        hovertemplate=f"{name} %{{y:.3~r}}<extra></extra>",
        row=row,
        col=1,
    )


def _texts(seen: Seen, facts: dict[str, Any], things: pd.DataFrame) -> None:
    table = seen.table("texts")
    table = table[(table["alpha"] == facts["alpha"]) & ~table["held_out"]]
    words = things.loc[things["kind"] == "word", "text"].tolist()
    st.markdown(f"##### What it writes at {facts['alpha']:g}")
    shown = table.drop_duplicates("prompt").head(SHOWN)
    parts = [
        heat.text(_flat(row.before), [heat.Told(_flat(row.text), 0.0)], 1.0, words) for row in shown.itertuples()
    ]
    st.html(highlight.STYLE + "".join(f'<div style="margin-bottom:.6rem">{part}</div>' for part in parts))
    st.caption(
        f"The first {len(shown)} of {len(table)}, picked by nobody; paler what they go on from."
        + (" Underlined are the words of the chart." if words else "")
    )
