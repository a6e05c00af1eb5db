"""A study's prompts: look, filter, add, import, have some written, deactivate."""

import streamlit as st

from diffing import status
from pages.parts import address, shell
from pages.parts.prompts import adding, listing

shell.page("Prompts")
study = address.study()
table = study.prompts()
active = table[table["active"]]

adding.tell()
if not study.one_sided:
    st.write(status.power_in_words(status.foreseen(study, len(active))))
with st.container(key="stack-prompts"):
    left, right = st.columns([13, 6], gap="medium")
with right:
    listing.counts(study, active)
with left:
    listing.show(study, table)

one, many, written = st.tabs(["Add one", "Import a file", "Have some written"])
with one:
    adding.one(study)
with many:
    adding.many(study)
with written:
    adding.written(study, table)
