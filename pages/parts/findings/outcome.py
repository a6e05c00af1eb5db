"""What came of a button that writes a finding: kept between two runs of the page, then said beside the button.

Whoever offers a finding has a key of its own for it; what was refused is said once, the way to a finding stays.
"""

from collections.abc import Callable

import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md, visible
from diffing.findings.findings import Finding
from pages.parts.address import Comparison
from pages.parts.charts import short


def made(new: bool) -> str:
    """What a finding is called that somebody wrote."""
    return "A new finding" if new else "It stood in the findings already"


def note(key: str, doing: Callable[[], tuple[str, Finding]]) -> bool:
    """Do it, and keep what is said of it and of which finding, or why it was refused; whether it was done."""
    try:
        said, finding = doing()
    except UserError as error:
        st.session_state[f"fault-{key}"] = str(error)
        return False
    st.session_state[f"done-{key}"] = finding.id, f"{said}: {short(visible(finding.claim), 60)}"
    return True


def fault(key: str) -> None:
    """Why the last one was refused, if it was."""
    if said := st.session_state.pop(f"fault-{key}", ""):
        st.error(md(said))


def link(here: Comparison, key: str) -> None:
    """The way to the finding that came of it, if one did."""
    if done := st.session_state.get(f"done-{key}"):
        st.page_link(
            "pages/findings.py",
            label=md(done[1]),
            icon=":material/fact_check:",
            query_params=here.link(finding=done[0]),
        )
