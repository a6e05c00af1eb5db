"""The cloud of the features page: how large each difference is, and how sure."""

import pandas as pd
import streamlit as st

from diffing.diff import selection
from diffing.diff.selection import Asked
from pages.parts import charts
from pages.parts.address import Comparison
from pages.parts.features.table import open_feature
from pages.parts.loaded import Loaded

UNITS = {"per 1,000 tokens": "tokens in 1,000", "strength": "of strength"}


def show(here: Comparison, found: Loaded, asked: Asked, table: pd.DataFrame, chosen: pd.DataFrame) -> None:
    """`table` is all features of the diff, `chosen` what passes the filters; a dot opens its feature."""
    dots = selection.dots(table, chosen, asked)
    unit = f"in {asked.group}" if asked.group else UNITS.get(asked.view, "")
    figure = charts.volcano(
        dots,
        selection.noise_band(found.table, asked),
        charts.short(unit, 30),
        per_cent=asked.view != "per 1,000 tokens",
    )
    picked = st.plotly_chart(
        figure,
        key="volcano",
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
        alt="Dots: difference against evidence for each tested feature; the table below has the figures.",
    )
    points = picked["selection"]["points"]
    if points:
        open_feature(here, int(points[0]["customdata"]))
