"""First page: the studies, what each holds and what it still needs."""

from typing import Literal

import streamlit as st

from diffing import sample, words
from diffing import status as statuses
from diffing.study import names
from diffing.ui import shell
from diffing.ui.text import md

shell.page("Studies")
st.caption("What changed between two checkpoints of a model? A study asks both the same prompts and compares.")

COLOURS: dict[str, Literal["green", "orange", "gray", "blue"]] = {
    "done": "green",
    "partial": "orange",
    "to do": "gray",
    "running": "blue",
}

with st.container(horizontal=True):
    st.page_link("pages/new.py", label="New study", icon=":material/add_circle:")
    if "sample" not in names() and st.button("Make the sample study", icon=":material/science:"):
        sample.ensure()
        st.rerun()

studies = shell.all_studies()
if not studies:
    st.info("No studies yet. The sample needs no key, no GPU and no network.")
    st.stop()

for name, study, fault in studies:
    with st.container(border=True, key=f"study-{name}"):
        st.subheader(md(name), anchor=False)
        if study is None:
            st.error(md(fault))
            continue
        status = statuses.of(study)
        st.markdown(" against ".join(f"**{md(c['key'])}** {md(c['name'])}" for c in status["checkpoints"]))
        with st.container(horizontal=True):
            for step in status["steps"]:
                running = step["job"] in status["running"]
                state = "running" if running else step["state"]
                st.badge(f"{step['step']}: {state}", color=COLOURS[state], help=step["detail"])
        answers = sum(counts["stored"] for counts in status["responses"].values())
        st.caption(
            f"{status['prompts']['active']:,} prompts · {answers:,} answers · {md(words.dollars(status['cost']))}"
        )
        if study.settings.note:
            st.caption(md(study.settings.note))
        if status["next"]:
            st.markdown(f"Next: **{md(status['next']['step'])}**, here or in the terminal:")
            st.code(status["next"]["how"], language=None)
        with st.container(horizontal=True):
            for entry in shell.PAGES:
                if entry.needs_study:
                    st.page_link(entry.path, label=entry.label, icon=entry.icon, query_params={"study": name})
