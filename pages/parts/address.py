"""The address of a page: the one place where its parameters are read and written.

Links are made by `written` and `Comparison.link`. Parameters that belong to a widget Streamlit reads and writes
itself (`bind="query-params"`); the rest go through `text`, `number` and `put`. Promises that what is written here
can be read here, that older links go on working, and that a wrong one gets a sentence and a way home.
"""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple, NoReturn
from urllib.parse import urlencode

import streamlit as st

from diffing.common import tables
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.study.study import OneSided, Study
from pages.parts import highlight, whole

OLD = {
    "held": {"1": "true"},
    "show": dict.fromkeys(("Rival", "Without features"), "Language-model baseline"),
    "view": {"plain": "presence"},
}
"""Values that older links have, and what they became."""

SEARCHES = {"Compare": "q-compare", "Features": "q-features", "Findings": "q-findings", "Prompts": "q-prompts"}
"""The search of each page by its title; older links have `q` on all."""


class Comparison(NamedTuple):
    """What most pages are about: two checkpoints of a study."""

    study: Study
    a: str
    b: str

    @property
    def names(self) -> tuple[str, str]:
        return self.study.checkpoint(self.a).name, self.study.checkpoint(self.b).name

    def link(self, **more: object) -> dict[str, str]:
        """Parameters that lead to a page of this comparison.

        The study's first two checkpoints go unnamed: a page would take them out again, each a step for "back".
        """
        usual = [checkpoint.key for checkpoint in self.study.checkpoints]
        a, b = (None if key == first else key for key, first in zip((self.a, self.b), usual, strict=False))
        channel = self.study.channel if self.study.channel != "text" else None
        return written(study=self.study.name, a=a, b=b, channel=channel, **more)


def written(**values: object) -> dict[str, str]:
    """Parameters as an address has them; what is None, False or empty is left out."""
    kept = {name: value for name, value in values.items() if value is not None and value is not False}
    return {name: "true" if value is True else str(value) for name, value in kept.items() if value != ""}


def draw(place: int) -> str:
    """An answer's draw, counted from 0, as the address and the switch on Compare name it."""
    return f"draw {place + 1}"


def put(**values: object) -> None:
    """Change parameters of this page; what is None, False or empty is taken out."""
    new = written(**values)
    for name in values:
        if name not in new:
            st.query_params.pop(name, None)
    st.query_params.update(new)


def renew(title: str = "") -> None:
    """Turn an older link into what it would be today, before any widget has read it.

    What is empty goes: no link of ours has it, and a switch would take it for no choice at all.
    """
    stale: dict[str, str | list[str]] = {name: new[text(name)] for name, new in OLD.items() if text(name) in new}
    if title in SEARCHES and "q" in st.query_params:
        stale |= {SEARCHES[title]: text("q"), "q": []}
    for name in st.query_params:
        values = st.query_params.get_all(name)
        if "" in values:
            stale[name] = [value for value in values if value]
    if stale:
        st.query_params.update(stale)
        st.rerun()


def text(name: str) -> str:
    """A parameter's text; empty where the address does not have it."""
    return st.query_params.get(name, "")


def flag(name: str) -> bool:
    return text(name) == "true"


def number(text: str, below: int | None = None) -> int | None:
    """The number that a text is, None where it is none or names none of so many things."""
    read = tables.number(text)
    return read if read is not None and (below is None or read < below) else None


def numbers(text: str) -> list[int]:
    """The numbers in a text, such as `12,40` or what a person types, each once."""
    read = (tables.number(digits) for digits in re.findall(r"\d+", text))
    return list(dict.fromkeys(each for each in read if each is not None))


def study() -> Study:
    """The study named in the address, or a word on what is wrong and the way home."""
    name = text("study")
    try:
        if not name:
            raise UserError("No study is chosen; pick one on the first page.")
        opened = Study.open(name)
    except UserError as error:
        lost(str(error))
    if fault := whole.fault(opened):
        lost(fault)
    return opened


def comparison(named: bool = True) -> Comparison:
    """Study and checkpoints in the address, the study's first two where it names none."""
    opened = study()
    return Comparison(opened, *pair(opened, named))


def pair(study: Study, named: bool = True) -> tuple[str, str]:
    """Keys of the two checkpoints, which can be changed in the sidebar; their names stand there if `named`."""
    keys = [c.key for c in study.checkpoints]
    if study.one_sided:
        lost(str(OneSided(study.name)))
    if len(keys) == 2 and _whole(keys):
        if named:
            with st.sidebar:
                st.html(highlight.sides(*(study.checkpoint(key).name for key in keys)))
        return keys[0], keys[1]
    for side in ("a", "b"):
        if side in st.query_params and text(side) not in keys:
            lost(f"Study '{study.name}' has no checkpoint '{text(side)}'; choose another in its link.")
    with st.sidebar:
        # The address carries keys, so the options are keys; the names stand beside them.
        a = st.selectbox("A (before)", keys, 0, key="a", bind="query-params")
        b = st.selectbox("B (after)", keys, 1, key="b", bind="query-params")
        if named:
            st.html(highlight.sides(study.checkpoint(a).name, study.checkpoint(b).name))
    if a == b:
        lost("A checkpoint cannot be compared with itself; choose two in the sidebar.")
    return a, b


def _whole(keys: list[str]) -> bool:
    """Whether the address asks for a study's two checkpoints in their own order, or for none."""
    return all(text(side) in ("", key) for side, key in zip("ab", keys, strict=True))


def leave(page: str, query: Mapping[str, str]) -> NoReturn:
    """Go to another page as a link does, which is one step for "back"; this one ends here.

    Streamlit's own switch writes the new parameters behind the old page's name first, and that is a step too.
    """
    # Beside the page that is open, wherever the dashboard is served.
    target = json.dumps(f"{page}?{urlencode(query)}")
    st.html(f"<script>window.location.assign({target})</script>", unsafe_allow_javascript=True)
    st.stop()


def lost(message: str) -> NoReturn:
    """A wrong or old link: a sentence and the way home, and the page ends here."""
    st.warning(md(message))
    st.page_link("dashboard.py", label="To the studies", icon=":material/arrow_back:")
    st.stop()
