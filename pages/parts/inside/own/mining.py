"""All tokens by how their chances changed, the groups that rise together, and where each of them gains most."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from diffing.common.colours import GREY, B
from diffing.common.escape import esc
from diffing.common.words import count
from diffing.whitebox.sight.seen import Seen
from pages.parts import charts, download, highlight
from pages.parts.address import Comparison

LIVE = 60
"""Tokens of the pair that are dots."""
CLOUD = 150
"""Of each null: those that moved most there, which are what a dot is to be told from."""
NAMED = 8
CONTEXTS = 8
COLUMNS = ("token", "text", "gained", "rose", "fell")


def show(here: Comparison, seen: Seen) -> None:
    """The cloud, then topics and contexts side by side."""
    own = _placed(seen.table("vocabulary", COLUMNS), LIVE)
    nulls = [_placed(table, CLOUD) for table in seen.null_tables("vocabulary", COLUMNS)]
    st.plotly_chart(
        _scatter(own, nulls),
        key="own-mining",
        config={"displayModeBar": False},
        alt="Tokens by mean change of their chance and by how often they are among those that moved most",
    )
    facts = seen.facts()
    st.caption(
        f"The {len(own)} tokens whose chance changed most, in the mean over {facts['positions']:,} places; grey "
        f"are the first {CLOUD} of each null. Far to the side and high up is what changes both much and often."
    )
    with st.container(key="stack-mining"):
        left, right = st.columns([2, 3])
        with left:
            _topics(seen, facts["topics"])
        with right:
            _contexts(seen)
    download.csv("Download all tokens", seen.table("vocabulary"), f"{here.study.name}-inside-mining-tokens")


def _placed(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Those whose chance changed most, either way, in points, with the share of places of that way."""
    first = table.loc[table["gained"].abs().nlargest(most).index]
    often = first["rose"].where(first["gained"] > 0, first["fell"])
    return first.assign(change=100 * first["gained"], often=100 * often)


def _scatter(own: pd.DataFrame, nulls: list[pd.DataFrame]) -> go.Figure:
    figure = go.Figure()
    if nulls:
        cloud = pd.concat(nulls)
        figure.add_scatter(**_dots(cloud, "nulls", GREY, 5, 0.35))
    figure.add_scatter(**_dots(own, "the pair", B, 8, 0.85))
    # By hand and not as text of the dots, which plotly lets run over each other as well as over the edge.
    for row in own.head(NAMED).itertuples():
        figure.add_annotation(
            x=row.change,
            y=row.often,
            text=charts.short(str(row.text), 16) or "␣",
            showarrow=False,
            xanchor="left" if row.change > 0 else "right",
            xshift=7 if row.change > 0 else -7,
            font={"size": 12},
        )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    reach = 1.25 * float(own["change"].abs().max() or 1.0)
    figure.update_xaxes(
        title="← less likely    mean change of its chance in points    likelier →", range=[-reach, reach]
    )
    figure.update_yaxes(title="places where it moves most, %", rangemode="tozero")
    figure.update_layout(dragmode=False)
    return charts.laid_out(figure, "What became likelier, and how often", 380, legend=True)


def _dots(table: pd.DataFrame, name: str, colour: str, size: int, opacity: float) -> dict[str, Any]:
    return {
        "x": [float(f"{value:.3g}") for value in table["change"]],
        "y": [float(f"{value:.3g}") for value in table["often"]],
        "text": [charts.short(str(text), 24) for text in table["text"]],
        "name": name,
        "mode": "markers",
        "marker": {"color": colour, "size": size, "opacity": opacity},
        "hovertemplate": f"“%{{text}}” %{{x:+.3~r}} points, in %{{y:.2~f}} % of places ({name})<extra></extra>",
    }


def _topics(seen: Seen, facts: dict[str, Any]) -> None:
    st.markdown("##### What rises together")
    table = seen.table("topics")
    if not facts["count"] or not len(table):
        st.caption("No groups: too few tokens rise at the same places.")
        return
    rows = [
        {
            "words": " · ".join(text.strip() or "␣" for text in group["text"].head(8)),
            "share": 100 * facts["mass"][int(str(topic))],
        }
        for topic, group in table.groupby("topic", sort=True)
    ]
    st.dataframe(
        rows,
        hide_index=True,
        key="topics",
        column_config={
            "words": st.column_config.TextColumn("tokens, the strongest first", width=300),
            "share": st.column_config.NumberColumn("of what rises", format="%.0f %%"),
        },
        alt="Groups of tokens that rise together, and how much of all that rises each is",
    )
    agreed = facts["agreement"][str(facts["count"])]
    st.caption(
        f"{count(facts['count'], 'group')}: as many as two halves of the texts agree on best "
        f"({agreed:.2f}, where 1 is the same groups in both)."
    )


def _contexts(seen: Seen) -> None:
    st.markdown("##### Where they gain most")
    table = seen.table("contexts")
    # One of each token, those that gain most first.
    best = table[table["gained"] > 0].nlargest(len(table), "gained").drop_duplicates("token").head(CONTEXTS)
    if not len(best):
        st.caption("No place was drawn at which one gains.")
        return
    st.html(highlight.STYLE + "".join(_line(row) for row in best.itertuples()))
    st.caption(
        "Shaded is the token that the variant finds likelier there, by so many points; pale behind it the word "
        f"that it goes on to, and what stands in the text. Of {seen.facts()['drawn']:,} places drawn at random."
    )


def _line(row: Any) -> str:
    word = str(row.word)
    whole = f" ({esc(word)})" if word and word != str(row.text).strip() else ""
    return (
        f'<div class="answer" style="margin-bottom:.5rem">{esc(_tail(str(row.before)))}'
        f'<bdi class="b6">{highlight.marked(str(row.text))}</bdi>'
        f'<span style="opacity:.6">{whole} | {esc(" ".join(str(row.after).split()))} … '
        f"{100 * row.gained:+.0f} points</span></div>"
    )


def _tail(text: str) -> str:
    """The last words of what stands before a place, on one line."""
    flat = text.replace("\n", " ")
    return flat if len(flat) <= 60 else "…" + flat[-59:]
