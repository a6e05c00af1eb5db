"""The view that has the report made, shows it and hands it over."""

import html
from pathlib import Path

import streamlit as st

from diffing.common import words
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.findings import evidence
from diffing.report import agent_notebook, last
from pages.parts import download, job_panel, load
from pages.parts.address import Comparison
from pages.parts.load import Loaded

NOTEBOOK = "application/x-ipynb+json"
PREVIEWS = {"One page": "one-page.html", "Whole report": "report.html"}
HEIGHT = 760
"""Pixels of the preview: a screen, in which it scrolls."""
LARGEST = 20 * 2**20
"""Bytes of a page that is shown: several times the largest that was seen. A larger one has a tab of its own."""


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
    try:
        told = last.manifest(*here)
    except UserError as error:
        st.error(md(str(error)))
        told = None
    changed = last.changed(told, load.report_state(*here)) if told else []
    job_panel.start_button(
        here.study,
        "report",
        "Make the report again" if told else "Make the report",
        lambda: {"a": here.a, "b": here.b},
        disabled=found is None,
        primary=not told or bool(changed),
    )
    job_panel.panel(here.study, "report")
    if told:
        when = words.moment(told["made"])
        if changed:
            st.warning(f"Outdated: since it was made on {md(when)} the {md(words.listed(changed))} changed.")
        else:
            st.markdown(f"The last one was made on {md(when)}.")
        _files(last.folder_of(*here), here.study.name)
        _preview(last.folder_of(*here))
    elif found is None:
        st.info("A report needs a diff of these two checkpoints.")
        job_panel.missing_steps(here)


def _files(folder: Path, name: str) -> None:
    """The last report, to take away."""
    with st.container(horizontal=True):
        download.file("Everything (zip)", folder / f"{name}-{folder.name}.zip", "application/zip")
        download.file("The page", folder / "report.html", "text/html")
        download.file("One page", folder / "one-page.html", "text/html")
        download.file("Picture", folder / "one-page.png", "image/png")
        download.file("Markdown", folder / "report.md", "text/markdown")
        download.file("Notebook", folder / "analysis.ipynb", NOTEBOOK)
        if (worked := folder / agent_notebook.FILE).is_file():
            download.file("Agent's notebook", worked, NOTEBOOK)


def _preview(folder: Path) -> None:
    """One of its pages, shut off from this one."""
    paths = {name: folder / file for name, file in PREVIEWS.items()}
    there = [name for name, path in paths.items() if path.is_file() and not path.is_symlink()]
    if not there:
        return
    chosen = st.segmented_control(
        "Preview", there, default=there[0], required=True, key="preview", bind="query-params"
    )
    path = paths[chosen]
    if path.stat().st_size > LARGEST:
        st.info("This page is too large to be shown here; download it.")
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    st.iframe(framed(text), height=HEIGHT, alt=f"Preview of the report: {chosen}")


def framed(page: str) -> str:
    """A page in a frame in which nothing runs, wherever the page came from.

    Streamlit's own frame lets what it holds run with the rights of the dashboard. So it gets a page of ours, and
    that one has a frame with an empty `sandbox`: no script, no form, no window, and an origin of its own. What the
    dashboard may not fetch it may not fetch either, as its rules are handed down.
    """
    style = "html,body{margin:0;height:100%}iframe{border:0;width:100%;height:100%;color-scheme:light dark}"
    inner = f'<iframe sandbox referrerpolicy="no-referrer" title="report" srcdoc="{html.escape(page)}"></iframe>'
    return f"<!doctype html><style>{style}</style>{inner}"
