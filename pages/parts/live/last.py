"""What was written last with these two, to be looked at again or taken away."""

import pandas as pd
import streamlit as st

from diffing.common.words import count
from diffing.whitebox.writing import live
from pages.parts import download, load
from pages.parts.address import Comparison
from pages.parts.live import answers, form

MOST = 50
TABLE = "written-last"


def show(here: Comparison) -> None:
    """A table of the last ones; a chosen row fills the form."""
    found = load.said(live.latest)(here.study, here.a, here.b, MOST)
    if not found:
        return
    rows = [
        {
            "prompt": each.asked.prompt,
            "recipe of B": answers.called(each.asked.recipe),
            "parts at": None if each.parts is None else each.parts + 1,
            "A": each.asked.start + live.text_of(each.a),
            "B": each.asked.start + live.text_of(each.b),
            "temperature": each.asked.recipe.temperature,
            "seed": each.asked.recipe.seed,
            "written": each.date,
        }
        for each in found
    ]

    def chosen() -> None:
        for place in st.session_state[TABLE].selection.rows[:1]:
            form.again(found[place].asked)

    st.subheader("Written before", anchor=False)
    st.dataframe(
        rows,
        hide_index=True,
        key=TABLE,
        on_select=chosen,
        selection_mode="single-row",
        placeholder="–",
        column_config={
            "prompt": st.column_config.TextColumn("prompt", width=220, pinned=True),
            "recipe of B": st.column_config.TextColumn("recipe of B", width=160),
            "parts at": st.column_config.NumberColumn(
                "part at", width=70, help="The first token that differs; none where both wrote the same."
            ),
            "A": st.column_config.TextColumn("A", width=260),
            "B": st.column_config.TextColumn("B", width=260),
        },
        alt="Prompts that were asked here, the recipe of B, and both answers",
    )
    st.caption(
        f"The last {count(len(found), 'one')}; a row that is chosen is shown again. Of a pair the "
        f"{live.KEPT} texts that were written last are kept; the link of an older one writes it again."
    )
    download.csv("Download these", pd.DataFrame(rows), f"{here.study.name}-live")
