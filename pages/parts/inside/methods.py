"""A section a method: its own figures beside the nulls', and what it alone can show."""

import streamlit as st

from diffing.common.escape import md
from diffing.whitebox.seen import Inside, Seen
from pages.parts import download
from pages.parts.address import Comparison
from pages.parts.inside import chart

DRAWN = 12
"""Things of a method's chart; its table has all."""


def show(here: Comparison, found: Inside) -> None:
    """A tab for each method that is there."""
    st.subheader("Method by method")
    for tab, each in zip(st.tabs([seen.title for seen in found.methods]), found.methods, strict=True):
        with tab:
            _method(here, each)


def _method(here: Comparison, seen: Seen) -> None:
    table = seen.judged.table
    number = len(seen.judged.above)
    st.caption(
        f"{md(seen.name)}: {number} of {len(table):,} things above "
        f"{len(seen.judged.nulls)} nulls. Options: {md(_options(seen))}."
    )
    several = table["kind"].nunique() > 1
    rows = [
        chart.line(f"{row.text} ({row.kind})" if several else str(row.text), row, bool(row.above))
        for row in table.head(DRAWN).itertuples()
    ]
    if rows:
        st.plotly_chart(
            chart.beside_nulls(rows, f"{seen.title}: what comes first, and grey what nulls show of it"),
            key=f"chart-{seen.name}",
            config={"displayModeBar": False},
            alt=f"The first things of {seen.title} beside the nulls' range; the download has the figures",
        )
    download.csv(f"Download {seen.title.lower()}", table, f"{here.study.name}-inside-{seen.name}")


def _options(seen: Seen) -> str:
    return ", ".join(f"{name} {value}" for name, value in seen.options.items())
