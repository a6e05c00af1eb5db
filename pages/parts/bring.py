"""Answers that exist are brought: a table's columns, what comes of them, and the button that makes the study."""

from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from diffing.common import tables, words
from diffing.common.errors import UserError
from diffing.common.escape import md, visible
from diffing.study import answer_tables, imports, preview, prompts
from diffing.study.imports import Answers, How
from diffing.study.logs import formats
from diffing.study.study import Study
from pages.parts import person, upload
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
        "Logs of Inspect, lm-evaluation-harness or promptfoo, OpenAI batches with their requests, and "
        "transcripts, those of both checkpoints at once; or one table (CSV, JSONL, JSON, Parquet) with a row for "
        "each answer or for each prompt. All may be packed."
    )
    called = st.text_input("Name", key="import-name", help="Letters, digits, '.', '_' and '-'.")
    files = st.file_uploader("Answers", key="answers", accept_multiple_files=True)
    answers = _brought(files) if files else None
    # In the order of the form: a button that cannot be pressed says which step it waits for.
    lacking = ""
    if not called:
        lacking = "Give the study a name first."
    elif not files:
        lacking = "Choose a file first."
    elif answers is None:
        lacking = "Say first what the files hold."
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = person.button("Import", key="import", type="primary", disabled=bool(lacking))
        if lacking:
            st.caption(lacking)
    if called and answers is not None:
        # What the button would refuse is said before it is pressed.
        try:
            for line in preview.paired(called, imports.planned(called, answers)):
                st.caption(md(line))
        except UserError as error:
            st.error(md(str(error)))
            return None
    if pressed and answers is not None:
        try:
            return imports.into(called, answers)
        except UserError as error:
            st.error(md(str(error)))
    return None


def _brought(files: list[UploadedFile]) -> Answers | None:
    """What the files hold; None where that is not clear yet."""
    try:
        if len(files) > 1 or _is_log(files[0].file_id, files[0]):
            return _from_logs(files)
        return _mapped(files[0])
    except UserError as error:
        st.error(md(str(error)))
        return None


def _from_logs(files: list[UploadedFile]) -> Answers:
    """What several files or one log hold, as they are."""
    said = st.text_input(
        "Names of the checkpoints (optional)",
        key=fresh("names", *(file.file_id for file in files)),
        help="Where the files do not name their models, or all name the same: one name for all files, or one for "
        "each in their order, parted by commas.",
    )
    names = tuple(words.between_commas(said))
    answers = _logs(tuple(file.file_id for file in files), names, files)
    st.caption(md("; ".join(f"{name} is read as {kind}" for name, kind in answers.formats.items()) + "."))
    _preview(answers)
    rows = pd.DataFrame(preview.summary(answers))
    st.dataframe(rows, hide_index=True, key="summary", alt="What comes in, by checkpoint")
    if lost := preview.left_out(answers):
        st.caption(md(lost))
    return answers


def _mapped(file: UploadedFile) -> Answers | None:
    """What a table holds, once it is clear which of its columns is which of ours."""
    head = _read(file.file_id, file)
    # A study's own answers name their prompts by id, and need these beside them.
    head = answer_tables.with_prompts(head, file.name, [])
    columns = _columns(file.file_id, head)
    answers = None
    if columns is not None:
        try:
            answers = _answers(file.file_id, tuple(columns.items()), file)
        except UserError as error:
            st.error(md(str(error)))
    if answers is None:
        st.caption("The file's first rows:")
        _rows(head.head(SHOWN), "file-rows")
        return None
    _preview(answers)
    return answers


def _preview(answers: Answers) -> None:
    """How many answers there are, and the first of them."""
    named = ", ".join(f"{side} is {md(name)}" for side, name in zip("AB", answers.checkpoints, strict=False))
    more = f", and {len(answers.checkpoints) - 2} more" if len(answers.checkpoints) > 2 else ""
    count = f"{words.count(len(answers.responses), 'answer')} to {words.count(len(answers.prompts), 'prompt')}"
    st.caption(f"{count}; {named}{more}. The first ones as they will be taken in:")
    first = answers.responses.head(SHOWN)
    asked = answers.prompts
    known = prompts.normal(asked.head(SHOWN), 0)
    shown = {row["id"]: prompts.shown(row) for _, row in known.iterrows()}
    _rows(
        pd.DataFrame(
            {
                "prompt": first["prompt_id"].map(shown).fillna("").to_numpy(),
                "checkpoint": first["checkpoint"].to_numpy(),
                "answer": first["text"].to_numpy(),
            }
        ),
        "first-answers",
    )


def _columns(file_id: str, head: pd.DataFrame) -> dict[str, str] | None:
    """What a person says of the columns, beginning with what their names say; None while one is missing."""
    there = [str(name) for name in head.columns]
    guessed = answer_tables.guessed(there) | answer_tables.two_answers(head)
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


@st.cache_data(max_entries=20, show_spinner=False)
def _is_log(file_id: str, _file: UploadedFile) -> bool:
    """Whether a file says itself what it is; by the id of the upload."""
    assert file_id
    with upload.saved(_file) as path:
        return formats.of(path) != formats.TABLE


@st.cache_resource(max_entries=2, show_spinner="Reading the files")
def _logs(file_ids: tuple[str, ...], names: tuple[str, ...], _files: list[UploadedFile]) -> Answers:
    """What the files hold, their checkpoints named so."""
    assert file_ids
    with upload.all_saved(_files) as paths:
        return imports.load_all(paths, How(names=names))
