"""Answers that exist are brought: which column is which, what comes of it, and the button that makes the study."""

from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from diffing.common import tables, words
from diffing.common.errors import UserError
from diffing.common.escape import md, visible
from diffing.study import answer_tables, imports
from diffing.study.imports import Answers
from diffing.study.prompts import ids
from diffing.study.study import Study
from pages.parts import upload
from pages.parts.keys import fresh

SHOWN = 5
"""Rows of the preview: enough to see that columns are not mixed up."""
LONGEST = 160
"""Characters of a cell of the preview: two lines."""
OPTIONAL = {"category": "Category", "draw": "Draw", "tags": "Tags"}
REQUIRED = {
    "long": {"prompt": "Prompt", "checkpoint": "Checkpoint", "response": "Answer"},
    "wide": {"prompt": "Prompt", "response_a": "Answer of A", "response_b": "Answer of B"},
}
SHAPES = {"long": "one answer a row", "wide": "both answers in a row"}


def show() -> Study | None:
    """The form; the study once it was made."""
    st.caption(
        "CSV, JSONL, JSON or Parquet, also packed: a row for each answer (prompt, checkpoint, answer) or for each "
        "prompt (prompt, answer of A, answer of B), with category and draw where you have them."
    )
    called = st.text_input("Name", key="import-name", help="Letters, digits, '.', '_' and '-'.")
    file = st.file_uploader("Answers", key="answers")
    columns, answers = (None, None) if file is None else _mapped(file)
    # In the order of the form: a button that cannot be pressed says which step it waits for.
    lacking = ""
    if not called:
        lacking = "Give the study a name first."
    elif file is None:
        lacking = "Choose a file first."
    elif columns is None or answers is None:
        lacking = "Say first which columns hold what."
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button("Import", key="import", type="primary", disabled=bool(lacking))
        if lacking:
            st.caption(lacking)
    if pressed and answers is not None:
        try:
            return imports.into(called, answers)
        except UserError as error:
            st.error(md(str(error)))
    return None


def _mapped(file: UploadedFile) -> tuple[dict[str, str] | None, Answers | None]:
    """Which of the file's columns is which of ours, and what the file then holds; None where that is not clear."""
    try:
        head = _read(file.file_id, file)
    except UserError as error:
        st.error(md(str(error)))
        return None, None
    columns = _columns(file.file_id, [str(name) for name in head.columns])
    answers = None
    if columns is not None:
        try:
            answers = _answers(file.file_id, tuple(columns.items()), file)
        except UserError as error:
            st.error(md(str(error)))
    if answers is None:
        st.caption("The file's first rows:")
        _rows(head.head(SHOWN), "file-rows")
        return columns, None
    named = ", ".join(f"{side} is {md(name)}" for side, name in zip("AB", answers.checkpoints, strict=False))
    more = f", and {len(answers.checkpoints) - 2} more" if len(answers.checkpoints) > 2 else ""
    count = f"{words.count(len(answers.responses), 'answer')} to {words.count(len(answers.prompts), 'prompt')}"
    st.caption(f"{count}; {named}{more}. The first ones as they will be taken in:")
    first = answers.responses.head(SHOWN)
    asked = answers.prompts
    prompts = dict(zip(ids(asked["text"], asked["messages"]), asked["text"], strict=True))
    _rows(
        pd.DataFrame(
            {
                "prompt": first["prompt_id"].map(prompts).to_numpy(),
                "checkpoint": first["checkpoint"].to_numpy(),
                "answer": first["text"].to_numpy(),
            }
        ),
        "first-answers",
    )
    return columns, answers


def _columns(file_id: str, there: list[str]) -> dict[str, str] | None:
    """What a person says of the columns, beginning with what their names say; None while one is missing."""
    guessed = answer_tables.guessed(there)
    shapes = list(SHAPES)
    wide = {"response_a", "response_b"} <= guessed.keys()
    with st.container(horizontal=True):
        shape = st.selectbox(
            "The file has",
            shapes,
            shapes.index("wide" if wide else "long"),
            key=fresh("shape", file_id),
            format_func=SHAPES.__getitem__,
            width=230,
        )
        chosen: dict[str, str] = {}
        for ours, label in (REQUIRED[shape] | OPTIONAL).items():
            start = guessed.get(ours)
            picked = st.selectbox(
                label if ours in REQUIRED[shape] else f"{label} (optional)",
                there,
                there.index(start) if start in there else None,
                key=fresh(f"column-{ours}", file_id),
                placeholder="choose a column" if ours in REQUIRED[shape] else "none",
            )
            if picked:
                chosen[ours] = picked
    lacking = [label for ours, label in REQUIRED[shape].items() if ours not in chosen]
    if "messages" in there and "Prompt" in lacking:
        # A conversation is the prompt.
        lacking.remove("Prompt")
    if lacking:
        st.warning(f"No column is chosen for: {', '.join(lacking).lower()}.")
        return None
    twice = sorted({name for name in chosen.values() if list(chosen.values()).count(name) > 1})
    if twice:
        st.warning(f"Column '{md(twice[0])}' is chosen twice; choose another one.")
        return None
    return chosen


def _rows(rows: pd.DataFrame, key: str) -> None:
    cut = rows.map(lambda cell: visible(str(cell))[:LONGEST])
    st.dataframe(cut, hide_index=True, key=key, alt="The first rows of the file")


@st.cache_resource(max_entries=2, show_spinner="Reading the file")
def _read(file_id: str, _file: UploadedFile) -> pd.DataFrame:
    """The file's table; by the id of the upload, so that a click does not read it again."""
    assert file_id
    with upload.saved(_file) as path:
        return tables.read(path)


@st.cache_resource(max_entries=2, show_spinner="Reading the file")
def _answers(file_id: str, columns: tuple[tuple[str, str], ...], _file: UploadedFile) -> Answers:
    """What the file holds with columns named so."""
    return imports.of_table(_read(file_id, _file), Path(Path(_file.name).name), dict(columns))
