"""Changes that a person makes on a page, and what becomes of a slip."""

from collections.abc import Callable

import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md


def attempt(action: Callable[[], object]) -> None:
    """Do it and show the page anew, or say what is wrong."""
    try:
        action()
    except UserError as error:
        st.error(md(str(error)))
    else:
        st.rerun()
