"""The filters of the features page, and the line that says what passes them."""

import pandas as pd
import streamlit as st

from diffing.common.escape import md
from diffing.diff import ranking, selection
from diffing.diff.measure import LEVEL
from diffing.diff.selection import Asked
from pages.parts import address
from pages.parts.load import Loaded


def choose(found: Loaded) -> Asked:
    """What a person wants to see, from the filters and from dots picked in the chart."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "Compare by",
            list(selection.VIEWS),
            default="plain",
            required=True,
            key="view",
            bind="query-params",
            help="Whole answers; both cut to the shorter one's first tokens; or how many tokens in 1,000.",
        )
        more = st.segmented_control("More on", ["A", "B"], key="more", bind="query-params")
        search = st.text_input("Search labels, tokens and probes", key="q", bind="query-params")
        groups = sorted(found.diff.categories["group"].unique())
        group = st.selectbox("Category or tag", groups, None, placeholder="All", key="group", bind="query-params")
    with st.container(horizontal=True, vertical_alignment="center"):
        return Asked(
            view=view,
            more=more,
            search=search,
            group=group,
            survives=_toggle("Survives equal length", "survives"),
            replicated=_toggle("Replicated", "replicated", "Found on discovery prompts, again on held-out."),
            labelled=_toggle("Labelled", "labelled", "By a person or a language model."),
            members=_toggle(
                "Open families",
                "open",
                "Features that fire together are one family, shown by its first; this gives each a row.",
            ),
            weak=_toggle("Not significant too", "weak", f"What did not reach q < {LEVEL}: no claim."),
            only=tuple(address.numbers(address.text("only"))),
        )


def _toggle(label: str, key: str, about: str | None = None) -> bool:
    return st.toggle(label, key=key, bind="query-params", help=about)


def tell(found: Loaded, asked: Asked, chosen: pd.DataFrame) -> None:
    """How many pass, and the way back from picked dots."""
    with st.container(horizontal=True, vertical_alignment="center"):
        one, many = ("feature", "features") if asked.members or asked.only else ("family", "families")
        unit = one if len(chosen) == 1 else many
        sure = "" if asked.weak or asked.only else f" · q < {LEVEL}"
        within = f" in {md(asked.group)}" if asked.group else ""
        tested, words = found.diff.summary["tested"], selection.VIEWS[asked.view].words
        order = f"{ranking.WORDS}{within}"
        st.caption(f"{len(chosen):,} {unit} of {tested:,} tested features{sure} · {words} · {order}")
        label = f"Only {len(asked.only)} chosen in the chart"
        if asked.only and st.button(label, key="clear-only", icon=":material/close:", help="Show all again"):
            address.put(only=None)
            st.rerun()
    if chosen.empty:
        st.info(
            "No feature passes these filters. "
            + ("" if asked.weak else "“Not significant too” lists what came nearest. ")
            + "The smallest difference that the study could have seen stands above."
        )
