"""The view of Compare that lays all answers to a prompt side by side, with what two of them differ by."""

from typing import NamedTuple

import pandas as pd
import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import esc, md
from diffing.diff import pairs, wording
from diffing.diff.answer import Behaviour
from diffing.findings.findings import Example
from diffing.probes.probes import PROBES
from diffing.probes.rules import Span
from diffing.reader import again
from diffing.reader.encodings import Encodings
from pages.parts import address, highlight, load
from pages.parts.address import Comparison
from pages.parts.compare import channels, chips, differences, marked, prompt, written
from pages.parts.findings import adding
from pages.parts.findings.adding import Offer
from pages.parts.loaded import Loaded


class Marks(NamedTuple):
    """What is marked in each answer, and where the answers' encodings are."""

    behaviour: Behaviour | None
    probe: marked.Marked | None
    feature: int | None
    full_colour: float
    encodings: Encodings | None
    documents: dict[tuple[str, int], int]
    """By checkpoint and draw."""
    rendered: bool
    words: bool
    """Whether words that only one answer has are marked."""


def show(here: Comparison, found: Loaded | None) -> None:
    """The whole view."""
    behaviours = chips.listed(here, found)
    behaviour, feature, probe = chips.chosen(behaviours), marked.feature(found), marked.probe(here)
    if behaviour is not None and behaviour.by == "feature":
        feature = int(behaviour.source)
    answers = here.study.responses()
    answers = answers[answers["checkpoint"].isin([here.a, here.b])]
    chosen = prompt.choose(here, answers, prompt.changed(found, chips.ranking(behaviours)))
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
        rendered = st.toggle("Show Markdown as it is meant", key="rendered", bind="query-params")
        words = st.toggle("Mark words that only one has", key="words", bind="query-params")
    try:
        encodings: Encodings | None = load.encodings(here.study)
        documents = pairs.documents(load.encodings(here.study), identifier)
    except UserError:
        # Answers can be compared by eye before any reader has seen them.
        encodings, documents = None, {}
    chips.show(found, behaviours, identifier, draw)
    with st.container(horizontal=True, vertical_alignment="center"):
        marked.show(here, found, feature, probe, behaviour)
        adding.show(here, _offer(chosen, draw, behaviour, probe, feature), "Add this pair to a finding")
    full = marked.full_colour(found, feature)
    marks = Marks(behaviour, probe, feature, full, encodings, documents, rendered, words)
    st.html(written.STYLE)
    for each in [draw, *(other for other in draws if other != draw)]:
        _pair(here, mine, each, f" · {address.draw(each)}" if len(draws) > 1 else "", marks)
    everywhere = not st.toggle(
        "Features that do not differ over the whole study too", key="every", bind="query-params"
    )
    differences.show(here, found, mine, identifier, draw, encodings, documents, everywhere)


def _offer(
    prompt: "pd.Series", draw: int, behaviour: Behaviour | None, probe: marked.Marked | None, feature: int | None
) -> Offer:
    """The pair with what is marked in it, for a finding."""
    pair, held_out = Example(str(prompt["id"]), draw), prompt["split"] == "held-out"
    if behaviour is not None:
        return adding.of_behaviour(behaviour, pair, held_out)
    probes = (probe.name,) if probe is not None and probe.name in PROBES else ()
    return Offer((feature,) if feature is not None and not probes else (), probes, pair=pair, held_out=held_out)


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


def _pair(here: Comparison, answers: pd.DataFrame, draw: int, which: str, marks: Marks) -> None:
    """Both answers of a draw, side by side."""
    texts = [str(answers["text"].get((key, draw), "") or "") for key in (here.a, here.b)]
    others = wording.only(*texts) if marks.words and all(texts) else ([], [])
    for column, side, only in zip(st.columns(2, gap="medium"), ("a", "b"), others, strict=True):
        with column, st.container(border=True, height="stretch"):
            _answer(here, side, answers, draw, which, marks, only)
            channels.show(answers, here.a if side == "a" else here.b, draw, side, here.study.channel)


def _answer(
    here: Comparison,
    side: str,
    answers: pd.DataFrame,
    draw: int,
    which: str,
    marks: Marks,
    only: list[Span],
) -> None:
    """One answer with its head, its flag, and its marks."""
    key, name = (here.a, here.names[0]) if side == "a" else (here.b, here.names[1])
    answer = answers.loc[key, draw] if (key, draw) in answers.index else None
    flag = f" · {answer['flag']}" if answer is not None and answer["flag"] else ""
    st.html(f"{highlight.letter(side)} {esc(name + which + flag)}")
    if answer is None or not answer["text"]:
        st.caption(md(answer["error"]) if answer is not None and answer["error"] else "No answer.")
        return
    text, spans = str(answer["text"]), list[Span]()
    if marks.behaviour is not None and marks.behaviour.by != "feature":
        spans = chips.spans(marks.behaviour, text)
    elif marks.probe:
        try:
            spans = marks.probe.spans(text)
        except UserError as error:
            st.caption(md(str(error)))
    elif marks.feature is not None and marks.encodings is not None and (key, draw) in marks.documents:
        _activations(side, marks, marks.encodings, marks.documents[key, draw], marks.feature)
        return
    st.html(written.answer(text, spans, only, side, marks.rendered))


def _activations(side: str, marks: Marks, encodings: Encodings, document: int, feature: int) -> None:
    """An answer as it was written, its tokens coloured by a feature's activations."""
    try:
        if again.lacking(encodings, [document]):
            st.caption("Of this answer a summary is kept, which does not say on which tokens a feature fires.")
            # On a press alone: loading a reader takes seconds to minutes, and its memory.
            if not st.button("Read this answer again", key=f"again-{document}", help="Loads the study's reader."):
                st.html(written.answer(encodings.texts[document], [], [], side, marks.rendered))
                return
            with st.spinner("Reading the answer again …"):
                again.read(encodings, [document])
        pieces = encodings.tokens(document).pieces(encodings.dense(document, feature))
        st.html(highlight.answer(pieces, side, marks.full_colour))
    except UserError as error:
        st.caption(md(str(error)))
