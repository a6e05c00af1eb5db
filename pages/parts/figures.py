"""Columns of the tables that show features and probes, and which of their rows is chosen.

The chosen feature or probe stands in the address, so that a link shows the same tokens marked.
"""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from diffing.common import words
from diffing.diff.measure import LEVEL
from pages.parts import address

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

IN_HUNDREDS = [
    "frequency_a",
    "frequency_b",
    "delta",
    "delta_shrunk",
    "ci_low",
    "ci_high",
    "delta_rarefied",
    "delta_equal_length",
    "delta_adjusted",
    "delta_in_group",
    "strength_a",
    "strength_b",
    "strength_difference",
    "change",
    "change_low",
    "change_high",
]

FIGURES: dict[str, Any] = {
    "frequency_a": st.column_config.NumberColumn("A", help="Share of prompts that show it on A."),
    "frequency_b": st.column_config.NumberColumn("B", help="Share of prompts that show it on B."),
    "delta": st.column_config.NumberColumn("B − A", help="In points: shares of prompts, on B less on A."),
    "delta_shrunk": st.column_config.NumberColumn(
        "shrunk",
        help="B − A as it can be expected to be: the largest of many differences are partly chance, and drawn "
        "towards 0 by what all of them together show.",
    ),
    "lfsr": st.column_config.NumberColumn(
        "wrong sign", help="Chance that the difference is none, or lies the other way."
    ),
    "certain": st.column_config.CheckboxColumn(
        "certain", help="Holds however often one has looked while answers came in: costs power, so fewer have it."
    ),
    "ci_low": st.column_config.NumberColumn("from", help="95 % interval of B − A"),
    "ci_high": st.column_config.NumberColumn("to", help="95 % interval of B − A"),
    "q": st.column_config.NumberColumn(
        "q", width=70, help=f"After Benjamini–Hochberg over all tested; below {LEVEL} it counts as different."
    ),
    "delta_rarefied": st.column_config.NumberColumn(
        "equal length",
        help="B − A among as many random tokens of each answer as the shorter one has.",
    ),
    "delta_equal_length": st.column_config.NumberColumn(
        "in the first L tokens",
        help="B − A with both answers cut to the shorter one's first tokens.",
    ),
    "delta_adjusted": st.column_config.NumberColumn(
        "at like lengths", help="Where a line over log(L_B / L_A) meets equal lengths."
    ),
    "survives_equal_length": st.column_config.CheckboxColumn(
        "survives", help="The same way among as many random tokens, and not the other way at either end."
    ),
    "mean_a": st.column_config.NumberColumn("A, amount", help="Mean amount in an answer of A."),
    "mean_b": st.column_config.NumberColumn("B, amount", help="Mean amount in an answer of B."),
    "change": st.column_config.NumberColumn(
        "B − A, of the mean", help="Where every answer has some, only the amount can tell."
    ),
    "change_low": st.column_config.NumberColumn("from", width=65, help="95 % interval of the change"),
    "change_high": st.column_config.NumberColumn("to", width=65, help="95 % interval of the change"),
    "q_judged": st.column_config.NumberColumn("q", help="Of the share, or else of the amount."),
    "q_mean": st.column_config.NumberColumn("q of amount", width=95),
    "q_rate": st.column_config.NumberColumn("q of rate", width=80),
    "q_rarefied": st.column_config.NumberColumn("q, equal length", width=115),
    "replicated": st.column_config.TextColumn(
        "on new prompts",
        width=110,
        help="Found on discovery prompts: whether it came again on new ones, which were held out.",
    ),
    "verdict": st.column_config.TextColumn("verdict", width="medium"),
}
FEATURE: dict[str, Any] = {
    "feature": st.column_config.NumberColumn("#", format="%d", width=60),
    "label": st.column_config.TextColumn(
        "label",
        width=260,
        help="A hypothesis. “fires on” stands where nobody has named the feature: a rule "
        "lists the tokens it is most often active on.",
    ),
    "peak": st.column_config.NumberColumn("peak", format="%.1f", help="Strongest activation in the text."),
    "share": st.column_config.ProgressColumn(
        "of its maximum",
        min_value=0,
        max_value=1,
        help="The peak against the strongest in all answers.",
        format="percent",
    ),
    "peak_left": st.column_config.NumberColumn("in A", format="%.1f", help="Strongest activation in A's answer."),
    "peak_right": st.column_config.NumberColumn("in B", format="%.1f", help="Strongest activation in B's answer."),
    "documents": st.column_config.NumberColumn("answers", format="%d", help="Answers of the study that show it."),
    "count": st.column_config.NumberColumn("tokens", format="%d", help="Tokens that it is active on."),
}


def ranked(table: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Features of a text (`feature`, `peak` and more) with their figures in the diff, nearest their maximum first.

    `table` is a diff's, a row a feature.
    """
    rows = found.merge(table, on="feature", how="left", validate="1:1")
    maximum = rows[["peak_a", "peak_b"]].abs().max(axis=1)
    rows["share"] = (rows["peak"].abs() / maximum).where(maximum > 0, np.nan).clip(upper=1)
    return rows.sort_values(["share", "q", "feature"], ascending=[False, True, True], ignore_index=True)


def percent(value: float) -> str:
    """A share in hundreds. A thin space that no line breaks at."""
    return f"{value:.1f}\u202f%"


def points(value: float) -> str:
    """A difference of shares in hundreds, with a true minus sign."""
    return f"{value:+.1f}".replace("-", "−")


def change(value: float) -> str:
    """A relative difference in hundreds."""
    return f"{value:+.0f}\u202f%".replace("-", "−")


def amount(value: float) -> str:
    return f"{value:.2f}"


def more(value: float) -> str:
    """A difference of amounts."""
    return f"{value:+.2f}".replace("-", "−")


SHARES = ("frequency_a", "frequency_b", "strength_a", "strength_b")
CHANGES = ("change", "change_low", "change_high")
Q = ("q", "q_judged", "q_mean", "q_rate", "q_rarefied", "q_in_group", "lfsr")
FORMATS: dict[str, Callable[[float], str]] = {
    **{name: points for name in IN_HUNDREDS},
    **{name: percent for name in SHARES},
    **{name: change for name in CHANGES},
    **{name: words.small for name in Q},
    **{name: amount for name in ("rate_a", "rate_b", "mean_a", "mean_b", "score")},
    "rate_difference": more,
}
"""How figures are written, by column: one way in all tables. Sorting goes by the figure, not by its text."""


STROKE = re.compile(r"\S")
"""What is struck out: all but spaces, at which a cell's lines are broken."""


def struck(rows: pd.DataFrame) -> list[str]:
    """Labels for cells, which know no markup: struck out by signs where counts contradict them."""
    # What a table has from elsewhere than a diff has no reason beside it.
    pairs = zip(rows["label"], rows["refuted"].fillna(""), strict=True)
    return [STROKE.sub("\\g<0>\u0336", label) if refuted else label for label, refuted in pairs]


def shown(rows: pd.DataFrame, columns: Sequence[str]) -> "Styler":
    """Those of the columns that there are, with shares in hundreds, written as everywhere."""
    if "refuted" in rows and "label" in rows:
        rows = rows.assign(label=struck(rows))
    part = rows[[name for name in columns if name in rows]].reset_index(drop=True)
    part = part.assign(**{name: 100 * part[name] for name in IN_HUNDREDS if name in part})
    return part.style.format({name: FORMATS[name] for name in part if name in FORMATS}, na_rep="–")


def mark(**what: str) -> None:
    """Say in the address which feature or probe is chosen; nothing where none is named."""
    address.put(**{"behaviour": None, "feature": None, "probe": None} | what)


def choosing(key: str, name: str, values: Sequence[Any]) -> Callable[[], None]:
    """For a table's `on_select`: its chosen row becomes the chosen feature or probe."""

    def chosen() -> None:
        rows = [row for row in st.session_state[key]["selection"]["rows"] if row < len(values)]
        mark(**({name: str(values[rows[0]])} if rows else {}))

    return chosen
