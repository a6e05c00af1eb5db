"""The report along a series: made, shown and handed over below the figures it is made of."""

from collections.abc import Sequence

import streamlit as st

from diffing.report import last
from diffing.study.study import Study
from pages.parts import load, report


def show(study: Study, keys: Sequence[str]) -> None:
    """The whole section."""
    st.subheader("Report", anchor=False)
    st.markdown(
        "One folder to hand over: what changed along these checkpoints as a page, one page to share and its "
        "picture, charts and every figure."
    )
    report.show(
        study,
        last.folder_of_series(study, keys),
        {"series": True, "checkpoints": ",".join(keys)},
        lambda: load.series_state(study),
    )
