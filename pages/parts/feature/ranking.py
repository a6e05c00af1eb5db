"""Which feature a page is about, and the way to its neighbours in the ranking of families that differ."""

import pandas as pd
import streamlit as st

from diffing.diff import blocks, selection
from pages.parts import address, load
from pages.parts.address import Comparison
from pages.parts.keys import fresh
from pages.parts.loaded import Loaded

RANKED = 1000
"""Families that can be walked through: nobody clicks further, and all others can be opened by their number."""


def ranking(found: Loaded) -> list[int]:
    leads: list[int] = found.diff.top(RANKED)["feature"].tolist()
    return leads


def chosen(here: Comparison, found: Loaded) -> pd.Series:
    """The row of the feature in the address, or of the first one worth a look where it names none."""
    asked = address.text("feature")
    leads = ranking(found)
    if not asked and not leads:
        address.lost("No feature differs; choose one by its number.")
    row = found.row(asked or str(_first(here, found, leads)))
    if row is None:
        address.lost(f"There is no feature '{asked}' in this diff.")
    return row


def _first(here: Comparison, found: Loaded, leads: list[int]) -> int:
    """The first feature of a behaviour that was confirmed and has words, else the one that differs most.

    What differs most is often a comma or "the", of which longer answers have more.
    """
    behaviours = [] if found.diff.older else load.behaviours(*here)
    told = (set(each.features) for each in blocks.of(behaviours).confirmed)
    return next((lead for features in told for lead in leads if lead in features), leads[0])


def go(feature: int | None) -> None:
    """To another feature, whose pairs begin anew."""
    address.put(feature=feature, pair=None)


def show(found: Loaded, feature: int) -> None:
    """Its place, the ones before and after it, and a field for any other."""
    place = selection.place(ranking(found), feature)
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, icon, target in (
            ("Previous", "arrow_back", place.before),
            ("Next", "arrow_forward", place.after),
        ):
            st.button(
                label,
                key=f"feature-{label.lower()}",
                icon=f":material/{icon}:",
                disabled=target is None,
                on_click=go,
                args=[target],
            )
        last = int(found.table["feature"].max())
        other = st.number_input(
            "Go to", 0, last, feature, key=fresh("go-to", feature), label_visibility="collapsed", width=150
        )
        if other != feature:
            go(int(other))
            st.rerun()
        st.caption(
            "not the first of a family that differs, or too far down to be walked to"
            if place.at is None
            else f"{place.at + 1:,} of {found.diff.summary['families']:,} families that differ"
        )
