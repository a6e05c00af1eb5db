"""The heart: which features differ between two checkpoints, by behaviour, as bars, cloud and table."""

import streamlit as st

from diffing.diff import selection
from pages.parts import address, channel, compared, headline, load, shell
from pages.parts.features import bars, filters, pictures, table

shell.page("Features")
here = channel.chosen(address.comparison())
found = compared.found(here)

headline.show(found.diff, *here.names)
asked = filters.choose(found)
rows = selection.prepared(found.table, found.diff.categories, asked.group)
chosen = selection.chosen(rows, asked)
groups = selection.grouped(chosen, found.table, load.behaviours(*here))
filters.tell(found, asked, rows, chosen)
with st.container(key="stack-charts"):
    left, right = st.columns([3, 2], gap="large")
with left:
    bars.show(here, asked, groups)
with right:
    pictures.show(here, found, asked, rows, chosen)
table.show(here, asked, groups)
headline.settings(found.diff)
