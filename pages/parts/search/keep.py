"""What was found kept as a probe of the study, to be tested like any other."""

import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.concepts import search
from diffing.concepts.search import Found
from pages.parts import address, person


def show(found: Found) -> None:
    """The form, and what came of it."""
    study = found.ground.study
    st.subheader("Keep it as a probe", anchor=False)
    st.caption(
        "An answer shows it from the bar on. A study tests it on all prompts beside its own other probes."
        if not study.one_sided
        else "An answer shows it from the bar on. It goes along when the probes are exported."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", key="kept-name", placeholder="hedges first", max_chars=40)
        says = st.text_input("An answer that shows it …", key="kept-says", placeholder="hedges", max_chars=120)
    # Never disabled: what was typed last arrives with the click that would come too early.
    person.button("Keep it", type="primary", key="kept", on_click=_keep, args=[found, name, says])
    if fault := st.session_state.pop("kept-fault", ""):
        st.error(md(fault))
    if kept := st.session_state.pop("kept-as", ""):
        st.success(f"Kept as **{md(kept)}**.")
        if not study.one_sided:
            st.page_link(
                "pages/answer.py",
                label="To the study's own probes",
                icon=":material/lightbulb:",
                query_params=address.written(study=study.name),
            )


def _keep(found: Found, name: str, says: str) -> None:
    try:
        if not name.strip():
            raise UserError("The probe has no name yet; give it one.")
        search.save(found, name, says, person.name("person"))
    except UserError as error:
        st.session_state["kept-fault"] = str(error)
        return
    st.session_state["kept-as"] = name.strip()
