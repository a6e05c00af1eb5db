"""The view of Compare that reads any text with the study's reader: its tokens, its features, where each fires.

The text belongs to no study: it enters no figure and is stored nowhere.
"""

import pandas as pd
import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md
from pages.parts import address, download, highlight, reading
from pages.parts.address import Comparison
from pages.parts.compare import marked
from pages.parts.figures import FEATURE, FIGURES, choosing, ranked, shown
from pages.parts.loaded import Loaded

MOST = 200
"""Features shown: what comes after is weak everywhere."""
LONGEST = 20_000
"""Characters that are read: some thousand tokens, which a small reader does in seconds."""
IN_ADDRESS = 1000
"""Characters that an address can carry through any browser and chat window."""


def show(here: Comparison, found: Loaded | None) -> None:
    """The whole view."""
    chosen = marked.feature(found)
    text = _text()
    if not text.strip():
        return
    try:
        seen = reading.read_text(here.study, text, MOST)
    except UserError as error:
        st.error(md(str(error)))
        return
    values = {each["feature"]: each.pop("values") for each in seen["features"]}
    rows = pd.DataFrame(seen["features"], columns=["feature", "peak", "count"])
    rows = rows if found is None else ranked(found.table, rows)
    feature = chosen if chosen in values else next(iter(rows["feature"].tolist()), None)
    left, right = st.columns([2, 3], gap="medium")
    with left, st.container(border=True):
        laid = values.get(feature, [0.0] * len(seen["pieces"]))
        # Before there is a diff, the text alone says how strong the feature gets.
        largest = marked.full_colour(found, feature) or max(map(abs, laid), default=0.0)
        what = f"Feature #{feature} on the text; full colour is {largest:.1f}"
        st.caption("No feature is active on this text." if rows.empty else what)
        st.html(highlight.answer(zip(seen["pieces"], laid, strict=True), "n", largest))
    with right:
        _features(here, found, rows, feature)


def _text() -> str:
    """What is to be read: typed and sent off, or brought by the address."""
    typed = st.text_area(
        "Text",
        address.text("text"),
        key="any-text",
        height=140,
        max_chars=LONGEST,
        placeholder="Paste anything: an answer from elsewhere, or a sentence to try a label on.",
    )
    st.caption(
        "Read by the study's reader as an answer of its own. It enters no figure and is stored nowhere; a short "
        "text goes into this page's address."
    )
    # Never disabled: what was typed arrives with the click that would come too early.
    if st.button("Read it", type="primary", key="read-text"):
        st.session_state["read"] = typed
        address.put(text=typed if len(typed) <= IN_ADDRESS else "")
    return str(st.session_state.get("read", address.text("text")))


def _features(here: Comparison, found: Loaded | None, rows: pd.DataFrame, feature: int | None) -> None:
    """The text's features; a row lays its activations over the text."""
    st.dataframe(
        shown(rows, [*FEATURE, "frequency_a", "frequency_b", "delta", "q"]),
        placeholder="–",
        hide_index=True,
        column_config=FEATURE | FIGURES,
        key="of-text",
        selection_mode="single-row",
        on_select=choosing("of-text", "feature", rows["feature"].tolist()),
        alt="The text's strongest features",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        download.csv("Download this table", rows, f"{here.study.name}-text-features")
        if feature is not None and found is not None:
            st.page_link(
                "pages/feature.py",
                label="Open the feature",
                icon=":material/search:",
                query_params=here.link(feature=feature),
            )
