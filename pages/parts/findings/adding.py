"""What a page has at hand becomes part of a finding without leaving the page: a feature, a behaviour, a pair.

The finding that rests on it already is the one that is offered first; what was done stands beside the button, with
the way there.
"""

from typing import Any, NamedTuple

import streamlit as st

from diffing import labels
from diffing.common.escape import visible
from diffing.diff.answer import Behaviour
from diffing.findings import findings, votes
from diffing.findings.findings import Example, Finding, Side
from diffing.findings.predicates import Predicate
from pages.parts import load, person
from pages.parts.address import Comparison
from pages.parts.charts import short
from pages.parts.findings import outcome
from pages.parts.keys import fresh

NEW = "A new finding"
EXAMPLE, AGAINST = "an example", "against it"


class Offer(NamedTuple):
    """What may be added."""

    features: tuple[int, ...] = ()
    probes: tuple[str, ...] = ()
    predicate: Predicate | None = None
    pair: Example | None = None
    held_out: bool = False
    """Whether held-out answers are on the page."""
    side: Side = "b"
    """Who shows it more, as far as figures say."""
    claim: str = ""
    """Words to begin with."""

    def members(self, against: bool = False) -> dict[str, Any]:
        """As lists of a finding."""
        pairs = "counter_examples" if against else "examples"
        lists = {"features": [*self.features], "probes": [*self.probes]}
        lists[pairs] = [list(self.pair)] if self.pair else []
        return {name: some for name, some in lists.items() if some}

    def behind(self, finding: Finding) -> bool:
        """Whether a finding rests on this."""
        same = self.predicate is not None and finding.predicate == self.predicate
        return same or bool({*self.features} & {*finding.features} or {*self.probes} & {*finding.probes})


def of_behaviour(each: Behaviour, pair: Example | None = None, held_out: bool = False) -> Offer:
    """A behaviour, or a pair that shows it."""
    return Offer(
        tuple(each.features),
        (each.source,) if each.by == "probe" else (),
        Predicate.of_behaviour(each.kind, each.by, each.source),
        pair,
        held_out,
        "a" if each.direction == "A" else "b",
        each.name if each.said else "",
    )


def show(here: Comparison, offer: Offer, label: str = "Add to findings") -> None:
    """The button with the choice behind it, and what it did; nothing in another channel than the text."""
    if here.study.channel != "text":
        return
    mine = {
        each.id: each
        for each in load.findings_of(here.study)
        if (each.a, each.b) == (here.a, here.b) and not each.rejected
    }
    resting = [name for name, each in mine.items() if offer.behind(each)]
    key = fresh("add", here.study.name, here.a, here.b, offer, label)
    with st.popover(label, icon=":material/add:"):
        chosen = st.selectbox(
            "Finding",
            [*resting, NEW, *(name for name in mine if name not in resting)],
            key=fresh(f"to-{key}", *mine),
            format_func=lambda name: name if name == NEW else short(visible(mine[name].claim), 70),
        )
        if chosen == NEW:
            _new(here, offer, key)
        else:
            _existing(here, offer, mine[chosen], key)
        outcome.fault(key)
    outcome.link(here, key)


def _new(here: Comparison, offer: Offer, key: str) -> None:
    st.text_input(
        "An answer of one side more often …",
        offer.claim,
        key=f"claim-{key}",
        placeholder="ends with an offer to help",
    )
    side = "AB"[offer.side == "b"]
    st.segmented_control("Side that shows it more", ["A", "B"], default=side, required=True, key=f"side-{key}")
    person.button("Add the finding", key=f"write-{key}", on_click=_write, args=[here, offer, key])


def _existing(here: Comparison, offer: Offer, finding: Finding, key: str) -> None:
    against = False
    if offer.pair is not None:
        kind = st.segmented_control(
            "The pair is", [EXAMPLE, AGAINST], default=EXAMPLE, required=True, key=f"as-{key}"
        )
        against = kind == AGAINST
    lacks = {
        name: some
        for name, some in offer.members(against).items()
        if any(findings.plain({"": each}) not in _plain(finding, name) for each in some)
    }
    # A pair shows what a finding rests on; it does not make it rest on more.
    lacks = {name: some for name, some in lacks.items() if offer.pair is None or name.endswith("examples")}
    if not lacks:
        st.caption("It has this already." if offer.pair else "It rests on this already.")
    person.button(
        "Add this pair" if offer.pair else "Add to it",
        key=f"join-{key}",
        disabled=not lacks,
        on_click=_join,
        args=[here, offer, finding, lacks, key],
    )


def _plain(finding: Finding, name: str) -> list[object]:
    return [findings.plain({"": each}) for each in getattr(finding, name)]


def _author() -> str:
    """The name that was given on the page of findings, where one was."""
    return person.name(st.session_state.get("author"))


def _write(here: Comparison, offer: Offer, key: str) -> None:
    """A new finding; the field is empty afterwards, and keeps what was typed where it is refused."""
    claim, side = st.session_state[f"claim-{key}"], st.session_state[f"side-{key}"].lower()

    def writing() -> tuple[str, Finding]:
        known = findings.same(here.study, claim, side, a=here.a, b=here.b)
        made = findings.add(
            here.study,
            claim,
            side,
            a=here.a,
            b=here.b,
            author=_author(),
            # What is counted is a claim's own only where it says just that.
            predicate=offer.predicate if offer.predicate and claim.strip() == offer.predicate.shown else None,
            held_out_seen=offer.held_out or votes.held_out_seen(here.study, _author()),
            reader=labels.sae_of(here.study.settings.reader) if offer.features else "",
            **offer.members(),
        )
        return outcome.made(not known), made

    if outcome.note(key, writing):
        st.session_state[f"claim-{key}"] = ""


def _join(here: Comparison, offer: Offer, finding: Finding, lacks: dict[str, Any], key: str) -> None:
    put: dict[str, object] = {"held_out_seen": True} if offer.held_out else {}
    if "features" in lacks and not finding.reader:
        put["reader"] = labels.sae_of(here.study.settings.reader)

    def joining() -> tuple[str, Finding]:
        findings.change(here.study, finding.id, _author(), put=put, add=lacks)
        return "Added to", finding

    outcome.note(key, joining)
