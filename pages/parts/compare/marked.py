"""Which feature or probe is marked in the answers: what the address names, and the line that says so."""

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import esc
from diffing.diff import pairs
from diffing.diff.answer import Behaviour
from diffing.probes import own_probes
from diffing.probes.own_probes import MARK, OwnProbe
from diffing.probes.probes import PROBES
from diffing.probes.rules import Span
from pages.parts import address, load
from pages.parts.address import Comparison
from pages.parts.figures import mark
from pages.parts.loaded import Loaded


def feature(found: Loaded | None) -> int | None:
    """The feature in the address; any number will do before there is a diff to look it up in."""
    asked = address.text("feature")
    if not asked:
        return None
    number = address.number(asked)
    if number is None or (found is not None and found.row(asked) is None):
        address.lost(f"There is no feature '{asked}' in this diff.")
    return number


class Marked(NamedTuple):
    """A probe whose places are marked."""

    name: str
    description: str
    spans: Callable[[str], list[Span]]


def probe(here: Comparison) -> Marked | None:
    """The probe in the address, built-in or the study's own; None where it names none."""
    asked = address.text("probe")
    if asked.startswith(MARK):
        try:
            mine = own_probes.get(here.study, asked)
        except UserError as error:
            address.lost(str(error))
        return Marked(mine.name, mine.shown, mine.spans if mine.rule else _sentences(here, mine))
    if not asked:
        return None
    if asked not in PROBES:
        address.lost(f"There is no probe '{asked}'.")
    return Marked(asked, PROBES[asked].description, PROBES[asked].spans)


def _sentences(here: Comparison, question: OwnProbe) -> Callable[[str], list[Span]]:
    """By text, the sentences that a judge gave for its yes; none before anything was read and asked."""
    try:
        texts, tested = load.own_answers(*here).texts, load.own_probes(*here)
    except UserError:
        return lambda _text: []
    known = {text: spans for text, spans in zip(texts, tested.places[question.name], strict=True) if spans}
    return lambda text: known.get(text, [])


def full_colour(found: Loaded | None, feature: int | None) -> float:
    """What full colour stands for; 0 where no diff says how strong the feature gets."""
    row = found.row(str(feature)) if found is not None else None
    return 0.0 if row is None else pairs.full_colour(row)


def show(
    here: Comparison,
    found: Loaded | None,
    feature: int | None,
    probe: Marked | None,
    behaviour: Behaviour | None,
) -> None:
    """The line above the answers."""
    if behaviour is not None:
        st.html(f"Marked: <b>{esc(behaviour.name)}</b>")
    elif probe:
        st.html(f"Marked: <b>{esc(probe.name)}</b>, {esc(probe.description)}")
    elif feature is not None:
        row = found.row(str(feature)) if found is not None else None
        about = ""
        if row is not None:
            about = f", {esc(row['label'])}; full colour is {pairs.full_colour(row):.1f}, its strongest anywhere"
        st.html(f"Marked: <b>#{feature}</b>{about}")
        st.page_link(
            "pages/feature.py",
            label="Open the feature",
            icon=":material/search:",
            query_params=here.link(feature=feature),
        )
    else:
        st.caption("Choose a behaviour above or a row below, and it is marked in every answer.")
    if probe or feature is not None or behaviour is not None:
        st.button("Clear", key="clear-mark", icon=":material/close:", on_click=mark)
