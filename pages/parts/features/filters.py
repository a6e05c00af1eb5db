"""The filters of the features page, and the line that says what passes them."""

import pandas as pd
import streamlit as st

from diffing.common.escape import md
from diffing.common.words import count
from diffing.diff import ranking, selection
from diffing.diff.measure import LEVEL
from diffing.diff.selection import Asked
from pages.parts import address
from pages.parts.loaded import Loaded


def choose(found: Loaded) -> Asked:
    """What a person wants to see."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "Compare by",
            list(selection.VIEWS),
            default="presence",
            required=True,
            key="view",
            bind="query-params",
            help="Presence: how many prompts' answers show a feature. Equal length: the same among as many random "
            "tokens of both answers. Per 1,000 tokens: how often. Strength: the mean strongest activation.",
        )
        more = st.segmented_control("More on", ["A", "B"], key="more", bind="query-params")
        search = st.text_input(
            "Search", key="q-features", bind="query-params", placeholder="word, token, probe or #"
        )
        groups = sorted(found.diff.categories["group"].unique())
        group = st.selectbox(
            "Category or tag",
            groups,
            None,
            placeholder="All",
            key="group",
            bind="query-params",
            disabled=view != "presence",
            help="Its prompts alone, by presence; of the features that the diff looked at in detail.",
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        return Asked(
            view=view,
            more=more,
            search=search,
            group=group if view == "presence" else None,
            everything=_toggle(
                "Show all",
                "with-length",
                "Also what is not there at equal length: longer answers show more of nearly everything.",
            ),
            replicated=_toggle(
                "Confirmed on new prompts",
                "replicated",
                "Found on discovery prompts, and again on new ones, which were held out.",
            ),
            labelled=_toggle("Labelled", "labelled", "By a person or a language model."),
            members=_toggle(
                "Expand groups",
                "open",
                "More of each behaviour, and a row for each feature: those that fire together else share one.",
            ),
            weak=_toggle("Show non-significant", "weak", f"Also what did not reach q < {LEVEL}: no claim."),
            only=tuple(address.numbers(address.text("only"))),
        )


def _toggle(label: str, key: str, about: str) -> bool:
    return st.toggle(label, key=key, bind="query-params", help=about)


def tell(found: Loaded, asked: Asked, rows: pd.DataFrame, chosen: pd.DataFrame) -> None:
    """How many pass, and the way back from picked features."""
    with st.container(horizontal=True, vertical_alignment="center"):
        proof = "" if asked.everything or asked.weak or asked.only else " that also differ at equal length"
        unit = (
            ("feature", "features")
            if asked.members or asked.only
            else ("family of features", "families of features")
        )
        within = f" in {md(asked.group)}" if asked.group else ""
        st.caption(
            f"{count(len(chosen), *unit)}{proof} · {asked.by.words}{within}",
            help=f"Of {found.diff.summary['tested']:,} tested features; q < {LEVEL} after correction. "
            f"Under each behaviour {ranking.WORDS}.",
        )
        label = f"Only {len(asked.only)} chosen by the link"
        if asked.only and st.button(label, key="clear-only", icon=":material/close:", help="Show all again"):
            address.put(only=None)
            st.rerun()
    if chosen.empty:
        st.info(f"No feature passes these filters. {_instead(asked, rows)}")


def _instead(asked: Asked, rows: pd.DataFrame) -> str:
    """What would pass more."""
    hidden = (rows[selection.VIEWS[asked.view].q] < LEVEL) & ~selection.length_proof(rows)
    if hidden.any() and not asked.everything:
        return (
            f"“Show all” lists also what differs and may be length alone ({count(int(hidden.sum()), 'feature')})."
        )
    if not asked.weak:
        return (
            "“Show non-significant” lists what came nearest. "
            "The smallest difference that can be found stands above."
        )
    return "A shorter search or fewer switches let more pass."
