"""The view that has findings drafted."""

import streamlit as st

from diffing.findings import drafting
from pages.parts import job_panel
from pages.parts.address import Comparison
from pages.parts.findings import steps
from pages.parts.load import Loaded


def show(here: Comparison, found: Loaded | None, _author: str) -> None:
    """The whole view."""
    st.markdown(
        "Claims from the families of features and the surface probes that differ on **discovery** prompts. "
        "Without a model they are worded by a plain template; a model reads figures, labels and passages and "
        "words them better. The side of a claim always comes from the data."
    )
    options = steps.model("Who words them (empty: the plain template)", "writer")
    if found is None:
        st.info("Drafts come from a diff, and these two have not been compared yet.")
        job_panel.missing_steps(here)
    else:
        steps.step(here, "draft", "Draft findings", options, drafting)
