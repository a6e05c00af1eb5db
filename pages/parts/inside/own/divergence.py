"""Where in a text two models disagree, and the texts in which they disagree most, token by token."""

import numpy as np
import pandas as pd
import streamlit as st

from diffing.common.arrays import Floats, Ints
from diffing.whitebox.sight.seen import Seen
from pages.parts import download, highlight
from pages.parts.address import Comparison
from pages.parts.inside import heat, lines
from pages.parts.inside.lines import Line

SHOWN = 4
PLACES = 24
"""Points of a line: more are not told apart at half the width of a page."""


def show(here: Comparison, seen: Seen) -> None:
    """A chart over positions, then texts."""
    columns = ("document", "position", "kl", "held_out")
    own = _discovery(seen.table("positions", columns))
    nulls = [_discovery(table) for table in seen.null_tables("positions", columns)]
    edges = _edges(own["position"].to_numpy(np.int64))
    by_place = _by_place(own, edges)
    st.plotly_chart(
        lines.drawn(
            edges[:-1].tolist(),
            [
                Line("mean", by_place["mean"].to_list(), [_by_place(n, edges)["mean"].to_list() for n in nulls]),
                Line("half are under", by_place["half"].to_list()),
                Line("nine of ten are under", by_place["most"].to_list()),
            ],
            "How far the two disagree along a text",
            "token of a text, counted from 0",
            "nats",
        ),
        key="own-divergence",
        config={"displayModeBar": False},
        alt="How far the two models disagree by position in a text, beside nulls; the download has the figures",
    )
    _texts(seen, nulls)
    table = by_place.assign(position=edges[:-1])
    download.csv("Download by position", table, f"{here.study.name}-inside-divergence-positions")


def _texts(seen: Seen, nulls: list[pd.DataFrame]) -> None:
    texts = seen.table("texts")
    st.markdown("##### Where they disagree most")
    if not len(texts):
        st.caption("No text is long enough to be shown.")
        return
    shown = texts.head(SHOWN)
    values = np.concatenate([np.asarray(row, np.float64) for row in shown["values"]])
    largest = float(np.quantile(values, 0.98))
    st.html(highlight.STYLE + heat.scale("both expect nearly the same", f"{largest:.1f} nats apart or more"))
    means = [null.groupby("document")["kl"].mean() for null in nulls]
    for row in shown.itertuples():
        with st.container(border=True):
            theirs = [float(mean[row.document]) for mean in means if row.document in mean.index]
            beside = f"; under nulls {min(theirs):.2f} to {max(theirs):.2f}" if theirs else ""
            st.html(
                heat.text(row.before, heat.laid(row.text, row.pieces, row.values), largest)
                + f'<div class="scale answer">{row.kl:.2f} nats a token{beside}</div>'
            )
    st.caption(
        "Texts of the largest mean that were not held out, each token shaded by how unlike the two models' "
        "expectations for its place were. What they expected need not be what stands there: the first chart "
        "has that."
    )


def _discovery(table: pd.DataFrame) -> pd.DataFrame:
    return table[~table["held_out"].to_numpy(bool)]


def _edges(position: Ints) -> Ints:
    """Where the groups of positions begin: one each while there are few, else of about as many tokens."""
    if not len(position):
        return np.array([0, 1])
    ends = np.unique(np.quantile(position, np.linspace(0, 1, PLACES + 1), method="lower"))
    found: Ints = np.append(ends[:-1] if len(ends) > PLACES else ends, position.max() + 1).astype(np.int64)
    return found


def _by_place(table: pd.DataFrame, edges: Ints) -> pd.DataFrame:
    """A row a group of positions: mean, and what half and nine of ten of its tokens are under."""
    place = np.searchsorted(edges, table["position"].to_numpy(), side="right") - 1
    found: Floats = table["kl"].to_numpy(np.float64)
    groups = pd.Series(found).groupby(place)
    told = pd.DataFrame({"mean": groups.mean(), "half": groups.median(), "most": groups.quantile(0.9)})
    return told.reindex(np.arange(len(edges) - 1)).assign(tokens=groups.size())
