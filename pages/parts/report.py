"""A report on a page: the button that makes it, how far it is, whether it is outdated, its files and a preview.

The same for two checkpoints and for a series. Computes nothing: a job makes the report, and this shows its folder.
"""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from diffing.common import words
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.report import agent_notebook, last
from diffing.study.study import Study
from pages.parts import download, job_panel

PAGE, NOTEBOOK = "text/html", "application/x-ipynb+json"
FILES = {
    "The page": ("report.html", PAGE),
    "One page": ("one-page.html", PAGE),
    "Picture": ("one-page.png", "image/png"),
    "Markdown": ("report.md", "text/markdown"),
    "Notebook": ("analysis.ipynb", NOTEBOOK),
    "Agent's notebook": (agent_notebook.FILE, NOTEBOOK),
}
"""What its folder may hold beside everything in one zip; a series has no Markdown and no notebook."""
PREVIEWS = {"One page": "one-page.html", "Whole report": "report.html"}
HEIGHT = 760
"""Pixels of the preview: a screen, in which it scrolls."""
LARGEST = 20 * 2**20
"""Bytes of a page that is shown: several times the largest that was seen. A larger one has a tab of its own."""


def show(
    study: Study,
    folder: Path,
    options: dict[str, Any],
    state: Callable[[], dict[str, str]],
    disabled: bool = False,
) -> bool:
    """The button and what the last report is; whether there is one. `state` is what it would be made from now."""
    try:
        told = last.manifest(folder)
    except UserError as error:
        st.error(md(str(error)))
        told = None
    changed = last.changed(told, state()) if told else []
    job_panel.start_button(
        study,
        "report",
        "Make the report again" if told else "Make the report",
        lambda: options,
        disabled=disabled,
        primary=not told or bool(changed),
    )
    job_panel.panel(study, "report", lambda job: _of_series(job.spec["options"]) == _of_series(options))
    if not told:
        return False
    when = md(words.moment(told["made"]))
    if changed:
        st.warning(f"Outdated: since it was made on {when} the {md(words.listed(changed))} changed.")
    else:
        st.markdown(f"The last one was made on {when}.")
    _files(folder, study.name)
    _preview(folder)
    return True


def _of_series(options: dict[str, Any]) -> bool:
    return bool(options.get("series") or options.get("checkpoints"))


def _files(folder: Path, name: str) -> None:
    """The last report, to take away."""
    with st.container(horizontal=True):
        download.file("Everything (zip)", folder / f"{name}-{folder.name}.zip", "application/zip")
        for label, (file, kind) in FILES.items():
            if (path := folder / file).is_file():
                download.file(label, path, kind)


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
