"""A feature's label on a page: what stands, who said so, its score, and the ways to change it.

Every change is a line of the study's label history; nothing is overwritten.
"""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from diffing import labels
from diffing.common.errors import UserError
from diffing.common.escape import esc, md
from diffing.labels import history
from diffing.labels.history import Dossier, Label
from diffing.study.study import Study
from pages.parts import label_job, load, person
from pages.parts.address import Comparison

AUTHOR = "person"
BY = {"person": "a person", "llm": "a language model", "rule": "a rule"}


def show(here: Comparison, row: pd.Series, described: str) -> None:
    """The whole section of a diff's row; `described` is the rule's description, where nobody has named it."""
    feature = int(row["feature"])
    st.subheader("Label", anchor=False)
    study = here.study
    sae = labels.sae_of(study.settings.reader)
    dossier = load.dossiers(study).get(feature, Dossier())
    current = dossier.current
    _standing(current, described, str(row["refuted"]))
    with st.container(horizontal=True):
        # Keys of their own: a click is about the label that was seen, not about one that took its place since.
        if current and person.button("Accept", key=f"accept-{current.key}", icon=":material/check:"):
            _tell(study, sae, feature, "accept", current.key)
        if current and person.button("Reject", key=f"reject-{current.key}", icon=":material/close:"):
            _tell(study, sae, feature, "reject", current.key)
        star = "unstar" if dossier.starred else "star"
        if person.button("Starred" if dossier.starred else "Star", key=star, icon=":material/star:"):
            _tell(study, sae, feature, star)
    with st.form("label", clear_on_submit=True, border=False):
        text = st.text_input("Your label", key="own-label", placeholder="what it fires on, in a few words")
        description = st.text_input("In a sentence", key="own-description")
        if person.form_submit_button("Save label", key="save-label"):
            try:
                history.edit(study, sae, feature, text, person.name(AUTHOR), description)
            except UserError as error:
                st.error(md(str(error)))
            else:
                st.rerun()
    comment = st.text_input(
        "Comment", key=f"comment-{feature}-{len(dossier.comments)}", disabled=not person.may_change()
    )
    if comment:
        _tell(study, sae, feature, "comment", text=comment)
    with st.expander(f"History ({len(dossier.labels) + len(dossier.comments)})"):
        _history(dossier)
    with st.expander("Write or score it with a language model"):
        label_job.show(here, [feature])


def _standing(current: Label | None, described: str, refuted: str) -> None:
    if current:
        text = f"<s>{esc(current.label)}</s>" if refuted else f"<b>{esc(current.label)}</b>"
        st.html(f"{text}<br>{esc(current.description)}")
        if refuted:
            st.warning(f"Struck out. {md(refuted)}")
        when = f", {md(current.date[:10])}" if current.date else ""
        scored = md(score_words(current.score)) if current.score else "Not scored blind yet: a hypothesis."
        by = BY[current.author_kind]
        who = (
            f"{by}, {current.author}" if current.author not in by and by not in current.author else current.author
        )
        st.caption(f"By {md(who)}{when}. {scored}")
    else:
        st.html(f"{esc(described)}")
        st.caption("Nobody has named this feature; a rule lists the tokens it fires on.")


def _history(dossier: Dossier) -> None:
    for one in reversed(dossier.labels):
        status = dossier.status.get(one.key, "")
        st.html(f"{esc(one.label)} <small>· {esc(one.author)} · {esc(one.date[:10])} {esc(status)}</small>")
    for event in dossier.comments:
        st.html(f"<small>{esc(event.author)}, {esc(event.date[:10])}: {esc(event.text)}</small>")


def score_words(score: Mapping[str, object]) -> str:
    """Blind scores in words, by kind and side: they are never averaged."""
    told = ", ".join(f"{kind} {share}" for kind, share in history.scores(score).items())
    return f"Balanced accuracy, blind: {told}." if told else "Scored blind, but no verdict could be read."


def _tell(study: Study, sae: str, feature: int, event: str, about: str = "", text: str = "") -> None:
    history.tell(study, sae, feature, event, person.name(AUTHOR), about=about, text=text)  # type: ignore[arg-type]
    st.rerun()
