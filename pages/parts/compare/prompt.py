"""Which prompt is looked at: filters, the way to its neighbours, and its text."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from diffing.common.escape import md, visible
from diffing.common.words import count, share
from diffing.diff import changes
from diffing.study import prompts
from pages.parts import address, charts
from pages.parts.address import Comparison
from pages.parts.loaded import Loaded

ORDERS = ["most changed first", "as they stand"]


def changed(found: Loaded | None, numbers: Sequence[int]) -> pd.DataFrame:
    """How much each prompt's answers differ, the most changed first; empty before anything was compared."""
    if found is None or found.diff.changes.empty:
        return pd.DataFrame(columns=["differ", "changed"])
    rows = changes.most_changed(found.diff.changes, numbers).drop_duplicates("prompt_id")
    return rows.set_index("prompt_id")[["differ", "changed"]]


def choose(here: Comparison, answers: pd.DataFrame, ranked: pd.DataFrame) -> "pd.Series | None":
    """The chosen prompt's row, shown with the ways to others; None where there is none to show, which it says."""
    every = here.study.prompts()
    wanted = address.text("prompt")
    if wanted and wanted not in set(every["id"]):
        address.lost(f"This study has no prompt '{wanted}'.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        categories = sorted(set(every["category"]) - {""})
        category = st.selectbox(
            "Category", categories, None, placeholder="All", key="category", bind="query-params"
        )
        search = st.text_input("Search prompts and answers", key="q-compare", bind="query-params")
        ordered = st.selectbox("Order", ORDERS, 0, key="order", bind="query-params") if len(ranked) else ORDERS[1]
        held = st.toggle(
            "Held-out prompts too",
            key="held",
            bind="query-params",
            help="Held-out prompts are the new ones: labels and drafts have not seen them. "
            "Findings made while looking at them say so.",
        )
    listed = prompts.listed(every, answers, category, search, held).set_index("id", drop=False)
    if ordered == ORDERS[0]:
        # Prompts without a pair of answers come last, in their own order.
        first = [identifier for identifier in ranked.index if identifier in listed.index]
        listed = listed.loc[[*first, *(rest for rest in listed.index if rest not in ranked.index)]]
    every = every.set_index("id", drop=False)
    if wanted and every.at[wanted, "split"] == "held-out" and not held:
        st.info("This prompt is new (held out): labels and drafts have not seen it. The toggle above shows it.")
        return None
    if listed.empty:
        filtered = bool(search or category)
        st.info("No prompt passes these filters." if filtered else "The study has no prompt to show.")
        return None
    prompt = listed.loc[wanted if wanted in listed.index else listed.index[0]]
    _walk(listed, str(prompt["id"]), ranked, held)
    st.caption(md(" · ".join(part for part in (prompt["category"], prompt["tags"], prompt["split"]) if part)))
    st.code(visible(prompts.shown(prompt)), language=None, wrap_lines=True)
    return prompt


def go(identifier: str) -> None:
    address.put(prompt=identifier)


def _walk(listed: pd.DataFrame, here: str, ranked: pd.DataFrame, held: bool) -> None:
    """To the prompt before, the one after, or any other of the list."""
    ids = listed["id"].tolist()
    at = ids.index(here)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for label, icon, to in (("Previous", "left", at - 1), ("Next", "right", at + 1)):
            there = 0 <= to < len(ids)
            st.button(
                label,
                key=f"prompt-{label.lower()}",
                icon=f":material/chevron_{icon}:",
                disabled=not there,
                on_click=go,
                args=[ids[to] if there else ""],
                shortcut=label[0].lower(),
            )
        # The buttons move it too, so that its own memory must not win.
        st.session_state["choose"] = here
        st.selectbox(
            f"Prompt {at + 1:,} of {len(ids):,}{'' if held else ', held-out ones left out'}",
            ids,
            key="choose",
            format_func=lambda identifier: _title(listed.loc[identifier], ranked),
            on_change=lambda: go(st.session_state["choose"]),
            help="Confirmed behaviours that one answer shows and the other does not, and the share of both "
            "answers' words that the other one has not.",
        )


def _title(prompt: pd.Series, ranked: pd.DataFrame) -> str:
    """A prompt in the list, led by how much its answers differ."""
    text = charts.short(visible(prompts.shown(prompt)), 110)
    if prompt["id"] not in ranked.index:
        return text
    row = ranked.loc[prompt["id"]]
    return f"{count(int(row['differ']), 'behaviour')} and {share(row['changed'])} of words differ · {text}"
