"""First page: the studies, what each holds and what it still needs."""

from typing import Literal

import streamlit as st

from diffing import status as statuses
from diffing import words
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

studies = shell.all_studies()
if not studies:
    st.info("No studies yet. The terminal makes one; the sample needs no key and no GPU:")
    st.code("python -m diffing sample\npython -m diffing new --help", language=None)
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
            st.markdown(f"Next: **{md(status['next']['step'])}**")
            st.code(status["next"]["how"], language=None)
