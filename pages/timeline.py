"""Three or more checkpoints in order: what changed along them, between which two, and a chart of each."""

import streamlit as st

from diffing.common.escape import esc, md
from diffing.common.words import count
from diffing.diff import told
from pages.parts import address, shell
from pages.parts.timeline import chart, choice, counted, table

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
found = counted.of(study, keys)

st.html(f"<div class='said'>{esc(told.sentence(found))}</div>")
left = f" {count(found.left_out, 'other is', 'others are')} not answered by all." if found.left_out else ""
st.caption(
    f"{md(' → '.join(found.names))}, {count(found.prompts, 'prompt')} answered by all of them.{left} Counted in "
    "the answers: surface probes, phrases and measures, tested for a step and a line along the checkpoints and "
    "corrected over everything."
)
if caution := told.caution(found):
    st.caption(caution)
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
