"""What the blind votes say: by question, by voter and by category, with the votes to take away.

Hidden from who still votes, and hidden again after each vote: what others think sways the next one.
"""

from typing import Any

import pandas as pd
import streamlit as st

from diffing.common import words
from diffing.common.escape import md
from diffing.findings import tally
from diffing.findings.tally import LEAST
from pages.parts import download, load
from pages.parts.address import Comparison
from pages.parts.keys import fresh

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


def show(here: Comparison, asked_for: bool, votes_cast: int) -> None:
    """The tally where it is asked for; nothing before anybody has voted. `votes_cast` are the voter's own."""
    table = load.votes(*here)
    if table.empty:
        return
    if not asked_for:
        # With the number of votes in its key the switch is off again after the next one.
        asked_for = st.toggle(
            f"Show what {words.count(len(table), 'vote says', 'votes say')} so far",
            key=fresh("show-tally", votes_cast),
            help="Hidden while you vote, since what others think sways the next vote.",
        )
    if asked_for:
        _told(here, table)


def _told(here: Comparison, table: pd.DataFrame) -> None:
    told = tally.counted(table)
    with st.container(border=True):
        st.markdown(f"**What {words.count(len(table), 'vote says', 'votes say')}**")
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
        parts += [f"{words.count(held, 'vote')} of these on new (held-out) prompts."] * bool(held)
        if told.decided >= LEAST:
            parts.append(
                f"The answer on the left was chosen in {told.left_chosen} of {told.decided} votes for either."
            )
        parts.append("Settle beforehand how many pairs you vote on: who stops at a good moment finds too much.")
        st.caption(md(" ".join(parts)))
        download.csv("Download all votes", table, f"{here.study.name}-votes")
