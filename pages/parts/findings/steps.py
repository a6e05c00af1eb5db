"""The steps that make and test findings, as buttons: whom to ask, what it would cost, how far it is.

Nothing is asked before its price was shown; the job keeps to the limit.
"""

from types import ModuleType
from typing import Any

import streamlit as st

from diffing.common import words
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.common.step import checked
from diffing.models.questions import Asking, Estimate
from pages.parts import consent, job_panel
from pages.parts.address import Comparison


def model(label: str, key: str, note: str = "", limit: float = 1.0) -> dict[str, Any]:
    """Fields for whom to ask and within which limit, as options of a step."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            label,
            key=key,
            bind="query-params",
            placeholder="openrouter:google/gemini-2.5-flash",
            help=note or None,
        )
        variable = st.text_input(
            "Variable that holds the key", key=f"{key}-key", help="Only for an address of your own, URL#MODEL."
        )
        dollars = st.number_input("Limit in dollars", 0.0, value=limit, step=0.5, key=f"{key}-limit")
    name = name.strip()
    options: dict[str, Any] = {"model": name, "key_env": variable.strip(), "max_dollars": float(dollars)}
    if not name:
        return {"model": ""}
    try:
        point = Asking.model_validate(options).point
    except UserError as error:
        st.error(md(str(error)))
        return {"model": ""}
    consent.show([point], key)
    return options


def step(
    here: Comparison, kind: str, label: str, options: dict[str, Any], module: ModuleType, possible: bool = True
) -> None:
    """The step's buttons and its latest job; where a model is asked, the price comes first."""
    study, options = here.study, options | {"a": here.a, "b": here.b}
    asks, key = bool(options["model"]), f"price-{kind}"
    with st.container(horizontal=True, vertical_alignment="center"):
        if asks and st.button("What would it cost?", key=f"ask-{kind}", icon=":material/payments:"):
            try:
                with st.spinner("Counting what would be asked"):
                    asked = checked(kind, module.Options, options)
                    st.session_state[key] = options, module.estimate(study, asked)
            except UserError as error:
                st.error(md(str(error)))
        told = st.session_state.get(key)
        priced = told[1] if told and told[0] == options else None
        job_panel.start_button(study, kind, label, lambda: options, disabled=not possible or (asks and not priced))
        if priced:
            st.write(md(price(priced)))
    job_panel.panel(study, kind)


def price(told: Estimate) -> str:
    return (
        f"{told.calls:,} calls, about {told.tokens_in:,} tokens in and {told.tokens_out:,} out: "
        f"{words.dollars(told.cost)}."
    )
