"""Any prompt's answers side by side and what they differ by; what can be counted; any text read."""

import streamlit as st

from pages.parts import address, highlight, load, shell
from pages.parts.compare import answers, any_text, probes

VIEWS = {probes.ANSWERS: answers.show, "Surface probes": probes.show, "Any text": any_text.show}

shell.page("Compare")
here = address.comparison()
view = st.segmented_control(
    "View",
    list(VIEWS),
    default=probes.ANSWERS,
    required=True,
    key="show",
    bind="query-params",
    label_visibility="collapsed",
)
found = load.if_compared(*here)
st.html(highlight.STYLE)
VIEWS[view](here, found)
