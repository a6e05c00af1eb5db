"""Findings: claims with what they rest on and what speaks against them; drafts, verification, rival, report."""

import pandas as pd
import streamlit as st

from diffing.common import files, words
from diffing.common.escape import md
from diffing.findings import arms, baseline, drafting, evidence, verification
from pages.parts import download, finding_steps, finding_widget, job_panel, load, shell

VIEWS = ("Findings", "Draft", "Verify", "Without features", "Report")
BLOCKED = "needs a reason"
COLUMNS = {
    "id": None,
    "claim": st.column_config.TextColumn("claim", width="large"),
    "more on": st.column_config.TextColumn("more on", width=75),
    "features": st.column_config.NumberColumn("features", format="%d", width=65),
    "for": st.column_config.NumberColumn(
        "for", format="%d", width=50, help="Held-out prompts that the judge gave it."
    ),
    "against": st.column_config.NumberColumn("against", format="%d", width=60),
    "net share": st.column_config.NumberColumn(
        "net share", format="%+.0f", help="In points, on held-out prompts."
    ),
    "q": st.column_config.NumberColumn("q", format="%.2g"),
    "lacking": st.column_config.TextColumn("what is lacking", width="large"),
}


def whole(value: int) -> str:
    return f"{value:,}"


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def mark(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} of 5"


ARM = {
    "claims": ("claims", whole), "judged": ("judged", whole), "verified": ("verified", whole),
    "distinct": ("verified, counted once", whole), "shared": ("of these found by both", whole),
    "frequency": ("applies, mean share of prompts", share), "accuracy": ("goes the claimed way", share),
    "net": ("net share", share), "abstraction": ("abstraction", mark), "interestingness": ("interest", mark),
    "tokens_in": ("tokens in", whole), "tokens_out": ("tokens out", whole),
    "dollars": ("paid for calls", words.dollars),
    "gpu_dollars": ("GPU time", words.dollars), "total_dollars": ("together", words.dollars),
}  # fmt: skip
"""Rows of the table that compares both ways: their names, and how their figures are written."""

shell.page("Findings")
study = shell.opened_study()
a, b = shell.pair(study)
names = {"a": study.checkpoint(a).name, "b": study.checkpoint(b).name}
author = st.sidebar.text_input(
    "Your name", "person", key="author", persist_state="session", help="Stands beside what you change here."
)
view = st.segmented_control(
    "View", VIEWS, default=VIEWS[0], required=True, key="show", bind="query-params", label_visibility="collapsed"
)
found = load.if_compared(study, a, b)
pair = {"a": a, "b": b}

if view == "Draft":
    st.markdown(
        "Claims from the families of features and the surface probes that differ on **discovery** prompts. "
        "Without a model they are worded by a plain template; a model reads figures, labels and passages and "
        "words them better. The side of a claim always comes from the data."
    )
    options = finding_steps.model("Who words them (empty: the plain template)", "writer") | pair
    if found is None:
        st.info("Drafts come from a diff, and these two have not been compared yet.")
        job_panel.missing_steps(study, a, b)
    else:
        finding_steps.step(study, "draft", "Draft findings", options, drafting)
    st.stop()

standings = load.standings(study, a, b)

if view == "Verify":
    st.markdown(
        "A judge sees both answers to each **held-out** prompt, unnamed and in both orders, and the claim's "
        "wording alone, and says which shows it more. Verified is what wins on significantly more prompts than "
        "it loses (exact test, corrected over all findings)."
    )
    left = [one for one in standings if one.status != "rejected"]
    options = finding_steps.model("Judge", "judge", "Best of another family than who wrote the claims.") | pair
    options |= {"own_error": st.toggle(
        "Estimate the judge's own error too", True, help="On pairs of draws of one checkpoint: nothing to find.",
    )}  # fmt: skip
    possible = bool(left and options["model"])
    finding_steps.step(study, "verify", f"Verify {len(left)} findings", options, verification, possible)
    if not left:
        st.info("There is nothing to verify yet: draft findings, or write some by hand.")
    checked = verification.read(study, a, b)
    if checked.judge:
        st.caption(
            f"Judged so far by {md(checked.judge)}: {checked.tests} claims, {checked.tokens_in:,} tokens in, "
            f"{checked.tokens_out:,} out, {md(words.dollars(checked.cost))}. "
            f"{md(evidence.own_error_words(checked.own_error))}"
        )
    st.stop()

if view == "Without features":
    st.markdown(
        "What people would do without features: a model reads pairs of answers, lists what differs, and the lists "
        "are put together into claims. Same discovery prompts, same verification; a rater who does not know where "
        "a claim came from marks how abstract and how interesting it is."
    )
    options = finding_steps.model("Who reads the answers", "reading") | pair
    rater = st.text_input("Who rates the claims (empty: the same)", key="rater", bind="query-params")
    options |= {"rater": rater.strip()}
    finding_steps.step(
        study, "baseline", "Find differences without features", options, baseline, bool(options["model"])
    )
    arm_figures = arms.compare(study, a, b)
    if not any(one.claims for one in arm_figures):
        st.caption("Once either way has made claims, their figures stand here side by side.")
        st.stop()
    st.subheader("Both ways side by side", anchor=False)
    table = {
        "with features" if one.arm == "features" else "without features": {
            title: told(getattr(one, name)) for name, (title, told) in ARM.items()
        }
        for one in arm_figures
    }
    st.dataframe(pd.DataFrame(table), height="content", alt="Both ways of finding claims, figure by figure")
    st.caption(
        f"A GPU hour is taken at {words.dollars(arms.GPU_HOUR)}; steps run outside of jobs are not counted."
    )
    st.stop()

if view == "Report":
    ready = [one for one in standings if one.status in ("verified", "reported") and not one.open]
    blocked = sum(bool(one.open) for one in standings)
    st.markdown(
        "One folder to hand over: the report as a page and as Markdown, the notebook that recomputes it, prompts, "
        f"answers, features, charts and every setting. {len(ready)} of {len(standings)} findings are verified."
    )
    if blocked:
        st.warning(
            f"Contradicted by the figures and not answered for: {blocked}. The report says so and claims none."
        )
    folder = study.folder / "reports" / f"{a}-{b}"
    made_before = (folder / "manifest.json").exists()
    label = "Make the report again" if made_before else "Make the report"
    job_panel.start_button(study, "report", label, lambda: pair, disabled=found is None, primary=not made_before)
    job_panel.panel(study, "report")
    if made_before:
        made = finding_widget.when(files.read_json(folder / "manifest.json")["made"])
        st.markdown(f"The last one was made on {md(made)}.")
        with st.container(horizontal=True):
            download.file("Everything (zip)", folder / f"{study.name}-{a}-{b}.zip", "application/zip")
            download.file("The page", folder / "report.html", "text/html")
            download.file("Markdown", folder / "report.md", "text/markdown")
            download.file("Notebook", folder / "analysis.ipynb", "application/x-ipynb+json")
    elif found is None:
        st.info("A report needs a diff of these two checkpoints.")
        job_panel.missing_steps(study, a, b)
    st.stop()

# The findings themselves.
if not standings:
    st.info(
        "No findings yet. A finding is a claim about what changed, with the features, probes and answers it rests "
        "on. Have some drafted, which needs no key, or write one by hand."
    )
    if found is None:
        job_panel.missing_steps(study, a, b)
    else:
        job_panel.start_button(study, "draft", "Draft findings without a model", lambda: {"model": ""} | pair)
        job_panel.panel(study, "draft")
    finding_widget.make(study, a, b, author, found)
    st.stop()
if found is None:
    st.info("The features and probes below have no figures now: these two checkpoints must be compared first.")
    job_panel.missing_steps(study, a, b)
kinds = list(dict.fromkeys(one.status for one in standings))
counts = [f"{kind} **{sum(one.status == kind for one in standings)}**" for kind in kinds]
blocked = sum(bool(one.open) for one in standings)
counts += [f"{BLOCKED} **{blocked}**"] if blocked else []
st.markdown(f"**A** {md(names['a'])} against **B** {md(names['b'])}: {' · '.join(counts)}")
with st.container(horizontal=True, vertical_alignment="center"):
    kind = st.segmented_control(
        "Show",
        [*kinds, BLOCKED] if blocked else kinds,
        key="status",
        bind="query-params",
        label_visibility="collapsed",
    )
    search = st.text_input(
        "Search claims", key="q", bind="query-params", label_visibility="collapsed", placeholder="Search"
    )
chosen = [one for one in standings if kind in (None, one.status) or (kind == BLOCKED and one.open)]
chosen = [one for one in chosen if search.lower() in one.finding.claim.lower()]
rows = finding_widget.listed(chosen) if chosen else pd.DataFrame()


def pick() -> None:
    selected = st.session_state["list"]["selection"]["rows"]
    if selected and selected[0] < len(chosen):
        st.query_params["finding"] = chosen[selected[0]].finding.id


if chosen:
    st.dataframe(
        rows, hide_index=True, column_config=COLUMNS, key="list", on_select=pick, selection_mode="single-row",
        height=min(38 + 35 * len(rows), 360), alt="The findings; a row shows the finding below",
    )  # fmt: skip
    download.csv("Download this table", rows, f"{study.name}-findings")
else:
    st.info("No finding passes these filters.")
wanted = st.query_params.get("finding", "")
known = {one.finding.id: one for one in standings}
if wanted and wanted not in known:
    st.warning(f"There is no finding '{md(wanted)}' of these two checkpoints; those that there are stand above.")
elif wanted or chosen:
    with st.container(border=True):
        finding_widget.show(study, known[wanted] if wanted else chosen[0], found, author)
finding_widget.make(study, a, b, author, found)
