"""One feature: its figures, its label, and the two answers to the same prompt side by side."""

import pandas as pd
import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.diff import pairs
from diffing.findings.findings import Example
from diffing.reader import firing, lens, presets
from pages.parts import charts, feature_head, finding_widget, headline, label_widget, load, pair_view, shell
from pages.parts.figures import FEATURE, FIGURES, shown

NARROW = {"label": st.column_config.TextColumn("label", width=190)}

shell.page("Feature")
study = shell.opened_study()
a, b = shell.pair(study)
try:
    found = load.of_pair(study, a, b)
    encodings = load.encodings(study)
except UserError as error:
    shell.lost(str(error))
asked = st.query_params.get("feature", "")
ranking = found.diff.top(1000)["feature"].tolist()
if not asked.isdigit() or int(asked) >= len(found.table):
    if asked or not ranking:
        shell.lost(
            f"There is no feature '{asked}' in this diff."
            if asked
            else "No feature differs; choose one by its number."
        )
    asked = str(ranking[0])
feature = int(asked)
row = found.table.iloc[feature]
link = {"study": study.name, "a": a, "b": b}


def go(number: int) -> None:
    st.query_params["feature"] = str(number)
    st.query_params.pop("pair", None)


def first_pair() -> None:
    """Another order begins anew."""
    st.query_params.pop("pair", None)


# The header: place in the ranking, name, figures.
place = ranking.index(feature) if feature in ranking else None
with st.container(horizontal=True, vertical_alignment="center"):
    for label, icon, step in (("Previous", "arrow_back", -1), ("Next", "arrow_forward", 1)):
        target = -1 if place is None else place + step
        fits = 0 <= target < len(ranking)
        st.button(
            label, icon=f":material/{icon}:", disabled=not fits, on_click=go, args=[ranking[target] if fits else 0]
        )  # fmt: skip
    other = st.number_input("Go to", 0, len(found.table) - 1, feature, label_visibility="collapsed", width=150)
    if other != feature:
        go(int(other))
        st.rerun()
    st.caption(
        f"{place + 1} of {len(ranking)} families that differ"
        if place is not None
        else "not the first of a family that differs"
    )
feature_head.show(row)

# Side by side.
with st.container(horizontal=True, vertical_alignment="bottom"):
    order = st.segmented_control(
        "Pairs of answers",
        pairs.ORDERS,
        default=pairs.ORDERS[0],
        required=True,
        key="order",
        bind="query-params",
        on_change=first_pair,
    )
    held = st.toggle(
        "Held-out prompts too", key="held", bind="query-params", help="Findings made while looking at them say so."
    )
    second_text = st.text_input(
        "Underline a second feature", key="second", bind="query-params", placeholder="number", width=220
    )
table = load.pairs(study, feature, a, b, held)
queue = pairs.ordered(table, order or pairs.ORDERS[0], float(row["delta"]), study.settings.seed)
second = int(second_text) if second_text.isdigit() and int(second_text) < len(found.table) else None
if second_text and second is None:
    st.caption(
        f"There is no feature '{md(second_text)}' to underline; they go from 0 to {len(found.table) - 1:,}."
    )
mark_a = mark_b = None
if queue.empty:
    st.info("No pair of answers is of this kind" + ("." if held else " among the discovery prompts."))
else:
    text = st.query_params.get("pair", "0")
    at = min(int(text) if text.isdigit() else 0, len(queue) - 1)

    def turn(step: int) -> None:
        st.query_params["pair"] = str((at + step) % len(queue))

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Previous pair", on_click=turn, args=[-1], icon=":material/chevron_left:", shortcut="p")
        st.button("Next pair", on_click=turn, args=[1], icon=":material/chevron_right:", shortcut="n")
        st.caption(f"Pair {at + 1} of {len(queue)}, {order}")
        pair = queue.iloc[at]
        whole = link | {"prompt": str(pair["prompt_id"]), "feature": str(feature)}
        whole |= {"held": "true"} if pair["split"] == "held-out" else {}
        st.page_link(
            "pages/compare.py", label="All of this prompt", icon=":material/compare_arrows:", query_params=whole
        )
        finding_widget.add_pair(
            study, a, b, Example(str(pair["prompt_id"]), int(pair["draw"])), pair["split"] == "held-out"
        )
    mark_a, mark_b = (float(pair[f"peak_{side}"]) or None for side in ("a", "b"))
    largest = float(table[["peak_a", "peak_b"]].to_numpy().max())
    second_label = "" if second is None else str(found.table.iloc[second]["label"])
    pair_view.show(study, encodings, pair, feature, largest, second, second_label)

with st.container(key="stack-below"):
    left, right = st.columns([3, 2], gap="large")
with left:
    histogram = charts.activations(
        table.loc[table["peak_a"] > 0, "peak_a"].to_numpy(),
        table.loc[table["peak_b"] > 0, "peak_b"].to_numpy(),
        mark_a,
        mark_b,
    )
    st.plotly_chart(histogram, alt="How strongly answers of A and of B show the feature, where they do")
    groups = found.diff.categories[found.diff.categories["feature"] == feature]
    for kind, part in groups.groupby("kind"):
        if len(part) > 1:
            q = part["q_heterogeneity"].iloc[0]
            note = f", differs between them (q = {q:.2g})" if pd.notna(q) and q < 0.05 else ""
            figure = charts.by_group(part, f"Difference by {kind}{note}")
            st.plotly_chart(figure, alt=f"Difference by {kind}; the table below has the figures")
            with st.expander(f"The figures by {kind}"):
                st.dataframe(
                    shown(part, ["group", "n", "delta", "ci_low", "ci_high"]), hide_index=True,
                    column_config=FIGURES | {"n": st.column_config.NumberColumn("prompts", format="%d")},
                    alt=f"Difference by {kind}",
                )  # fmt: skip
with right:
    st.subheader("Label", anchor=False)
    described = load.description(study, feature)
    label_widget.show(study, feature, described.in_words())
    for flag in load.contradictions(study, a, b, feature):
        st.warning(f"The counts disagree with this label: {md(flag.words)}")
    with st.container(horizontal=True):
        finding = link | {"features": str(feature)} | ({"held": "true"} if held else {})
        st.page_link("pages/findings.py", label="Add to findings", icon=":material/add:", query_params=finding)
        place = presets.NEURONPEDIA.get(study.settings.reader.preset)
        if place:
            st.link_button("On Neuronpedia", f"https://www.neuronpedia.org/{place}/{feature}")
    st.subheader("What it is tied to", anchor=False)
    st.caption("Tokens it fires on")
    st.code(described.listed(), language=None, wrap_lines=True)
    promoted = lens.stored(encodings.reader_key, [feature]).get(feature)
    if promoted:
        st.caption("Tokens it makes likelier next")
        st.code("  ".join(firing.shown(token) for token, _ in promoted.promoted), language=None, wrap_lines=True)
    if st.toggle("Features that go with it", key="with", bind="query-params"):
        with st.spinner("Comparing it with every feature"):
            together = load.correlated(study, feature)
        named = together.merge(found.table[["feature", "label"]], on="feature")
        with_it = st.dataframe(
            named[["feature", "label", "npmi", "p"]].head(12), hide_index=True, alt="Correlated features",
            key="correlated", on_select="rerun", selection_mode="single-row",
            column_config=FEATURE | NARROW | {
                "npmi": st.column_config.NumberColumn("together", format="%.2f", help="1: never apart, 0: chance"),
                "p": st.column_config.NumberColumn("p", format="%.3f", help="Against the best of all features."),
            },
        )  # fmt: skip
        if with_it["selection"]["rows"]:
            go(int(named.iloc[with_it["selection"]["rows"][0]]["feature"]))
            st.rerun()
    family = found.table[(found.table["family"] == row["family"]) & (found.table["feature"] != feature)]
    if len(family):
        st.caption("The rest of its family")
        members = st.dataframe(
            shown(family, ["feature", "label", "delta"]), hide_index=True, key="family", on_select="rerun",
            selection_mode="single-row", column_config=FEATURE | FIGURES | NARROW, alt="Features of its family",
        )  # fmt: skip
        if members["selection"]["rows"]:
            go(int(family.iloc[members["selection"]["rows"][0]]["feature"]))
            st.rerun()
headline.settings(found.diff)
