"""What is searched for, by what, and among which answers: all of it in the address."""

from typing import Literal, NamedTuple

import streamlit as st

from diffing.common.escape import md
from diffing.concepts import feedback, search
from diffing.concepts.search import Found, Ground
from diffing.labels import history
from diffing.study.study import Study
from pages.parts import address, load

By = Literal["labels", "embedding", "examples"]
WAYS: tuple[By, ...] = ("labels", "embedding", "examples")
"""How features are chosen for a sentence."""
HELP = (
    "Labels: the words of the sentence are looked for in what features are called. Embedding: the same by "
    "meaning, where a sentence embedding is installed. Examples: what answers show to which you say yes, more "
    "than the rest."
)


class Wanted(NamedTuple):
    """What the page is about."""

    sentence: str
    by: By
    held_out: bool


def show(study: Study) -> Wanted:
    """The fields."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sentence = st.text_input(
            "Answers that …",
            key="property",
            bind="query-params",
            max_chars=300,
            placeholder="hedge before they refuse",
            help="What answers do, in a few words. Features stand for it, and answers that show them come first.",
        )
        by = st.selectbox(
            "Features chosen by",
            WAYS,
            key="by",
            bind="query-params",
            help=HELP,
            width=260,
        )
        held = False
        if not study.one_sided:
            held = st.toggle(
                "Held-out prompts too",
                key="held-too",
                bind="query-params",
                help="New prompts test what is found on the others; a probe that was made with them is marked so.",
            )
    return Wanted(sentence.strip(), by, held)


def earlier(study: Study) -> None:
    """What has been searched here before with yes and no, as links."""
    known = feedback.sentences(study)
    if known:
        st.caption("Searched here before, with yes and no:")
    for sentence in known[:10]:
        st.page_link(
            "pages/search.py",
            label=md(sentence),
            icon=":material/history:",
            query_params=address.written(study=study.name, property=sentence),
        )


@st.cache_resource(max_entries=2, show_spinner="Opening the encodings", hash_funcs=load.ANSWERS)
def ground(study: Study, held_out: bool) -> Ground:
    """The answers that are searched."""
    return Ground(study, held_out)


def _said(study: Study) -> load.State:
    """Answers with what people have said to searches, and labels."""
    paths = feedback.path_of(study), history.path_of(study), history.imported_dir(study)
    return load.answers_state(study, *paths)


@load.said
@st.cache_resource(max_entries=16, show_spinner="Looking through the answers", hash_funcs={Study: _said})
def found(study: Study, wanted: Wanted) -> Found:
    """The search's outcome."""
    here = ground(study, wanted.held_out)
    return search.find(here, search.choose(here, wanted.sentence, wanted.by))
