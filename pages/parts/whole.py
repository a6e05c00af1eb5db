"""Whether a study's originals can be read, asked once before a page shows anything of it."""

from pathlib import Path

import streamlit as st

from diffing import status
from diffing.common import damage, files, jsonl
from diffing.common.errors import UserError
from diffing.findings import findings
from diffing.study import responses
from diffing.study.study import Study

ORIGINALS = ("study.toml", "prompts.csv", *responses.FILES)


def _originals(study: Study) -> tuple[str, tuple[files.Identity, ...]]:
    paths: list[Path] = [*(study.folder / name for name in ORIGINALS), *sorted(study.folder.glob("*.jsonl"))]
    return str(study.folder), tuple(map(files.identity, paths))


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={Study: _originals})
def fault(study: Study) -> str:
    """What is wrong with an original of the study, in a sentence; empty where nothing is.

    Kept as long as the files are the same ones.
    """
    try:
        with damage.told():
            # Reads both, unless somebody has since they changed.
            status.counted(study)
            table = study.folder / responses.TABLE
            if table.exists() and not files.sealed(table):
                study.responses()
            findings.load(study)
            for path in sorted(study.folder.glob("*.jsonl")):
                jsonl.read(path)
    except UserError as error:
        return str(error)
    return ""
