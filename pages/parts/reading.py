"""Any text read with a study's reader while a page waits: one reader is held, and sessions take turns with it."""

from threading import Lock
from typing import Any

import streamlit as st

from diffing.reader import presets
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study


def read_text(study: Study, text: str, top: int) -> dict[str, Any]:
    """A text's pieces and strongest features by the study's reader, as `encode.TextFeatures` has them."""
    return _read_text(presets.within(study.settings.reader, study.name).model_dump_json(), text, top)


@st.cache_data(max_entries=32, show_spinner="Reading the text")
def _read_text(choice: str, text: str, top: int) -> dict[str, Any]:
    # Heavy to import, and only this needs it.
    from diffing.reader import encode

    reader, turn = _reader(choice)
    with turn:
        return encode.read_text(reader, text, top).model_dump()


@st.cache_resource(max_entries=1, show_spinner="Loading the reader, once")
def _reader(choice: str) -> tuple[Any, Lock]:
    """A reader, and the lock under which sessions take turns with it."""
    from diffing.reader import encode

    chosen = ReaderChoice.model_validate_json(choice)
    return encode.load_reader(chosen, encode.devices_for("auto", 1)[0]), Lock()
