"""The table of the features page: what passes the filters, with all figures, to open or to take away."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from diffing.diff.selection import Asked, Group
from diffing.probes import near
from pages.parts import address, download
from pages.parts.address import Comparison
from pages.parts.figures import FEATURE, FIGURES, shown

FIRST_ROWS, MOST = 50, 500
"""Rows of the table, before and after all are asked for: each is a kilobyte to send, and a file has them all."""
TALL = 66
"""Pixels of a row: three lines, and the least from which Streamlit wraps text (4 rem)."""
HIGH = 620
"""Pixels of the table where it has more rows than fit."""
MORE = {
    "behaviour": st.column_config.TextColumn(
        "behaviour", width=150, help="The change that it is a part of, by the page “What changed”."
    ),
    "title": st.column_config.TextColumn(
        "what it does here", width=220, help="Where three quarters of its tokens stand, and the tokens."
    ),
    "label": st.column_config.TextColumn(
        "label",
        width=250,
        help="A hypothesis, written for all texts where nobody has written one here. Struck out: counts or the "
        "tokens that it fires on speak against it.",
    ),
    "named_by": st.column_config.TextColumn("named by", width=75, help="A person, a language model, or a rule."),
    "probes": st.column_config.TextColumn(
        "nearest probes", width=190, help="Countable things, and the share of its tokens at each."
    ),
    "score": st.column_config.NumberColumn("label score", width=85, help="Blind: 0.5 is guessing."),
    "delta_in_group": st.column_config.NumberColumn("B − A in category", help="In points."),
    "q_in_group": st.column_config.NumberColumn("q in category", help="Exact, over the features listed for it."),
    "rate_a": st.column_config.NumberColumn("A /1,000", help="Active tokens in 1,000."),
    "rate_b": st.column_config.NumberColumn("B /1,000", help="Active tokens in 1,000."),
    "rate_difference": st.column_config.NumberColumn("B − A /1,000", help="Active tokens in 1,000."),
    "strength_a": st.column_config.NumberColumn("A, strength", help="Mean, of its strongest activation anywhere."),
    "strength_b": st.column_config.NumberColumn("B, strength", help="Mean, of its strongest activation anywhere."),
    "strength_difference": st.column_config.NumberColumn("B − A, strength", help="In points."),
    "stood": st.column_config.TextColumn(
        "stood up to",
        width=190,
        help="Length: as many random tokens of both answers show it too. New prompts: the held-out ones. Chance: "
        "what two draws of one checkpoint differ by. Any time: however often one has looked.",
    ),
}
NAMES = ["behaviour", "feature", "title"]
WORDS = ["label", "named_by", "probes", "score"]
"""Behind the figures, which are what the table is for and so are in sight at any width."""
SHARES = ["frequency_a", "frequency_b", "delta", "ci_low", "ci_high", "q"]
FIRST = {
    "presence": SHARES,
    "equal length": ["delta_rarefied", "q_rarefied", *SHARES],
    "per 1,000 tokens": ["rate_difference", "q_rate", "rate_a", "rate_b", *SHARES],
    "strength": ["strength_difference", "q_mean", "strength_a", "strength_b", *SHARES],
}
"""Columns that answer the chosen comparison; the others follow."""
REST = ["delta_rarefied", "delta_equal_length", "stood", "rate_a", "rate_b"]
"""What else fits a row; a file has all columns."""


def open_feature(here: Comparison, feature: int) -> None:
    address.leave("feature", here.link(feature=feature))


def show(here: Comparison, asked: Asked, groups: Sequence[Group]) -> None:
    """The chosen features' rows; a click on one opens its feature."""
    chosen = _joined(groups)
    first = ["delta_in_group", "q_in_group"] if asked.group else []
    columns = [*dict.fromkeys([*NAMES, *first, *FIRST[asked.view], *WORDS, *REST])]
    # Nothing to read in a column that is empty all the way down.
    columns = [name for name in columns if name not in chosen or chosen[name].notna().any()]
    rows = chosen.head(MOST if address.flag("all") else FIRST_ROWS)
    event = st.dataframe(
        shown(_told(rows), columns),
        hide_index=True,
        column_config=FEATURE | FIGURES | MORE,
        key="table",
        on_select="rerun",
        selection_mode="single-cell",
        row_height=TALL,
        height=HIGH if len(rows) * TALL > HIGH else "auto",
        placeholder="–",
        alt="The features that pass the filters, by behaviour",
    )
    picked = event["selection"]["cells"]
    if picked and picked[0][0] < len(rows):
        open_feature(here, int(rows.iloc[picked[0][0]]["feature"]))
    with st.container(horizontal=True, vertical_alignment="center"):
        download.csv("Download this table", chosen, f"{here.study.name}-features")
        if len(rows) < min(len(chosen), MOST):
            label = f"Show {min(len(chosen), MOST):,} rows"
            st.button(label, key="all-rows", on_click=address.put, kwargs={"all": True})
        more = f" The first {len(rows):,} of {len(chosen):,} stand here; the file has all, with every column."
        st.caption(f"A row, a bar or a dot opens its feature.{more if len(rows) < len(chosen) else ''}")


def _joined(groups: Sequence[Group]) -> pd.DataFrame:
    """All rows with the behaviour that each stands under."""
    parts = [group.rows.assign(behaviour=group.behaviour.name if group.behaviour else "–") for group in groups]
    return pd.concat(parts) if parts else pd.DataFrame(columns=[*NAMES, *WORDS])


def _told(rows: pd.DataFrame) -> pd.DataFrame:
    """With what a cell says in words."""
    if rows.empty:
        return rows
    return rows.assign(
        named_by=rows["named_by"].replace({"llm": "a model", "person": "a person", "rule": "–"}),
        probes=[_ties(text) for text in rows["probes"]],
        stood=[_stood(row) for row in rows.to_dict("records")],
    )


def _ties(text: str) -> str:
    return ", ".join(f"{tie.probe} {tie.share:.2f}" for tie in near.read_column(text))


def _stood(row: dict[str, object]) -> str:
    """What a difference has stood up to, in words rather than boxes that nobody can tick."""
    tests = {
        "not explained by length": row["survives_equal_length"],
        "confirmed on new prompts": row["replicated"] == "yes",
        "larger than chance between two draws": row["outside_noise"],
        "holds at any time": row.get("certain", False),
    }
    return ", ".join(name for name, passed in tests.items() if pd.notna(passed) and passed) or "–"
