"""The view that has the report made and hands it over."""

from pathlib import Path

import streamlit as st

from diffing.common import files, words
from diffing.common.escape import md
from diffing.findings import evidence
from pages.parts import download, job_panel, load
from pages.parts.address import Comparison
from pages.parts.load import Loaded


def show(here: Comparison, found: Loaded | None, _author: str) -> None:
    """The whole view."""
    standings = load.standings(*here)
    ready = sum(standing.status in evidence.SUPPORTED and not standing.open for standing in standings)
    blocked = sum(bool(standing.open) for standing in standings)
    st.markdown(
        "One folder to hand over: the report as a page and as Markdown, the notebook that recomputes it, prompts, "
        f"answers, features, charts and every setting. {ready} of {len(standings)} findings are supported by a "
        "count or a judge."
    )
    if blocked:
        st.warning(
            f"Contradicted by the figures and not answered for: {blocked}. The report says so and claims none."
        )
    folder = here.study.folder / "reports" / f"{here.a}-{here.b}"
    before = (folder / "manifest.json").exists()
    job_panel.start_button(
        here.study,
        "report",
        "Make the report again" if before else "Make the report",
        lambda: {"a": here.a, "b": here.b},
        disabled=found is None,
        primary=not before,
    )
    job_panel.panel(here.study, "report")
    if before:
        _files(folder, here.study.name)
    elif found is None:
        st.info("A report needs a diff of these two checkpoints.")
        job_panel.missing_steps(here)


def _files(folder: Path, name: str) -> None:
    """The last report, to take away."""
    made = words.moment(files.read_json(folder / "manifest.json")["made"])
    st.markdown(f"The last one was made on {md(made)}.")
    with st.container(horizontal=True):
        download.file("Everything (zip)", folder / f"{name}-{folder.name}.zip", "application/zip")
        download.file("The page", folder / "report.html", "text/html")
        download.file("Markdown", folder / "report.md", "text/markdown")
        download.file("Notebook", folder / "analysis.ipynb", "application/x-ipynb+json")
