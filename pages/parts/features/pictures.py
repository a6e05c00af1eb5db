"""The two charts of the features page: how often each side shows a feature, and how sure each difference is."""

import pandas as pd
import streamlit as st

from diffing.diff import selection
from diffing.diff.selection import Asked
from pages.parts import address, charts
from pages.parts.address import Comparison
from pages.parts.features.table import open_feature
from pages.parts.load import Loaded

BARS = 15
"""Families in the chart of shares: as many as fit a screen beside their names."""
PICKED = 300
"""Dots that an address can name."""


def show(here: Comparison, found: Loaded, asked: Asked, table: pd.DataFrame, chosen: pd.DataFrame) -> None:
    """Both charts; `table` is all features of the diff, `chosen` what passes the filters."""
    with st.container(key="stack-charts"):
        left, right = st.columns([3, 2], gap="medium")
    with left:
        if len(chosen):
            _bars(here, asked, chosen.head(BARS))
    with right:
        _dots(here, found, asked, table, chosen)


def _bars(here: Comparison, asked: Asked, rows: pd.DataFrame) -> None:
    clicked = st.plotly_chart(
        charts.frequency_bars(rows, *here.names, asked.by_tokens),
        key="frequency",
        on_select="rerun",
        selection_mode="points",
        alt="Share of prompts on A and on B for the features that stand first; the table has the figures.",
    )
    points = clicked["selection"]["points"]
    if points:
        open_feature(here, int(points[0]["customdata"]))


def _dots(here: Comparison, found: Loaded, asked: Asked, table: pd.DataFrame, chosen: pd.DataFrame) -> None:
    dots = selection.dots(table, chosen, asked, here.study.settings.seed)
    height = charts.bars_height(min(len(chosen), BARS))
    picked = st.plotly_chart(
        charts.volcano(dots, selection.noise_band(found.table, asked), asked.by_tokens, height=height),
        key="volcano",
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        alt="Dots: difference against evidence for each tested feature; the table below has the figures.",
    )
    only = tuple(sorted({int(point["customdata"]) for point in picked["selection"]["points"]})[:PICKED])
    if only and only != asked.only:
        address.put(only=",".join(map(str, only)))
        st.rerun()
