"""Looking inside from the page: which methods, beside which nulls; and how far a run is."""

from typing import Any

import streamlit as st

from diffing.common.escape import md
from diffing.jobs.job import Job
from diffing.models import local
from diffing.whitebox import method
from diffing.whitebox.sight.seen import Inside
from pages.parts import job_panel
from pages.parts.address import Comparison

KIND = "inside"
AUTO = "auto"
"""As `diffing.whitebox.beside` has it, which takes seconds to import."""


def panel(here: Comparison, ended: bool = True) -> None:
    """The latest run of these two; one that is done only if `ended`, as the page says what came of it."""

    def mine(job: Job) -> bool:
        shown = ended or job.status().state != "done"
        return shown and _sides(job.spec["options"], here) == (here.a, here.b)

    job = job_panel.latest(here.study, KIND)
    if job is not None and mine(job):
        job_panel.panel(here.study, KIND, mine)


def weights(here: Comparison) -> bool:
    """Whether both have weights."""
    return not _stray(here)


def _stray(here: Comparison) -> list[str]:
    return [key for key in (here.a, here.b) if not local.is_weights(here.study.checkpoint(key).source)]


def weightless(here: Comparison) -> bool:
    """Whether one of these has no weights, which it says."""
    if stray := _stray(here):
        one = here.study.checkpoint(stray[0])
        st.info(
            f"Checkpoint **{md(one.name)}** is `{md(one.source)}`, an endpoint or imported answers: there are no "
            "weights to look into. A study of two models that are files or on the Hub has them, and so has one of "
            "an organism whose change is known: `python -m diffing new NAME --organism fact`."
        )
    return bool(stray)


def form(here: Comparison, found: Inside) -> None:
    """What is to be looked at; a sentence where these are no weights."""
    if weightless(here):
        return
    titles = {name: method.said(name).title for name in method.METHODS}
    there = [each.name for each in found.methods]
    names = st.multiselect(
        "Methods",
        list(titles),
        [name for name in titles if name not in there] or list(titles),
        format_func=titles.__getitem__,
        key="methods",
        help="Those that read the texts share one pass; the others have the models write.",
    )
    nulls = st.text_input(
        "Nulls",
        AUTO,
        key="nulls",
        help="auto, or words such as rotated:2 control:2 self:1. Fewer than two, and nothing can be said.",
    )
    st.caption(
        "Runs on this machine and costs no money. How many tokens it reads and writes stands first in its log; it "
        "goes on if you close this page, and where it was if it is stopped."
    )
    options: dict[str, Any] = {"base": here.a, "variant": here.b, "methods": names, "nulls": nulls.split()}
    job_panel.start_button(here.study, KIND, "Look inside", lambda: options, disabled=not names)


def _sides(options: dict[str, Any], here: Comparison) -> tuple[str, str]:
    return here.study.sides(options.get("base", ""), options.get("variant", ""))
