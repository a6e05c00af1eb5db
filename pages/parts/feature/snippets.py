"""Twenty short contexts of a feature on one screen, A's and B's side by side, the strongest first."""

from collections.abc import Sequence
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from diffing.common.escape import esc
from diffing.diff import pairs
from diffing.diff.pairs import Snippet
from diffing.reader.encodings import Encodings
from pages.parts import highlight
from pages.parts.address import Comparison

STYLE = """<style>
.snip{display:grid;grid-template-columns:2.6rem 1fr;gap:.5rem;padding:.16rem .3rem;border-radius:6px;
 color:inherit!important;text-decoration:none!important}
.snip:hover,.snip:focus-visible{background:rgba(128,132,149,.14)}
.snip b{font-weight:400;opacity:.75;font-size:.8rem;text-align:right;font-variant-numeric:tabular-nums;
 padding-top:.12rem}
.snip .answer{font-size:.86rem;line-height:1.4;white-space:normal;display:-webkit-box;-webkit-line-clamp:2;
 -webkit-box-orient:vertical;overflow:hidden}
</style>"""


def show(here: Comparison, encodings: Encodings, row: pd.Series, table: pd.DataFrame) -> None:
    """Of the pairs in `table`, the strongest answers of either side; a line leads to both answers."""
    feature = int(row["feature"])
    st.html(highlight.STYLE + STYLE)
    with st.container(key="stack-snippets"):
        columns = st.columns(2, gap="large")
    for column, side, name in zip(columns, ("a", "b"), here.names, strict=True):
        found = pairs.snippets(encodings, feature, table, side)
        shows = int((table[f"peak_{side}"] > 0).sum())
        head = f"{highlight.letter(side)} {esc(name)} · {shows:,} of {len(table):,} answers show it"
        with column:
            st.html(f"{head}{_lines(here, feature, found, side)}")
    st.caption("Strongest first, one line a prompt, with its strongest activation. A line opens both answers.")


def _lines(here: Comparison, feature: int, found: Sequence[Snippet], side: str) -> str:
    return "".join(
        f"<a class='snip' target='_self' href='{esc(_link(here, feature, each))}'><b>{each.peak:.1f}</b>"
        f"{highlight.excerpt(each.cut, side)}</a>"
        for each in found
    )


def _link(here: Comparison, feature: int, each: Snippet) -> str:
    return f"compare?{urlencode(here.link(prompt=each.prompt_id, feature=feature, held=each.held_out))}"
