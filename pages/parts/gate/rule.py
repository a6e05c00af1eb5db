"""What a gate is told on its page: two checkpoints or all in order, the rule, the baseline, what was expected."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.gate import allowed, check
from diffing.gate.allowed import Change
from diffing.gate.check import Options
from diffing.gate.expression import USUAL
from diffing.gate.items import NAMES
from diffing.study.study import Study, names
from pages.parts.address import Comparison

NEWEST, ALL = "Two checkpoints", "All in order"
OWN_WORDS = "A rule of your own"
RULES = {
    "More than ten points, surely, and not by length alone": USUAL,
    "Confirmed on new prompts, five points at least": "confirmed == 'yes' and least > 0.05",
    "Only what we asked for: own probes": "what == 'own probe' and q < 0.05",
    "Only scores that got worse": "what == 'measure' and better == 'A' and q < 0.05",
    "Nothing may change at all": "q_gate < 0.05",
}
"""Rules by what they ask, the usual one first."""
PAIRS_ALONE = ("Confirmed on new prompts, five points at least",)
"""Those that say nothing of a series, in which nothing is confirmed twice."""


class Asked(NamedTuple):
    """A gate, ready to be held."""

    options: Options
    changes: Sequence[Change]
    file: str
    """What the file of expected changes was called."""


def in_series(study: Study) -> bool:
    """Whether all checkpoints are looked along; a switch that stands in the address."""
    if len(study.checkpoints) < 3:
        return False
    chosen = st.segmented_control(
        "What is held against the rule",
        [NEWEST, ALL],
        default=NEWEST,
        required=True,
        key="gated",
        bind="query-params",
        label_visibility="collapsed",
    )
    return chosen == ALL


def asked(study: Study, here: Comparison | None) -> Asked:
    """The rule and what goes with it; `here` are the two checkpoints, None of a series."""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        text = _rule(here is None)
    with right:
        baseline = _baseline(study) if here is not None else ""
        file = st.file_uploader(
            "Expected changes (optional)",
            "toml",
            key="allow",
            help="The file that `check --write-allow` writes: what may change, which way and by how much.",
        )
    changes: list[Change] = []
    try:
        options = Options(
            a=here.a if here else "",
            b=here.b if here else "",
            fail_on=text,
            baseline=baseline,
            series=here is None,
        )
        check.rule_of(options)
        changes = allowed.parsed(file.getvalue(), file.name) if file else []
    except UserError as error:
        st.error(md(str(error)))
        st.stop()
    return Asked(options, changes, file.name if file else "")


def _rule(series: bool) -> str:
    shown = [name for name in RULES if not (series and name in PAIRS_ALONE)]
    chosen = st.selectbox("It fails on", [*shown, OWN_WORDS], key="rule", bind="query-params")
    if chosen != OWN_WORDS:
        st.code(RULES[chosen], language=None, wrap_lines=True)
        return RULES[chosen]
    text = st.text_input("The rule", key="fail-on", placeholder=USUAL, bind="query-params", max_chars=1000)
    with st.popover("Names that a rule may use", type="tertiary"):
        st.markdown("\n".join(f"- `{name}`: {told}" for name, (_, told) in NAMES.items()))
    return text.strip() or USUAL


def _baseline(study: Study) -> str:
    others = [each for each in names() if each != study.name]
    if not others:
        return ""
    chosen: str | None = st.selectbox(
        "Beyond what changed before (optional)",
        others,
        index=None,
        placeholder="Study of the last release",
        key="baseline",
        bind="query-params",
        help="Only what changed more than in that study's last two checkpoints fails.",
    )
    return chosen or ""
