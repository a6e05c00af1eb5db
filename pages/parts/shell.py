"""The frame around every page: title, navigation, the study in the address.

Each page calls `page()` first, so that a link opened cold has the same frame as one reached by clicking.
"""

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple, NoReturn

import streamlit as st

from diffing.common import colours
from diffing.common.errors import UserError
from diffing.common.escape import esc, md
from diffing.study import study
from diffing.study.study import Study

STYLE = """<style>
[data-testid=stMainBlockContainer]{padding:3rem 2.5rem 4rem;max-width:96rem}
[data-testid=stSidebarHeader]{height:2.5rem}
.sides{font-size:.875rem;line-height:1.6;overflow-wrap:anywhere}
[class*=st-key-stack] [data-testid=stColumn]{min-width:min(100%,25rem)}
:has(>[class*=st-key-roomy]){min-width:min(100%,25rem)}
.st-key-stack-prompts [data-testid=stColumn]{min-width:min(100%,19rem)}
.st-key-figures-answer [data-testid=stElementContainer]:has([data-testid=stMetric]){min-width:13rem}
.st-key-figures-feature [data-testid=stElementContainer]:has([data-testid=stMetric]){min-width:8.5rem}
</style>"""
"""Less air around the page; columns of charts stack and rows of figures wrap before they get too narrow."""


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


Colour = Literal["green", "orange", "gray", "blue"]
STAGES: dict[str, tuple[str, Colour]] = {
    "done": (":material/check:", "green"),
    "partial": (":material/clock_loader_40:", "orange"),
    "to do": (":material/radio_button_unchecked:", "gray"),
    "running": (":material/autorenew:", "blue"),
}
"""How each state of a step looks: never by its colour alone."""


def page(title: str) -> None:
    """Set the page up and draw the navigation; the study in the address goes along."""
    # An emoji, because a named icon would be fetched from outside as favicon.
    st.set_page_config(
        page_title=f"{title} · Checkpoint Diffing", page_icon="🔬", layout="wide", initial_sidebar_state=240
    )
    st.html(STYLE)
    current = st.query_params.get("study", "")
    with st.sidebar:
        st.markdown("### Checkpoint Diffing")
        for entry in PAGES:
            if not entry.needs_study:
                st.page_link(entry.path, label=entry.label, icon=entry.icon)
        if current:
            st.caption(f"Study **{md(current)}**")
            for entry in PAGES:
                if entry.needs_study:
                    st.page_link(entry.path, label=entry.label, icon=entry.icon, query_params={"study": current})
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
        with st.sidebar:
            st.html(sides(study, keys[0], keys[1]))
        return keys[0], keys[1]
    for side in ("a", "b"):
        if st.query_params.get(side, keys[0]) not in keys:
            lost(f"Study '{study.name}' has no checkpoint '{st.query_params[side]}'; choose another in its link.")
    with st.sidebar:
        # The address carries keys, so the options are keys; the names stand beside them.
        a = st.selectbox("A (before)", keys, 0, key="a", bind="query-params")
        b = st.selectbox("B (after)", keys, 1, key="b", bind="query-params")
        st.html(sides(study, a, b))
    if a == b:
        lost("A checkpoint cannot be compared with itself; choose two in the sidebar.")
    return a, b


def sides(study: Study, a: str, b: str) -> str:
    """Both checkpoints' names with their letters in their colours, as HTML."""
    lines = [
        f'<b style="color:{colour}">{letter}</b> {esc(study.checkpoint(key).name)}'
        for letter, key, colour in (("A", a, colours.A), ("B", b, colours.B))
    ]
    return f'<div class="sides">{"<br>".join(lines)}</div>'


def stage(step: Mapping[str, str], running: Collection[str]) -> None:
    """A step's badge, as `diffing.status` tells of it; hovering says more."""
    state = "running" if step["job"] in running else step["state"]
    icon, colour = STAGES[state]
    st.badge(f"{step['step']}: {state}", icon=icon, color=colour, help=md(step["detail"]))


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
