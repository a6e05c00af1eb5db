"""A timeline or a set, kept in memory between reruns as long as what it is counted from stays the same."""

import streamlit as st

from diffing.common import files
from diffing.diff import outlier, timeline
from diffing.diff.outlier import Apart
from diffing.diff.timeline import Timeline
from diffing.probes import own_probes
from diffing.study import measures
from diffing.study.study import Study
from pages.parts import load

Seen = Timeline | Apart
"""What the page shows."""


def _state(study: Study) -> load.State:
    """Answers, with what is counted in them or was measured of them."""
    folder, found = load.ANSWERS[Study](study)
    more = own_probes.path_of(study), study.folder / measures.FILE
    return folder, (*found, *map(files.identity, more))


@load.said
@st.cache_resource(max_entries=4, show_spinner="Counting along the checkpoints", hash_funcs={Study: _state})
def of(study: Study, keys: tuple[str, ...]) -> Timeline:
    """What changed along checkpoints in this order."""
    return timeline.of(study, keys)


@load.said
@st.cache_resource(max_entries=4, show_spinner="Counting at the checkpoints", hash_funcs={Study: _state})
def apart(study: Study, keys: tuple[str, ...]) -> Apart:
    """Which of these checkpoints stands apart, whatever their order."""
    return outlier.of(study, keys)
