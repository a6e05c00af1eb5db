"""The top of the Answer page: one sentence, whom it is about, and how much of the difference it tells."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from diffing.common import words
from diffing.common.escape import esc, md
from diffing.common.words import count
from diffing.diff import answer, sampling
from diffing.diff.answer import Behaviour
from diffing.diff.stored import Diff
from diffing.study import plain
from pages.parts.address import Comparison


def show(here: Comparison, diff: Diff, listed: Sequence[Behaviour]) -> None:
    """The sentence and the line under it."""
    name_a, name_b = here.names
    st.html(f"<div class='said'>{esc(answer.headline(diff))}</div>")
    told = diff.summary
    held = count(max((each.prompts for each in listed), default=0), "new prompt")
    st.caption(
        f"**A** {md(name_a)} against **B** {md(name_b)}, {count(told['prompts'], 'prompt')} asked of both. Shares "
        f"are of {held}, held out until now: the others were used to find what to look for. "
        f"{sampling.in_words(told)}"
    )
    if made := plain.note(*here):
        st.warning(md(made))


def carried(diff: Diff, listed: Sequence[Behaviour]) -> None:
    """Below the list: how much of the difference it tells."""
    told = _carried(diff, listed)
    if told:
        st.caption(told[0], help=told[1])


def _carried(diff: Diff, listed: Sequence[Behaviour]) -> tuple[str, str] | None:
    """How much of what tells the sides apart the behaviours carry, in words, and what that means."""
    carried = diff.summary["separability"].get("carried") or {}
    everything, these, rest = (carried.get(name) for name in ("everything", "these", "rest"))
    if everything is None or these is None or rest is None or pd.isna(everything):
        return None
    features = count(len(diff.features), "feature")
    if everything < answer.TELLS:
        said = f"All {features} together hardly tell A's answers from B's ({words.share(everything)} right)."
    else:
        share = "all" if these >= everything else words.share((these - 0.5) / (everything - 0.5))
        said = (
            f"What is listed here carries {share} of what tells A's answers from B's: by it alone a classifier "
            f"ranks {words.share(these)} of pairs right, by all {features} {words.share(everything)}."
        )
        left = (
            "next to nothing is left"
            if rest < answer.TELLS
            else f"they still reach {words.share(rest)}: something is left"
        )
        said += f" With what is listed here taken out of the features, {left}."
    none, families = answer.unexplained(diff)
    if families:
        said += f" {none:,} of {count(families, 'family', 'families')} that differ at equal length belong to none."
    return md(said), (
        "Classifier accuracy (AUC) on new prompts of a ridge that learned on discovery prompts: the share of "
        f"pairs of an answer of A and one of B that it puts in the right order. 50 % is guessing. It saw all "
        f"{len(listed)} behaviours of the diff, listed or folded."
    )
