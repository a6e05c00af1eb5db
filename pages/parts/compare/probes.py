"""The view of Compare that shows all surface probes: what can be counted without a reader, on both sides."""

import pandas as pd
import streamlit as st

from diffing.common.escape import md
from diffing.diff import ranking, selection
from diffing.diff.measure import LEVEL
from pages.parts import charts, download, headline, job_panel
from pages.parts.address import Comparison
from pages.parts.figures import FIGURES, mark, shown
from pages.parts.loaded import Loaded

COLUMNS = [
    "probe",
    "frequency_a",
    "frequency_b",
    "delta",
    "delta_shrunk",
    "ci_low",
    "ci_high",
    "q_judged",
    "verdict",
    "mean_a",
    "mean_b",
    "change",
    "q_mean",
    "delta_rarefied",
    "delta_equal_length",
    "replicated",
    "description",
]
ANSWERS = "Answers"
"""The view that a row leads to."""


def show(here: Comparison, found: Loaded | None) -> None:
    """The whole view."""
    if found is None:
        st.info("Nothing has been compared yet; the step that compares features counts the surface probes too.")
        job_panel.missing_steps(here)
        return
    told = found.diff.summary
    probes = selection.probes(found.diff.probes)
    differ = selection.differing(probes)
    name_a, name_b = here.names
    tested = probes["q_judged"].notna().sum()
    st.markdown(
        f"**{len(differ)}** of {tested} tested probes differ (q < {LEVEL}, a single view) between "
        f"**A** {md(name_a)} and **B** {md(name_b)}. They are counted without any reader."
    )
    shares = differ.dropna(subset="delta")
    if len(shares):
        chart = charts.by_group(
            shares[["delta", "ci_low", "ci_high"]].assign(group=shares["probe"]),
            f"Countable things that differ (share of {told['prompts']} prompts, 95 % intervals)",
        )
        alt = "Difference and interval of each probe that differs; the table has the figures"
        st.plotly_chart(chart, key="probes-that-differ", alt=alt)
    _table(probes)
    st.caption(
        "A row marks the probe in the answers. Shares in percent of prompts, differences in points, "
        f"{ranking.WORDS}."
    )
    download.csv("Download this table", probes, f"{here.study.name}-probes")
    headline.settings(found.diff)


def _table(probes: pd.DataFrame) -> None:
    def to_answers() -> None:
        rows = st.session_state["probes"]["selection"]["rows"]
        mark(**({"probe": str(probes.iloc[rows[0]]["probe"])} if rows else {}))
        st.session_state["show"] = ANSWERS

    columns = {"probe": st.column_config.TextColumn("probe", pinned=True)} | FIGURES
    columns |= {"description": st.column_config.TextColumn("what is counted", width="large")}
    st.dataframe(
        shown(probes, COLUMNS),
        placeholder="–",
        hide_index=True,
        column_config=columns,
        height=560,
        key="probes",
        on_select=to_answers,
        selection_mode="single-row",
        alt="All surface probes with their shares, differences, intervals and tests",
    )
