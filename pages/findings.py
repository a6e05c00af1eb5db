"""Findings: claims and what speaks for and against them; drafts, verification and its judge, rival, report."""

import streamlit as st

from pages.parts import address, load, person, shell
from pages.parts.findings import check, draft, listing, report, rival, verify

VIEWS = {
    "Findings": listing.show,
    "Draft": draft.show,
    "Verify": verify.show,
    "Check the judge": check.show,
    "Language-model baseline": rival.show,
    "Report": report.show,
}

shell.page("Findings")
here = address.comparison()
with st.sidebar:
    author = person.field("Stands beside what you change here.")
view = st.segmented_control(
    "View",
    list(VIEWS),
    default="Findings",
    required=True,
    key="show",
    bind="query-params",
    label_visibility="collapsed",
)
VIEWS[view](here, load.if_compared(*here), author)
