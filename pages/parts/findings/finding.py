"""One finding on a page: its claim, how far it got, what speaks against it, what it rests on, ways to change it.

Every change is a line of the findings' history; nothing is overwritten. Status and contradictions are computed by
`diffing.findings.evidence` and shown as they are.
"""

from typing import Any

import pandas as pd
import streamlit as st

from diffing import labels
from diffing.common.escape import esc, md, visible
from diffing.common.words import share, small
from diffing.findings import brief, correction
from diffing.findings.evidence import Standing
from diffing.findings.findings import Finding
from diffing.study import prompts
from pages.parts import address, highlight
from pages.parts.address import Comparison
from pages.parts.charts import short
from pages.parts.figures import FEATURE, FIGURES, shown
from pages.parts.findings import changes
from pages.parts.loaded import Loaded

COLOURS: dict[str, Any] = {
    "reported": "green",
    "verified": "green",
    "counted": "green",
    "unverified wording": "orange",
    "rejected": "red",
}
MARKS = {
    True: ":green[:material/check_circle:]",
    False: ":red[:material/cancel:]",
    None: ":gray[:material/radio_button_unchecked:]",
}
RUNGS = {
    "labels": "labels of its features",
    "features": "what it rests on",
    "counted": "its words, counted",
    "verified": "its words, judged",
}
ROW = ["frequency_a", "frequency_b", "delta", "q", "delta_rarefied", "delta_equal_length", "replicated"]
AMOUNT = ["mean_a", "mean_b", "change", "change_low", "change_high", "q_mean", "replicated"]


def show(here: Comparison, standing: Standing, found: Loaded | None, author: str) -> None:
    """The whole finding; `author` stands beside what is changed here."""
    finding, study = standing.finding, here.study
    with st.container(horizontal=True):
        told = brief.MEANING[standing.status]
        st.badge(standing.status, color=COLOURS[standing.status], help=f"{told[0].upper()}{told[1:]}.")
        if standing.open:
            st.badge("needs a person's reason", icon=":material/warning:", color="orange")
        if finding.held_out_seen:
            st.badge("answers to new prompts were seen", icon=":material/visibility:", color="gray")
    if standing.status == "unverified wording":
        st.html(f"<h2 style='margin:0'>{brief.UNTESTED}</h2>")
    letter = highlight.letter(finding.side)
    st.html(f"<h3 style='margin:0'>{letter}{esc(brief.rest(finding))}</h3>")
    own = [brief.figure(standing, side) for side in ("a", "b")]
    if all(own):
        unit = "" if standing.counted is not None and standing.counted.amount else " points"
        sure = f", q = {small(standing.counted.q)}" if standing.counted is not None else ""
        st.html(f"<b>{own[0]} → {own[1]}</b> ({brief.difference(standing)}{unit}{sure}), on new prompts")
    by = md(brief.origin(finding)) + ("" if finding.origin == "template" else f", {md(finding.author)}")
    st.caption(
        f"More in **{finding.side.upper()}**, {md(study.checkpoint(finding.more).name)} · {by} · "
        f"{md(finding.created[:10])} · {md(finding.id)}"
    )
    if standing.why:
        st.error(f"Rejected: {md(standing.why)}")
    if standing.same_as:
        st.info(f"By the judge's votes another wording of {md(standing.same_as)}, which counts in its place.")
    beside = st.container(horizontal=True, gap="large")
    with beside, st.container(width="stretch", key="roomy-finding"):
        _rungs(standing)
        _rests_on(here, finding, found)
        _pairs(here, finding)
    with beside, st.container(width=340):
        changes.objections(study, standing, author)
        changes.notes(study, finding, author)
        changes.edit(study, finding, author)
        changes.rejection(study, finding, author)
        changes.history(study, finding)


def _rungs(standing: Standing) -> None:
    st.markdown("**How far it got**")
    st.markdown(
        "  \n".join(f"{MARKS[rung.passed]} **{RUNGS[rung.name]}**: {md(rung.words)}" for rung in standing.rungs)
    )
    check = standing.check
    if check is not None and check.prompts:
        with st.container(horizontal=True):
            st.metric(
                "Applies",
                share(check.frequency),
                help="New prompts on which the judge saw a difference.",
            )
            st.metric("For it", share(check.accuracy), help="Of these, those that went the claimed way.")
            st.metric(
                "Net share", f"{100 * check.net:+.0f} points", help=f"{_interval(check.low, check.high)}, 95 %."
            )
            if check.corrected:
                corrected = check.corrected
                st.metric(
                    "Net share, corrected",
                    f"{100 * corrected.net:+.0f} points",
                    help=f"{_interval(corrected.low, corrected.high)}, 95 %.",
                )
            st.metric("Present in A", share(check.presence_a))
            st.metric("Present in B", share(check.presence_b))
        st.caption(f"Net share by the judge's word; {md(correction.words(check.corrected))}.")


def _interval(low: float, high: float) -> str:
    return f"{100 * low:+.0f} to {100 * high:+.0f} points"


def _rests_on(here: Comparison, finding: Finding, found: Loaded | None) -> None:
    st.markdown("**What it rests on**")
    if not finding.features and not finding.probes:
        st.caption("No feature and no probe.")
    if finding.features and finding.reader not in ("", labels.sae_of(here.study.settings.reader)):
        st.caption(f"Its features belong to another reader, {md(finding.reader)}.")
        return
    if found is None:
        st.caption(md(", ".join([*(f"#{feature}" for feature in finding.features), *finding.probes])))
        return
    if finding.features:
        _features(here, finding, found.table[found.table["feature"].isin(finding.features)])
    if finding.probes:
        rows = found.diff.probes[found.diff.probes["probe"].isin(finding.probes)]
        # Of words every answer has some: whether it has any says nothing.
        amounts = rows["judged_by"] == "amount"
        for kind, some, columns in (("probes", rows[~amounts], ROW), ("amounts", rows[amounts], AMOUNT)):
            if len(some):
                st.dataframe(
                    shown(some, ["probe", *columns]),
                    placeholder="–",
                    hide_index=True,
                    key=f"{kind}-{finding.id}",
                    column_config=FIGURES,
                    alt="The finding's surface probes",
                )


def _features(here: Comparison, finding: Finding, rows: pd.DataFrame) -> None:
    event = st.dataframe(
        shown(rows, ["feature", "label", *ROW]),
        placeholder="–",
        hide_index=True,
        column_config=FEATURE | FIGURES,
        key=f"features-{finding.id}",
        on_select="rerun",
        selection_mode="single-row",
        alt="The finding's features; a row opens the feature",
    )
    picked = event["selection"]["rows"]
    if picked:
        feature = int(rows.iloc[picked[0]]["feature"])
        address.leave("feature", here.link(feature=feature))


def _pairs(here: Comparison, finding: Finding) -> None:
    table = here.study.prompts().set_index("id")
    # One thing is marked in the answers: the first feature, or the first probe where there is none.
    feature = next(iter(finding.features), None)
    probe = next(iter(finding.probes), None) if feature is None else None
    for title, pairs in (("Examples", finding.examples), ("Against it", finding.counter_examples)):
        if pairs:
            st.markdown(f"**{title}**")
        for pair in pairs:
            if pair.prompt_id not in table.index:
                st.caption(f"Prompt {md(pair.prompt_id)} is no longer in the study.")
                continue
            prompt = table.loc[pair.prompt_id]
            to = here.link(
                prompt=pair.prompt_id,
                feature=feature,
                probe=probe,
                draw=address.draw(pair.draw) if pair.draw else None,
                held=prompt["split"] == "held-out",
            )
            label = f"Draw {pair.draw + 1} · {short(visible(prompts.shown(prompt)), 60)}"
            st.page_link("pages/compare.py", label=md(label), icon=":material/compare_arrows:", query_params=to)
