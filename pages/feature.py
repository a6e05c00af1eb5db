"""One feature: its figures, its label, and the two answers to the same prompt side by side."""

import pandas as pd
import streamlit as st

from diffing import contradictions, labels, lens, presets, showing
from diffing.errors import UserError
from diffing.ui import charts, label_widget, load, pair_view, shell
from diffing.ui.text import esc, md

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


# The header: name, place in the ranking, figures.
place = ranking.index(feature) if feature in ranking else None
with st.container(horizontal=True, vertical_alignment="center"):
    for label, step in (("Previous", -1), ("Next", 1)):
        target = None if place is None else place + step
        fits = target is not None and 0 <= target < len(ranking)
        st.button(
            label, disabled=not fits, on_click=go, args=[ranking[target]] if fits and target is not None else [0]
        )
    other = st.number_input("Go to", 0, len(found.table) - 1, feature, label_visibility="collapsed")
    if other != feature:
        go(int(other))
        st.rerun()
    words = (
        f"{place + 1} of {len(ranking)} families that differ" if place is not None else "not a lead that differs"
    )
    st.caption(words)
st.html(f"<h3>#{feature} · {esc(row['label'])}</h3>")
one, two, three, four, five = st.columns(5)
one.metric("A", f"{row['frequency_a']:.1%}", help="Share of prompts whose answer shows it.")
two.metric("B", f"{row['frequency_b']:.1%}")
three.metric(
    "B − A",
    f"{100 * row['delta']:+.1f} points",
    help=f"95 % interval {100 * row['ci_low']:+.1f} to {100 * row['ci_high']:+.1f}.",
)
four.metric(
    "q",
    f"{row['q']:.2g}" if pd.notna(row["q"]) else "not tested",
    help="After correction over all tested features.",
)
cut = row["delta_equal_length"]
five.metric(
    "At equal length",
    f"{100 * cut:+.1f} points" if pd.notna(cut) else "–",
    help="First tokens of both answers only.",
)
noise = (
    ""
    if pd.isna(row["outside_noise"])
    else "beyond the noise of one checkpoint"
    if row["outside_noise"]
    else "within the noise of one checkpoint"
)
facts = [
    f"per 1,000 tokens A {row['rate_a']:.2f}, B {row['rate_b']:.2f}",
    f"replicated: {row['replicated']}" if row["replicated"] else "",
    noise,
    f"nearest probes {row['probes']}" if row["probes"] else "",
]
st.caption(md(" · ".join(fact for fact in facts if fact)))

# Side by side.
with st.container(horizontal=True, vertical_alignment="bottom"):
    order = st.segmented_control(
        "Pairs", showing.ORDERS, default=showing.ORDERS[0], required=True, key="order", bind="query-params"
    )
    held = st.toggle(
        "Held-out prompts too", key="held", bind="query-params", help="Findings made while looking at them say so."
    )
    second_text = st.text_input(
        "Lay a second feature under it", key="second", bind="query-params", placeholder="number"
    )
table = showing.pairs(study, encodings, feature, a, b, held)
queue = showing.ordered(table, order or showing.ORDERS[0], float(row["delta"]), study.settings.seed)
second = int(second_text) if second_text.isdigit() and int(second_text) < len(found.table) else None
mark_a = mark_b = None
if queue.empty:
    st.info("No pair of answers is of this kind" + ("." if held else " among the discovery prompts."))
else:
    text = st.query_params.get("pair", "0")
    at = min(int(text) if text.isdigit() else 0, len(queue) - 1)

    def turn(step: int) -> None:
        st.query_params["pair"] = str((at + step) % len(queue))

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Previous pair", on_click=turn, args=[-1], icon=":material/chevron_left:")
        st.button("Next pair", on_click=turn, args=[1], icon=":material/chevron_right:")
        st.caption(f"Pair {at + 1} of {len(queue)}, {order}; both sides on one scale")
        st.page_link(
            "pages/compare.py",
            label="All of this prompt",
            query_params=link | {"prompt": str(queue.iloc[at]["prompt_id"])},
        )
    pair = queue.iloc[at]
    mark_a, mark_b = (float(pair[f"peak_{side}"]) or None for side in ("a", "b"))
    largest = float(table[["peak_a", "peak_b"]].to_numpy().max())
    pair_view.show(study, encodings, pair, feature, largest, second)

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
                st.dataframe(part[["group", "n", "delta", "ci_low", "ci_high"]], hide_index=True)
with right:
    st.subheader("Label", anchor=False)
    described = labels.describe(encodings, [feature], labels.readable(study, encodings).tolist())[feature]
    label_widget.show(study, feature, described.label)
    for flag in contradictions.of(study, a, b, [feature]).get(feature, []):
        st.warning(f"The counts disagree with this label: {md(flag.words)}")
    with st.container(horizontal=True):
        finding = link | {"features": str(feature)} | ({"held": "true"} if held else {})
        st.page_link("pages/findings.py", label="Make a finding", icon=":material/add:", query_params=finding)
        place = presets.NEURONPEDIA.get(study.settings.reader.preset)
        if place:
            st.link_button("On Neuronpedia", f"https://www.neuronpedia.org/{place}/{feature}")
    st.subheader("What it is tied to", anchor=False)
    st.caption("Tokens it fires on")
    st.code(described.label, language=None, wrap_lines=True)
    promoted = lens.stored(encodings.reader_key, [feature]).get(feature)
    if promoted:
        st.caption("Tokens it makes likelier next")
        st.code("  ".join(labels.shown(token) for token, _ in promoted.promoted), language=None, wrap_lines=True)
    if st.toggle("Features that go with it", key="with", bind="query-params"):
        with st.spinner("Comparing it with every feature"):
            together = load.correlated(study, feature)
        named = together.merge(found.table[["feature", "label"]], on="feature")
        st.dataframe(named[["feature", "label", "npmi", "p"]].head(12), hide_index=True, alt="Correlated features")
    family = found.table[(found.table["family"] == row["family"]) & (found.table["feature"] != feature)]
    if len(family):
        st.caption("The rest of its family")
        members = st.dataframe(
            family[["feature", "label", "delta"]], hide_index=True, key="family", on_select="rerun",
            selection_mode="single-row", alt="Features that fire together with this one",
        )  # fmt: skip
        if members["selection"]["rows"]:
            go(int(family.iloc[members["selection"]["rows"][0]]["feature"]))
            st.rerun()
