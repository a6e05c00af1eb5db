"""The view where a person judges some of the judge's pairs, told neither names nor what the judge said."""

from collections.abc import Mapping, Sequence
from typing import Literal

import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import esc, md, visible
from diffing.findings import correction, people, verification
from diffing.findings.people import Question, Said
from pages.parts import address, highlight, load, person
from pages.parts.address import Comparison
from pages.parts.attempt import attempt
from pages.parts.loaded import Loaded

ANSWERS: tuple[tuple[Said, str, str], ...] = (
    ("left", "Left more", "Left"),
    ("right", "Right more", "Right"),
    ("both", "Both alike", "Up"),
    ("neither", "Neither", "Down"),
    ("skip", "Skip", "s"),
)
"""What can be said, on which button, by which key."""
NUMBERS = (people.LEAST, people.USUAL, 50, people.MOST)


def show(here: Comparison, _found: Loaded | None, author: str) -> None:
    """The whole view."""
    st.markdown(
        "A judge errs. Say of some of its pairs yourself which answer shows the claim more, left or right: you "
        "see neither whose they are nor what the judge said. By where you differ, net shares are corrected."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.segmented_control(
            "Pairs", NUMBERS, default=people.USUAL, required=True, key="pairs", bind="query-params"
        )
        held = st.toggle(
            "Show held-out answers",
            key="held",
            bind="query-params",
            help="The judge's pairs are of held-out, that is new, prompts. Findings that you write "
            "afterwards say that you saw some.",
        )
    try:
        asked = load.questions(*here, int(number))
    except UserError as error:
        st.info(md(str(error)))
        return
    done = people.latest(people.read(here.study), author)
    answered = sum(question.id in done for question in asked)
    st.progress(answered / max(len(asked), 1), text=f"{answered} of {len(asked)}")
    if held and asked:
        _question(here, asked, done, author)
    elif asked:
        st.info(
            "These prompts are new (held out): labels and drafts have not seen them. The toggle above shows them."
        )
    st.caption(md(correction.error_words(verification.read(*here).error)))


def _question(here: Comparison, asked: Sequence[Question], done: Mapping[str, Said], author: str) -> None:
    """The question in the address, or the first that is open."""
    places = {question.id: place for place, question in enumerate(asked)}
    still = [place for place, question in enumerate(asked) if question.id not in done]
    place = places.get(address.text("question"), still[0] if still else None)
    if place is None:
        st.success("You have judged them all.")
        if st.button("Look at the last one again", key="last"):
            _open(asked[-1])
        return
    question = asked[place]
    st.html(f"<h3 style='margin:0'>Which answer shows this more?</h3>{esc(question.claim)}")
    with st.container(horizontal=True, vertical_alignment="center"):
        for said, label, key in ANSWERS:
            kind: Literal["primary", "secondary"] = "primary" if done.get(question.id) == said else "secondary"
            if person.button(label, key=f"say-{said}", shortcut=key, type=kind):
                _say(here, question, said, author)
        if place and st.button("Back", key="back", shortcut="b"):
            _open(asked[place - 1])
    st.code(visible(question.prompt), language=None, wrap_lines=True)
    sides = (("Left", question.left), ("Right", question.right))
    for column, (title, text) in zip(st.columns(2, gap="medium"), sides, strict=True):
        with column, st.container(border=True):
            st.markdown(f"**{title}**")
            # Of neither side: a side's colour would tell whose it is.
            st.html(highlight.answer([(text, 0.0)], "n", 1.0))


def _say(here: Comparison, question: Question, said: Said, author: str) -> None:
    """Write the verdict down and go on to the next question."""

    def write() -> None:
        people.tell(here.study, question, said, author)
        address.put(question=None)

    attempt(write)


def _open(question: Question) -> None:
    address.put(question=question.id)
    st.rerun()
