"""The ways to add prompts to a study: one by hand, a file of them, or some that a model writes."""

from pathlib import Path

import pandas as pd
import streamlit as st

from diffing.common import tables, words
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.study import prompts
from diffing.study.study import Study
from pages.parts import job_panel, person, upload
from pages.parts.keys import fresh

NONE = "(none)"
SHOWN = 500
"""Characters of a cell that the first rows show: a cell may have a million, and the browser gets what is shown."""
ADDED = "added"
"""Where a word on what was added waits for the page to show itself anew."""


def tell() -> None:
    """What was added before this page was shown."""
    if ADDED in st.session_state:
        st.success(st.session_state.pop(ADDED))


def add(study: Study, new: pd.DataFrame) -> None:
    """Put prompts into the study and say what was left out; a `UserError` where they are none."""
    found = study.add_prompts(new)
    near = f" {len(found.near)} resemble others and were kept." if found.near else ""
    st.session_state[ADDED] = f"Added {len(found.table)}; {len(found.duplicates)} were there already.{near}"
    st.rerun()


def one(study: Study) -> None:
    with st.form("one", clear_on_submit=True):
        text = st.text_area("Prompt", key="new-prompt")
        with st.container(horizontal=True):
            kind = st.text_input("Category", key="new-category")
            tags = st.text_input("Tags", key="new-tags", help="Separated by semicolons.")
        if person.form_submit_button("Add", key="add-prompt") and text.strip():
            try:
                add(study, pd.DataFrame([{"text": text, "category": kind, "tags": tags}]))
            except UserError as error:
                st.error(md(str(error)))


def many(study: Study) -> None:
    brought = st.file_uploader("CSV, JSONL, JSON, Parquet or TXT (one prompt a line)", key="file")
    if brought is None:
        return
    try:
        with upload.saved(brought) as path:
            _import(study, path)
    except UserError as error:
        st.error(md(str(error)))


def _import(study: Study, path: Path) -> None:
    """The file's first rows, and which of its columns are what."""
    raw = tables.read(path)
    choices = [NONE, *map(str, raw.columns)]
    with st.container(horizontal=True):
        mapped = {}
        for ours in ("text", "messages", "category", "tags"):
            names = (ours, *prompts.TEXT_NAMES) if ours == "text" else (ours,)
            guess = next((choices.index(name) for name in names if name in choices), 0)
            # Another file has other columns, and its own guess.
            key = fresh(f"map-{ours}", *choices)
            theirs = st.selectbox(f"Column for {ours}", choices, index=guess, key=key)
            if theirs != NONE:
                mapped[ours] = theirs
    first = raw.head(5).map(lambda cell: cell[:SHOWN])
    st.dataframe(first, hide_index=True, key="first-rows", alt="The file's first rows")
    ready = bool({"text", "messages"} & set(mapped))
    if not ready:
        st.caption("Say above which column holds the prompt: its text, or its messages.")
    if person.button(f"Import {words.count(len(raw), 'prompt')}", key="import", disabled=not ready):
        add(study, prompts.load(path, mapped))


def written(study: Study, table: pd.DataFrame) -> None:
    st.caption("A language model writes prompts by category; what resembles a prompt of the study is left out.")
    wish = st.text_area(
        "What do you want to know?", key="wish", placeholder="Does the newer one give in when contradicted?"
    )
    model = st.text_input("Who writes", key="writer", placeholder="openrouter:google/gemini-2.5-flash")
    known = sorted(set(prompts.bundled()["category"]) | set(table["category"]))
    kinds = st.multiselect("Categories", known, key="kinds")
    count = st.number_input("Prompts in each category", 1, 100, 10, key="count")
    job_panel.start_button(
        study,
        "prompts",
        "Write prompts",
        lambda: {"description": wish, "model": model, "categories": kinds, "count": int(count)},
        disabled=not (wish.strip() and model.strip()),
    )
    job_panel.panel(study, "prompts")
