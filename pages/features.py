"""The heart: which features differ between two checkpoints, as figure, chart and table of one selection."""

import numpy as np
import pandas as pd
import streamlit as st

from diffing.errors import UserError
from diffing.ui import charts, headline, job_panel, load, shell

VIEWS = {
    "plain": ("delta", "q", "whole answers"),
    "equal length": ("delta_equal_length", "q_equal_length", "both answers cut to the shorter one's first tokens"),
    "per 1,000 tokens": ("rate_difference", "q_rate", "active tokens per 1,000"),
}
SAMPLED = 2000
"""Dots of features that do not differ: a sample, because 65,000 of them would say no more."""

shell.page("Features")
study = shell.opened_study()
a, b = shell.pair(study)
try:
    found = load.of_pair(study, a, b)
except UserError:
    st.info("These two checkpoints have not been compared yet.")
    job_panel.missing_steps(study, a, b)
    st.stop()
if found.outdated:
    st.warning("Prompts, answers or encodings have changed since this diff was computed.")
    job_panel.missing_steps(study, a, b, again=True)

name_a, name_b = study.checkpoint(a).name, study.checkpoint(b).name
headline.show(found.diff, name_a, name_b)

with st.container(horizontal=True, vertical_alignment="bottom"):
    view = st.segmented_control(
        "View", list(VIEWS), default="plain", required=True, key="view", bind="query-params"
    )
    direction = st.segmented_control("More on", ["A", "B"], key="more", bind="query-params")
    survives = st.toggle("Survives equal length", key="survives", bind="query-params")
    replicated = st.toggle("Replicated", key="replicated", bind="query-params")
    labelled = st.toggle("Labelled", key="labelled", bind="query-params")
    members = st.toggle("Open families", key="open", bind="query-params", help="A row for every feature.")
with st.container(horizontal=True):
    search = st.text_input("Search labels, tokens and probes", key="q", bind="query-params")
    groups = sorted(found.diff.categories["group"].unique())
    group = st.selectbox("In category or tag", ["", *groups], key="group", bind="query-params")
    number = st.number_input("Bars", 5, 50, 15, key="bars", bind="query-params")

delta, q, what = VIEWS[view or "plain"]
table = found.table.assign(rate_difference=found.table["rate_b"] - found.table["rate_a"])
if group:
    here = found.diff.categories.query("group == @group")[["feature", "delta"]]
    table = table.merge(here.rename(columns={"delta": "delta_in_group"}), on="feature")
table = table.assign(size=table["feature"].map(table.groupby("family").size()))
kept = table[q].lt(0.05)
kept &= table[delta].lt(0) if direction == "A" else table[delta].gt(0) if direction == "B" else True
kept &= table["survives_equal_length"].fillna(False).astype(bool) if survives else True
kept &= table["replicated"].eq("yes") if replicated else True
kept &= table["named_by"].ne("rule") if labelled else True
if search:
    text = table["label"] + " " + table["probes"] + " #" + table["feature"].astype(str)
    kept &= text.str.contains(search, case=False, regex=False)
if not members:
    kept &= table["feature"] == table["family"]
only = [int(part) for part in st.query_params.get("only", "").split(",") if part.isdigit()]
chosen = table[kept & table["feature"].isin(only)] if only else table[kept]
order = "delta_in_group" if group else delta
chosen = chosen.reindex(chosen[order].abs().sort_values(ascending=False, kind="stable").index)

with st.container(horizontal=True, vertical_alignment="center"):
    unit = "features" if members else "families"
    st.caption(f"{len(chosen):,} {unit} of {found.diff.summary['tested']:,} tested features · q < 0.05 · {what}")
    if only and st.button(f"Only the {len(only)} selected", icon=":material/close:", help="Show all again"):
        del st.query_params["only"]
        st.rerun()


def open_feature(feature: int) -> None:
    st.switch_page("pages/feature.py", query_params={"study": study.name, "a": a, "b": b, "feature": str(feature)})


if chosen.empty:
    st.info("No feature passes these filters. What the study could not have seen stands above.")
left, right = st.columns(2, gap="medium")
with left:
    if len(chosen):
        bars = charts.frequency_bars(chosen.head(int(number)), name_a, name_b)
        clicked = st.plotly_chart(
            bars, key="frequency", on_select="rerun", selection_mode="points",
            alt="Share of prompts on A and on B for the features that differ most; the table has the figures.",
        )  # fmt: skip
        points = clicked["selection"]["points"]
        if points:
            open_feature(int(points[0]["customdata"]))
with right:
    tested = table[table[q].notna()]
    rest = tested[tested[q] >= 0.05]
    shown = pd.concat(
        [tested[tested[q] < 0.05], rest.sample(min(SAMPLED, len(rest)), random_state=study.settings.seed)]
    )
    shown = shown[shown["feature"].isin(chosen["feature"]) | shown[q].ge(0.05)] if len(chosen) else shown
    band = float(np.nanmedian(found.table["noise_band"])) if view == "plain" and found.diff.noise.size else None
    volcano = charts.volcano(
        shown.assign(delta=shown[delta], q=shown[q]), band, view or "plain", per_mille=view == "per 1,000 tokens"
    )
    picked = st.plotly_chart(
        volcano, key="volcano", on_select="rerun", selection_mode=("points", "box", "lasso"),
        alt="Dots: difference against evidence for each tested feature; the table below has the figures.",
    )  # fmt: skip
    ids = sorted({int(p["customdata"]) for p in picked["selection"]["points"]})
    if len(ids) == 1:
        open_feature(ids[0])
    if len(ids) > 1 and ids != only:
        st.query_params["only"] = ",".join(map(str, ids[:300]))
        st.rerun()

COLUMNS = {
    "feature": st.column_config.NumberColumn("#", format="%d", width="small"),
    "label": st.column_config.TextColumn("label", width="large"),
    "named_by": st.column_config.TextColumn("by", help="Who named it: a person, a language model, or a rule."),
    "frequency_a": st.column_config.NumberColumn("A", format="percent"),
    "frequency_b": st.column_config.NumberColumn("B", format="percent"),
    "delta": st.column_config.NumberColumn("B − A", format="percent"),
    "ci_low": st.column_config.NumberColumn("from", format="percent", help="95 % interval of B − A"),
    "ci_high": st.column_config.NumberColumn("to", format="percent"),
    "q": st.column_config.NumberColumn(
        "q", format="%.2g", help="After Benjamini–Hochberg over all tested features."
    ),
    "delta_in_group": st.column_config.NumberColumn("in group", format="percent"),
    "delta_equal_length": st.column_config.NumberColumn("equal length", format="percent"),
    "survives_equal_length": st.column_config.CheckboxColumn("survives"),
    "rate_a": st.column_config.NumberColumn("A /1,000", format="%.2f"),
    "rate_b": st.column_config.NumberColumn("B /1,000", format="%.2f"),
    "replicated": st.column_config.TextColumn("replicated"),
    "outside_noise": st.column_config.CheckboxColumn("beyond noise"),
    "probes": st.column_config.TextColumn("nearest probes", width="medium"),
    "score": st.column_config.NumberColumn("label score", format="%.2f"),
    "family": st.column_config.NumberColumn("family", format="%d"),
    "size": st.column_config.NumberColumn("members", format="%d"),
}
rows = chosen[[name for name in COLUMNS if name in chosen]].head(2000)
event = st.dataframe(
    rows, hide_index=True, column_config=COLUMNS, key="table", on_select="rerun", selection_mode="single-row",
    alt="The features that pass the filters, most different first",
)  # fmt: skip
if event["selection"]["rows"] and event["selection"]["rows"][0] < len(rows):
    open_feature(int(rows.iloc[event["selection"]["rows"][0]]["feature"]))
with st.container(horizontal=True, vertical_alignment="center"):
    st.download_button(
        "Download this table", lambda: chosen.to_csv(index=False).encode(),
        f"{study.name}-features.csv", "text/csv", on_click="ignore", icon=":material/download:",
    )  # fmt: skip
    st.caption("A click on a bar, a dot or a row opens the feature; a box drawn around dots narrows the rest.")
headline.settings(found.diff)
