"""Tables of a page as files."""

import pandas as pd
import streamlit as st


def csv(label: str, table: pd.DataFrame, name: str) -> None:
    """A button that writes the table when it is clicked, and not on every rerun."""
    st.download_button(
        label, lambda: table.to_csv(index=False).encode("utf-8", "replace"), f"{name}.csv", "text/csv",
        on_click="ignore", icon=":material/download:",
    )  # fmt: skip
