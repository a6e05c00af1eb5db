"""The frame around every page: title, navigation, and the steps of a study as badges.

Each page calls `page()` first, so that a link opened cold has the same frame as one reached by clicking.
"""

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

import streamlit as st

from diffing.common.colours import TICKS, css
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.study.study import Study
from pages.parts import address, door, person

STYLE = (
    f"""<style>
.js-plotly-plot :is(.xtick text,.ytick text,.xtitle,.ytitle){{fill:{css(TICKS)}!important}}
"""
    + """
[data-testid=stMainBlockContainer]{padding:1.1rem 2.5rem 4rem;max-width:96rem}
[data-testid=stMainBlockContainer] h1{padding-top:0}
[data-testid=stHeader]{background:transparent;height:2.2rem;min-height:0}
[data-testid=stSidebarHeader]{height:2.2rem;margin-bottom:0}
:is([role=tab],.stButtonGroup button)[data-selected=true],[role=tab][aria-selected=true]{color:inherit!important}
:is([role=tab],.stButtonGroup button):is([data-selected=true],[aria-selected=true]) *{color:inherit!important}
.said{font-size:1.3rem;line-height:1.45;font-weight:600;max-width:66rem}
.part{line-height:1.55;max-width:66rem;overflow-wrap:anywhere}
.sides{font-size:.875rem;line-height:1.6;overflow-wrap:anywhere}
[class*=st-key-stack] [data-testid=stColumn]{min-width:min(100%,25rem)}
:has(>[class*=st-key-roomy]){min-width:min(100%,25rem)}
.st-key-stack-charts [data-testid=stColumn]:last-child>div{position:sticky;top:2.4rem}
.st-key-stack-prompts [data-testid=stColumn]{min-width:min(100%,19rem)}
.st-key-figures-answer [data-testid=stElementContainer]:has([data-testid=stMetric]){min-width:13rem}
@media(max-width:640px){.stButtonGroup [role=radiogroup],.stButtonGroup [role=group]{flex-wrap:wrap!important;
 overflow:visible!important}
 .st-key-figures-answer [data-testid=stElementContainer]:has([data-testid=stMetric]){min-width:9rem}}
.st-key-figures-feature [data-testid=stElementContainer]:has([data-testid=stMetric]){min-width:8.5rem}
</style>"""
)
"""Less air around the page, axes that can be read; columns of charts stack and rows of figures wrap before they
get too narrow."""


class Page(NamedTuple):
    """An entry of the navigation."""

    path: str
    label: str
    icon: str
    needs_study: bool
    least: int = 2
    """Checkpoints that a study has for which this page says something."""


PAGES = [
    Page("dashboard.py", "Studies", ":material/home:", False),
    Page("pages/new.py", "New study", ":material/add_circle:", False),
    Page("pages/benchmark.py", "Benchmark", ":material/leaderboard:", False),
    Page("pages/answer.py", "Answer", ":material/lightbulb:", True),
    Page("pages/timeline.py", "Timeline", ":material/timeline:", True, 3),
    Page("pages/compare.py", "Compare", ":material/compare_arrows:", True),
    Page("pages/features.py", "Features", ":material/bar_chart:", True),
    Page("pages/feature.py", "One feature", ":material/search:", True),
    Page("pages/search.py", "Search", ":material/manage_search:", True, 1),
    Page("pages/inside.py", "Inside", ":material/psychology:", True),
    Page("pages/live.py", "Live", ":material/edit_note:", True),
    Page("pages/findings.py", "Findings", ":material/fact_check:", True),
    Page("pages/gate.py", "Gate", ":material/rule:", True),
    Page("pages/prompts.py", "Prompts", ":material/list:", True, 1),
    Page("pages/run.py", "Run", ":material/play_circle:", True, 1),
]

Colour = Literal["green", "orange", "gray", "blue"]
STAGES: dict[str, tuple[str, Colour]] = {
    "done": (":material/check:", "green"),
    "partial": (":material/clock_loader_40:", "orange"),
    "to do": (":material/radio_button_unchecked:", "gray"),
    "running": (":material/autorenew:", "blue"),
    # Neither waits for anybody: the one costs money and need not be, the other is a draft to look through.
    "optional": (":material/add:", "gray"),
    "open": (":material/edit_note:", "gray"),
}
"""How each state of a step looks: never by its colour alone."""


def page(title: str) -> None:
    """Set the page up and draw the navigation; the study in the address goes along."""
    # An emoji, because a named icon would be fetched from outside as favicon.
    st.set_page_config(
        page_title=f"{title} · Checkpoint Diffing", page_icon="🔬", layout="wide", initial_sidebar_state=240
    )
    st.html(STYLE)
    # A browser has come in; tests of a page have none.
    if "host" in st.context.headers and not door.stands:
        st.error("This server asks nobody for a token. Start the dashboard with `python -m diffing dashboard`.")
        st.stop()
    person.stop_unknown()
    address.renew(title)
    current = address.text("study")
    with st.sidebar:
        st.markdown("### Checkpoint Diffing")
        for entry in PAGES:
            if not entry.needs_study:
                st.page_link(entry.path, label=entry.label, icon=entry.icon)
        if current:
            st.caption(f"Study **{md(current)}**")
            has = _checkpoints(current)
            for entry in PAGES:
                if entry.needs_study and entry.least <= has:
                    link(entry, current)
        person.way_out()
    st.title(title)


def _checkpoints(study: str) -> int:
    """How many a study has; of one that does not open, two, as the least have."""
    try:
        return len(Study.open(study).checkpoints)
    except UserError:
        return 2


def link(entry: Page, study: str) -> None:
    """To a page of a study."""
    st.page_link(entry.path, label=entry.label, icon=entry.icon, query_params=address.written(study=study))


def stage(step: Mapping[str, str], running: Collection[str]) -> None:
    """A step's badge, as `diffing.status` tells of it; hovering says more."""
    state = "running" if step["job"] in running else step["state"]
    icon, colour = STAGES[state]
    said = step["detail"] if state == "open" else state
    st.badge(f"{step['step']}: {said}", icon=icon, color=colour, help=md(step["detail"]))
