"""How many answers of each checkpoint are stored, in trouble and missing, in a table that fits a narrow page."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from diffing.common.words import listed

ALWAYS = ("stored", "missing")
"""Kinds that are worth a column where there is none of them too."""


def show(status: Mapping[str, Any]) -> None:
    """The table; kinds of which there is none are named below it in place of a column of zeros."""
    counts: Mapping[str, Mapping[str, int]] = status["responses"]
    kinds = list(next(iter(counts.values()), {}))
    none = [kind for kind in kinds if kind not in ALWAYS and not any(row[kind] for row in counts.values())]
    rows = [
        {"checkpoint": _named(each)} | {kind: counts[each["key"]][kind] for kind in kinds if kind not in none}
        for each in status["checkpoints"]
    ]
    st.dataframe(rows, hide_index=True, key="counts", alt="Answers stored, in trouble and missing, by checkpoint")
    if none:
        st.caption(f"None is {listed(none)}." if len(none) == 1 else f"None of these: {listed(none)}.")


def _named(checkpoint: Mapping[str, str]) -> str:
    key, name = checkpoint["key"], checkpoint["name"]
    return name if key == name else f"{key}: {name}"
