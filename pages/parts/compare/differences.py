"""What two answers to a prompt differ by: features, and what can be counted. A row marks it in the answers."""

import pandas as pd
import streamlit as st

from diffing.common.escape import visible
from diffing.diff import pairs
from diffing.findings.predicates import Predicate
from diffing.reader.encodings import Encodings
from pages.parts import download, job_panel
from pages.parts.address import Comparison
from pages.parts.compare import chips
from pages.parts.figures import FEATURE, FIGURES, choosing, shown
from pages.parts.loaded import Loaded

MOST = 200
"""Rows of the table of features; what comes after is weak everywhere, and the file has it."""
COLUMNS = ["feature", "label", "peak_left", "peak_right", "documents", "delta", "q", "frequency_a", "frequency_b"]
BEHAVIOURS = {
    "an answer …": st.column_config.TextColumn("an answer …", width=300),
    "A": st.column_config.NumberColumn("here in A", width=75, help="How often A's answer shows it."),
    "B": st.column_config.NumberColumn("here in B", width=75, help="How often B's answer shows it."),
    "study": st.column_config.TextColumn("in the study", width=120, help="A's and B's answers to new prompts."),
}
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
    """The tables for one draw; `everywhere` keeps to features that differ over the whole study too.

    `answers` are the prompt's by checkpoint and draw, `documents` where they stand in the encodings.
    """
    texts = [str(answers["text"].get((key, draw), "") or "") for key in (here.a, here.b)]
    beside = st.container(horizontal=True, gap="medium")
    with beside, st.container(width="stretch", key="roomy-behaviours"):
        st.markdown("**Behaviours they differ by**, those of the whole study in its order")
        _behaviours(here, found, texts, f"{prompt}-{draw}")
    with beside, st.container(width=290):
        st.markdown("**What can be counted**")
        _counts(pairs.counted(*texts), f"counts-{prompt}-{draw}")
    with st.container(key="roomy-features"):
        st.markdown("**Features they differ by**, those with a name first, then rare and strong ones")
        both = [(key, draw) for key in (here.a, here.b)]
        if found is None or encodings is None:
            st.info("They have not been read and compared yet.")
            job_panel.missing_steps(here)
        elif set(both) <= set(documents):
            # Where nothing differs over the study, what differs here is all there is to see.
            everywhere = everywhere and bool(found.diff.summary["differing"])
            left, right = (documents[each] for each in both)
            rows = pairs.differences(encodings, left, right, found.table, everywhere)
            # A rule's list of tokens names nothing; stable, so that the order among each kind stays.
            rows = rows.sort_values("named_by", key=lambda by: by == "rule", kind="stable", ignore_index=True)
            _features(rows, f"{prompt}-{draw}", f"{here.study.name}-{prompt}-features")
        else:
            st.caption("An answer of this draw is missing or was not read.")


def _behaviours(here: Comparison, found: Loaded | None, texts: list[str], where: str) -> None:
    """Named behaviours whose counts differ in these two answers; a row marks it."""
    listed = [each for each in chips.listed(here, found) if each.said and each.kind != "place"]
    rows, numbers = [], []
    for each in listed:
        predicate = Predicate.of_source(each.by, each.source)
        counts = [predicate.count(text) for text in texts] if predicate is not None else [0, 0]
        if counts[0] != counts[1]:
            numbers.append(each.number)
            study = {"study": each.figures, "B − A": each.told}
            rows.append({"an answer …": visible(each.name), "A": counts[0], "B": counts[1], **study})
    if not rows:
        st.caption("None of the behaviours of “What changed” differs here.")
        return
    key = f"behaviours-{where}-{len(rows)}"
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key=key,
        selection_mode="single-row",
        height=min(38 + 35 * len(rows), HEIGHT),
        column_config=BEHAVIOURS,
        on_select=choosing(key, "behaviour", numbers),
        alt="Named behaviours that the two answers differ by",
    )


def _features(rows: pd.DataFrame, where: str, file: str) -> None:
    key = f"differ-{where}-{len(rows)}"
    st.dataframe(
        shown(rows.head(MOST), COLUMNS),
        placeholder="–",
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
