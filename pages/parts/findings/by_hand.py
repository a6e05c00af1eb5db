"""The form for a finding by hand; features and probes in the address stand in it already, and their side."""

import streamlit as st

from diffing import labels
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.diff import selection
from diffing.findings import findings, votes
from diffing.probes import scan
from pages.parts import address, person
from pages.parts.address import Comparison
from pages.parts.keys import fresh
from pages.parts.loaded import Loaded


def brought() -> bool:
    """Whether the address brings something for the form."""
    return bool(address.text("features") or address.text("probes"))


def show(here: Comparison, found: Loaded | None, author: str) -> None:
    """The form, open where the address brings something."""
    given = address.text("features")
    named = [name for name in address.text("probes").split(",") if name in scan.NAMES]
    leaning = _leaning(found, address.numbers(given), named)
    # Whoever has checked the judge or voted on held-out prompts has seen them, whatever the address says now.
    held = address.flag("held") or votes.held_out_seen(here.study, author)
    keys = {
        "claim": "new-claim",
        "side": fresh("new-side", leaning),
        "features": fresh("new-features", given),
        "probes": fresh("new-probes", named),
        "held": fresh("new-held", held),
    }
    with st.expander("Write a finding by hand", expanded=brought()), st.form("make", border=False):
        st.text_input(
            "An answer of one side more often …", key="new-claim", placeholder="ends with an offer to help"
        )
        st.segmented_control(
            "Side that shows it more", ["A", "B"], default=leaning, required=True, key=keys["side"]
        )
        st.text_input("Features", given, key=keys["features"], help="Their numbers.")
        st.multiselect("Probes", scan.NAMES, named, key=keys["probes"])
        st.checkbox("Answers to new (held-out) prompts were looked at", held, key=keys["held"])
        person.form_submit_button(
            "Add the finding", key="add-the-finding", on_click=_add, args=[here, author, keys]
        )
        if fault := st.session_state.pop("new-fault", ""):
            st.error(md(fault))


def _add(here: Comparison, author: str, keys: dict[str, str]) -> None:
    """Write it down, open it and empty the form; where it is refused, all that was typed stays."""
    claim, side, numbers, probes, seen = (st.session_state[keys[name]] for name in keys)
    try:
        known = findings.same(here.study, claim, side.lower(), a=here.a, b=here.b)
        made = findings.add(
            here.study,
            claim,
            side.lower(),
            a=here.a,
            b=here.b,
            author=author,
            features=address.numbers(numbers),
            probes=probes,
            held_out_seen=seen,
            reader=labels.sae_of(here.study.settings.reader),
        )
    except UserError as error:
        st.session_state["new-fault"] = str(error)
        return
    for name, empty in (("claim", ""), ("features", ""), ("probes", [])):
        st.session_state[keys[name]] = empty
    address.put(finding=made.id, features=None, probes=None)
    st.toast(
        "It stood in the findings already; what it lacked was added." if known else "Written down; it stands open."
    )


def _leaning(found: Loaded | None, features: list[int], probes: list[str]) -> str:
    """The side that shows them more; B where there are no figures."""
    if found is None:
        return "B"
    table, counted = found.diff.features, found.diff.probes
    rows = table[table["feature"].isin(features)], counted[counted["probe"].isin(probes)]
    return selection.leaning(*rows).upper()
