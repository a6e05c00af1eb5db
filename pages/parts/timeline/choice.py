"""Which checkpoints a timeline is of, in which order; and the way to the Answer page of any two of them."""

from collections.abc import Sequence
from itertools import combinations

import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.common.words import between_commas
from diffing.diff import along
from diffing.study.study import Study
from pages.parts import address
from pages.parts.address import Comparison
from pages.parts.keys import fresh

ORDER, SET = "In order", "One against the others"


def of(study: Study) -> tuple[str, ...]:
    """The checkpoints in the address, all of the study's where it names none; the sidebar changes them."""
    usual = [checkpoint.key for checkpoint in study.checkpoints]
    named = between_commas(address.text("checkpoints"))
    try:
        keys = along.order(study, named)
    except UserError as error:
        address.lost(str(error))
    if len(usual) == 3 and keys == usual:
        return tuple(keys)
    with st.sidebar:
        chosen = st.multiselect(
            "Checkpoints in order",
            usual,
            keys,
            format_func=lambda key: study.checkpoint(key).name,
            # From what stands in the address, which a link may change.
            key=fresh("series", *keys),
            help="Three or more; the order is that in which they are chosen.",
        )
    if len(chosen) < 3:
        st.info("Choose three checkpoints or more in the sidebar.")
        st.stop()
    if chosen != keys:
        address.put(checkpoints="" if chosen == usual else ",".join(chosen))
        st.rerun()
    return tuple(chosen)


def ordered() -> bool:
    """Whether the order of the checkpoints means something; a switch that stands in the address."""
    view = st.segmented_control(
        "Checkpoints",
        [ORDER, SET],
        default=ORDER,
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )
    return view != SET


def answers(study: Study, keys: Sequence[str]) -> None:
    """Links to the Answer page: of neighbours at once, of any other two behind a button."""
    neighbours = list(zip(keys, keys[1:], strict=False))
    with st.container(horizontal=True, vertical_alignment="center", key="pairs-of-series"):
        st.caption("What changed between", width="content")
        for pair in neighbours:
            _link(study, *pair)
        with st.popover("Any other two", type="tertiary"):
            for pair in combinations(keys, 2):
                if pair not in neighbours:
                    _link(study, *pair)


def _link(study: Study, a: str, b: str) -> None:
    here = Comparison(study, a, b)
    st.page_link(
        "pages/answer.py",
        label=md(" → ".join(here.names)),
        icon=":material/compare_arrows:",
        query_params=here.link(),
    )
