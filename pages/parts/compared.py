"""What a page needs that shows a diff: it, or the steps that are still to do, and a word where it is stale."""

from collections.abc import Callable

import streamlit as st

from diffing.diff.stored import OF_OLDER
from pages.parts import job_panel, load
from pages.parts.address import Comparison
from pages.parts.loaded import Loaded


def found(here: Comparison, without: Callable[[Comparison], None] | None = None) -> Loaded:
    """The diff; the page ends here where there is none yet, with what can be shown `without` one."""
    loaded = load.if_compared(*here)
    if loaded is None:
        st.info("These two checkpoints have not been compared yet.")
        job_panel.missing_steps(here)
        if without is not None:
            without(here)
        st.stop()
    if loaded.diff.older:
        st.warning(f"{OF_OLDER}; compare again.")
    elif loaded.outdated:
        st.warning("Prompts, answers or encodings have changed since this diff was computed.")
    if loaded.diff.older or loaded.outdated:
        job_panel.missing_steps(here, again=True)
    return loaded
