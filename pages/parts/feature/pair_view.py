"""Two answers to one prompt side by side, with one or two features' activations on one shared scale."""

import pandas as pd
import streamlit as st

from diffing.common.escape import esc
from diffing.diff import pairs
from diffing.reader.encodings import Encodings
from diffing.study import prompts
from diffing.study.study import Study
from pages.parts import highlight
from pages.parts.charts import short


def show(
    study: Study, encodings: Encodings, pair: pd.Series, row: pd.Series, second: "pd.Series | None" = None
) -> None:
    """The pair's prompt and both answers; `row` and `second` are the features' rows of the diff."""
    st.html(highlight.STYLE)
    prompt = study.prompts().set_index("id").loc[pair["prompt_id"]]
    with st.expander(f"Prompt · {prompt['category'] or 'no category'} · {prompt['split']}", expanded=True):
        st.code(prompts.shown(prompt), language=None, wrap_lines=True)
    feature, largest = int(row["feature"]), pairs.full_colour(row)
    under, largest_under = "", 0.0
    if second is not None:
        under, largest_under = f"#{second['feature']} {short(second['label'])}", pairs.full_colour(second)
    st.html(highlight.scale(largest, f"#{feature}", under, largest_under))
    for column, side in zip(st.columns(2, gap="medium"), ("a", "b"), strict=True):
        document = int(pair[f"document_{side}"])
        tokens = encodings.tokens(document)
        pieces = tokens.pieces(encodings.dense(document, feature))
        laid_under = None
        if second is not None:
            values = encodings.dense(document, int(second["feature"]))
            laid_under = [value for _, value in tokens.pieces(values)]
        name = study.checkpoint(encodings.documents["checkpoint"].iloc[document]).name
        peak = pair[f"peak_{side}"]
        with column, st.container(border=True):
            strongest = f"strongest {peak:.1f}" if peak > 0 else "does not show it"
            st.html(f"{highlight.letter(side)} {esc(name)} · {strongest}")
            st.html(highlight.answer(pieces, side, largest, laid_under, largest_under))
