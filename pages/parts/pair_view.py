"""Two answers to one prompt side by side, with one or two features' activations on one shared scale."""

import pandas as pd
import streamlit as st

from diffing.common import colours
from diffing.common.escape import esc
from diffing.reader.encodings import Encodings
from diffing.study import prompts
from diffing.study.study import Study
from pages.parts import highlight
from pages.parts.charts import short


def show(
    study: Study,
    encodings: Encodings,
    row: pd.Series,
    feature: int,
    largest: float,
    second: int | None = None,
    second_label: str = "",
) -> None:
    """The pair's prompt and both answers; `largest` is the value that full colour stands for on both sides."""
    st.html(highlight.STYLE)
    prompt = study.prompts().set_index("id").loc[row["prompt_id"]]
    with st.expander(f"Prompt · {prompt['category'] or 'no category'} · {prompt['split']}", expanded=True):
        st.code(prompts.shown(prompt), language=None, wrap_lines=True)
    others = []
    if second is not None:
        others = [encodings.dense(int(row[f"document_{side}"]), second) for side in ("a", "b")]
    largest_second = max((float(values.max(initial=0)) for values in others), default=0.0)
    under = f"#{second} {short(second_label)}".strip() if second is not None else ""
    st.html(highlight.scale(largest, f"#{feature}", under, largest_second))
    for number, (column, side) in enumerate(zip(st.columns(2, gap="medium"), ("a", "b"), strict=True)):
        document = int(row[f"document_{side}"])
        tokens = encodings.tokens(document)
        pieces = tokens.pieces(encodings.dense(document, feature))
        laid_over = [value for _, value in tokens.pieces(others[number])] if others else None
        key = encodings.documents["checkpoint"].iloc[document]
        with column, st.container(border=True):
            st.html(
                f'<b style="color:{colours.A if side == "a" else colours.B}">{side.upper()}</b> '
                f"{esc(study.checkpoint(key).name)} · "
                + (f"strongest {row[f'peak_{side}']:.1f}" if row[f"peak_{side}"] > 0 else "does not show it")
            )
            st.html(highlight.answer(pieces, side, largest, laid_over, largest_second))
