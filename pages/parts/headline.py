"""The answer in one figure, and the settings it hangs on."""

import streamlit as st

from diffing.common import words
from diffing.common.escape import md
from diffing.common.words import count
from diffing.diff import selection, summary
from diffing.diff.measure import LEVEL
from diffing.diff.smallest import Smallest
from diffing.diff.stored import Diff


def show(diff: Diff, name_a: str, name_b: str) -> None:
    """Whether the sides differ at all, how much of it, how much is length, and what could not have been seen."""
    told = diff.summary
    apart = told["separability"]
    prompts = count(told["prompts"], "prompt")
    lengths = f"Answers have {told['tokens_a'] or 0:,.0f} tokens on A and {told['tokens_b'] or 0:,.0f} on B."
    said = f"{summary.answer(told)} {summary.identical(told)}"
    st.caption(
        f"**A** {md(name_a)} against **B** {md(name_b)}. {md(said)} {lengths} All figures here are of all "
        f"{prompts}; those behind a behaviour's name are of the new ones alone, as on the page Answer."
    )
    with st.container(horizontal=True, key="figures-answer"):
        one, two, three, four = (st.empty() for _ in range(4))
    auc = apart.get("auc")
    three.metric(
        "Classifier accuracy",
        words.share(auc) if auc is not None else "cannot tell",
        help="Of a pair of an answer of A and one of B, how often a classifier on all features tells which is "
        f"which (AUC, cross-validated on {apart['prompts']:,} prompts whose answers are not identical, prompts "
        f"kept together); 50 % is guessing. With sides shuffled it stays below "
        f"{words.share(apart['null_high'])} in 95 of 100 runs (p = {words.small(apart['p'])})."
        if auc is not None
        else f"One cannot tell: {md(summary.cannot_tell(told))}.",
        border=True,
    )
    two.metric(
        "Families that differ, length or not",
        f"{told['families']:,}",
        help=f"On {prompts}. Features that fire together count once. q < {LEVEL} over {told['tested']:,} tested "
        "features. This is a single view, and each view finds something in up to one in twenty pairs without a "
        "change; the first words above are one test over all.",
        border=True,
    )
    one.metric(
        "Families that differ at equal length too",
        f"{told['families_surviving']:,}",
        help=f"On {prompts}. Of the families that differ: those that do so the same way among as many random "
        "tokens of both answers, and not the other way in the first or the last ones. The rest may be length "
        f"alone. {_again(diff)}",
        border=True,
    )
    least = Smallest.of_diff(told)
    four.metric(
        "Smallest difference to be found",
        least.points,
        help=f"{least.sentence} Smaller ones are found less often.",
        border=True,
    )


def _again(diff: Diff) -> str:
    """How many of what differs at equal length too came again on held-out prompts."""
    table = diff.features[diff.features["feature"] == diff.features["family"]]
    table = table[(table["q"] < LEVEL) & selection.length_proof(table)]
    held = diff.summary["prompts"] - diff.summary["discovery"]
    return f"{int((table['replicated'] == 'yes').sum()):,} of them came again on the {held:,} new prompts alone."


def settings(diff: Diff) -> None:
    """What the figures hang on, beside them."""
    told = diff.summary
    with st.expander("Settings behind these figures"):
        st.write(
            f"{told['prompts']:,} prompts ({told['discovery']:,} discovery), {told['pairs']:,} pairs of answers, "
            f"{told['draws']} draws, {told['tested']:,} features tested, seed {told['seed']}."
        )
        for reason, number in told["excluded"].items():
            st.write(f"Excluded pairs: {number:,}, {md(reason)}")
        st.write(
            f"Without {told['pairs_truncated']:,} pairs that a token limit cut, "
            f"{told['differing_untruncated']:,} of {told['differing']:,} features still differ."
        )
        st.json(
            {"settings": told["settings"], "reader": told["reader"], "computed": told["created"]}, expanded=False
        )
