"""Two checkpoints' weights compared from the inside: what stands out above nulls, and what each method saw."""

import streamlit as st

from pages.parts import address, shell
from pages.parts.inside import clues, dictionaries, finding, head, kept, methods, start

shell.page("Inside")
here = address.comparison()
found = kept.inside(*here)
if found.methods:
    head.show(here, found)
    start.panel(here, ended=False)
    clues.show(here, found)
    finding.show(here)
    methods.show(here, found)
    with st.expander("Look again, or with other methods"):
        start.form(here, found)
else:
    head.nothing()
    start.form(here, found)
    start.panel(here)
if start.weights(here):
    dictionaries.show(here)
