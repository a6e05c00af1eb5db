"""The view that has findings tested by a judge."""

import streamlit as st

from diffing.common import words
from diffing.common.escape import md
from diffing.findings import correction, verdicts, verification
from pages.parts import load
from pages.parts.address import Comparison
from pages.parts.findings import steps
from pages.parts.loaded import Loaded


def show(here: Comparison, _found: Loaded | None, _author: str) -> None:
    """The whole view."""
    st.markdown(
        "A judge sees both answers to each **new** (held-out) prompt, unnamed and in both orders, and the claim's "
        "wording alone, and says which shows it more. Verified is what wins on significantly more prompts than "
        "it loses (exact test, corrected over all findings)."
    )
    left = [standing for standing in load.standings(*here) if standing.status != "rejected"]
    options = steps.model("Judge", "judge", "Best of another family than who wrote the claims.")
    options["own_error"] = st.toggle(
        "Estimate the judge's own error too",
        True,
        key="own-error",
        help="On pairs of draws of one checkpoint: nothing to find.",
    )
    possible = bool(left and options["model"])
    steps.step(here, "verify", f"Verify {len(left)} findings", options, verification, possible)
    if not left:
        st.info("There is nothing to verify yet: draft findings, or write some by hand.")
    checked = verification.read(*here)
    if checked.judge:
        st.caption(
            f"Judged so far by {md(checked.judge)}: {checked.tests} claims, {checked.tokens_in:,} tokens in, "
            f"{checked.tokens_out:,} out, {md(words.dollars(checked.cost))}. "
            f"{md(verdicts.own_error_words(checked.own_error))} {md(correction.error_words(checked.error))}"
        )
        st.page_link(
            "pages/findings.py",
            label="Check the judge: 40 pairs by eye",
            icon=":material/balance:",
            query_params=here.link(show="Check the judge"),
        )
