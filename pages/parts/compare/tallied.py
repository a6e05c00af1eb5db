"""What the blind votes say, folded: by question, by voter and by category, with the votes to take away."""

from typing import Any

import pandas as pd
import streamlit as st

from diffing.common import words
from diffing.common.escape import md
from diffing.findings import tally
from diffing.findings.tally import LEAST
from pages.parts import download, load
from pages.parts.address import Comparison

COLUMNS: dict[str, Any] = {
    "question": st.column_config.TextColumn("question", width="large"),
    "B's share": st.column_config.TextColumn(
        "B's share", help=f"Of decided prompts; nothing is said of fewer than {LEAST}."
    ),
    "95 %": st.column_config.TextColumn("95 %", help="Clopper and Pearson's exact interval."),
    "q": st.column_config.TextColumn(
        "q", help="Exact two-sided binomial test of one half, corrected over the rows of the same kind."
    ),
}


def show(here: Comparison) -> None:
    """The fold; nothing before anybody has voted."""
    table = load.votes(*here)
    if table.empty:
        return
    told = tally.counted(table)
    with st.expander(f"What {words.count(len(table), 'vote')} say so far"):
        for row in told.rows:
            if row.group == "all":
                st.markdown(f"**{md(row.words)}** {md(tally.sentence(row))}")
        for each in told.agreement:
            st.caption(f"{md(each.words)} {md(tally.agreement_words(each))}")
        rows = [tally.shown(row) for row in told.rows if row.group != "all"]
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            column_config=COLUMNS,
            key="tally",
            alt="How each voter and each category decided",
        )
        held = int(table["held_out"].sum())
        parts = ["The prompt is the unit: all votes on one count once."]
        parts += [f"{words.count(held, 'vote')} of these on held-out prompts."] * bool(held)
        if told.decided >= LEAST:
            parts.append(
                f"The answer on the left was chosen in {told.left_chosen} of {told.decided} votes for either."
            )
        parts.append("Settle beforehand how many pairs you vote on: who stops at a good moment finds too much.")
        st.caption(md(" ".join(parts)))
        download.csv("Download all votes", table, f"{here.study.name}-votes")
