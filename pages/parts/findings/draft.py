"""The view that has findings drafted."""

import streamlit as st

from diffing.findings import drafting
from pages.parts import job_panel
from pages.parts.address import Comparison
from pages.parts.findings import steps
from pages.parts.loaded import Loaded


def show(here: Comparison, found: Loaded | None, _author: str) -> None:
    """The whole view."""
    st.markdown(
        "Claims from what differs on **discovery** prompts. Without a model a draft says what its probe or phrase "
        "counts and no more, and is counted on new prompts. A model reads figures, labels and passages and "
        "says more; its words need a judge. The side of a claim always comes from the data."
    )
    options = steps.model("Model that writes them (empty: what can be counted, without a model)", "writer")
    if found is None:
        st.info("Drafts come from a diff, and these two have not been compared yet.")
        job_panel.missing_steps(here)
    else:
        steps.step(here, "draft", "Draft findings", options, drafting)
