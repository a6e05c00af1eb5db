"""Answers that have a property which somebody says in a few words, the best first; yes and no rank them anew."""

import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md
from pages.parts import address, shell
from pages.parts.search import ask, keep, results

shell.page("Search")
study = address.study()
wanted = ask.show(study)
if not wanted.sentence:
    ask.earlier(study)
    st.stop()
try:
    found = ask.found(study, wanted)
except UserError as error:
    st.info(md(str(error)))
    results.first(study, ask.ground(study, wanted.held_out), wanted.sentence)
    st.stop()
results.show(study, found)
keep.show(found)
