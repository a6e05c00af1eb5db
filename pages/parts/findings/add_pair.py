"""A pair of answers on another page becomes an example of a finding, or speaks against it."""

import streamlit as st

from diffing.common.escape import visible
from diffing.findings import findings
from diffing.findings.findings import Example
from pages.parts.address import Comparison
from pages.parts.charts import short
from pages.parts.keys import fresh

AUTHOR = "person"
"""The page of findings asks for a name; here a click is all."""
EXAMPLE, AGAINST = "an example", "against it"


def show(here: Comparison, pair: Example, held_out: bool) -> None:
    """A button with a choice behind it; that a prompt is held out is noted with the finding."""
    mine = {
        finding.id: finding
        for finding in findings.load(here.study)
        if (finding.a, finding.b) == (here.a, here.b) and not finding.rejected
    }
    with st.popover("Add to a finding", icon=":material/add:", disabled=not mine):
        chosen = st.selectbox(
            "Finding",
            list(mine),
            key=fresh("add-to", *mine),
            format_func=lambda identifier: short(visible(mine[identifier].claim), 70),
        )
        kind = st.segmented_control("It is", [EXAMPLE, AGAINST], default=EXAMPLE, required=True, key="add-as")
        if st.button("Add this pair", key="add-pair") and chosen:
            name = "examples" if kind == EXAMPLE else "counter_examples"
            put = {"held_out_seen": True} if held_out else {}
            findings.change(here.study, chosen, AUTHOR, put=put, add={name: [list(pair)]})
            st.toast("Added.")
