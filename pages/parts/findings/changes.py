"""What people do with a finding: answer for it, note, reword, reject, and see who did what before.

Every change is a line of the findings' history; nothing is overwritten.
"""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from diffing import labels
from diffing.common import words
from diffing.common.escape import esc, md
from diffing.findings import evidence, findings
from diffing.findings.evidence import Standing
from diffing.findings.findings import Example, Finding
from diffing.probes import scan
from diffing.study.study import Study
from pages.parts import address, person
from pages.parts.attempt import attempt
from pages.parts.keys import fresh


def objections(study: Study, standing: Standing, author: str) -> None:
    finding = standing.finding
    st.markdown("**What speaks against it**")
    if not standing.objections:
        st.caption("Nothing that can be counted.")
    for objection in standing.objections:
        (st.warning if objection in standing.open else st.info)(md(objection.words))
    if finding.reason:
        st.html(f"<small>A person's reason: {esc(finding.reason)}</small>")
    if standing.open:
        with st.form(f"reason-{finding.id}"):
            reason = st.text_area(
                "Why may it be reported all the same?", key=f"reason-text-{finding.id}", height=80
            )
            if person.form_submit_button("Let it pass", key=f"allow-{finding.id}"):
                attempt(lambda: evidence.allow(study, finding.id, reason, author))


def notes(study: Study, finding: Finding, author: str) -> None:
    st.markdown("**Notes**")
    for note in finding.notes:
        st.html(f"{esc(note.text)} <small>· {esc(note.author)}, {esc(note.date[:10])}</small>")
    with st.form(f"note-{finding.id}", clear_on_submit=True, border=False):
        text = st.text_input(
            "Note",
            key=f"note-text-{finding.id}",
            label_visibility="collapsed",
            placeholder="What you saw, and where",
        )
        if person.form_submit_button("Add the note", key=f"add-note-{finding.id}") and text.strip():
            attempt(lambda: findings.note(study, finding.id, text, author))


def edit(study: Study, finding: Finding, author: str) -> None:
    """The form for its claim and all that it rests on; each field starts anew when another has changed it."""

    def key(name: str, given: object) -> str:
        return fresh(f"{name}-{finding.id}", given)

    with st.expander("Change it"), st.form(f"edit-{finding.id}", border=False):
        claim = st.text_area(
            "Claim",
            finding.claim,
            key=key("claim", finding.claim),
            height=80,
            help="With other words it must be verified again.",
        )
        given = ", ".join(map(str, finding.features))
        numbers = st.text_input("Features", given, key=key("numbers", given), help="Their numbers.")
        known = [probe for probe in finding.probes if probe in scan.NAMES]
        probes = st.multiselect("Probes", scan.NAMES, known, key=key("probes", known))
        wanted: dict[str, Sequence[Any]] = {"features": address.numbers(numbers), "probes": probes}
        for field, title, about in (
            ("examples", "Examples", "The page Compare adds some."),
            ("counter_examples", "Against it", None),
        ):
            pairs: dict[str, Example] = {
                f"{pair.prompt_id}, {address.draw(pair.draw)}": pair for pair in getattr(finding, field)
            }
            kept = st.multiselect(title, list(pairs), list(pairs), key=key(field, list(pairs)), help=about)
            wanted[field] = [pairs[name] for name in kept]
        if person.form_submit_button("Save", key=f"save-{finding.id}"):
            reader = labels.sae_of(study.settings.reader)
            attempt(lambda: findings.revise(study, finding, claim, wanted, author, reader))


def rejection(study: Study, finding: Finding, author: str) -> None:
    if finding.rejected:
        if person.button("Take the rejection back", key=f"back-{finding.id}"):
            attempt(lambda: findings.reject(study, finding.id, "", author))
        return
    with st.expander("Reject it"), st.form(f"reject-{finding.id}", border=False):
        why = st.text_input("Why it does not hold", key=f"why-{finding.id}")
        if person.form_submit_button("Reject", key=f"reject-it-{finding.id}"):
            if why.strip():
                attempt(lambda: findings.reject(study, finding.id, why, author))
            else:
                st.error("Say why: whoever finds it again should know.")


def history(study: Study, finding: Finding) -> None:
    with st.expander("History"):
        for change in reversed(findings.history(study, finding.id)):
            parts = [
                *change.put,
                *(f"more {name}" for name in change.add),
                *(f"fewer {name}" for name in change.drop),
            ]
            when = words.moment(change.date)
            st.html(f"<small>{esc(when)} · {esc(change.author)} · {esc(', '.join(parts))}</small>")
