"""Which behaviours differ between two answers, as chips; a click marks one in both."""

from collections.abc import Sequence

import streamlit as st

from diffing.common.escape import md
from diffing.diff.answer import Behaviour
from diffing.findings.predicates import Predicate
from diffing.probes.rules import Span
from pages.parts import address, load
from pages.parts.address import Comparison
from pages.parts.keys import fresh
from pages.parts.load import Loaded


def listed(here: Comparison, found: Loaded | None) -> list[Behaviour]:
    """What is said of the two checkpoints; nothing before they are compared."""
    return [] if found is None or found.diff.older else load.behaviours(*here)


def ranking(each: Sequence[Behaviour]) -> list[int]:
    """Numbers of those by which prompts are ranked: confirmed, in words, and not mere length."""
    return [one.number for one in each if one.confirmed == "yes" and one.said and one.kind != "amount"]


def chosen(every: Sequence[Behaviour]) -> Behaviour | None:
    """The behaviour in the address."""
    asked = address.text("behaviour")
    if not asked:
        return None
    number = address.number(asked)
    there = next((each for each in every if each.number == number), None)
    if there is None:
        address.lost(f"There is no behaviour '{asked}' in this diff.")
    return there


def show(found: Loaded | None, every: Sequence[Behaviour], prompt: str, draw: int) -> None:
    """The chips of this pair, B's and A's apart by their letter."""
    if found is None or not every or found.diff.changes.empty:
        return
    rows = found.diff.changes
    pair = rows[(rows["prompt_id"] == prompt) & (rows["draw"] == draw)]
    if pair.empty:
        return
    row = pair.iloc[0]
    sides = {}
    for each in every:
        a, b = row[f"a{each.number}"] > 0, row[f"b{each.number}"] > 0
        if each.said and each.kind != "amount" and a != b:
            sides[each.number] = f"only {'A' if a else 'B'}: {each.name}"
    now = address.number(address.text("behaviour"))
    if not sides:
        st.caption("None of the behaviours in the answer to “what changed?” differs in this pair.")
        return
    key = fresh("chips", prompt, draw, now)
    st.pills(
        "Behaviours that differ here",
        list(sides),
        default=now if now in sides else None,
        format_func=lambda number: md(sides[number]),
        key=key,
        on_change=lambda: address.put(behaviour=st.session_state[key], feature=None, probe=None),
    )


def spans(each: Behaviour, text: str) -> list[Span]:
    """Where an answer shows a behaviour that is counted; a feature's is marked by its activations."""
    predicate = Predicate.of_source(each.by, each.source)
    return [] if predicate is None or each.kind == "amount" else predicate.spans(text)
