"""Along how many directions tokens differ, which of them are more than chance, and what each writes."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from diffing.common.colours import GREY, B
from diffing.whitebox.sight.seen import Seen
from pages.parts import charts, download
from pages.parts.address import Comparison
from pages.parts.inside import lines
from pages.parts.inside.lines import Line

LISTED = 8
"""Directions of the table; few are more than chance."""
TOKENS = 6


def show(here: Comparison, seen: Seen) -> None:
    """Shares by direction, then words."""
    facts = seen.facts()
    if not facts["differs"]:
        st.caption("The two are the same at this layer, and nothing has no directions.")
        return
    own = seen.table("directions")
    moved = [place["differs"] for place in seen.null_facts()]
    nulls = seen.null_tables("directions") if all(moved) else []
    st.plotly_chart(
        _shares(own, nulls),
        key="own-pca",
        config={"displayModeBar": False},
        alt="Each direction's share of the difference, beside nulls; the download has the figures",
    )
    st.caption(
        f"At layer {facts['layer']}, over {facts['rows']:,} tokens that were not held out. Filled are the "
        f"{facts['above']} directions that stand above chance; of these {facts['told']} are the same in both "
        "halves of the texts and not just where the base's own representations spread. What all tokens have "
        f"alike, {100 * facts['mean_share']:.0f} % of the whole difference, was taken out first: most of that "
        "is that training took place at all. Each half is held against its own chance, of which the dotted "
        "line is the larger."
    )
    _words(seen, own)
    download.csv("Download all directions", own, f"{here.study.name}-inside-pca-directions")


def _shares(own: pd.DataFrame, nulls: list[pd.DataFrame]) -> go.Figure:
    x = own["direction"].tolist()
    figure = go.Figure()
    theirs = [null.set_index("direction")["share"].reindex(x) for null in nulls]
    band = Line("the pair", (100 * own["share"]).tolist(), [(100 * share).tolist() for share in theirs])
    lines.band(figure, x, band)
    figure.add_scatter(
        x=x,
        y=lines.rounded(band.values),
        name="the pair",
        mode="lines+markers",
        line={"color": B, "width": 1},
        marker={"size": 8, "symbol": ["circle" if above else "circle-open" for above in own["above"]]},
        hovertemplate="direction %{x}: %{y:.3~r} %<extra></extra>",
    )
    figure.add_scatter(
        x=x,
        y=lines.rounded((100 * own["chance"]).tolist()),
        name="chance",
        mode="lines",
        line={"color": GREY, "dash": "dot", "width": 2},
        hovertemplate="chance %{y:.3~r} %<extra></extra>",
    )
    figure.update_xaxes(title="direction, the largest first")
    figure.update_yaxes(title="% of the difference", rangemode="tozero")
    figure.update_layout(dragmode=False)
    return charts.laid_out(figure, "How much of the difference each direction is", 300, legend=True)


def _words(seen: Seen, own: pd.DataFrame) -> None:
    st.markdown("##### What they write")
    tokens = seen.table("tokens")
    rows = [{"direction": "all tokens alike"} | _ends(tokens, 0)]
    rows += [
        {"direction": str(row.direction), "share": 100 * row.share, "told": bool(row.told)}
        | _ends(tokens, int(row.direction))
        for row in own.head(LISTED).itertuples()
    ]
    st.dataframe(
        rows,
        hide_index=True,
        key="directions",
        column_config={
            "direction": st.column_config.TextColumn("direction", width=120),
            "share": st.column_config.NumberColumn("share", format="%.1f %%"),
            "told": st.column_config.CheckboxColumn(
                "the pair's own", help="Above chance, in both halves of the texts, and not the base's own spread."
            ),
            "more": st.column_config.TextColumn("it writes", width=330),
            "less": st.column_config.TextColumn("its opposite writes", width=330),
        },
        column_order=("direction", "more", "less", "share", "told"),
        alt="Directions with the tokens that they and their opposites write",
    )


def _ends(tokens: pd.DataFrame, direction: int) -> dict[str, str]:
    """What a direction writes and what its opposite does, the strongest first."""
    mine = tokens[tokens["direction"] == direction].sort_values("score", ascending=False)
    words = {end: mine.loc[mine["end"] == end, "text"].head(TOKENS) for end in ("more", "less")}
    return {end: " · ".join(text.strip() or "␣" for text in found) for end, found in words.items()}
