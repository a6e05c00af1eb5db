"""A section a method: its figures beside the nulls', and what it alone can show; one at a time, by the address."""

from collections.abc import Callable

import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.common.words import count
from diffing.whitebox.sight.seen import OLDER, Inside, Seen
from pages.parts import address, download
from pages.parts.address import Comparison
from pages.parts.inside import chart
from pages.parts.inside.own import activations, amplification, divergence, lens, mining, pca, weights, written
from pages.parts.keys import fresh

DRAWN = 12
"""Things of a method's chart; its table has all."""
OWN: dict[str, Callable[[Comparison, Seen], None]] = {
    "perplexity": written.show,
    "contrastive": written.show,
    "divergence": divergence.show,
    "mining": mining.show,
    "activations": activations.show,
    "lens": lens.show,
    "pca": pca.show,
    "weights": weights.show,
    "amplification": amplification.show,
}
"""What each method alone can show; one that is not here has its first chart."""


def show(here: Comparison, found: Inside) -> None:
    """The method in the address, the first where it names none; only its files are opened."""
    st.subheader("Method by method")
    seen = found.method(_chosen(found))
    _first(here, seen)
    if seen.name not in OWN:
        return
    if seen.outdated == OLDER:
        st.info("An older version of the method kept other tables: run it again to see what it alone shows.")
        return
    try:
        OWN[seen.name](here, seen)
    except UserError as error:
        # A table that is not there, or is damaged.
        st.info(md(str(error)))


def _chosen(found: Inside) -> str:
    titles = {each.name: each.title for each in found.methods}
    asked = address.text("method")
    at = asked if asked in titles else next(iter(titles))
    # Bound by hand: a bound one would put titles into the address, which are long and may be reworded.
    key = fresh("method", at)
    chosen: str = st.segmented_control(
        "Method",
        list(titles),
        default=at,
        format_func=titles.__getitem__,
        required=True,
        key=key,
        on_change=lambda: address.put(method=st.session_state[key]),
        label_visibility="collapsed",
    )
    return chosen


def _first(here: Comparison, seen: Seen) -> None:
    table = seen.judged.table
    above, nulls = len(seen.judged.above), count(len(seen.judged.nulls), "null")
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
    again = ", which held-out texts show too" if table["held_out"].notna().any() else ""
    shown, filled = (f"{above:,}", f": those with filled dots{again}") if above else ("None", "")
    st.caption(
        f"{shown} of {count(len(table), 'thing')} above {nulls}{filled}. "
        "A line is how far a figure may be off by chance (95 %).",
        help=f"`{md(seen.name)}` with {md(_options(seen))}, {md(seen.date[:10])}",
    )
    download.csv(f"Download {seen.title.lower()}", table, f"{here.study.name}-inside-{seen.name}")


def _options(seen: Seen) -> str:
    return ", ".join(f"{name} {value}" for name, value in seen.options.items())
