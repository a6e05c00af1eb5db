"""First page: the studies, what each holds and what it still needs."""

import streamlit as st

from diffing import status as statuses
from diffing.common import words
from diffing.common.errors import UserError
from diffing.common.escape import esc, md
from diffing.study import sample
from diffing.study.study import Study, names
from pages.parts import address, highlight, job_panel, shell

shell.page("Studies")
st.caption("What changed between two checkpoints of a model? A study asks both the same prompts and compares.")


def open_study(study: Study, compared: bool) -> None:
    """To what the study has to show; the sample takes the steps that it lacks on the way."""
    if study.settings.note == sample.NOTE:
        statuses.begin(study)
        compared = True
    page = "pages/answer.py" if compared else "pages/run.py"
    st.switch_page(page, query_params=address.written(study=study.name))


def make_sample() -> None:
    try:
        open_study(sample.ensure(), compared=False)
    except UserError as error:
        st.error(md(str(error)))


studies = shell.all_studies()
if studies:
    with st.container(horizontal=True):
        if st.button("New study", icon=":material/add_circle:", type="primary", key="new-study"):
            st.switch_page("pages/new.py")
        if sample.NAME not in names() and st.button(
            "Make the sample study", key="make-sample", icon=":material/science:"
        ):
            make_sample()
else:
    st.markdown(
        "1. **Ask** two checkpoints the same prompts, or bring answers that you have.\n"
        "2. **Read** the answers: a small language model and a sparse autoencoder turn each token into features.\n"
        "3. **Compare**: which features, and so which habits, one side shows more often, tested and corrected."
    )
    st.info("No studies yet. The sample needs no key, no GPU and no network, and is ready in a minute or two.")
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Make the sample study", key="make-sample", icon=":material/science:", type="primary"):
            make_sample()
        st.page_link("pages/new.py", label="New study", icon=":material/add_circle:")

for name, study, fault in studies:
    with st.container(border=True, key=f"study-{name}"):
        if study is None:
            st.subheader(md(name), anchor=False)
            st.error(md(fault))
            continue
        try:
            status = statuses.of(study)
        except UserError as error:
            st.subheader(md(name), anchor=False)
            st.error(md(str(error)))
            continue
        state = {step["step"]: step["state"] for step in status["steps"]}
        answers = sum(counts["stored"] for counts in status["responses"].values())
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader(md(name), anchor=False, width="content")
            if st.button("Open", key=f"open-{name}", icon=":material/arrow_forward:", help=f"Open {md(name)}"):
                open_study(study, state["diff"] != "to do")
        checkpoints = [checkpoint.name for checkpoint in study.checkpoints]
        st.html(highlight.sides(*checkpoints[:2]))
        if len(checkpoints) > 2:
            st.html(f"<small>and {esc(', '.join(checkpoints[2:]))}</small>")
        paid = [words.dollars(status["cost"])] if status["cost"] else []
        facts = [f"{status['prompts']['active']:,} prompts", f"{answers:,} answers", *paid]
        st.caption(" · ".join(md(fact) for fact in facts))
        with st.container(horizontal=True, gap="xsmall"):
            for step in status["steps"]:
                shell.stage(step, status["running"])
        for kind in status["running"]:
            job_panel.panel(study, kind)
        if study.settings.note:
            st.caption(md(study.settings.note))
        if status["next"] and not status["running"]:
            st.markdown(f"Next: **{md(status['next']['step'])}**, here or in the terminal:")
            st.code(status["next"]["how"], language=None)
        with st.container(horizontal=True, gap="xsmall"):
            for entry in shell.PAGES:
                if entry.needs_study:
                    shell.link(entry, name)
