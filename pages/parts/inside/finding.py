"""A clue becomes a finding: how often answers hold it is counted on held-out prompts, and no more is claimed.

What the count shows stands on the pages Answer and Findings, and not here: who chooses a clue should not know it.
"""

import streamlit as st

from diffing.common.escape import md, visible
from diffing.findings import seen_inside
from diffing.findings.findings import Finding
from diffing.findings.seen_inside import Held
from diffing.whitebox.sight import clues
from pages.parts import person
from pages.parts.address import Comparison
from pages.parts.charts import short
from pages.parts.findings import outcome
from pages.parts.inside import kept
from pages.parts.keys import fresh


def show(here: Comparison) -> None:
    """The choice with its button, and what it did; a sentence where no answers are there to count in."""
    held = kept.held_inside(*here) if here.study.channel == "text" else ()
    if not held:
        return
    if why := seen_inside.lacking(*here):
        st.caption(f"A clue becomes a finding once answers can be held against it. {md(why)}")
        return
    usable = [each for each in held if each.predicate is not None and not each.within]
    if not usable:
        st.caption("None of these can be counted in answers, so none can become a finding: they stay clues.")
        return
    key = fresh("clue", here.study.name, here.a, here.b, *(each.clue.text for each in usable))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "A clue that answers can be held against",
            range(len(usable)),
            format_func=lambda place: short(visible(_claim(usable[place])), 70),
            key=key,
            help="As a finding it says how often answers hold it, and is tested on held-out prompts like any "
            "other. A direction, a place and a module cannot be counted and stay clues.",
        )
        person.button(
            "Make it a finding",
            key=f"make-{key}",
            icon=":material/add_task:",
            on_click=_make,
            args=[here, usable[chosen], key],
        )
    outcome.fault(key)
    outcome.link(here, key)


def _claim(each: Held) -> str:
    """The clue and what would be claimed."""
    assert each.predicate is not None
    side = "A" if each.clue.less else "B"
    return f"{clues.quoted(each.clue.text)}: {side} more often {each.predicate.shown}"


def _make(here: Comparison, each: Held, key: str) -> None:
    author = person.name(st.session_state.get("author"))

    def making() -> tuple[str, Finding]:
        made = seen_inside.make(here.study, each.clue.text, author, here.a, here.b, less=each.clue.less)
        return outcome.made(made.new), made.finding

    outcome.note(key, making)
