"""All that methods point at in one list, the strongest above its nulls first, and in words what the nulls show."""

import numpy as np
import streamlit as st

from diffing.common.escape import md
from diffing.common.words import count
from diffing.whitebox.sight import clues as folding
from diffing.whitebox.sight import evidence
from diffing.whitebox.sight.clues import Clue
from diffing.whitebox.sight.seen import Inside
from pages.parts import download
from pages.parts.address import Comparison
from pages.parts.inside import chart

DRAWN = 15
"""Clues of the chart: what is read at one sitting. The table has all of the list."""


def show(here: Comparison, found: Inside) -> None:
    """A chart of the first and a table of all."""
    above = [clue for clue in found.clues if clue.above]
    st.subheader("What stands out")
    if not above:
        st.markdown("Nothing does: what comes first below is shown by the nulls too, or is as large as they are.")
    first = above or list(found.clues)
    if first:
        largest = {each.name: float(each.judged.table["high"].max()) for each in found.methods}
        lines = [_line(clue, largest) for clue in first[:DRAWN]]
        st.plotly_chart(
            chart.beside_nulls(
                lines,
                f"{'Above all nulls' if above else 'First, but not above the nulls'}: the pair's figure, and grey "
                "what nulls show of it",
                "as a share of the largest figure of its method",
            ),
            key="clues-chart",
            config={"displayModeBar": False},
            alt="Each clue's figure with its interval beside the nulls' range; the table below has the figures",
        )
    everything = st.toggle("With what is not above its nulls", key="every", bind="query-params")
    shown = list(found.clues) if everything or not above else above
    _table(here, found, shown)


def named(clue: Clue) -> str:
    """A clue as the list calls it."""
    return folding.quoted(clue.text) + (" less" if clue.less else "")


def _line(clue: Clue, largest: dict[str, float]) -> chart.Line:
    one = clue.figures[0]
    return chart.line(named(clue), one, clue.above, largest[one.method] or 1.0, clue.said)


def _table(here: Comparison, found: Inside, shown: list[Clue]) -> None:
    titles = {each.name: each.title for each in found.methods}
    rows = [
        {
            "clue": named(clue),
            "methods": ", ".join(titles[name] for name in clue.methods),
            "nulls": _nulls(clue),
            "strength": clue.strength if clue.above and np.isfinite(clue.strength) else None,
            "said": clue.said,
        }
        for clue in shown
    ]
    st.dataframe(
        rows,
        hide_index=True,
        key="clues",
        column_config={
            "clue": st.column_config.TextColumn("what", width=220, pinned=True),
            "methods": st.column_config.TextColumn("seen by", width=330),
            "nulls": st.column_config.TextColumn("in the nulls", width=200),
            "strength": st.column_config.NumberColumn(
                "strength",
                format="%.1f",
                help="By how many times what nulls differ by among themselves it exceeds them; empty where the "
                "nulls show nothing of the kind, or where it does not exceed them.",
            ),
            "said": st.column_config.TextColumn("in a sentence", width=420),
        },
        alt="Each clue, the methods that see it, and what the nulls show of it",
    )
    others = max(0, sum(clue.above for clue in found.clues) - len(shown))
    if others:
        st.caption(md(f"{count(others, 'other')} in the download."))
    download.csv("Download all clues", folding.table(found.clues), f"{here.study.name}-inside")


def _nulls(clue: Clue) -> str:
    if clue.nulls < evidence.LEAST:
        return "not compared yet"
    if clue.above:
        return "less of it" if clue.in_nulls else "nothing of it"
    return "they show it too" if clue.in_nulls else "no more than they differ by"
