"""The top of a feature's page: its name, its figures, and what else is known of it in one line."""

import pandas as pd
import streamlit as st

from diffing.common import words
from diffing.common.escape import esc, md
from diffing.diff.measure import LEVEL
from diffing.probes import near


def points(share: float) -> str:
    """A difference of shares in points, with a true minus sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def show(row: pd.Series) -> None:
    """The feature's row of the diff as figures, and the probes nearest to it."""
    st.html(f"<h2 style='margin:0;font-size:1.35rem'>#{row['feature']} · {esc(row['label'])}</h2>")
    interval = f"{points(row['ci_low'])} to {points(row['ci_high'])}"
    # An older diff has the cuts alone.
    equal = row.get("delta_rarefied", row["delta_equal_length"])
    first, last = points(row["delta_equal_length"]), points(row["delta_equal_length_tail"])
    ends = f"in the first L {first}, in the last {last}"
    with st.container(horizontal=True, key="figures-feature"):
        st.metric("A", f"{row['frequency_a']:.1%}", help="Share of prompts whose answer shows it.", border=True)
        st.metric("B", f"{row['frequency_b']:.1%}", help="Share of prompts whose answer shows it.", border=True)
        st.metric("B − A in points", points(row["delta"]), help=f"95 % interval {interval}.", border=True)
        st.metric(
            "At equal length",
            points(equal) if pd.notna(equal) else "–",
            help="B − A in points among as many random tokens of each answer as the shorter one has, L of them; "
            f"{ends}.",
            border=True,
        )
        st.metric(
            "q",
            f"{row['q']:.1g}" if pd.notna(row["q"]) else "not tested",
            help="Chance of so large a difference by luck, corrected over all tested features; below "
            f"{LEVEL} it counts as different.",
            border=True,
        )
    st.caption(md(" · ".join(fact for fact in facts(row, interval) if fact)))
    ties = near.read_column(row["probes"])
    if ties:
        told = ", ".join(f"{tie.probe} {tie.share:.2f}" for tie in ties)
        st.caption(f"Goes with what can be counted: {md(told)}")


def facts(row: pd.Series, interval: str) -> list[str]:
    """What stands in the line under the figures; empty where there is nothing to say."""
    noise = "" if pd.isna(row["outside_noise"]) else "beyond" if row["outside_noise"] else "within"
    replicated = {
        "": "",
        "yes": "replicated on held-out prompts",
        "too few": "too few held-out prompts to replicate it",
    }.get(row["replicated"], f"{words.replicated(row)} on held-out prompts")
    return [
        f"B − A {interval} (95 %)",
        f"active tokens in 1,000: A {row['rate_a']:.2f}, B {row['rate_b']:.2f}",
        replicated,
        f"{noise} the noise of one checkpoint" if noise else "",
    ]
