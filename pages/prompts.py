"""A study's prompts: look, filter, add, import, have some written, deactivate."""

import tempfile
from pathlib import Path

import pandas as pd
import streamlit as st

from diffing import status
from diffing.common import tables
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.study import prompts
from pages.parts import address, job_panel, shell

shell.page("Prompts")
study = address.study()
table = study.prompts()


def add(new: pd.DataFrame) -> None:
    """Put prompts into the study and say what was left out."""
    try:
        found = prompts.compare(new, study.prompts(), study.settings.held_out)
    except UserError as error:
        st.error(md(str(error)))
        return
    study.save_prompts(pd.concat([study.prompts(), found.table], ignore_index=True))
    near = f" {len(found.near)} resemble others and were kept." if found.near else ""
    st.session_state["added"] = f"Added {len(found.table)}; {len(found.duplicates)} were there already.{near}"
    st.rerun()


if "added" in st.session_state:
    st.success(st.session_state.pop("added"))

active = table[table["active"]]
st.write(md(status.power_in_words(status.foreseen(study, len(active)))))

with st.container(key="stack-prompts"):
    left, right = st.columns([13, 6], gap="medium")
with right:
    st.markdown("**By category**")
    split = active.groupby(["category", "split"]).size().unstack(fill_value=0)
    split = split.reindex(columns=["discovery", "held-out"], fill_value=0).reset_index()
    st.dataframe(
        split,
        hide_index=True,
        height=412,
        key="by-category",
        alt="Active prompts by category and split",
        column_config={side: st.column_config.NumberColumn(width=70) for side in ("discovery", "held-out")},
    )
    st.caption(
        f"{study.settings.held_out:.0%} of prompts are held out by a hash of their content: labels and drafts "
        "never see them, and findings are tested on them."
    )

with left:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        category = st.multiselect(
            "Category", sorted(set(table["category"])), placeholder="All", key="category", bind="query-params"
        )
        side = st.segmented_control("Split", ["discovery", "held-out"], key="split", bind="query-params")
        search = st.text_input("Search", key="q", bind="query-params")
    shown = table
    if category:
        shown = shown[shown["category"].isin(category)]
    if side:
        shown = shown[shown["split"] == side]
    if search:
        shown = shown[prompts.containing(shown, search)]
    columns = ["prompt", "category", *(["tags"] if table["tags"].any() else []), "split", "active"]
    view = shown.assign(prompt=[prompts.shown(row) for _, row in shown.iterrows()])
    st.caption(f"{len(shown):,} of {len(table):,} prompts")
    picked = st.dataframe(
        view[columns] if len(view) else shown[["category", "active"]],
        hide_index=True,
        key="table",
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "prompt": st.column_config.TextColumn(width=330 if "tags" in columns else 420),
            "category": st.column_config.TextColumn(width=110),
            "tags": st.column_config.TextColumn(width=90),
            "split": st.column_config.TextColumn(width=75),
            "active": st.column_config.CheckboxColumn(width=55),
        },
        alt="The study's prompts",
    )
    rows = shown.iloc[[r for r in picked["selection"]["rows"] if r < len(shown)]]
    with st.container(horizontal=True):
        for label, value in (("Deactivate", False), ("Activate", True)):
            told = f"{label} {len(rows)} selected" if len(rows) else label
            if st.button(told, key=label.lower(), disabled=rows.empty):
                table.loc[table["id"].isin(rows["id"]), "active"] = value
                study.save_prompts(table)
                st.rerun()
    for _, row in rows.head(1).iterrows():
        st.code(prompts.shown(row), language=None, wrap_lines=True)

one, many, written = st.tabs(["Add one", "Import a file", "Have some written"])
with one, st.form("one", clear_on_submit=True):
    text = st.text_area("Prompt", key="new-prompt")
    with st.container(horizontal=True):
        kind = st.text_input("Category", key="new-category")
        tags = st.text_input("Tags", key="new-tags", help="Separated by semicolons.")
    if st.form_submit_button("Add", key="add-prompt") and text.strip():
        add(pd.DataFrame([{"text": text, "category": kind, "tags": tags}]))
with many:
    upload = st.file_uploader("CSV, JSONL, JSON, Parquet or TXT (one prompt a line)", key="file")
    if upload is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(upload.name).name
            path.write_bytes(upload.getvalue())
            try:
                raw = tables.read(path)
            except UserError as error:
                st.error(md(str(error)))
                st.stop()
            choices = ["(none)", *map(str, raw.columns)]
            with st.container(horizontal=True):
                mapped = {}
                for ours in ("text", "messages", "category", "tags"):
                    guess = choices.index(ours) if ours in choices else 0
                    if ours == "text" and not guess:
                        guess = next((choices.index(n) for n in prompts.TEXT_NAMES if n in choices), 0)
                    theirs = st.selectbox(f"Column for {ours}", choices, index=guess, key=f"map-{ours}")
                    if theirs != "(none)":
                        mapped[ours] = theirs
            st.dataframe(raw.head(5), hide_index=True, key="first-rows", alt="The file's first rows")
            rows = "1 prompt" if len(raw) == 1 else f"{len(raw):,} prompts"
            ready = bool({"text", "messages"} & set(mapped))
            if not ready:
                st.caption("Say above which column holds the prompt: its text, or its messages.")
            if st.button(f"Import {rows}", key="import", disabled=not ready):
                try:
                    new = prompts.load(path, mapped)
                except UserError as error:
                    st.error(md(str(error)))
                    st.stop()
                add(new)
with written:
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
