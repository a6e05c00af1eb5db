"""Where behaviours lie: a heat map of categories by behaviours, as a table of HTML."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from diffing.common.colours import A, B, rgb
from diffing.common.escape import esc
from diffing.common.words import change, points
from diffing.diff import answer, changes
from diffing.diff.answer import Behaviour
from diffing.diff.stored import Diff

LEAST = 5
"""Prompts of a category that is shown: a share of fewer is no share. Chosen by eye."""
STYLE = """<style>
.heat{border-collapse:separate;border-spacing:3px;font-size:.82rem;font-variant-numeric:tabular-nums}
.heat th{font-weight:500;text-align:left;padding:.15rem .5rem;vertical-align:bottom;max-width:9.5rem}
.heat td{text-align:center;padding:.3rem .55rem;border-radius:4px;min-width:3.6rem}
.heatbox{overflow-x:auto}
</style>"""


def show(diff: Diff, listed: Sequence[Behaviour]) -> None:
    """The whole map, folded: it is one more look, and not the answer."""
    told = [each for each in listed if each.confirmed == "yes" and each.said][: answer.SHOWN]
    if not told or diff.changes["category"].nunique() < 2:
        return
    with st.expander("Where: each behaviour by category of prompt"):
        st.html(table(diff, told))


def table(diff: Diff, behaviours: Sequence[Behaviour]) -> str:
    """Categories down, behaviours across."""
    numbers = [each.number for each in behaviours]
    rows = diff.behaviours[diff.behaviours["behaviour"].isin(numbers)]
    grid = changes.by_category(diff.changes, rows)
    grid = grid[(grid["prompts"] >= LEAST)].sort_values("prompts", ascending=False)
    if grid.empty:
        return "<small>No category has enough prompts.</small>"
    head = "".join(f"<th>{esc(_short(each))}</th>" for each in behaviours)
    body = "".join(
        f"<tr><th>{esc(str(row['category']) or 'no category')} <small>({row['prompts']:,})</small></th>"
        + "".join(_cell(float(row[str(each.number)]), each) for each in behaviours)
        + "</tr>"
        for _, row in grid.iterrows()
    )
    return (
        f"{STYLE}<div class='heatbox'><table class='heat'><tr><th>category (prompts)</th>{head}</tr>{body}"
        "</table></div>"
        "<small>B minus A in points over all prompts of the category; of length in per cent. Blue: more on A, "
        "orange: more on B. No cell is tested by itself.</small>"
    )


def _short(each: Behaviour) -> str:
    return "length" if each.kind == "amount" else each.name


def _cell(value: float, each: Behaviour) -> str:
    if pd.isna(value):
        return "<td>–</td>"
    # Of lengths the mean logarithm of their ratio, which becomes a ratio again.
    shown = 2.718281828459045**value - 1 if each.kind == "amount" else value
    text = change(shown) if each.kind == "amount" else points(shown)
    strength = min(abs(shown), 1.0) * 0.85
    return f'<td style="background:rgba({rgb(B if value > 0 else A)},{strength:.2f})">{text}</td>'
