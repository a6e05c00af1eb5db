"""Both answers: while they are written, and when they are there, with the place where they part."""

from collections.abc import Sequence

import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import esc, md
from diffing.common.words import count
from diffing.whitebox.writing import held, live
from diffing.whitebox.writing.held import Writing
from diffing.whitebox.writing.live import Asked, Token, Written
from diffing.whitebox.writing.recipe import Recipe
from pages.parts import highlight, load, person
from pages.parts.address import Comparison
from pages.parts.live import checkpoints, form, opening, tokens

OFTEN = 0.4
"""Seconds between two looks at what has come: as fast as one reads, and little for a server."""
LAST = "live-last"
"""What this tab looked at last, which stays in view until something else is written."""


def show(here: Comparison, asked: Asked) -> None:
    """The button, and what is there."""
    st.html(tokens.STYLE)
    path = live.path_of(here.study, here.a, here.b, asked)
    ready = opening.ready(here)
    pressed = ready and person.button("Write", key="write", type="primary", icon=":material/play_arrow:")
    there = load.said(live.load)(path)
    if pressed and (there is None or not there.whole):
        _start(here, asked)
    writing = held.of(path)
    if writing is not None and writing.alive:
        _watch(here, writing)
        return
    if writing is not None and writing.error:
        st.error(md(writing.error))
    if there is not None:
        st.session_state[LAST] = path
        _both(here, there)
    elif (last := st.session_state.get(LAST)) is not None and last.parent == path.parent:
        before = load.said(live.load)(last)
        if before is not None:
            st.caption("Not written yet with these settings. What was written before:")
            _both(here, before)


def _start(here: Comparison, asked: Asked) -> None:
    try:
        if not held.HOLDER.has(here.study, here.a, here.b):
            # Here and not in the writer's thread: what is loaded there would take its turn with every look at it.
            with st.spinner("Opening the pair"):
                held.HOLDER.open(here.study, here.a, here.b)
        held.start(here.study, here.a, here.b, asked)
    except UserError as error:
        st.error(md(str(error)))
        return
    st.rerun()


def _watch(here: Comparison, writing: Writing) -> None:
    """Both answers as they come; whoever leaves meanwhile finds them written."""

    @st.fragment(run_every=OFTEN)
    def watched() -> None:
        if not writing.alive:
            # The whole page changes.
            st.rerun()
        if person.button("Stop", key="stop", icon=":material/stop_circle:"):
            writing.stop()
        a, b = (list(side) for side in writing.sides)
        st.caption(md(writing.note) if writing.state == "waiting" and writing.note else f"{len(b):,} tokens")
        parts = live.parting(a, b)
        for side, column, words in zip("ab", _columns(), (a, b), strict=True):
            with column:
                _heading(here, side, writing.asked.recipe)
                st.html(tokens.growing(words, parts, side))

    watched()


def _both(here: Comparison, found: Written) -> None:
    """Both answers when they are there."""
    for side, column, words in zip("ab", _columns(), (found.a, found.b), strict=True):
        with column:
            _heading(here, side, found.asked.recipe)
            own = "this recipe" if side == "b" and not plain(found.asked.recipe) else ""
            if found.asked.start:
                st.caption(f"Begins with: {md(found.asked.start[-200:])}")
            st.html(tokens.whole(words, found.parts, side, own))
            _go_on(side, found.asked, words)
    st.markdown(_parted(found))
    if found.parts is not None:
        st.html(tokens.beside(found.a[found.parts], found.b[found.parts]))
    date = found.date[:16].replace("T", " ")
    st.caption(
        "Hover or touch a token to see what both models thought there. "
        f"Written {md(date)}, {md(found.numbers)}; kept, so that its link does not write again."
        + ("" if found.whole else " **Stopped before its end**: Write goes through with it.")
    )
    checkpoints.show(here, found.asked)


def _parted(found: Written) -> str:
    if found.parts is None:
        return f"**Both wrote the same {count(len(found.a), 'token')}.**"
    more = "before temperature and chance" if found.asked.recipe.temperature else "the likeliest is taken"
    return f"**They part at token {found.parts + 1}.** What each thought there, {more}:"


def _columns() -> "Sequence[st.delta_generator.DeltaGenerator]":
    with st.container(key="stack-answers"):
        return st.columns(2, gap="medium")


def _heading(here: Comparison, side: str, recipe: Recipe) -> None:
    name = here.names["ab".index(side)]
    how = f" · {esc(called(recipe))}" if side == "b" and not plain(recipe) else ""
    st.html(f'<div class="sides">{highlight.letter(side)} {esc(name)}{how}</div>')


def _go_on(side: str, asked: Asked, words: Sequence[Token]) -> None:
    st.button(
        f"Edit {side.upper()}’s text and go on",
        key=f"go-on-{side}",
        icon=":material/edit:",
        type="tertiary",
        help="Both then begin with this text; change it above.",
        on_click=form.take,
        args=(asked.start + live.text_of(words),),
    )


def plain(recipe: Recipe) -> bool:
    """Whether a recipe leaves the pair's variant as it is."""
    return recipe.alpha == 1 and not recipe.contrast and not recipe.steering


def called(recipe: Recipe) -> str:
    """A recipe in a few words."""
    parts = [f"α {recipe.alpha:g}"] if recipe.alpha != 1 else []
    if recipe.contrast:
        parts.append(f"contrast {recipe.contrast:g}")
    parts += [f"steered {part.strength:g} × at layer {part.layer}" for part in recipe.steering]
    return ", ".join(parts) or "as it is"
