"""The steps of a study as jobs: start, watch, cancel, resume; and whether keys are set."""

import streamlit as st

from diffing import collect, generate, providers, words
from diffing import status as statuses
from diffing.ui import job_panel, shell
from diffing.ui.text import md

shell.page("Run")
study = shell.opened_study()
status = statuses.of(study)
st.caption("Each step is a process of its own: it goes on when this tab or the dashboard closes.")

st.subheader("Answers", anchor=False)
counts = [
    {"checkpoint": f"{c['key']}: {c['name']}", **status["responses"][c["key"]]} for c in status["checkpoints"]
]
st.dataframe(counts, hide_index=True, alt="Answers stored, in trouble and missing, by checkpoint")

remote = [c for c in study.checkpoints if c.source != "import" and not generate.is_local(c)]
points = [providers.endpoint(c) for c in remote]
for variable in sorted({p.key_env for p in points if p.key_env}):
    if providers.key_of(variable):
        st.caption(f"Key {md(variable)}: set")
    else:
        st.warning(f"Key {md(variable)} is not set. Put it into the environment or a .env file, then reload.")

if any(c.source != "import" for c in study.checkpoints):
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pilot = st.number_input(
            "Prompts in a pilot",
            0,
            status["prompts"]["active"],
            0,
            help="0 asks all; a pilot projects cost and time.",
        )
        dollars = st.number_input("Limit in dollars", 0.0, value=5.0, step=1.0, help="The run stops before it.")
        concurrency = st.number_input("Calls at once at each endpoint", 1, 256, 32)
        retry = st.multiselect("Ask again", ["blocked", "empty", "truncated", "refusal"])
    options = {
        "limit": int(pilot) or None,
        "max_dollars": float(dollars),
        "concurrency": int(concurrency),
        "retry": retry,
    }
    expected = collect.estimate(study, collect.Options.model_validate(options))
    st.write(f"To do: {md(words.estimate(expected))}")
    job_panel.start_button(study, "collect", "Collect answers", lambda: options, disabled=not expected.calls)
else:
    st.caption("All checkpoints of this study were imported; 'import' brings further answers.")
job_panel.panel(study, "collect")

failed = study.responses().query("flag == 'failed'")
if len(failed):
    with st.expander(f"{len(failed)} failed answers"):
        st.dataframe(failed[["prompt_id", "checkpoint", "draw", "error"]], hide_index=True)
        st.caption("Collecting again asks only for these and for what is missing.")
