"""The pair that the server holds open: what it takes, said before it is loaded, and the button that loads it."""

from typing import Any

import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.study.study import Study
from diffing.whitebox.writing import held
from pages.parts import load, person
from pages.parts.address import Comparison


def ready(here: Comparison) -> bool:
    """Whether the pair may write at the press of a button; where not, this says what that takes."""
    if held.ships(here.study, here.a, here.b) or held.HOLDER.has(here.study, here.a, here.b):
        return True
    try:
        told = _memory(here.study.name, here.a, here.b)
        st.caption(f"{md(told)} The server holds one pair at a time; another one that is open makes room.")
        if not person.button("Open the pair", key="open-pair", type="primary"):
            return False
        with st.status("Opening the pair", expanded=True) as status:
            held.HOLDER.open(here.study, here.a, here.b, tell=lambda line: _say(status, line))
    except UserError as error:
        st.error(md(str(error)))
        return False
    st.rerun()
    return True


def _say(place: Any, line: str) -> None:
    place.caption(md(line))


@load.said
# What is free changes: not kept for longer than a glance.
@st.cache_data(ttl=60, max_entries=8, show_spinner="Looking at the weights")
def _memory(study: str, a: str, b: str) -> str:
    return held.memory(Study.open(study), a, b)
