"""The sentence that a rule makes of all methods, what it was held against, and what is missing or out of date."""

import streamlit as st

from diffing.common.escape import esc, md
from diffing.common.words import count, listed
from diffing.whitebox import organisms
from diffing.whitebox.sight.seen import Inside
from pages.parts.address import Comparison


def nothing() -> None:
    """What this page would show, where nobody has looked yet."""
    st.markdown(
        "Where both checkpoints are **weights** that can be loaded, this page says what changed inside: which "
        "words the change makes likelier, where the two think differently, what a stronger dose of it does. Each "
        "figure stands beside the same figure for **nulls**: changes to the same model with nothing to find."
    )


def show(here: Comparison, found: Inside) -> None:
    """What stands above everything else on the page."""
    st.html(f"<div class='said'>{esc(found.sentence)}</div>")
    before, after = here.names
    nulls = dict.fromkeys(null.told for each in found.methods for null in each.nulls)
    beside = f"Held against {listed([md(told) for told in nulls])}." if nulls else "Held against nothing yet."
    st.caption(
        f"{md(before)} → {md(after)}, {count(len(found.methods), 'method')}. {beside} A rule wrote the sentence; "
        "no model read anything."
    )
    if name := here.study.settings.organism:
        known = organisms.find(name)
        st.caption(f"An organism, of which it is known what changed: {md(known.organism.truth)}")
    for each in found.methods:
        if each.outdated:
            st.warning(f"{md(each.title)} is out of date. {md(each.outdated)} Run it again.")
    for left_out in found.refused:
        st.info(md(left_out.said))
    lacking = max((each.lacking for each in found.methods), default=0)
    if lacking:
        st.info(
            f"{count(lacking, 'null')} of those asked for {'is' if lacking == 1 else 'are'} not there yet: run it "
            "again and it goes on."
        )
