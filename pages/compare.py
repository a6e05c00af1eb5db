"""Any prompt's answers side by side and what they differ by; blind votes; what can be counted; any text read."""

import streamlit as st

from pages.parts import address, channel, highlight, load, shell
from pages.parts.compare import answers, any_text, blind, probes

BLIND = "Vote blind"
VIEWS = {probes.ANSWERS: answers.show, BLIND: blind.show, "Surface probes": probes.show, "Any text": any_text.show}

shell.page("Compare")
# Before the checkpoints, whose names the sidebar would show to who votes.
view = st.segmented_control(
    "View",
    list(VIEWS),
    default=probes.ANSWERS,
    required=True,
    key="show",
    bind="query-params",
    label_visibility="collapsed",
)
here = address.comparison(named=view != BLIND)
if view != BLIND:
    here = channel.chosen(here)
found = load.if_compared(*here)
st.html(highlight.STYLE)
VIEWS[view](here, found)
