"""The pairs of answers that show a feature: which pair, in which order, and the two answers side by side."""

from typing import NamedTuple

import pandas as pd
import streamlit as st

from diffing.common.escape import md
from diffing.diff import pairs
from diffing.findings.findings import Example, Side
from diffing.reader.encodings import Encodings
from pages.parts import address, load
from pages.parts.address import Comparison
from pages.parts.feature import pair_view, snippets
from pages.parts.findings import adding
from pages.parts.findings.adding import Offer
from pages.parts.loaded import Loaded

PAIR, SNIPPETS = "pair", "snippets"


class Seen(NamedTuple):
    """What was shown, for what stands below."""

    table: pd.DataFrame
    """All pairs, as `diffing.diff.pairs` has them."""
    pair: "pd.Series | None"
    held_out: bool
    """Whether held-out prompts were among them."""


def show(here: Comparison, found: Loaded, encodings: Encodings, row: pd.Series) -> Seen:
    """The whole section for the feature of this row."""
    feature = int(row["feature"])
    with st.container(horizontal=True, vertical_alignment="center"):
        evidence = st.segmented_control(
            "Evidence",
            [PAIR, SNIPPETS],
            default=PAIR,
            required=True,
            key="evidence",
            bind="query-params",
            label_visibility="collapsed",
        )
        order = st.segmented_control(
            "Pairs of answers",
            pairs.ORDERS,
            default=pairs.ORDERS[0],
            required=True,
            key="order",
            bind="query-params",
            label_visibility="collapsed",
            disabled=evidence == SNIPPETS,
            # Another order begins anew.
            on_change=lambda: address.put(pair=None),
        )
        with st.popover("More", width="content"):
            held = st.toggle(
                "Held-out prompts too",
                key="held",
                bind="query-params",
                help="Held-out prompts are the new ones: labels and drafts have not seen them. "
                "Findings made while looking at them say so.",
            )
            under = st.text_input(
                "Underline a second feature", key="second", bind="query-params", placeholder="number"
            )
    second = found.row(under)
    if under and second is None:
        last = found.table["feature"].max()
        st.caption(f"There is no feature '{md(under)}' to underline; they go from 0 to {last:,}.")
    table = load.pairs(here.study, feature, here.a, here.b, held)
    if evidence == SNIPPETS:
        snippets.show(here, encodings, row, table)
        return Seen(table, None, held)
    queue = pairs.ordered(table, order, float(row["delta"]), here.study.settings.seed)
    if queue.empty:
        st.info("No pair of answers is of this kind" + ("." if held else " among the discovery prompts."))
        return Seen(table, None, held)
    stop = pairs.stop(address.number(address.text("pair")), len(queue))
    pair = queue.iloc[stop.at]
    _walk(here, row, stop, pair, f"Pair {stop.at + 1} of {len(queue)}, {order}")
    pair_view.show(here.study, encodings, pair, row, second)
    return Seen(table, pair, held)


def turn(place: int) -> None:
    address.put(pair=place)


def _walk(here: Comparison, row: pd.Series, stop: pairs.Stop, pair: pd.Series, where: str) -> None:
    """The buttons above a pair: its neighbours, all answers to its prompt, and findings that it may serve."""
    feature, side = int(row["feature"]), _more(row)
    prompt, held_out = str(pair["prompt_id"]), pair["split"] == "held-out"
    with st.container(horizontal=True, vertical_alignment="center", key="walk"):
        for label, icon, place in (("Previous", "left", stop.before), ("Next", "right", stop.after)):
            st.button(
                f"{label} pair",
                key=f"pair-{label.lower()}",
                on_click=turn,
                args=[place],
                icon=f":material/chevron_{icon}:",
                shortcut=label[0].lower(),
            )
        st.caption(where)
        st.page_link(
            "pages/compare.py",
            label="All of this prompt",
            icon=":material/compare_arrows:",
            query_params=here.link(prompt=prompt, feature=feature, held=held_out),
        )
        example = Example(prompt, int(pair["draw"]))
        adding.show(
            here, Offer((feature,), pair=example, held_out=held_out, side=side), "Add this pair to a finding"
        )


def _more(row: pd.Series) -> Side:
    return "b" if row["delta"] > 0 else "a"
