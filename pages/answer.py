"""Where a study opens: what changed, in a sentence and a list, each with a pair of answers that shows it."""

import streamlit as st

from pages.parts import address, channel, compared, headline, load, shell
from pages.parts.answer import behaviours, changed, head, inside, measures, own, still, where

shell.page("What changed")
here = channel.chosen(address.comparison())
# What people and other tools say of an answer is of its text, or of all of it.
whole = here.study.channel == "text"
found = compared.found(here, without=measures.show if whole else None)
if found.diff.older:
    # It knows no pairs, so that there is nothing to show of a behaviour.
    if whole:
        measures.show(here)
    st.stop()

listed = load.behaviours(*here)
head.show(here, found.diff, listed)
with st.container(gap="small", key="behaviours"):
    behaviours.show(here, found, listed)
head.carried(found.diff, listed)
if whole:
    inside.show(here)
    measures.show(here)
where.show(found.diff, listed)
changed.show(here, found.diff, listed)
still.show(found.diff)
if whole:
    own.show(here)
headline.settings(found.diff)
