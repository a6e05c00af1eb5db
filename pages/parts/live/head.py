"""What the page is for, and what it is not."""

import streamlit as st


def said() -> None:
    """Above everything else."""
    st.caption(
        "One prompt, both models, the same chances: they part where the models do. **One answer is one sample and "
        "no finding**: what you see here is a guess to be tested over many prompts."
    )
