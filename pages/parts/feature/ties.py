"""What a feature is tied to: tokens it fires on and makes likelier, features that go with it, its family."""

from typing import Any

import pandas as pd
import streamlit as st

from diffing.diff import selection
from diffing.findings.findings import Side
from diffing.reader import firing, lens, presets
from diffing.reader.encodings import Encodings
from diffing.reader.firing import Lexical
from pages.parts import load
from pages.parts.address import Comparison
from pages.parts.feature import ranking
from pages.parts.figures import FEATURE, FIGURES, shown
from pages.parts.findings import adding
from pages.parts.findings.adding import Offer
from pages.parts.loaded import Loaded

NARROW = {
    "title": st.column_config.TextColumn("what it does here", width=150),
    "label": st.column_config.TextColumn("label", width=150),
}
"""The section is two fifths of the page."""
MOST = 12
"""Features that fire in the same answers: what comes after is weak."""
TOGETHER = {
    "npmi": st.column_config.NumberColumn("together", format="%.2f", help="1: never apart, 0: chance"),
    "p": st.column_config.NumberColumn("p", format="%.3f", help="Against the best of all features."),
}


def links(here: Comparison, row: pd.Series, held_out: bool) -> None:
    """Into the findings, and to what others say of the feature."""
    feature = int(row["feature"])
    with st.container(horizontal=True):
        side: Side = "b" if row["delta"] > 0 else "a"
        adding.show(here, Offer((feature,), held_out=held_out, side=side))
        site = presets.NEURONPEDIA.get(here.study.settings.reader.preset)
        if site:
            st.link_button("On Neuronpedia", f"https://www.neuronpedia.org/{site}/{feature}", key="on-neuronpedia")


def show(here: Comparison, found: Loaded, encodings: Encodings, row: pd.Series, described: Lexical) -> None:
    """The whole section; `described` says which tokens it fires on."""
    feature = int(row["feature"])
    st.subheader("Goes with", anchor=False)
    st.caption("Tokens it fires on")
    st.code(described.listed() or described.in_words(), language=None, wrap_lines=True)
    promoted = lens.stored(encodings.reader_key, [feature]).get(feature)
    if promoted:
        st.caption("Tokens it makes likelier next")
        st.code("  ".join(firing.shown(token) for token, _ in promoted.promoted), language=None, wrap_lines=True)
    if st.toggle("Features that fire in the same answers", key="with", bind="query-params"):
        with st.spinner("Comparing it with every feature"):
            together = load.correlated(here.study, feature)
        named = together.merge(found.table[["feature", "title", "label", "refuted"]], on="feature").head(MOST)
        columns = ["feature", "title", "label", "npmi", "p"]
        _rows(f"correlated-{feature}", named, columns, FEATURE | NARROW | TOGETHER, "Correlated features")
    family = selection.family_of(found.table, row)
    if len(family):
        st.caption("Fires together with it, and is counted with it as one family")
        columns = ["feature", "title", "label", "delta"]
        _rows(f"family-{feature}", family, columns, FEATURE | FIGURES | NARROW, "Features of its family")


def _rows(key: str, rows: pd.DataFrame, columns: list[str], config: dict[str, Any], alt: str) -> None:
    """A table of features, of which a click opens one."""
    event = st.dataframe(
        shown(rows, columns),
        placeholder="–",
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="single-cell",
        column_config=config,
        alt=alt,
    )
    picked = event["selection"]["cells"]
    if picked and picked[0][0] < len(rows):
        ranking.go(int(rows.iloc[picked[0][0]]["feature"]))
        st.rerun()
