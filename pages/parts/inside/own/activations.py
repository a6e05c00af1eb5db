"""At which depth the two models' representations part."""

import pandas as pd
import streamlit as st

from diffing.whitebox.sight.seen import Seen
from pages.parts import download
from pages.parts.address import Comparison
from pages.parts.inside import lines
from pages.parts.inside.lines import Line


def show(here: Comparison, seen: Seen) -> None:
    """How far they move by layer, and how alike they stay."""
    whole = seen.table("layers")
    own, nulls = _later(whole), [_later(table) for table in seen.null_tables("layers")]
    layers = own["layer"].tolist()
    with st.container(key="stack-activations"):
        left, right = st.columns(2)
        left.plotly_chart(
            lines.drawn(
                layers,
                [
                    _line("mean", own, nulls, "relative", 100),
                    Line("half are under", (100 * own["relative_median"]).tolist()),
                ],
                "How far it moves by layer",
                "layer, from the input",
                "% of its length",
            ),
            key="own-activations",
            config={"displayModeBar": False},
            alt="How far representations move by layer beside nulls; the download has the figures",
        )
        figure = lines.drawn(
            layers,
            [_line("the pair", own, nulls, "cka", 1)],
            "How alike they stay by layer",
            "layer, from the input",
            "1 is alike but for a turn",
        )
        # Likeness is near 1 nearly everywhere: from 0 on, no line would be told from another.
        figure.update_yaxes(rangemode="normal")
        right.plotly_chart(
            figure,
            key="own-activations-alike",
            config={"displayModeBar": False},
            alt="How alike both models' representations are by layer beside nulls; the download has the figures",
        )
    facts = seen.facts()
    st.caption(
        f"Over {facts['discovery']:,} tokens of {facts['documents']:,} texts, but for each text's first few, "
        "whose lengths are unlike all others', and for texts that were held out. The right chart is of "
        f"{facts['sampled']:,} of them. A long way may mean nothing: training on anything moves "
        "representations, as the grey shows."
    )
    download.csv("Download by layer", whole, f"{here.study.name}-inside-activations-layers")


def _later(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["part"] == "discovery"].sort_values("layer")


def _line(name: str, own: pd.DataFrame, nulls: list[pd.DataFrame], column: str, times: float) -> Line:
    return Line(name, (times * own[column]).tolist(), [(times * null[column]).tolist() for null in nulls])
