"""Labels by a language model, for given features or the first families: whom to ask, its price, the job."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from diffing.common import words
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.common.step import checked
from diffing.labels import expected, plan
from diffing.study.study import Study
from pages.parts import job_panel
from pages.parts.address import Comparison
from pages.parts.keys import fresh


def show(here: Comparison, features: Sequence[int] = ()) -> None:
    """Fields, price and job; without features, those that lead the families which differ most are labelled."""
    options = _options(here, features)
    asked = bool(options["model"].strip())
    if asked and st.button("What will it cost?", key="label-cost"):
        try:
            with st.spinner("Laying out what the model would read"):
                st.write(price(here.study, options))
        except UserError as error:
            st.error(md(str(error)))
    label = "Write a label" if features else "Write labels"
    job_panel.start_button(here.study, "label", label, lambda: options, disabled=not asked)
    job_panel.panel(here.study, "label")


def _options(here: Comparison, features: Sequence[int]) -> dict[str, Any]:
    """The fields: a row of them on a page's whole width, one under the other beside a feature."""
    options: dict[str, Any] = {"a": here.a, "b": here.b}
    with st.container(horizontal=not features, vertical_alignment="bottom"):
        options["model"] = st.text_input(
            "Who writes", key="label-model", placeholder="openrouter:google/gemini-2.5-flash"
        )
        options["judge"] = st.text_input("Who judges", key="label-judge", placeholder="a model of another family")
        if features:
            options["features"] = list(features)
        else:
            options["top"] = int(st.number_input("Families to label", 1, 500, 50, key="label-top"))
        # What one label costs is cents at most, and fifty of them a few dollars at the usual prices.
        usual, step = (0.5, 0.5) if features else (2.0, 1.0)
        limit = st.number_input("Limit in dollars", 0.0, value=usual, step=step, key="label-limit")
        options["max_dollars"] = float(limit)
        judged = bool(options["judge"])
        if features:
            judged = st.toggle("Score it blind too", value=judged, key=fresh("label-score", judged))
        options["score"] = judged
    return options


def price(study: Study, options: dict[str, Any]) -> str:
    """What the job would ask, and for how much."""
    told = expected.estimate(study, checked("label", plan.Options, options))
    return told.in_words(md(words.dollars(told.cost)))
