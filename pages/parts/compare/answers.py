"""The view of Compare that lays all answers to a prompt side by side, with what two of them differ by."""

from typing import NamedTuple

import pandas as pd
import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import esc, md
from diffing.diff import pairs
from diffing.findings.findings import Example
from diffing.reader.encodings import Encodings
from pages.parts import address, highlight, load
from pages.parts.address import Comparison
from pages.parts.compare import differences, marked, prompt
from pages.parts.findings import add_pair
from pages.parts.load import Loaded


class Marks(NamedTuple):
    """What is marked in each answer, and where the answers' encodings are."""

    probe: marked.Marked | None
    feature: int | None
    full_colour: float
    encodings: Encodings | None
    documents: dict[tuple[str, int], int]
    """By checkpoint and draw."""


def show(here: Comparison, found: Loaded | None) -> None:
    """The whole view."""
    feature, probe = marked.feature(found), marked.probe(here)
    answers = here.study.responses()
    answers = answers[answers["checkpoint"].isin([here.a, here.b])]
    chosen = prompt.choose(here, answers)
    if chosen is None:
        return
    identifier = str(chosen["id"])
    mine = answers[answers["prompt_id"] == identifier].set_index(["checkpoint", "draw"]).sort_index()
    draws = sorted(set(mine.index.get_level_values("draw")))
    if not draws:
        st.info("No answer to this prompt is stored yet.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        draw = _draw(draws)
        everywhere = not st.toggle(
            "Features that do not differ over the whole study too", key="every", bind="query-params"
        )
    try:
        encodings: Encodings | None = load.encodings(here.study)
        documents = pairs.documents(load.encodings(here.study), identifier)
    except UserError:
        # Answers can be compared by eye before any reader has seen them.
        encodings, documents = None, {}
    differences.show(here, found, mine, identifier, draw, encodings, documents, everywhere)
    with st.container(horizontal=True, vertical_alignment="center"):
        marked.show(here, found, feature, probe)
        add_pair.show(here, Example(identifier, draw), chosen["split"] == "held-out")
    marks = Marks(probe, feature, marked.full_colour(found, feature), encodings, documents)
    for each in [draw, *(other for other in draws if other != draw)]:
        which = f" · {address.draw(each)}" if len(draws) > 1 else ""
        for column, side in zip(st.columns(2, gap="medium"), ("a", "b"), strict=True):
            with column, st.container(border=True):
                _answer(here, side, mine, each, which, marks)


def _draw(draws: list[int]) -> int:
    """The draw that is looked at first; a switch where there are several."""
    titles = [address.draw(draw) for draw in draws]
    if len(draws) == 1:
        return draws[0]
    title = st.segmented_control(
        "Draw",
        titles,
        default=titles[0],
        required=True,
        key="draw",
        bind="query-params",
        label_visibility="collapsed",
    )
    return draws[titles.index(title)]


def _answer(here: Comparison, side: str, answers: pd.DataFrame, draw: int, which: str, marks: Marks) -> None:
    """One answer with its head, its flag, and its marks."""
    key, name = (here.a, here.names[0]) if side == "a" else (here.b, here.names[1])
    answer = answers.loc[key, draw] if (key, draw) in answers.index else None
    flag = f" · {answer['flag']}" if answer is not None and answer["flag"] else ""
    st.html(f"{highlight.letter(side)} {esc(name + which + flag)}")
    if answer is None or not answer["text"]:
        st.caption(md(answer["error"]) if answer is not None and answer["error"] else "No answer.")
    elif marks.probe:
        try:
            st.html(highlight.spans(answer["text"], marks.probe.spans(answer["text"]), side))
        except UserError as error:
            st.caption(md(str(error)))
    elif marks.feature is None or marks.encodings is None or (key, draw) not in marks.documents:
        st.html(highlight.answer([(answer["text"], 0.0)], side, 1.0))
    else:
        document = marks.documents[key, draw]
        try:
            values = marks.encodings.dense(document, marks.feature)
            pieces = marks.encodings.tokens(document).pieces(values)
            st.html(highlight.answer(pieces, side, marks.full_colour))
        except UserError as error:
            st.caption(md(str(error)))
