"""May a checkpoint go out? A comparison held against a rule: the verdict, what breaks it, files, command."""

import streamlit as st

from pages.parts import address, compared, shell
from pages.parts.gate import outcome, rule

shell.page("Gate")
study = address.study()
st.caption(
    "Everything that was compared is held against one rule, as `python -m diffing check` does it in a pipeline. "
    "Choose the rule here, and take the command along."
)
in_series = rule.in_series(study)
if in_series:
    here = None
else:
    here = address.comparison()
    loaded = compared.found(here)
    if loaded.outdated or loaded.diff.older:
        # A gate compares anew what is stale, and a page computes nothing heavy.
        st.stop()
asked = rule.asked(study, here)
outcome.show(study, asked)
