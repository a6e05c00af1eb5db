"""Tables and files of a page, to take away. Cells that a spreadsheet would run are made text."""

from pathlib import Path

import pandas as pd
import streamlit as st

from diffing.common.escape import cell


def csv(label: str, table: pd.DataFrame, name: str) -> None:
    """A button that writes the table when it is clicked, and not on every rerun."""

    def content() -> bytes:
        text: str = table.map(cell).to_csv(index=False)
        return text.encode("utf-8", "replace")

    st.download_button(label, content, f"{name}.csv", "text/csv", on_click="ignore", icon=":material/download:")


def file(label: str, path: Path, kind: str) -> None:
    """A button that hands over a file as it is when it is clicked."""
    st.download_button(label, path.read_bytes, path.name, kind, on_click="ignore", icon=":material/download:")
