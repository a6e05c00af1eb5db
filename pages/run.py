"""The steps of a study as jobs: start, watch, cancel, resume; and whether keys are set."""

import streamlit as st

from diffing import status as statuses
from diffing.common.escape import md
from diffing.diff.measure import EQUIVALENT
from diffing.diff.until_certain import Options
from diffing.models import providers
from diffing.reader import presets
from diffing.reader.places import table_path
from diffing.reader.unread import unread
from diffing.study import collect
from diffing.study.settings import ReaderChoice
from diffing.whitebox.dictionaries import readers
from pages.parts import address, answers_table, consent, highlight, job_panel, label_job, load, person, shell
from pages.parts.address import Comparison
from pages.parts.keys import fresh
from pages.parts.serving import through_vllm

shell.page("Run")
study = address.study()
status = statuses.of(study)
st.caption("Each step is a process of its own: it goes on when this tab or the dashboard closes.")

with st.container(horizontal=True, gap="xsmall"):
    for step in status["steps"]:
        shell.stage(step, status["running"])

st.subheader("Answers", anchor=False)
answers_table.show(status)

consent.show(providers.endpoints(study.checkpoints), "answers")

if any(c.source != "import" for c in study.checkpoints):
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pilot = st.number_input(
            "Prompts in a pilot",
            0,
            status["prompts"]["active"],
            0,
            key="pilot",
            help="0 asks all; a pilot projects cost and time.",
        )
        dollars = st.number_input(
            "Limit in dollars", 0.0, value=5.0, step=1.0, key="limit", help="The run stops before it."
        )
        concurrency = st.number_input("Calls at once at each endpoint", 1, 256, 32, key="concurrency")
        retry = st.multiselect("Ask again", ["blocked", "empty", "truncated", "refusal"], key="retry")
        until = st.toggle(
            "Only until certain",
            key="until-certain",
            help="Looks at the surface probes after every 20 prompts, and ends once each of them differs, has not "
            f"changed by {100 * EQUIVALENT:.0f} points, or is too rare to matter. Looking costs no certainty.",
        )
    options = {
        "limit": int(pilot) or None,
        "max_dollars": float(dollars),
        "concurrency": int(concurrency),
        "retry": retry,
        "until_certain": until,
        "serve": through_vllm(study),
    }
    expected = collect.estimate(study, Options.model_validate(options))
    st.write(f"{'At most' if until else 'To do'}: {md(expected.in_words())}")
    job_panel.start_button(study, "collect", "Collect answers", lambda: options, disabled=not expected.calls)
else:
    st.caption("All checkpoints of this study were imported; 'import' brings further answers.")
job_panel.panel(study, "collect")

failed = load.failed(study)
if len(failed):
    with st.expander(f"{len(failed)} failed answers"):
        st.dataframe(failed, hide_index=True, key="failed", alt="Answers that failed, and why")
        st.caption("Collecting again asks only for these and for what is missing.")

st.subheader("Reading and comparing", anchor=False)
lacking = unread(study)
here = None if study.one_sided else Comparison(study, *address.pair(study))
left, right = st.columns(2, gap="large")
with left:
    st.caption("First the reader turns every answer into features.")
    trained = {one.choice.preset: one for one in readers.of(study)}
    names = [*trained, *(preset.name for preset in presets.PRESETS)]
    now = study.settings.reader.preset
    with st.container(horizontal=True):
        reader = st.selectbox(
            "Reader",
            names,
            names.index(now) if now in names else None,
            key=fresh("reader", now),
            placeholder="a reader of your own",
        )
        device = st.selectbox("Device", ["auto", "cpu", "cuda"], key="device")
    # A dictionary that was trained anew under its name is another reader.
    anew = reader == now and reader in trained and trained[reader].choice.sae_id != study.settings.reader.sae_id
    if reader and (reader != now or anew):
        chosen = ReaderChoice(preset=reader, context=study.settings.reader.context)
        if reader in trained:
            chosen = trained[reader].choice
            st.caption(f"{md(trained[reader].title)}: both models of its pair read every answer.")
        else:
            other = presets.get(reader)
            present = "It is here." if all(presets.downloaded(other)) else "Not here yet."
            needs = f"{other.download_gb:.0f} GB to download, {other.memory_gb:.0f} GB of memory"
            st.caption(f"{md(other.title)}: {needs}. {present}")
        if person.button("Read with this one from now on", key="take-reader"):
            study.change_settings(reader=chosen)
            st.rerun()
    stored = sum(one["stored"] for one in status["responses"].values())
    idle = "All answers are read" if stored else "No answers to read yet"
    label = f"Read {lacking:,} answers" if lacking else idle
    job_panel.start_button(study, "encode", label, lambda: {"device": device}, disabled=not lacking)
    job_panel.panel(study, "encode")
    job_panel.machines(study)
if here is None:
    with right:
        st.caption("A collection is compared with nothing. Once it is read, answers are found by what they do.")
        to = address.written(study=study.name)
        st.page_link("pages/search.py", label="Search", icon=":material/manage_search:", query_params=to)
    st.stop()
a, b = here.a, here.b
with right:
    st.caption("Then the two sides are compared, feature by feature.")
    st.html(highlight.sides(*here.names))
    state = {step["step"]: step["state"] for step in status["steps"]}
    again = state["diff"] == "done" and (a, b) == study.sides()
    job_panel.start_button(
        study,
        "diff",
        "Compare again" if again else "Compare",
        lambda: {"a": a, "b": b},
        disabled=not table_path(study).exists(),
        primary=not again,
    )
    job_panel.panel(study, "diff")

st.subheader("Labels", anchor=False)
label_job.show(here)

st.subheader("Findings and the report", anchor=False)
with st.container(horizontal=True):
    for view in ("Findings", "Draft", "Verify", "Report"):
        st.page_link(
            "pages/findings.py", label=view, icon=":material/fact_check:", query_params=here.link(show=view)
        )
for kind in ("draft", "baseline", "verify", "report"):
    if job_panel.latest(study, kind) is not None:
        st.caption(job_panel.TITLES[kind])
        job_panel.panel(study, kind)
