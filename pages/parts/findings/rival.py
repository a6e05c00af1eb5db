"""The view that finds differences without features, and lays both ways side by side."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from diffing.common import words
from diffing.findings import arms, baseline
from pages.parts.address import Comparison
from pages.parts.findings import steps
from pages.parts.loaded import Loaded


def whole(value: int) -> str:
    return f"{value:,}"


def share(value: float | None) -> str:
    return "–" if value is None else words.share(value)


def mark(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} of 5"


ROWS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "claims": ("claims", whole),
    "judged": ("judged", whole),
    "verified": ("verified", whole),
    "distinct": ("verified, counted once", whole),
    "shared": ("of these found by both", whole),
    "frequency": ("applies, mean share of prompts", share),
    "accuracy": ("goes the claimed way", share),
    "net": ("net share, uncorrected", share),
    "abstraction": ("abstraction", mark),
    "interestingness": ("interest", mark),
    "tokens_in": ("tokens in", whole),
    "tokens_out": ("tokens out", whole),
    "dollars": ("paid for calls", words.dollars),
    "gpu_dollars": ("GPU time", words.dollars),
    "total_dollars": ("together", words.dollars),
}
"""Rows of the table that compares both ways: their names, and how their figures are written."""
COLUMNS = {"features": "with features"}
"""What a way is called; every other one does without."""


def show(here: Comparison, _found: Loaded | None, _author: str) -> None:
    """The whole view."""
    st.markdown(
        "What people would do without features: a model reads pairs of answers, lists what differs, and the lists "
        "are put together into claims. Same discovery prompts, same verification; a rater who does not know where "
        "a claim came from marks how abstract and how interesting it is."
    )
    options = steps.model("Who reads the answers", "reading")
    rater = st.text_input("Who rates the claims (empty: the same)", key="rater", bind="query-params")
    options["rater"] = rater.strip()
    steps.step(here, "baseline", "Find differences without features", options, baseline, bool(options["model"]))
    both = arms.compare(*here)
    if not any(arm.claims for arm in both):
        st.caption("Once either way has made claims, their figures stand here side by side.")
        return
    st.subheader("Both ways side by side", anchor=False)
    table = {
        COLUMNS.get(arm.arm, "without features"): {
            title: told(getattr(arm, name)) for name, (title, told) in ROWS.items()
        }
        for arm in both
    }
    st.dataframe(
        pd.DataFrame(table), height="content", key="both-ways", alt="Both ways of finding claims, figure by figure"
    )
    st.caption(
        f"A GPU hour is taken at {words.dollars(arms.GPU_HOUR)}; steps run outside of jobs are not counted."
    )
