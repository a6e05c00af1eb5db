"""Which latents of a dictionary are real, on the page Inside: counts beside nulls, verdicts, a way to judge."""

import pandas as pd
import streamlit as st

from diffing.common.escape import md
from diffing.jobs.job import Job
from diffing.whitebox.dictionaries import judged, shelf
from pages.parts import download, job_panel
from pages.parts.address import Comparison

LISTED = 20
"""Latents of the table; the download has all."""


def show(here: Comparison, name: str) -> judged.Judgement | None:
    """What was judged of a dictionary; a button where nothing was, or what was is outdated."""
    st.markdown("##### Which latents are real")
    found = judged.of(here.study, name)

    def mine(job: Job) -> bool:
        return job.spec["options"].get("name") == name and job.status().state != "done"

    latest = job_panel.latest(here.study, shelf.JUDGES)
    if latest is not None and mine(latest):
        job_panel.panel(here.study, shelf.JUDGES, mine)
    if found is not None:
        _verdicts(here, name, found)
    if found is None or found.outdated:
        tokens = judged.USUAL * shelf.facts(here.study, name).tokens
        st.caption(
            f"Judging trains {judged.USUAL} more dictionaries like this one, on {tokens:,} tokens together: with "
            "another seed, and on two changes in which nothing is to be found. How long that takes stands first "
            f"in its log; more is told by `python -m diffing dictionary {here.study.name} --judge {name}`."
        )
        job_panel.start_button(
            here.study, shelf.JUDGES, "Judge its latents", lambda: {"name": name}, primary=False
        )
    return found


def _verdicts(here: Comparison, name: str, found: judged.Judgement) -> None:
    st.markdown(md(found.sentence))
    if found.outdated:
        st.warning(f"{md(found.outdated)} Judge it again.")
    st.dataframe(pd.DataFrame(found.counted), hide_index=True, key="latents-counted")
    rows = found.rows(LISTED)
    if rows:
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            key="latents-judged",
            column_config={
                "effect": st.column_config.TextColumn(
                    help="Nats a token by which either model comes nearer to the other: added to the base, taken "
                    "out of the variant."
                ),
                "most in nulls": st.column_config.TextColumn(help="What the strongest latent of any null does."),
            },
        )
    else:
        st.caption("No latent came as far as being tried in the models.")
    download.csv("Download all verdicts", found.table, f"{here.study.name}-{name}-judged")
