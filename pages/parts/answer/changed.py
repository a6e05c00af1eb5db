"""The prompts whose answers changed most, each with what differs there and the way to both answers."""

from collections.abc import Sequence

import streamlit as st

from diffing.common.escape import md
from diffing.common.words import share
from diffing.diff import changes
from diffing.diff.answer import Behaviour
from diffing.diff.stored import Diff
from diffing.study import prompts
from pages.parts import address, download, load
from pages.parts.address import Comparison

SHOWN = 8
"""Prompts on the page: what one looks through before one asks for all of them."""
NAMED = 4
"""Behaviours of a side that are named with each."""
LONGEST = 110
"""Characters of a prompt: one line at the usual width."""


def show(here: Comparison, diff: Diff, listed: Sequence[Behaviour]) -> None:
    """The list, discovery prompts only."""
    told = [each for each in listed if each.confirmed == "yes" and each.said]
    rows = changes.most_changed(diff.changes, [each.number for each in told if each.kind != "amount"])
    first = rows[rows["split"] == "discovery"].drop_duplicates("prompt_id").head(SHOWN)
    if first.empty:
        return
    st.subheader("Prompts that changed most", anchor=False)
    st.caption(
        "By how many of these behaviours the two answers differ in, then by how many words. New (held-out) "
        "prompts are left out here; the file has all pairs with what each shows."
    )
    table = load.prompts_of(here.study, tuple(first["prompt_id"]))
    for row in first.to_dict("records"):
        text = " ".join(prompts.shown(table.loc[row["prompt_id"]]).split())
        with st.container(gap=None, key=f"changed-{row['prompt_id']}"):
            st.page_link(
                "pages/compare.py",
                label=md(text if len(text) <= LONGEST else f"{text[:LONGEST]} …"),
                icon=":material/compare_arrows:",
                query_params=here.link(prompt=row["prompt_id"], draw=address.draw(int(row["draw"]))),
            )
            st.caption(md(_said(row, told)))
    names = {f"{side}{each.number}": f"{side.upper()}: {each.name}" for each in listed for side in "ab"}
    download.csv("Download all pairs", rows.rename(columns=names), f"{here.study.name}-changes")


def _said(row: dict[str, float], told: Sequence[Behaviour]) -> str:
    """What only A and what only B shows, and how much is left of the words."""
    parts = [f"{row['a1']:,.0f} → {row['b1']:,.0f} words, {share(row['changed'])} of them in one answer only"]
    for side, other in (("a", "b"), ("b", "a")):
        mine = [
            each.name
            for each in told
            if each.kind != "amount" and row[f"{side}{each.number}"] > 0 and not row[f"{other}{each.number}"] > 0
        ]
        if mine:
            more = f" and {len(mine) - NAMED} more" if len(mine) > NAMED else ""
            parts.append(f"only {side.upper()} {', '.join(mine[:NAMED])}{more}")
    return "; ".join(parts)
