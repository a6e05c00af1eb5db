"""Three or more checkpoints: in order, what changed and between which two; as a set, which one stands apart."""

import streamlit as st

from diffing.common.escape import esc, md
from diffing.common.words import count
from diffing.diff import outlier, told
from diffing.study import plain
from pages.parts import address, shell
from pages.parts.timeline import chart, choice, counted, handed, table

CHARTS, WIDE = 9, 352
"""Small charts, and their pixels: three stand side by side, and fewer where there is less room."""

shell.page("Timeline")
study = address.study()
if len(study.checkpoints) < 3:
    st.info("This study has two checkpoints; a timeline takes three or more.")
    st.page_link(
        "pages/answer.py",
        label="What changed between the two",
        icon=":material/lightbulb:",
        query_params=address.written(study=study.name),
    )
    st.stop()
keys = choice.of(study)
ordered = choice.ordered()
found: counted.Seen
if ordered:
    found = counted.of(study, keys)
    said = told.said(found)
else:
    found = counted.apart(study, keys)
    said = outlier.said(found)

st.html(f"<div class='said'>{esc(said.headline)}</div>")
for where, what in said.parts:
    st.html(f"<div class='part'><b>{esc(where)}</b> {esc(what)}</div>")
if said.parts:
    st.caption(said.rest)
left = f" {count(found.left_out, 'other is', 'others are')} not answered by all." if found.left_out else ""
st.caption(
    f"{md((' → ' if ordered else ' · ').join(found.names))}, {count(found.prompts, 'prompt')} answered by all of "
    f"them.{left} Surface probes, phrases and measures were counted in the answers; what is named differs by more "
    "than chance explains, reckoned over all that was looked at."
)
if caution := told.caution(found):
    st.caption(caution)
if told_made := plain.series_note(study, keys):
    st.caption(md(told_made))
for fault in found.faults:
    st.warning(md(fault))
choice.answers(study, keys)
notable = told.notable(found)
with st.container(horizontal=True, gap="small", key="charts-along"):
    for place, (_, row) in enumerate(notable.head(CHARTS).iterrows()):
        st.plotly_chart(
            chart.item(found, row),
            width=WIDE,
            key=f"along-{place}",
            config={"displayModeBar": False},
            alt=f"{row['says']} at each checkpoint; the table below has the figures",
        )
if len(notable) > CHARTS:
    st.caption(f"The {CHARTS} surest of {len(notable)}; the table has them all.")
table.show(study, found)
if ordered:
    handed.show(study, keys)
