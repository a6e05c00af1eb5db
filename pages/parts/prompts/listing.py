"""A study's prompts as a table with filters, how many there are of each kind, and which of them are asked."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from diffing.common import words
from diffing.study import prompts
from diffing.study.study import Study
from pages.parts import person
from pages.parts.attempt import attempt
from pages.parts.keys import fresh

SIDES = ["discovery", "held-out"]
CHOICE = "chosen-prompts"
"""Where the last filters, table and number of chosen rows stand."""
WIDE, NARROW = 420, 330
"""Pixels of the column that holds the prompt, without and with a column for tags."""


def counts(study: Study, active: pd.DataFrame) -> None:
    """Active prompts by category and split."""
    st.markdown("**By category**")
    split = active.groupby(["category", "split"]).size().unstack(fill_value=0)
    split = split.reindex(columns=SIDES, fill_value=0).reset_index()
    st.dataframe(
        split,
        hide_index=True,
        # At most as high as the table beside it, in pixels; of few categories no empty rows.
        height=min(412, 38 + 35 * len(split)),
        key="by-category",
        alt="Active prompts by category and split",
        column_config={side: st.column_config.NumberColumn(width=70) for side in SIDES},
    )
    st.caption(
        f"{words.share(study.settings.held_out)} of prompts are held out, by a hash of their content: "
        "labels and drafts never see them, so they are the new prompts that findings are tested on."
    )


def show(study: Study, table: pd.DataFrame) -> None:
    """The table; selected rows can be taken out of the questions, and the first of them is shown whole."""
    shown, filters = _filtered(table)
    st.caption(f"{len(shown):,} of {len(table):,} prompts")
    # Rows are chosen by their place: where other prompts stand there by now, the choice begins anew.
    key = fresh("table", *shown["id"])
    rows = _selected(shown, bool(table["tags"].any()), key)
    before = st.session_state.get(CHOICE)
    if before is not None and before[0] == filters and before[1] != key and before[2]:
        st.warning("The prompts have changed since you chose; choose again.")
    st.session_state[CHOICE] = filters, key, len(rows)
    with st.container(horizontal=True):
        for label, value in (("Deactivate", False), ("Activate", True)):
            told = f"{label} {len(rows)} selected" if len(rows) else label
            if person.button(told, key=label.lower(), disabled=rows.empty):
                attempt(partial(study.activate, rows["id"].tolist(), value))
    for _, row in rows.head(1).iterrows():
        st.code(prompts.shown(row), language=None, wrap_lines=True)


def _filtered(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Any, ...]]:
    """The prompts that the filters leave, and what these are set to."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        category = st.multiselect(
            "Category", sorted(set(table["category"])), placeholder="All", key="category", bind="query-params"
        )
        side = st.segmented_control("Split", SIDES, key="split", bind="query-params")
        search = st.text_input("Search", key="q-prompts", bind="query-params")
    if search:
        table = table[prompts.containing(table, search)]
    if category:
        table = table[table["category"].isin(category)]
    return (table[table["split"] == side] if side else table), (search, *category, side)


def _selected(shown: pd.DataFrame, tagged: bool, key: str) -> pd.DataFrame:
    # The prompt comes last: where there is little room its end is cut, and no other column.
    columns = ["category", *(["tags"] if tagged else []), "split", "active", "prompt"]
    view = shown.assign(prompt=[prompts.shown(row) for _, row in shown.iterrows()])
    picked = st.dataframe(
        view[columns] if len(view) else shown[["category", "active"]],
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "category": st.column_config.TextColumn(width=135),
            "tags": st.column_config.TextColumn(width=90),
            "split": st.column_config.TextColumn(width=80),
            "active": st.column_config.CheckboxColumn(width=60),
            "prompt": st.column_config.TextColumn(width=NARROW if tagged else WIDE),
        },
        alt="The study's prompts",
    )
    return shown.iloc[[row for row in picked["selection"]["rows"] if row < len(shown)]]
