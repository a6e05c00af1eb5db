"""What did not change, with its margin, and what cannot be told, with about how many prompts it would take."""

import math

import streamlit as st

from diffing.common.escape import md
from diffing.common.words import share
from diffing.diff import measure, unchanged
from diffing.diff.smallest import HALF, Smallest
from diffing.diff.stored import Diff
from diffing.diff.unchanged import Still
from diffing.probes.sayings import SAYINGS


def show(diff: Diff) -> None:
    """Both lists beside each other."""
    found = unchanged.still(diff)
    same = [each for each in found if each.verdict == "no change"]
    open_ones = [each for each in found if each.verdict == "cannot tell"]
    rare = [each for each in found if each.verdict == "too rare to tell"]
    with st.container(key="stack-still"):
        left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Did not change", anchor=False)
        if same:
            st.caption(
                f"Whatever the difference is, it is less than {share(measure.EQUIVALENT)} of "
                "answers and less than a "
                f"quarter of how often both show it; of amounts less than {share(measure.OF_AMOUNT)}."
            )
            st.markdown("\n".join(f"- {_said(each)}: {md(each.figures)}" for each in same))
        else:
            st.caption("Of nothing that is counted can it be said that it did not change.")
    with right:
        st.subheader("Cannot be told", anchor=False)
        asked = diff.summary["prompts"]
        least = Smallest.of_diff(diff.summary)
        st.caption(f"{least.sentence}{'' if math.isinf(least.size) else f' {HALF}'}")
        if open_ones:
            st.markdown(
                "\n".join(f"- {_said(each)}: {md(each.figures)}{_needed(each, asked)}" for each in open_ones)
            )
        if rare:
            with st.expander(f"{len(rare)} things too rare to tell"):
                st.markdown("\n".join(f"- {_said(each)}: {md(each.figures)}" for each in rare))
        if not open_ones and not rare:
            st.caption("Nothing that is counted was left open.")


def _said(each: Still) -> str:
    return md(SAYINGS.get(each.probe, each.probe))


def _needed(each: Still, asked: int) -> str:
    needed = each.needed(asked)
    return (
        ", and many more prompts would hardly tell" if needed is None else f", would take about {needed:,} prompts"
    )
