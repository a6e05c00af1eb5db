"""Tables and files of a page, to take away. Cells that a spreadsheet would run are made text."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st

from diffing.common.escape import cell


def csv(label: str, table: pd.DataFrame, name: str) -> None:
    """A button that writes the table when it is clicked, and not on every rerun."""

    def content() -> bytes:
        text: str = table.map(cell).to_csv(index=False)
        return text.encode("utf-8", "replace")

    _button(label, content, f"{name}.csv", "text/csv")


def file(label: str, path: Path, kind: str) -> None:
    """A button that hands over a file as it is when it is clicked."""
    _button(label, path.read_bytes, path.name, kind)


def text(label: str, content: Callable[[], str], name: str, kind: str) -> None:
    """A button that writes a text when it is clicked."""
    _button(label, lambda: content().encode("utf-8", "replace"), name, kind)


def _button(label: str, content: Callable[[], bytes], name: str, kind: str) -> None:
    st.download_button(
        label, content, name, kind, key=f"download-{name}", on_click="ignore", icon=":material/download:"
    )
