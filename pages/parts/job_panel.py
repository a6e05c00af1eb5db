"""A step's latest job on a page: how far it is, its log, and the buttons that start, stop and resume it.

Reads the job's folder once a second while it lives; the truth lies there, so a reload, a second tab or a new
server shows the same.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from diffing import jobs
from diffing.common import words
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.jobs.job import Job, JobStatus
from diffing.jobs.machines import seen
from diffing.reader import places
from diffing.reader.unread import unread
from diffing.study import channels
from diffing.study.study import Study
from pages.parts import person
from pages.parts.address import Comparison

TITLES = {
    "prompts": "Writing prompts",
    "collect": "Asking the checkpoints",
    "encode": "Reading the answers",
    "diff": "Comparing the two sides",
    "label": "Writing labels",
    "draft": "Drafting findings",
    "baseline": "Finding differences without features",
    "verify": "Verifying findings",
    "ask": "Asking the judge about each answer",
    "report": "Writing the report",
    "inside": "Looking inside",
    "relevance": "Asking the judge about tokens",
    "dictionary": "Training a dictionary",
    "latents": "Judging a dictionary's latents",
}
"""What each kind of job is doing, for people."""
WORDS = {
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled: what was stored stays",
    "dead": "Its process ended without a word: start it again and it goes on where it was",
}

CALLED = {
    "documents": "answers",
    "encoded": "of them read anew",
    "tested": "features tested",
    "differing": "of them differ, length or not",
    "families": "families of these",
}
"""What a step calls a number, where people would not understand it."""
UNSAID = ("diff", "reader", "zip")
"""Results that say nothing to people: hashes, and a file that has its button."""


def latest(study: Study, kind: str, mine: Callable[[Job], bool] = lambda _job: True) -> Job | None:
    """The latest job of this kind on the channel that is looked at, of those that are `mine`."""
    found = (job for job in jobs.recent(study) if job.spec["kind"] == kind and _of(job, study.channel))
    return next(filter(mine, found), None)


def _of(job: Job, channel: str) -> bool:
    return (job.spec["options"].get("channel") or "text") == channel


def start_button(
    study: Study,
    kind: str,
    label: str,
    options: Callable[[], dict[str, Any]] = dict,
    disabled: bool = False,
    primary: bool = True,
) -> None:
    """Start the step, unless it runs already: another tab may have been quicker."""
    busy = jobs.running(study, kind) is not None
    type_: Literal["primary", "secondary"] = "primary" if primary else "secondary"
    if person.button(label, key=f"start-{kind}", type=type_, disabled=busy or disabled):
        try:
            jobs.start(study, kind, options())
        except UserError as error:
            st.error(md(str(error)))
            return
        st.rerun()


def panel(study: Study, kind: str, mine: Callable[[Job], bool] = lambda _job: True) -> None:
    """The latest job of this kind, of those that are `mine`; nothing where there was none."""
    job = latest(study, kind, mine)
    if job is None:
        return
    alive = job.status().state == "running"

    @st.fragment(run_every=1.0 if alive else None)
    def shown() -> None:
        status = job.status()
        if alive and status.state != "running":
            # The whole page changes once a step ends: its badges, its next step.
            st.rerun()
        _status(job, status)

    shown()


def machines(study: Study) -> None:
    """What other machines do of the study; nothing where none does."""

    @st.fragment(run_every=seen.EVERY if seen.of(study) else None)
    def shown() -> None:
        beats = seen.of(study)
        if not beats:
            return
        rows = [
            {
                "part": beat.part,
                "machine": beat.machine,
                "device": beat.device,
                "state": "silent" if beat.silent else beat.state,
                "done": beat.done / beat.total if beat.total else 0.0,
                "a second": beat.rate,
                "of": beat.unit,
                "failed": sum(beat.failures.values()),
                "why": "; ".join(f"{reason} ({count})" for reason, count in beat.failures.items()) or beat.error,
                "done again": beat.again,
                "seconds lost": beat.again_seconds,
            }
            for beat in beats
        ]
        st.caption("What machines read of it together; `encode --join` brings shares together.")
        percent = {"done": st.column_config.ProgressColumn("done", format="percent")}
        st.dataframe(rows, hide_index=True, column_config=percent, key="machines", alt="Parts by machine")

    shown()


def missing_steps(here: Comparison, again: bool = False) -> None:
    """Buttons for the steps between answers and a diff that are still to do, or how far they are."""
    study = here.study
    lacking = unread(study)
    if jobs.running(study, "encode") is None and jobs.running(study, "diff") is None:
        if lacking:
            what = "answers" if study.channel == "text" else f"answers’ {channels.CALLED[study.channel]}"
            start_button(
                study, "encode", f"Read {lacking:,} {what} with the reader", lambda: places.for_step(study)
            )
        else:
            start_button(
                study,
                "diff",
                "Compare again" if again else "Compare",
                lambda: {"a": here.a, "b": here.b} | places.for_step(study),
            )
    panel(study, "encode" if lacking else "diff")


def _status(job: Job, status: JobStatus) -> None:
    if status.state == "running":
        share = status.done / status.total if status.total else 0.0
        told = md(status.in_words()) if status.total else "starting"
        st.progress(min(1.0, share), text=f"**{TITLES[status.kind]}** · {told}")
        following = [TITLES[kind].lower() for kind in job.spec.get("then", [])]
        if status.by:
            st.caption(f"Started by {md(status.by)}.")
        if following:
            st.caption(f"After that: {', '.join(following)}. It goes on if you close this page.")
        if person.button("Cancel", key=f"cancel-{job.id}", icon=":material/stop_circle:"):
            job.cancel()
            st.toast("Asked to stop; what is stored stays.")
    elif status.state == "done":
        st.success(f"{WORDS['done']} in {words.duration(status.seconds)}. {md(result(status))}")
    elif status.state == "failed":
        st.error(f"{WORDS['failed']}: {md(status.error)}")
    else:
        st.warning(f"{WORDS[status.state]}. {md(status.in_words()) if status.total else ''}")
    lines = job.log_tail(12)
    if lines:
        with st.expander("Log", expanded=status.state == "failed"):
            st.code("\n".join(lines), language=None)


def result(status: JobStatus) -> str:
    """A job's summary in words: its numbers and texts, without hashes and places on this machine."""
    parts, place = [], ""
    for name, value in (status.result or {}).items():
        if name == "cost" and isinstance(value, float):
            parts.append(words.dollars(value))
        elif name in UNSAID or isinstance(value, bool) or not value:
            continue
        elif name == "out":
            place = f"in the study's folder: reports/{Path(value).name}"
        elif isinstance(value, int):
            parts.append(f"{value:,} {CALLED.get(name, name.replace('_', ' '))}")
        elif isinstance(value, str):
            parts.append(f"{name.replace('_', ' ')} {value}")
    return " · ".join([*parts, place] if place else parts)
