"""The form for a finding by hand; features and probes in the address stand in it already, and their side."""

import streamlit as st

from diffing import labels
from diffing.diff import selection
from diffing.findings import findings, people
from diffing.probes import scan
from pages.parts import address
from pages.parts.address import Comparison
from pages.parts.attempt import attempt
from pages.parts.keys import fresh
from pages.parts.load import Loaded


def show(here: Comparison, found: Loaded | None, author: str) -> None:
    """The form, open where the address brings something."""
    given = address.text("features")
    named = [name for name in address.text("probes").split(",") if name in scan.NAMES]
    leaning = _leaning(found, address.numbers(given), named)
    with st.expander("Write a finding by hand", expanded=bool(given or named)), st.form("make", border=False):
        claim = st.text_input(
            "An answer of one side more often …", key="new-claim", placeholder="ends with an offer to help"
        )
        side = st.segmented_control(
            "Side that shows it more",
            ["A", "B"],
            default=leaning,
            required=True,
            key=fresh("new-side", leaning),
        )
        numbers = st.text_input("Features", given, key=fresh("new-features", given), help="Their numbers.")
        probes = st.multiselect("Probes", scan.NAMES, named, key=fresh("new-probes", named))
        # Whoever has checked the judge has seen held-out answers, whatever the address says now.
        held = address.flag("held") or author in people.authors(people.read(here.study))
        seen = st.checkbox("Held-out answers were looked at", held, key=fresh("new-held", held))
        if st.form_submit_button("Add the finding", key="add-the-finding"):
            attempt(
                lambda: address.put(
                    finding=findings.add(
                        here.study,
                        claim,
                        "a" if side == "A" else "b",
                        a=here.a,
                        b=here.b,
                        author=author,
                        features=address.numbers(numbers),
                        probes=probes,
                        held_out_seen=seen,
                        reader=labels.sae_of(here.study.settings.reader),
                    ).id
                )
            )


def _leaning(found: Loaded | None, features: list[int], probes: list[str]) -> str:
    """The side that shows them more; B where there are no figures."""
    if found is None:
        return "B"
    table, counted = found.diff.features, found.diff.probes
    rows = table[table["feature"].isin(features)], counted[counted["probe"].isin(probes)]
    return selection.leaning(*rows).upper()
