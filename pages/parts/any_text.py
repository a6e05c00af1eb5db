"""Any text through the study's reader: its tokens, its features, and where each fires.

The text belongs to no study: it enters no figure and is stored nowhere.
"""

import pandas as pd
import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.study.study import Study
from pages.parts import download, highlight, load
from pages.parts.figures import FEATURE, FIGURES, choosing, ranked, shown
from pages.parts.load import Loaded

MOST = 200
"""Features shown: what comes after is weak everywhere."""


def show(study: Study, found: Loaded | None, chosen: str, link: dict[str, str]) -> None:
    """The whole view; `chosen` is the feature in the address, `link` leads to the pair's other pages."""
    typed = st.text_area(
        "Text", st.query_params.get("text", ""), height=140, max_chars=20_000,
        placeholder="Paste anything: an answer from elsewhere, or a sentence to try a label on.",
    )  # fmt: skip
    st.caption(
        "Read by the study's reader as an answer of its own. It enters no figure and is stored nowhere; a short "
        "text goes into this page's address."
    )
    # Never disabled: what was typed arrives with the click that would come too early.
    if st.button("Read it", type="primary"):
        st.session_state["read"] = typed
        st.query_params["text"] = typed if len(typed) <= 1000 else ""
    text = st.session_state.get("read", st.query_params.get("text", ""))
    if not text.strip():
        return
    try:
        seen = load.read_text(study, text, MOST)
    except UserError as error:
        st.error(md(str(error)))
        return
    values = {one["feature"]: one.pop("values") for one in seen["features"]}
    rows = pd.DataFrame(seen["features"], columns=["feature", "peak", "count"])
    rows = rows if found is None else ranked(found.table, rows)
    ids = rows["feature"].tolist()
    feature = int(chosen) if chosen and int(chosen) in values else next(iter(ids), None)
    laid = values.get(feature, [0.0] * len(seen["pieces"]))
    left, right = st.columns([2, 3], gap="medium")
    with left, st.container(border=True):
        st.caption(f"Feature #{feature} on the text" if ids else "No feature is active on this text.")
        st.html(highlight.answer(zip(seen["pieces"], laid, strict=True), "n", max(map(abs, laid), default=0.0)))
    with right:
        st.dataframe(
            shown(rows, [*FEATURE, "frequency_a", "frequency_b", "delta", "q"]),
            hide_index=True, column_config=FEATURE | FIGURES, key="of-text", selection_mode="single-row",
            on_select=choosing("of-text", "feature", ids), alt="The text's strongest features",
        )  # fmt: skip
        with st.container(horizontal=True, vertical_alignment="center"):
            download.csv("Download this table", rows, f"{study.name}-text-features")
            if ids and found is not None:
                to = link | {"feature": str(feature)}
                st.page_link(
                    "pages/feature.py", label="Open the feature", icon=":material/search:", query_params=to
                )
