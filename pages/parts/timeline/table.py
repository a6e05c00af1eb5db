"""All that was followed, a row each: every checkpoint's share, where it changed, and how sure that is."""

from typing import Any

import pandas as pd
import streamlit as st

from diffing.common.words import change, small
from diffing.diff import told
from diffing.diff.followed import SHARE
from diffing.diff.timeline import Timeline
from diffing.study.study import Study
from pages.parts import download
from pages.parts.address import Comparison


def show(study: Study, found: Timeline) -> None:
    """What changed, or everything; a row opens the Answer page of the two checkpoints around its step."""
    st.subheader("All figures")
    every = st.toggle("With what did not change", key="every", bind="query-params")
    items = found.items if every else found.items[found.items["changed"]]
    event = st.dataframe(
        _told(found, items),
        hide_index=True,
        key="timeline",
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "says": st.column_config.TextColumn("an answer", width=260, pinned=True),
            "along": st.column_config.LineChartColumn("along", width=90),
            "where": st.column_config.TextColumn(
                "where",
                help="Between which two the step lies; in brackets the 95 % range of that.",
            ),
            "change": st.column_config.TextColumn(
                "after − before", help="Means on both sides of the step with a 95 % interval; of shares in points."
            ),
            "level": st.column_config.TextColumn(
                "at equal length",
                help="Whether it is there in as many words of each answer too, and where answers stayed as long.",
            ),
            "q": st.column_config.TextColumn("q", help="The surer of step and line, corrected over all."),
        },
        alt="Every item with its share at each checkpoint, where it changed, and q",
    )
    picked = event["selection"]["rows"]
    if picked and picked[0] < len(items) and (start := items.iloc[picked[0]]["from"]):
        place = found.keys.index(start)
        here = Comparison(study, found.keys[place - 1], start)
        st.switch_page("pages/answer.py", query_params=here.link())
    st.caption("A row opens the Answer page of the two checkpoints around its step.")
    download.csv("Download all figures", found.table(), f"{study.name}-timeline")


def _told(found: Timeline, items: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for _, row in items.iterrows():
        values = found.points_of(row["kind"], row["item"])["value"]
        shown = dict(zip(found.called, (told.figure(row["unit"], value) for value in values), strict=True))
        rows.append(
            {"says": row["says"], "kind": row["kind"], "along": values.tolist()}
            | shown
            | {"where": told.where(found, row, found.called), "change": _change(row)}
            | {"level": told.at_equal_length(row), "q": small(row["q"])}
        )
    return pd.DataFrame(rows, columns=["says", "kind", "along", *found.called, "where", "change", "level", "q"])


def _change(row: "pd.Series[Any]") -> str:
    figures = [row[name] for name in ("change", "change_low", "change_high")]
    if row["unit"] == SHARE:
        middle, low, high = (change(value).replace("\u00a0%", "") for value in figures)
    else:
        middle, low, high = ("–" if pd.isna(value) else _signed(value) for value in figures)
    return f"{middle} [{low} to {high}]"


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{told.amount(abs(value))}"
