"""How strongly answers show a feature, and in which groups of prompts its difference lies."""

import pandas as pd
import streamlit as st

from diffing.common import words
from diffing.diff import selection
from pages.parts import charts
from pages.parts.feature.answer_pairs import Seen
from pages.parts.figures import FIGURES, shown
from pages.parts.loaded import Loaded


def strengths(seen: Seen) -> None:
    """All answers that show the feature by how strongly they do; the two on screen are marked."""
    peaks = {side: seen.table.loc[seen.table[side] > 0, side].to_numpy() for side in ("peak_a", "peak_b")}
    marks = {side: None if seen.pair is None else float(seen.pair[side]) or None for side in peaks}
    histogram = charts.activations(peaks["peak_a"], peaks["peak_b"], marks["peak_a"], marks["peak_b"])
    st.plotly_chart(
        histogram, key="strengths", alt="How strongly answers of A and of B show the feature, where they do"
    )


def show(found: Loaded, feature: int) -> None:
    """A chart and its figures for each kind of group that has more than one."""
    groups = found.diff.categories[found.diff.categories["feature"] == feature]
    for kind, part in groups.groupby("kind"):
        if len(part) > 1:
            _kind(str(kind), part)


def _kind(kind: str, part: pd.DataFrame) -> None:
    note = ""
    if kind == "category" and pd.notna(q := part["q_heterogeneity"].iloc[0]):
        unlike = selection.differ_between_groups(part)
        note = f": {'not' if unlike else 'it may be'} the same in all (q = {words.small(q)})"
    figure = charts.by_group(part, f"Difference by {kind}{note}")
    st.plotly_chart(figure, key=f"by-{kind}", alt=f"Difference by {kind}; the table below has the figures")
    with st.expander(f"The figures by {kind}"):
        st.dataframe(
            shown(part, ["group", "n", "delta", "ci_low", "ci_high"]),
            placeholder="–",
            hide_index=True,
            key=f"figures-by-{kind}",
            column_config=FIGURES | {"n": st.column_config.NumberColumn("prompts", format="%d")},
            alt=f"Difference by {kind}",
        )
