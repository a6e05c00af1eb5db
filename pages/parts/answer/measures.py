"""Measures on the Answer page: accuracy and other numbers that came with a log, each in a line, figures folded."""

from typing import Any

import pandas as pd
import streamlit as st

from diffing.common import words
from diffing.common.escape import md
from diffing.diff import measure, measured, measures
from pages.parts import download, load
from pages.parts.address import Comparison

SHOWN = 6
"""Lines before the rest is folded, the surest difference first: what is read at a glance."""


def show(here: Comparison) -> None:
    """The whole section; nothing of a study without measures."""
    table, parts = load.measures(here.study, here.a, here.b)
    if table.empty:
        return
    st.subheader("Measures", anchor=False)
    st.caption(
        "Numbers by answer that came with a log, paired by prompt; q is corrected over all of them. “No change” "
        f"is less than {words.share(measure.EQUIVALENT)} of answers and less than a quarter of both "
        "shares; of other "
        f"numbers less than {words.share(measure.OF_AMOUNT)}."
    )
    rows = table.sort_values(["p", "measure"], kind="stable").to_dict("records")
    st.markdown("\n".join(f"- {line(row)}" for row in rows[:SHOWN]))
    hidden = f", {words.count(len(rows) - SHOWN, 'more measure')} among them" if len(rows) > SHOWN else ""
    with st.expander(f"All figures{hidden}"):
        _table(table, "measures", "Measures with means, difference, interval and tests")
        st.caption(
            "Two runs of one checkpoint differ by no more than that in 95 of 100, as its draws tell. "
            "Last stands what a harness would say from both sides' standard errors, and how many times as many "
            "prompts it would take without pairs to know as much."
        )
        if len(parts):
            st.markdown("**By category**, corrected over these rows")
            _table(parts, "measures-parts", "The same by category of prompts")
        download.csv("Download measures", measures.both(table, parts), f"{here.study.name}-measures")


def line(row: dict[Any, Any]) -> str:
    """One measure as an item of a Markdown list, its verdict in bold where it differs; its figures stand below."""
    said = md(measured.told(row))
    told = f"**{said}**" if row["verdict"] == "differs" else said
    if not row["n_prompts"]:
        return told
    beside = "; ".join(part for part in (measured.spread(row), measured.noise(row), measured.by_task(row)) if part)
    return f"{told}  \n  :small[:gray[{md(beside)}]]"


def _table(table: pd.DataFrame, key: str, alt: str) -> None:
    rows = table.to_dict("records")
    cells = {
        "measure": [row["measure"] for row in rows],
        "category": [row["category"] or "none" for row in rows],
        "A": [measured.figure(row["mean_a"], row["kind"]) for row in rows],
        "B": [measured.figure(row["mean_b"], row["kind"]) for row in rows],
        "B − A [95 %]": [measured.spread(row) for row in rows],
        "q": [words.small(row["q"]) for row in rows],
        "verdict": table["verdict"].tolist(),
        "prompts": table["n_prompts"].tolist(),
        "two runs differ by": [measured.band(row) for row in rows],
        "differs by category, q": [words.small(q) if pd.notna(q) else "–" for q in table["q_heterogeneity"]],
        "left out": (table["alone_a"] + table["alone_b"]).tolist(),
        "unpaired z": table["z_unpaired"].round(2).tolist(),
        "its p": [words.small(p) if pd.notna(p) else "–" for p in table["p_unpaired"]],
        "times as many": (table["gain"] ** 2).round(1).tolist(),
    }
    # The table of all prompts has the one, that by category the other.
    del cells["differs by category, q" if (table["category"] != "").any() else "category"]
    # What a row is of stays in sight where the window is too narrow for all figures.
    pinned: dict[str, Any] = {
        name: st.column_config.TextColumn(pinned=True) for name in ("measure", "category") if name in cells
    }
    st.dataframe(pd.DataFrame(cells), hide_index=True, placeholder="–", key=key, alt=alt, column_config=pinned)
