"""The table of the features page: what passes the filters, with all figures, to open or to take away."""

import pandas as pd
import streamlit as st

from diffing.diff import selection
from diffing.diff.selection import Asked
from pages.parts import download
from pages.parts.address import Comparison
from pages.parts.figures import FEATURE, FIGURES, shown

MOST = 2000
"""Rows of the table; a file has them all."""
MORE = {
    "named_by": st.column_config.TextColumn("by", help="Who named it: a person, a language model, or a rule."),
    "delta_in_group": st.column_config.NumberColumn("in group", format="%+.1f"),
    "rate_a": st.column_config.NumberColumn("A /1,000", format="%.2f", help="Active tokens in 1,000."),
    "rate_b": st.column_config.NumberColumn("B /1,000", format="%.2f", help="Active tokens in 1,000."),
    "outside_noise": st.column_config.CheckboxColumn(
        "beyond noise", help="Larger than what two draws of one checkpoint show."
    ),
    "probes": st.column_config.TextColumn("nearest probes", width="medium", help="Countable things it goes with."),
    "score": st.column_config.NumberColumn("label score", format="%.2f", help="Blind: 0.5 is guessing."),
    "family": st.column_config.NumberColumn("family", format="%d"),
    "size": st.column_config.NumberColumn("members", format="%d", help="Features in its family."),
}
SHARES = ["frequency_a", "frequency_b", "delta", "delta_shrunk", "ci_low", "ci_high"]
FIRST = {
    "plain": [*SHARES, "q"],
    "equal length": ["delta_equal_length", "q", *SHARES],
    "per 1,000 tokens": ["rate_a", "rate_b", "q", *SHARES],
}
"""Columns that answer the chosen comparison; the others follow."""
REST = ["delta_in_group", "delta_rarefied", "delta_equal_length", "delta_adjusted", "replicated"]
REST += ["survives_equal_length", "outside_noise", "lfsr", "certain", "rate_a", "rate_b", "probes", "named_by"]
REST += ["score", "family", "size"]


def open_feature(here: Comparison, feature: int) -> None:
    st.switch_page("pages/feature.py", query_params=here.link(feature=feature))


def show(here: Comparison, asked: Asked, chosen: pd.DataFrame) -> None:
    """The chosen features' rows; a row opens its feature."""
    columns = dict.fromkeys(["feature", "label", *FIRST[asked.view], *REST])
    rows = shown(chosen.assign(q=chosen[selection.VIEWS[asked.view].q]), list(columns)).head(MOST)
    event = st.dataframe(
        rows,
        hide_index=True,
        column_config=FEATURE | FIGURES | MORE,
        key="table",
        on_select="rerun",
        selection_mode="single-row",
        alt="The features that pass the filters, the surest difference first",
    )
    picked = event["selection"]["rows"]
    if picked and picked[0] < len(rows):
        open_feature(here, int(rows.iloc[picked[0]]["feature"]))
    with st.container(horizontal=True, vertical_alignment="center"):
        download.csv("Download this table", chosen, f"{here.study.name}-features")
        st.caption(
            "A bar or a row opens its feature. A dot, or a box drawn around dots, narrows bars and table to it. "
            "Shares in percent of prompts, differences in points."
        )
