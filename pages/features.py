"""The heart: which features differ between two checkpoints, as figure, chart and table of one selection."""

import numpy as np
import streamlit as st

from diffing.common.escape import md
from diffing.diff import selection
from pages.parts import charts, download, headline, job_panel, load, shell
from pages.parts.figures import FEATURE, FIGURES, shown

BARS = 15
PICKED = 300
"""Dots that an address can name."""
MOST = 2000
"""Rows of the table; a file has them all."""
COLUMNS = FEATURE | FIGURES | {
    "named_by": st.column_config.TextColumn("by", help="Who named it: a person, a language model, or a rule."),
    "delta_in_group": st.column_config.NumberColumn("in group", format="%+.1f"),
    "rate_a": st.column_config.NumberColumn("A /1,000", format="%.2f", help="Active tokens in 1,000."),
    "rate_b": st.column_config.NumberColumn("B /1,000", format="%.2f", help="Active tokens in 1,000."),
    "outside_noise": st.column_config.CheckboxColumn(
        "beyond noise", help="Larger than what two draws of one checkpoint show."
    ),
    "probes": st.column_config.TextColumn("nearest probes", width="medium", help="Countable things it goes with."),
    "score": st.column_config.NumberColumn("label score", format="%.2f", help="Blind: 0.5 is guessing."),
    "family": st.column_config.NumberColumn("family", format="%d"),
    "size": st.column_config.NumberColumn("members", format="%d", help="Features in its family."),
}  # fmt: skip
SHARES = ["frequency_a", "frequency_b", "delta", "ci_low", "ci_high"]
FIRST = {
    "plain": [*SHARES, "q"],
    "equal length": ["delta_equal_length", "q", *SHARES],
    "per 1,000 tokens": ["rate_a", "rate_b", "q", *SHARES],
}
"""Columns that answer the chosen comparison; the others follow."""
REST = [
    "delta_in_group", "delta_equal_length", "replicated", "survives_equal_length", "outside_noise", "rate_a",
    "rate_b", "probes", "named_by", "score", "family", "size",
]  # fmt: skip

shell.page("Features")
study = shell.opened_study()
a, b = shell.pair(study)
found = load.if_compared(study, a, b)
if found is None:
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
        "Compare by", list(selection.VIEWS), default="plain", required=True, key="view", bind="query-params",
        help="Whole answers; both cut to the shorter one's first tokens; or how many tokens in 1,000.",
    )  # fmt: skip
    direction = st.segmented_control("More on", ["A", "B"], key="more", bind="query-params")
    search = st.text_input("Search labels, tokens and probes", key="q", bind="query-params")
    groups = sorted(found.diff.categories["group"].unique())
    group = st.selectbox("Category or tag", groups, None, placeholder="All", key="group", bind="query-params")
with st.container(horizontal=True, vertical_alignment="center"):
    survives = st.toggle("Survives equal length", key="survives", bind="query-params")
    replicated = st.toggle(
        "Replicated", key="replicated", bind="query-params", help="Found on discovery prompts, again on held-out."
    )
    labelled = st.toggle("Labelled", key="labelled", bind="query-params", help="By a person or a language model.")
    members = st.toggle(
        "Open families", key="open", bind="query-params",
        help="Features that fire together are one family, shown by its first; this gives each a row.",
    )  # fmt: skip
    weak = st.toggle(
        "Not significant too", key="weak", bind="query-params", help="What did not reach q < 0.05: no claim."
    )

only = tuple(int(part) for part in st.query_params.get("only", "").split(",") if part.isdigit())
asked = selection.Asked(
    view=view or "plain", more=direction, search=search, group=group, survives=survives, replicated=replicated,
    labelled=labelled, members=members, weak=weak, only=only,
)  # fmt: skip
table = selection.prepared(found.table, found.diff.categories, group)
chosen = selection.chosen(table, asked)

with st.container(horizontal=True, vertical_alignment="center"):
    one, many = ("feature", "features") if members or only else ("family", "families")
    unit = one if len(chosen) == 1 else many
    sure = "" if weak or only else " · q < 0.05"
    within = f" · sorted by the difference in {md(group)}" if group else ""
    tested, words = found.diff.summary["tested"], selection.VIEWS[asked.view].words
    st.caption(f"{len(chosen):,} {unit} of {tested:,} tested features{sure} · {words}{within}")
    if only and st.button(f"Only {len(only)} chosen in the chart", icon=":material/close:", help="Show all again"):
        del st.query_params["only"]
        st.rerun()


def open_feature(feature: int) -> None:
    st.switch_page("pages/feature.py", query_params={"study": study.name, "a": a, "b": b, "feature": str(feature)})


if chosen.empty:
    st.info(
        "No feature passes these filters. "
        + ("" if asked.weak else "“Not significant too” lists what came nearest. ")
        + "The smallest difference that the study could have seen stands above."
    )
rate = asked.view == "per 1,000 tokens"
with st.container(key="stack-charts"):
    left, right = st.columns([3, 2], gap="medium")
with left:
    if len(chosen):
        bars = charts.frequency_bars(chosen.head(BARS), name_a, name_b, rate)
        clicked = st.plotly_chart(
            bars, key="frequency", on_select="rerun", selection_mode="points",
            alt="Share of prompts on A and on B for the features that differ most; the table has the figures.",
        )  # fmt: skip
        points = clicked["selection"]["points"]
        if points:
            open_feature(int(points[0]["customdata"]))
with right:
    noisy = asked.view == "plain" and found.diff.noise.size
    band = float(np.nanmedian(found.table["noise_band"])) if noisy else None
    dots = selection.dots(table, chosen, asked, study.settings.seed)
    volcano = charts.volcano(dots, band, rate, height=charts.bars_height(min(len(chosen), BARS)))
    picked = st.plotly_chart(
        volcano, key="volcano", on_select="rerun", selection_mode=("points", "box", "lasso"),
        alt="Dots: difference against evidence for each tested feature; the table below has the figures.",
    )  # fmt: skip
    ids = tuple(sorted({int(p["customdata"]) for p in picked["selection"]["points"]})[:PICKED])
    if ids and ids != only:
        st.query_params["only"] = ",".join(map(str, ids))
        st.rerun()

columns = dict.fromkeys(["feature", "label", *FIRST[asked.view], *REST])
rows = shown(chosen.assign(q=chosen[selection.VIEWS[asked.view].q]), list(columns)).head(MOST)
event = st.dataframe(
    rows, hide_index=True, column_config=COLUMNS, key="table", on_select="rerun", selection_mode="single-row",
    alt="The features that pass the filters, most different first",
)  # fmt: skip
if event["selection"]["rows"] and event["selection"]["rows"][0] < len(rows):
    open_feature(int(rows.iloc[event["selection"]["rows"][0]]["feature"]))
with st.container(horizontal=True, vertical_alignment="center"):
    download.csv("Download this table", chosen, f"{study.name}-features")
    st.caption(
        "A bar or a row opens its feature. A dot, or a box drawn around dots, narrows bars and table to it. "
        "Shares in percent of prompts, differences in points."
    )
headline.settings(found.diff)
