"""Where in the model weights moved, block by block and kind by kind."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from diffing.common.colours import B, rgb
from diffing.whitebox.sight.seen import Seen
from pages.parts import charts, download
from pages.parts.address import Comparison


def show(here: Comparison, seen: Seen) -> None:
    """A map, and what it does not say."""
    own = seen.table("profile")
    facts = seen.facts()
    if not len(own):
        st.caption("No matrix of a block moved.")
        return
    st.plotly_chart(
        _map(own, seen.null_tables("profile")),
        key="own-weights",
        config={"displayModeBar": False},
        alt="How large the change is beside the weights, by block and kind; the download has the figures",
    )
    nulls = [100 * each["relative"] for each in seen.null_facts()]
    beside = f" (nulls {min(nulls):.2g} to {max(nulls):.2g} %)" if nulls else ""
    st.caption(
        f"In all, the change is {100 * facts['relative']:.2g} % as large as the {facts['matrices']:,} matrices "
        f"that it touches{beside}. Size says nothing about behaviour: training on nothing in particular moves "
        "weights as far. A null that was turned at random has this very map in another size. Embeddings and "
        "norms are in the download."
    )
    table = pd.concat([seen.table("matrices").drop(columns="values"), seen.table("others")])
    download.csv("Download all matrices", table, f"{here.study.name}-inside-weights-matrices")


def _map(own: pd.DataFrame, nulls: list[pd.DataFrame]) -> go.Figure:
    grid = own.pivot(index="kind", columns="block", values="relative")
    theirs = [
        null.pivot(index="kind", columns="block", values="relative").reindex_like(grid).to_numpy()
        for null in nulls
    ]
    text = np.full(grid.shape, "no null", object)
    if theirs:
        low, high = np.min(theirs, 0), np.max(theirs, 0)
        text = np.array(
            [
                [f"nulls {100 * a:.2g} to {100 * b:.2g} %" for a, b in zip(*row, strict=True)]
                for row in zip(low, high, strict=True)
            ]
        )
    figure = go.Figure(
        go.Heatmap(
            z=np.round(100 * grid.to_numpy(), 4).tolist(),
            x=grid.columns.tolist(),
            y=grid.index.tolist(),
            text=text.tolist(),
            colorscale=[[0, f"rgba({rgb(B)},0.04)"], [1, f"rgba({rgb(B)},1)"]],
            # Both ends, or neither counts.
            zmin=0,
            zmax=100 * float(own["relative"].max()),
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": "%"}, "thickness": 10, "outlinewidth": 0},
            hovertemplate="block %{x}, %{y}: %{z:.3~r} %; %{text}<extra></extra>",
        )
    )
    figure.update_xaxes(title="block, from the input", dtick=max(1, len(grid.columns) // 16), showgrid=False)
    figure.update_yaxes(showgrid=False, autorange="reversed")
    figure.update_layout(dragmode=False)
    return charts.laid_out(figure, "How large the change is beside the weights", 130 + 28 * len(grid))
