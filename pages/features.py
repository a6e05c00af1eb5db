"""The heart: which features differ between two checkpoints, as figure, chart and table of one selection."""

import streamlit as st

from diffing.diff import selection
from diffing.diff.stored import OF_OLDER
from pages.parts import address, headline, job_panel, load, shell
from pages.parts.features import filters, pictures, table

shell.page("Features")
here = address.comparison()
found = load.if_compared(*here)
if found is None:
    st.info("These two checkpoints have not been compared yet.")
    job_panel.missing_steps(here)
    st.stop()
if found.diff.older:
    st.warning(f"{OF_OLDER}; compare again.")
elif found.outdated:
    st.warning("Prompts, answers or encodings have changed since this diff was computed.")
if found.diff.older or found.outdated:
    job_panel.missing_steps(here, again=True)

headline.show(found.diff, *here.names)
asked = filters.choose(found)
rows = selection.prepared(found.table, found.diff.categories, asked.group)
chosen = selection.chosen(rows, asked)
filters.tell(found, asked, chosen)
pictures.show(here, found, asked, rows, chosen)
table.show(here, asked, chosen)
headline.settings(found.diff)
