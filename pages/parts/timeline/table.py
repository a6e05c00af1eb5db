"""All that was followed, a row each: every checkpoint's share, where it changed, and how sure that is."""

from typing import Any

import pandas as pd
import streamlit as st

from diffing.common.words import change, small
from diffing.diff import told
from diffing.diff.along import Series
from diffing.diff.followed import SHARE
from diffing.study.study import Study
from pages.parts import address, download
from pages.parts.address import Comparison

AROUND = "the two checkpoints around its step, or of the first and the last where it changed steadily"
TO_OTHER = "the one that stands apart and the other that is furthest from it"
"""Which two a row leads to."""


def pair(found: Series, row: "pd.Series[Any]") -> tuple[int, int]:
    """The places of the two checkpoints that show a row best."""
    if "one" in row:
        return found.keys.index(row["from"]), found.keys.index(row["one"])
    if row["shape"] == "steady":
        return 0, len(found.keys) - 1
    place = found.keys.index(row["from"])
    return place - 1, place


def show(study: Study, found: Series) -> None:
    """What changed, or everything; a row opens the Answer page of the two checkpoints that show it best."""
    apart = "one" in found.items
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
            "along": st.column_config.BarChartColumn("each", width=90)
            if apart
            else st.column_config.LineChartColumn("along", width=90),
            "where": st.column_config.TextColumn(
                "apart" if apart else "where",
                help="Which one stands apart."
                if apart
                else "Between which two the step lies; in brackets the 95 % range of that.",
            ),
            "change": st.column_config.TextColumn(
                "it − the others" if apart else "after − before",
                help="Means of both with a 95 % interval; of shares in points.",
            ),
            "level": st.column_config.TextColumn(
                "at equal length",
                help="Whether it is there in as many words of each answer too, and where answers stayed as long.",
            ),
            "q": st.column_config.TextColumn(
                "q", help="How surely it is no chance, the smaller the surer; corrected over all."
            ),
        },
        alt="Every item with its share at each checkpoint, where it changed, and q",
    )
    picked = event["selection"]["rows"]
    if picked and picked[0] < len(items) and items.iloc[picked[0]]["from"]:
        a, b = (found.keys[place] for place in pair(found, items.iloc[picked[0]]))
        address.leave("answer", Comparison(study, a, b).link())
    st.caption(f"A row opens the Answer page of {TO_OTHER if apart else AROUND}.")
    download.csv("Download all figures", found.table(), f"{study.name}-{'set' if apart else 'timeline'}")


def _told(found: Series, items: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for _, row in items.iterrows():
        values = found.points_of(row["kind"], row["item"])["value"]
        shown = dict(zip(found.called, (told.figure(row["unit"], value) for value in values), strict=True))
        rows.append(
            {"says": row["says"], "along": values.tolist(), "where": _where(found, row), "change": _change(row)}
            | {"level": told.at_equal_length(row), "q": small(row["q"])}
            | shown
            | {"kind": row["kind"]}
        )
    return pd.DataFrame(rows, columns=["says", "along", "where", "change", "level", "q", *found.called, "kind"])


def _where(found: Series, row: "pd.Series[Any]") -> str:
    if "one" not in row:
        return told.where(found, row, found.called)
    return found.called[found.keys.index(row["one"])] if row["changed"] else "–"


def _change(row: "pd.Series[Any]") -> str:
    figures = [row[name] for name in ("change", "change_low", "change_high")]
    if row["unit"] == SHARE:
        middle, low, high = (change(value).replace("\u00a0%", "") for value in figures)
    else:
        middle, low, high = ("–" if pd.isna(value) else _signed(value) for value in figures)
    return f"{middle} [{low} to {high}]"


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{told.amount(abs(value))}"
