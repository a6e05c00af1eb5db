"""Pages are tested in one process, whose caches would hand one test's reader and tables to the next."""

import pytest
import streamlit as st


@pytest.fixture(autouse=True)
def empty_caches() -> None:
    """What a server that has just been started remembers."""
    st.cache_data.clear()
    st.cache_resource.clear()
