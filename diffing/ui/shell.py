"""The frame around every page: title, navigation, the study in the address.

Each page calls `page()` first, so that a link opened cold has the same frame as one reached by clicking.
"""

from typing import NamedTuple, NoReturn

import streamlit as st

from diffing import study
from diffing.errors import UserError
from diffing.study import Study
from diffing.ui.text import md


class Page(NamedTuple):
    """An entry of the navigation."""

    path: str
    label: str
    icon: str
    needs_study: bool


PAGES = [
    Page("dashboard.py", "Studies", ":material/home:", False),
    Page("pages/new.py", "New study", ":material/add_circle:", False),
    Page("pages/prompts.py", "Prompts", ":material/list:", True),
    Page("pages/run.py", "Run", ":material/play_circle:", True),
    Page("pages/features.py", "Features", ":material/bar_chart:", True),
    Page("pages/feature.py", "Feature", ":material/search:", True),
    Page("pages/compare.py", "Compare", ":material/compare_arrows:", True),
    Page("pages/findings.py", "Findings", ":material/fact_check:", True),
]


def page(title: str) -> None:
    """Set the page up and draw the navigation; the study in the address goes along."""
    # An emoji, because a named icon would be fetched from outside as favicon.
    st.set_page_config(page_title=f"{title} · Checkpoint Diffing", page_icon="🔬", layout="wide")
    current = st.query_params.get("study", "")
    with st.sidebar:
        st.markdown("### Checkpoint Diffing")
        for entry in PAGES:
            carried = {"study": current} if current and entry.needs_study else None
            st.page_link(entry.path, label=entry.label, icon=entry.icon, query_params=carried)
        if current:
            st.caption(f"Study: **{md(current)}**")
    st.title(title)


def opened_study() -> Study:
    """The study named in the address, or a word on what is wrong and the way home."""
    name = st.query_params.get("study", "")
    try:
        if not name:
            raise UserError("No study is chosen; pick one on the first page.")
        return Study.open(name)
    except UserError as error:
        lost(str(error))


def pair(study: Study) -> tuple[str, str]:
    """Keys of the two checkpoints in the address, the first two where it names none."""
    keys = [c.key for c in study.checkpoints]
    if len(keys) == 2 and {"a", "b"}.isdisjoint(st.query_params):
        return keys[0], keys[1]
    for side in ("a", "b"):
        if st.query_params.get(side, keys[0]) not in keys:
            lost(f"Study '{study.name}' has no checkpoint '{st.query_params[side]}'; choose another in its link.")
    with st.sidebar:
        # The address carries keys, so the options are keys; the names stand beside them.
        a = st.selectbox("A (before)", keys, 0, key="a", bind="query-params")
        st.caption(md(study.checkpoint(a).name))
        b = st.selectbox("B (after)", keys, 1, key="b", bind="query-params")
        st.caption(md(study.checkpoint(b).name))
    if a == b:
        lost("A checkpoint cannot be compared with itself; choose two in the sidebar.")
    return a, b


def lost(message: str) -> NoReturn:
    """A wrong or old link: a sentence and the way home, and the page ends here."""
    st.warning(md(message))
    st.page_link("dashboard.py", label="To the studies", icon=":material/arrow_back:")
    st.stop()


def all_studies() -> list[tuple[str, Study | None, str]]:
    """Every study folder by name, opened, or with the reason why it does not open."""
    found: list[tuple[str, Study | None, str]] = []
    for name in study.names():
        try:
            found.append((name, Study.open(name), ""))
        except UserError as error:
            found.append((name, None, str(error)))
    return found
