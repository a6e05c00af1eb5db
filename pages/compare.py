"""Any prompt's answers side by side and what they differ by; what can be counted; any text read."""

import streamlit as st

from diffing.common import colours
from diffing.common.errors import UserError
from diffing.common.escape import esc, md, visible
from diffing.findings.findings import Example
from diffing.probes import near, scan
from diffing.reader import query
from diffing.reader.encodings import Encodings
from diffing.study import prompts
from pages.parts import any_text, charts, download, finding_widget, headline, highlight, job_panel, load, shell
from pages.parts.figures import FEATURE, FIGURES, choosing, mark, shown

VIEWS = ("Answers", "Surface probes", "Any text")
MOST = 200
"""Rows of a table of features; what comes after is weak everywhere."""
PROBE_COLUMNS = [
    "probe", "frequency_a", "frequency_b", "delta", "ci_low", "ci_high", "q", "delta_equal_length", "replicated",
    "description", "verdict", "mean_a", "mean_b", "q_mean",
]  # fmt: skip
COLUMNS = ["feature", "label", "peak_left", "peak_right", "documents", "delta", "q", "frequency_a", "frequency_b"]

shell.page("Compare")
study = shell.opened_study()
a, b = shell.pair(study)
link = {"study": study.name, "a": a, "b": b}
names = {"a": study.checkpoint(a).name, "b": study.checkpoint(b).name}
view = st.segmented_control(
    "View", VIEWS, default=VIEWS[0], required=True, key="show", bind="query-params", label_visibility="collapsed"
)
found = load.if_compared(study, a, b)
st.html(highlight.STYLE)

if view == "Surface probes":
    if found is None:
        st.info("Nothing has been compared yet; the step that compares features counts the surface probes too.")
        job_panel.missing_steps(study, a, b)
        st.stop()
    probes = found.diff.probes
    about = [near.PROBES[name].description for name in probes["probe"]]
    probes = probes.assign(description=about, size=probes["delta"].abs())
    probes = probes.sort_values(["size", "q_mean"], ascending=[False, True], kind="stable").drop(columns="size")
    differ = probes[probes["q"] < 0.05]
    st.markdown(
        f"**{len(differ)}** of {found.diff.summary['tested_probes']} tested probes differ (q < 0.05) between "
        f"**A** {md(names['a'])} and **B** {md(names['b'])}. They are counted without any reader."
    )
    if len(differ):
        chart = charts.by_group(
            differ[["delta", "ci_low", "ci_high"]].assign(group=differ["probe"]),
            f"Countable things that differ (share of {found.diff.summary['prompts']} prompts, 95 % intervals)",
        )
        st.plotly_chart(chart, alt="Difference and interval of each probe that differs; the table has the figures")

    def to_answers() -> None:
        rows = st.session_state["probes"]["selection"]["rows"]
        mark(**({"probe": str(probes.iloc[rows[0]]["probe"])} if rows else {}))
        st.session_state["show"] = VIEWS[0]

    columns = {"probe": st.column_config.TextColumn("probe", pinned=True)} | FIGURES
    columns |= {"description": st.column_config.TextColumn("what is counted", width="large")}
    st.dataframe(
        shown(probes, PROBE_COLUMNS), hide_index=True, column_config=columns, height=560, key="probes",
        on_select=to_answers, selection_mode="single-row",
        alt="All surface probes with their shares, differences, intervals and tests",
    )  # fmt: skip
    st.caption("A row marks the probe in the answers. Shares in percent of prompts, differences in points.")
    download.csv("Download this table", probes, f"{study.name}-probes")
    headline.settings(found.diff)
    st.stop()

chosen = st.query_params.get("feature", "")
if chosen and not (chosen.isdigit() and (found is None or int(chosen) < len(found.table))):
    shell.lost(f"There is no feature '{chosen}' in this diff.")

if view == "Any text":
    any_text.show(study, found, chosen, link)
    st.stop()

# Which prompt.
if st.query_params.get("held") == "1":
    st.query_params["held"] = "true"
    st.rerun()
every, answers = study.prompts(), study.responses()
answers = answers[answers["checkpoint"].isin([a, b])]
wanted = st.query_params.get("prompt", "")
if wanted and wanted not in set(every["id"]):
    shell.lost(f"This study has no prompt '{wanted}'.")
with st.container(horizontal=True, vertical_alignment="bottom"):
    category = st.selectbox(
        "Category",
        sorted(set(every["category"]) - {""}),
        None,
        placeholder="All",
        key="category",
        bind="query-params",
    )
    search = st.text_input("Search prompts and answers", key="q", bind="query-params")
    held = st.toggle(
        "Held-out prompts too", key="held", bind="query-params", help="Findings made while looking at them say so."
    )
listed = every[every["active"] & (every["split"].eq("discovery") | bool(held))]
listed = listed[listed["category"].eq(category)] if category else listed
if search:
    hits = answers.loc[answers["text"].str.contains(search, case=False, regex=False), "prompt_id"]
    said = (listed["text"] + listed["messages"] + listed["tags"]).str.contains(search, case=False, regex=False)
    listed = listed[said | listed["id"].isin(hits)]
every = every.set_index("id")
if wanted and every.at[wanted, "split"] == "held-out" and not held:
    st.info("This prompt is held out: labels and drafts have not seen it. The toggle above shows it.")
    st.stop()
if listed.empty:
    st.info("No prompt passes these filters." if search or category else "The study has no prompt to show.")
    st.stop()
ids = listed["id"].tolist()
at = ids.index(wanted) if wanted in ids else 0


def go(identifier: str) -> None:
    st.query_params["prompt"] = identifier


with st.container(horizontal=True, vertical_alignment="bottom"):
    for label, icon, to in (("Previous", "left", at - 1), ("Next", "right", at + 1)):
        args = [ids[to]] if 0 <= to < len(ids) else [""]
        st.button(
            label, icon=f":material/chevron_{icon}:", disabled=args == [""], on_click=go, args=args,
            shortcut=label[0].lower(),
        )  # fmt: skip
    st.session_state["choose"] = ids[at]
    st.selectbox(
        f"Prompt {at + 1} of {len(ids):,}", ids, key="choose",
        format_func=lambda one: charts.short(visible(prompts.shown(every.loc[one])), 110),
        on_change=lambda: go(st.session_state["choose"]),
    )  # fmt: skip
prompt = every.loc[ids[at]]
st.caption(md(" · ".join(part for part in (prompt["category"], prompt["tags"], prompt["split"]) if part)))
st.code(visible(prompts.shown(prompt)), language=None, wrap_lines=True)

# What two of its answers differ by.
mine = answers[answers["prompt_id"] == ids[at]].set_index(["checkpoint", "draw"]).sort_index()
draws = sorted(set(mine.index.get_level_values("draw")))
if not draws:
    st.info("No answer to this prompt is stored yet.")
    st.stop()
with st.container(horizontal=True, vertical_alignment="center"):
    draw = draws[0]
    if len(draws) > 1:
        titles = [f"draw {one + 1}" for one in draws]
        draw = draws[titles.index(st.segmented_control(
            "Draw", titles, default=titles[0], required=True, key="draw", bind="query-params",
            label_visibility="collapsed",
        ))]  # fmt: skip
    differing = not st.toggle(
        "Features that do not differ over the whole study too", key="every", bind="query-params",
    ) and found is not None and bool(found.diff.summary["differing"])  # fmt: skip
try:
    encodings: Encodings | None = load.encodings(study)
    here = load.encodings(study).documents.query("prompt_id == @ids[@at] and error == ''")
    documents = dict(zip(zip(here["checkpoint"], here["draw"], strict=True), here.index, strict=True))
except UserError:
    encodings, documents = None, {}
probe = st.query_params.get("probe", "")
if probe and probe not in near.PROBES:
    shell.lost(f"There is no probe '{probe}'.")
pair = {side: mine["text"].get((key, draw), "") for side, key in (("a", a), ("b", b))}
beside = st.container(horizontal=True, gap="medium")
with beside, st.container(width="stretch", key="roomy-features"):
    st.markdown("**Features they differ by**, rare and strong ones first")
    if found is None or encodings is None:
        st.info("They have not been read and compared yet.")
        job_panel.missing_steps(study, a, b)
    elif {(a, draw), (b, draw)} <= set(documents):
        rows = query.between(encodings, documents[a, draw], documents[b, draw], encodings.n_features)
        rows = rows.merge(found.table, on="feature", how="left")
        rows = rows[rows["q"] < 0.05].reset_index(drop=True) if differing else rows
        key = f"differ-{ids[at]}-{draw}-{len(rows)}"
        st.dataframe(
            shown(rows.head(MOST), COLUMNS),
            hide_index=True, column_config=FEATURE | FIGURES, key=key, selection_mode="single-row", height=282,
            on_select=choosing(key, "feature", rows["feature"].tolist()), alt="Features that the two differ by",
        )  # fmt: skip
        download.csv(f"Download all {len(rows):,}", rows, f"{study.name}-{ids[at]}-features")
    else:
        st.caption("An answer of this draw is missing or was not read.")
with beside, st.container(width=290):
    st.markdown("**What can be counted**")
    counts = scan.table([pair["a"], pair["b"]]).T.set_axis(["A", "B"], axis=1).rename_axis("probe")
    counts = counts[counts.sum(axis=1) > 0].assign(size=(counts["B"] - counts["A"]).abs().gt(0))
    counts = counts.sort_values("size", ascending=False, kind="stable").drop(columns="size").reset_index()
    key = f"counts-{ids[at]}-{draw}"
    st.dataframe(
        counts, hide_index=True, key=key, selection_mode="single-row", height=282,
        column_config={side: st.column_config.NumberColumn(width=45) for side in ("A", "B")},
        on_select=choosing(key, "probe", counts["probe"].tolist()), alt="Counts of surface probes in both answers",
    )  # fmt: skip

# The answers themselves.
feature = int(chosen) if chosen else None
largest = 0.0
if feature is not None and found is not None:
    row = found.table.iloc[feature]
    largest = float(max(abs(row["peak_a"]), abs(row["peak_b"])))
with st.container(horizontal=True, vertical_alignment="center"):
    if probe:
        st.html(f"Marked: <b>{esc(probe)}</b>, {esc(near.PROBES[probe].description)}")
    elif feature is not None:
        told = f", {esc(row['label'])}; full colour is {largest:.1f}, its strongest anywhere" if largest else ""
        st.html(f"Marked: <b>#{feature}</b>{told}")
        to = link | {"feature": chosen}
        st.page_link("pages/feature.py", label="Open the feature", icon=":material/search:", query_params=to)
    else:
        st.caption("Choose a row above, and its tokens are marked in every answer below.")
    if probe or chosen:
        st.button("Clear", icon=":material/close:", on_click=mark)
    finding_widget.add_pair(study, a, b, Example(ids[at], draw), prompt["split"] == "held-out")
for one in [draw, *(other for other in draws if other != draw)]:
    for column, side, key in zip(st.columns(2, gap="medium"), ("a", "b"), (a, b), strict=True):
        with column, st.container(border=True):
            hue = colours.A if side == "a" else colours.B
            which = f" · draw {one + 1}" if len(draws) > 1 else ""
            answer = mine.loc[key, one] if (key, one) in mine.index else None
            flag = f" · {answer['flag']}" if answer is not None and answer["flag"] else ""
            st.html(f'<b style="color:{hue}">{side.upper()}</b> {esc(names[side] + which + flag)}')
            if answer is None or not answer["text"]:
                st.caption(md(answer["error"]) if answer is not None and answer["error"] else "No answer.")
            elif probe:
                st.html(highlight.spans(answer["text"], near.PROBES[probe].spans(answer["text"]), side))
            elif feature is None or encodings is None or (key, one) not in documents:
                st.html(highlight.answer([(answer["text"], 0.0)], side, 1.0))
            else:
                try:
                    pieces = encodings.tokens(documents[key, one]).pieces(
                        encodings.dense(documents[key, one], feature)
                    )
                    st.html(highlight.answer(pieces, side, largest))
                except UserError as error:
                    st.caption(md(str(error)))
