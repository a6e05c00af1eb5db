"""Where a study opens: what changed, in a sentence and a list, each with a pair of answers that shows it."""

import streamlit as st

from diffing.diff.stored import OF_OLDER
from pages.parts import address, headline, job_panel, load, shell
from pages.parts.answer import behaviours, changed, head, still, where

shell.page("What changed")
here = address.comparison()
found = load.if_compared(*here)
if found is None:
    st.info("These two checkpoints have not been compared yet.")
    job_panel.missing_steps(here)
    st.stop()
if found.diff.older:
    st.warning(f"{OF_OLDER}; compare again.")
    job_panel.missing_steps(here, again=True)
    st.stop()
if found.outdated:
    st.warning("Prompts, answers or encodings have changed since this diff was computed.")
    job_panel.missing_steps(here, again=True)

listed = load.behaviours(*here)
head.show(here, found.diff, listed)
with st.container(gap="small", key="behaviours"):
    behaviours.show(here, found, listed)
head.carried(found.diff, listed)
where.show(found.diff, listed)
changed.show(here, found.diff, listed)
still.show(found.diff)
headline.settings(found.diff)
