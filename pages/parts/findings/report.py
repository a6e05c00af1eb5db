"""The view that has the report made, shows it and hands it over."""

import streamlit as st

from diffing.findings import evidence
from diffing.report import last
from pages.parts import job_panel, load, report
from pages.parts.address import Comparison
from pages.parts.loaded import Loaded


def show(here: Comparison, found: Loaded | None, _author: str) -> None:
    """The whole view."""
    standings = load.standings(*here)
    ready = sum(standing.status in evidence.SUPPORTED and not standing.open for standing in standings)
    blocked = sum(bool(standing.open) for standing in standings)
    st.markdown(
        "One folder to hand over: the report as a page and as Markdown, one page to share, the notebook that "
        f"recomputes it, prompts, answers, features, charts and every setting. {ready} of {len(standings)} "
        "findings are supported by a count or a judge."
    )
    if blocked:
        st.warning(
            f"Contradicted by the figures and not answered for: {blocked}. The report says so and claims none."
        )
    there = report.show(
        here.study,
        last.folder_of(*here),
        {"a": here.a, "b": here.b},
        lambda: load.report_state(*here),
        disabled=found is None,
    )
    if not there and found is None:
        st.info("A report needs a diff of these two checkpoints.")
        job_panel.missing_steps(here)
