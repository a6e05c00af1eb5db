"""Which feature or probe is marked in the answers: what the address names, and the line that says so."""

import streamlit as st

from diffing.common.escape import esc
from diffing.diff import pairs
from diffing.diff.answer import Behaviour
from diffing.probes.probes import PROBES
from pages.parts import address
from pages.parts.address import Comparison
from pages.parts.figures import mark
from pages.parts.load import Loaded


def feature(found: Loaded | None) -> int | None:
    """The feature in the address; any number will do before there is a diff to look it up in."""
    asked = address.text("feature")
    if not asked:
        return None
    number = address.number(asked)
    if number is None or (found is not None and found.row(asked) is None):
        address.lost(f"There is no feature '{asked}' in this diff.")
    return number


def probe() -> str:
    """The probe in the address; empty where it names none."""
    asked = address.text("probe")
    if asked and asked not in PROBES:
        address.lost(f"There is no probe '{asked}'.")
    return asked


def full_colour(found: Loaded | None, feature: int | None) -> float:
    """What full colour stands for; 0 where no diff says how strong the feature gets."""
    row = found.row(str(feature)) if found is not None else None
    return 0.0 if row is None else pairs.full_colour(row)


def show(
    here: Comparison, found: Loaded | None, feature: int | None, probe: str, behaviour: Behaviour | None
) -> None:
    """The line above the answers."""
    if behaviour is not None:
        st.html(f"Marked: <b>{esc(behaviour.name)}</b>")
    elif probe:
        st.html(f"Marked: <b>{esc(probe)}</b>, {esc(PROBES[probe].description)}")
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
