"""First page: the studies, what each says, and what it still needs."""

import streamlit as st

from diffing import overview
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.study import sample
from pages.parts import person, shell, studies

shell.page("Studies")
st.caption("What changed between two checkpoints of a model? A study asks both the same prompts and compares.")


def make_sample() -> None:
    try:
        studies.open_study(sample.ensure(), compared=False)
    except UserError as error:
        st.error(md(str(error)))


found = overview.every()
lacks_sample = sample.NAME not in [each.name for each in found]
if found:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("New study", icon=":material/add_circle:", type="primary", key="new-study"):
            st.switch_page("pages/new.py")
        if lacks_sample and person.button("Make the sample study", key="make-sample", icon=":material/science:"):
            make_sample()
        found = studies.searched(found)
else:
    st.markdown(
        "1. **Ask** two checkpoints the same prompts, or bring answers that you have.\n"
        "2. **Read** the answers: a small language model and a sparse autoencoder turn each token into features.\n"
        "3. **Compare**: which habits one side shows more often, tested and corrected."
    )
    st.info("No studies yet. The sample needs no key, no GPU and no network, and is ready in a minute or two.")
    with st.container(horizontal=True, vertical_alignment="center"):
        if person.button("Make the sample study", key="make-sample", icon=":material/science:", type="primary"):
            make_sample()
        st.page_link("pages/new.py", label="New study", icon=":material/add_circle:")

st.html(studies.STYLE)
for each in found:
    studies.card(each)
studies.trash()
