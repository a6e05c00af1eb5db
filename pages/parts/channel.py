"""Which channel of the answers a page is about: a choice where answers hold more than their text."""

import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.study import channels
from diffing.study.channels import Channel, Shared
from diffing.study.study import Study
from pages.parts import address, load
from pages.parts.address import Comparison


def chosen(here: Comparison) -> Comparison:
    """The comparison through the channel that is chosen; the page ends where no prompt has it on both sides."""
    there, asked = _held(here.study), address.text("channel")
    if asked and asked not in there:
        address.lost(f"The answers of '{here.study.name}' have no channel '{asked}'; choose another in its link.")
    if len(there) < 2:
        return here
    # The address carries what stands on the buttons, so that is the channel's own name.
    picked = st.segmented_control(
        "What of the answers is compared",
        there,
        default="text",
        required=True,
        key="channel",
        bind="query-params",
    )
    if picked == "text":
        return here
    here = here._replace(study=here.study.through(picked))
    try:
        shared = _shared(*here)
    except UserError as error:
        st.info(md(str(error)))
        st.stop()
    # Once there is a diff, its sentence says how many.
    said = f"{shared.in_words()}; the others are left out. " if load.if_compared(*here) is None else ""
    st.caption(f"{said}Findings, votes, measures and probes of your own are of the text.")
    return here


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=load.ANSWERS)
def _held(study: Study) -> list[Channel]:
    """What there is to choose from: the text, and what else at least one answer has."""
    # Of text nothing is asked: there is always that.
    beside = study.told_of_responses("reasoning", "tools").assign(text="")
    return ["text", *channels.held(beside)]


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=load.ANSWERS)
def _shared(study: Study, a: str, b: str) -> Shared:
    """How many prompts have the study's channel on both sides."""
    return channels.shared(study.pairs(a, b), study.channel, study.name)
