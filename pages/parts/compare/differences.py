"""What two answers to a prompt differ by: features, and what can be counted. A row marks it in the answers."""

import pandas as pd
import streamlit as st

from diffing.diff import pairs
from diffing.reader.encodings import Encodings
from pages.parts import download, job_panel
from pages.parts.address import Comparison
from pages.parts.figures import FEATURE, FIGURES, choosing, shown
from pages.parts.load import Loaded

MOST = 200
"""Rows of the table of features; what comes after is weak everywhere, and the file has it."""
COLUMNS = ["feature", "label", "peak_left", "peak_right", "documents", "delta", "q", "frequency_a", "frequency_b"]
HEIGHT = 282
"""Pixels of both tables: seven rows, so that the answers below come into sight."""


def show(
    here: Comparison,
    found: Loaded | None,
    answers: pd.DataFrame,
    prompt: str,
    draw: int,
    encodings: Encodings | None,
    documents: dict[tuple[str, int], int],
    everywhere: bool,
) -> None:
    """Both tables for one draw; `everywhere` keeps to features that differ over the whole study too.

    `answers` are the prompt's by checkpoint and draw, `documents` where they stand in the encodings.
    """
    beside = st.container(horizontal=True, gap="medium")
    with beside, st.container(width="stretch", key="roomy-features"):
        st.markdown("**Features they differ by**, rare and strong ones first")
        both = [(key, draw) for key in (here.a, here.b)]
        if found is None or encodings is None:
            st.info("They have not been read and compared yet.")
            job_panel.missing_steps(here)
        elif set(both) <= set(documents):
            # Where nothing differs over the study, what differs here is all there is to see.
            everywhere = everywhere and bool(found.diff.summary["differing"])
            left, right = (documents[each] for each in both)
            rows = pairs.differences(encodings, left, right, found.table, everywhere)
            _features(rows, f"{prompt}-{draw}", f"{here.study.name}-{prompt}-features")
        else:
            st.caption("An answer of this draw is missing or was not read.")
    with beside, st.container(width=290):
        st.markdown("**What can be counted**")
        texts = [answers["text"].get((key, draw), "") for key in (here.a, here.b)]
        _counts(pairs.counted(*texts), f"counts-{prompt}-{draw}")


def _features(rows: pd.DataFrame, where: str, file: str) -> None:
    key = f"differ-{where}-{len(rows)}"
    st.dataframe(
        shown(rows.head(MOST), COLUMNS),
        hide_index=True,
        column_config=FEATURE | FIGURES,
        key=key,
        selection_mode="single-row",
        height=HEIGHT,
        on_select=choosing(key, "feature", rows["feature"].tolist()),
        alt="Features that the two differ by",
    )
    download.csv(f"Download all {len(rows):,}", rows, file)


def _counts(rows: pd.DataFrame, key: str) -> None:
    st.dataframe(
        rows,
        hide_index=True,
        key=key,
        selection_mode="single-row",
        height=HEIGHT,
        column_config={side: st.column_config.NumberColumn(width=45) for side in ("A", "B")},
        on_select=choosing(key, "probe", rows["probe"].tolist()),
        alt="Counts of surface probes in both answers",
    )
