"""Which behaviours differ between two answers, as chips; a click marks one in both."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from diffing.common.escape import md
from diffing.common.words import count
from diffing.diff.answer import Behaviour
from diffing.findings.predicates import Predicate
from diffing.probes.rules import Span
from pages.parts import address, load
from pages.parts.address import Comparison
from pages.parts.keys import fresh
from pages.parts.loaded import Loaded


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
    sure = set(ranking(every))
    sides = _sides(pair.iloc[0], every)
    known = {number: told for number, told in sides.items() if number in sure}
    if not known:
        st.caption("None of the behaviours that were confirmed on new prompts differs in this pair.")
    else:
        _pills(f"{count(len(known), 'behaviour differs', 'behaviours differ')} here", known, prompt, draw)
    # They are not among those that the list of prompts counts, and nobody should take them for these.
    _pills(
        "Differ here too, but may be length alone or were not confirmed on new prompts",
        {number: told for number, told in sides.items() if number not in sure},
        prompt,
        draw,
    )


def _sides(row: "pd.Series[Any]", every: Sequence[Behaviour]) -> dict[int, str]:
    """Of each behaviour that one answer of a pair shows and the other does not, whose it is and what."""
    sides = {}
    for each in every:
        a, b = row[f"a{each.number}"] > 0, row[f"b{each.number}"] > 0
        if each.said and each.kind != "amount" and a != b:
            sides[each.number] = f"only {'A' if a else 'B'}: {each.name}"
    return sides


def _pills(title: str, sides: Mapping[int, str], prompt: str, draw: int) -> None:
    """Chips to choose one from; nothing where there are none."""
    if not sides:
        return
    now = address.number(address.text("behaviour"))
    key = fresh("chips", prompt, draw, now, *sides)
    st.pills(
        title,
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
