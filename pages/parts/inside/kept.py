"""What the pages read of a look inside, kept in memory between reruns as `load` keeps the rest."""

import streamlit as st

from diffing.findings import seen_inside
from diffing.study.study import Study
from diffing.whitebox.dictionaries import shelf
from diffing.whitebox.sight import seen
from diffing.whitebox.writing import directions as pushing
from pages.parts.load import State, answers_state, said, seen_files


def _inside(study: Study) -> State:
    """Answers with what was asked for and found from inside."""
    return answers_state(study, *seen_files(study))


def _trained(study: Study) -> State:
    """The same, and with which dictionaries there are."""
    return answers_state(
        study, *seen_files(study), *sorted(study.folder.glob(f"{shelf.FOLDER}/*/{shelf.DIRECTIONS}"))
    )


@said
@st.cache_resource(max_entries=4, show_spinner="Reading what was seen from inside", hash_funcs={Study: _inside})
def inside(study: Study, a: str, b: str) -> seen.Inside:
    """What methods saw inside two checkpoints."""
    return seen.of(study, a, b)


@said
@st.cache_resource(max_entries=4, show_spinner="Holding clues against the answers", hash_funcs={Study: _inside})
def held_inside(study: Study, a: str, b: str) -> tuple[seen_inside.Held, ...]:
    """What stands above all nulls inside, with what answers show of it."""
    return seen_inside.held(study, seen.of(study, a, b))


@said
@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Study: _trained})
def directions(study: Study, a: str, b: str) -> list[str]:
    """Directions that were found inside, by which a model can be pushed."""
    return pushing.names(study, a, b)
