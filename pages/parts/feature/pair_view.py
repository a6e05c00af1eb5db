"""Two answers to one prompt side by side, with one or two features' activations on one shared scale."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from diffing.common.escape import esc, md
from diffing.diff import pairs
from diffing.reader.encodings import Encodings
from diffing.study import prompts
from diffing.study.study import Study
from pages.parts import highlight
from pages.parts.charts import short

LEAD = 320
"""Characters of an answer that may stand before its first mark; more would push it out of sight."""
STYLE = """<style>
.before{opacity:.8}.before summary{font-size:.82rem;cursor:pointer;opacity:.8}
</style>"""


def show(
    study: Study, encodings: Encodings, pair: pd.Series, row: pd.Series, second: "pd.Series | None" = None
) -> None:
    """The pair's prompt and both answers; `row` and `second` are the features' rows of the diff."""
    st.html(highlight.STYLE + STYLE)
    prompt = study.prompts().set_index("id").loc[pair["prompt_id"]]
    asked = prompts.shown(prompt)
    with st.expander(f"Prompt: {md(short(asked, 90))}"):
        st.caption(md(f"{prompt['category'] or 'no category'} · {prompt['split']}"))
        st.code(asked, language=None, wrap_lines=True)
    feature, largest = int(row["feature"]), pairs.full_colour(row)
    under, largest_under = "", 0.0
    if second is not None:
        under, largest_under = f"#{second['feature']} {short(second['title'])}", pairs.full_colour(second)
    st.html(highlight.scale(largest, f"#{feature}", under, largest_under))
    with st.container(key="stack-pair"):
        columns = st.columns(2, gap="medium")
    for column, side in zip(columns, ("a", "b"), strict=True):
        document = int(pair[f"document_{side}"])
        tokens = encodings.tokens(document)
        pieces = tokens.pieces(encodings.dense(document, feature))
        laid_under = None
        if second is not None:
            values = encodings.dense(document, int(second["feature"]))
            laid_under = [value for _, value in tokens.pieces(values)]
        name = study.checkpoint(encodings.documents["checkpoint"].iloc[document]).name
        peak = pair[f"peak_{side}"]
        with column, st.container(border=True, height="stretch"):
            strongest = f"strongest {peak:.1f}" if peak > 0 else "does not show it"
            st.html(f"{highlight.letter(side)} {esc(name)} · {strongest}")
            st.html(_from_first_mark(pieces, side, largest, laid_under, largest_under))


def _from_first_mark(
    pieces: Sequence[tuple[str, float]],
    side: str,
    largest: float,
    under: Sequence[float] | None,
    largest_under: float,
) -> str:
    """The answer, what stands far before its first mark folded away: the mark is what one came for."""
    at = first_in_sight(pieces)
    parts = [
        highlight.answer(pieces[some], side, largest, None if under is None else under[some], largest_under)
        for some in (slice(0, at), slice(at, None))
    ]
    if not at:
        return parts[1]
    length = sum(len(text) for text, _ in pieces[:at])
    return (
        f"<details class='before'><summary>… {length:,} characters before</summary>{parts[0]}</details>{parts[1]}"
    )


def first_in_sight(pieces: Sequence[tuple[str, float]]) -> int:
    """The piece that an answer is shown from: its first, or the line that leads to its first mark."""
    marked = next((at for at, (_, value) in enumerate(pieces) if value), 0)
    begins, length = [], 0
    for text, _ in pieces[:marked]:
        begins.append(length)
        length += len(text)
    if length <= LEAD:
        return 0
    near = [at for at in range(marked) if begins[at] >= length - LEAD]
    # A new line is where one can begin to read.
    lines = [at for at in near if at and "\n" in pieces[at - 1][0]]
    return (lines or near or [marked])[0]
