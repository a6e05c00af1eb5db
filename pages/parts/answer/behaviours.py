"""The list of behaviours: name, figures with bars, a pair that shows it, and what can be asked of each in place.

Which pair of a behaviour is shown, and what is opened below it, stands in the address.
"""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from diffing.common.escape import md
from diffing.common.words import count
from diffing.diff import answer, blocks
from diffing.diff.answer import Behaviour
from diffing.diff.changes import Row
from pages.parts import address, highlight, load
from pages.parts.address import Comparison
from pages.parts.answer import closer, excerpt, row
from pages.parts.loaded import Loaded


def show(here: Comparison, found: Loaded, listed: Sequence[Behaviour]) -> None:
    """What was confirmed and has words; then, folded, the rest."""
    st.html(highlight.STYLE + row.STYLE)
    parted = blocks.of(listed)
    told, others, open_ones = parted.confirmed, parted.by_features, parted.leads
    asked = address.number(address.text("behaviour"))
    more = address.flag("all") or asked in [each.number for each in told[answer.SHOWN :]]
    shown = [(each, _view(each, asked == each.number)) for each in (told if more else told[: answer.SHOWN])]
    # The texts of all pairs in one reading of the table.
    texts = load.texts_to(here.study, tuple(view.pair.prompt_id for _, view in shown if view.pair))
    for place, (each, view) in enumerate(shown, start=1):
        _row(here, found, each, place, view, texts)
    if not more and len(told) > answer.SHOWN:
        left = len(told) - answer.SHOWN
        st.button(f"Show {left} more", key="all-behaviours", on_click=address.put, kwargs={"all": True})
    _maybe_length(parted.may_be_length)
    if others:
        with st.expander(f"{count(len(others), 'more difference')} that only features tell of"):
            st.caption("No count belongs to these; a feature's label or its tokens say what it may be.")
            closer.features(here, found, [each.source for each in others])
    if open_ones:
        with st.expander(f"{count(len(open_ones), 'lead')} that new prompts did not confirm"):
            st.markdown("\n".join(f"- {_lead(each)}" for each in open_ones))


def _maybe_length(some: Sequence[Behaviour]) -> None:
    """What differs too and may be nothing but longer answers."""
    if not some:
        return
    st.markdown("**Differs too, but may be length alone**: longer answers show more of nearly everything.")
    st.markdown("\n".join(f"- {each.subject} {md(each.rest)} ({md(each.figures)})" for each in some))


def _lead(each: Behaviour) -> str:
    return f"{each.subject} {md(each.rest)} ({md(each.figures)}): {blocks.WHY[each.confirmed]}."


class _View(NamedTuple):
    """What is looked at of a behaviour, by the page's address if that is about it."""

    chosen: bool
    against: bool
    pairs: Sequence[Row]
    at: int

    @property
    def pair(self) -> Row | None:
        """The pair that is shown."""
        return self.pairs[self.at] if self.pairs else None


def _view(each: Behaviour, chosen: bool) -> _View:
    against = chosen and address.text("pair").startswith("against")
    pairs = each.against if against else each.examples
    at = (address.number(address.text("pair").removeprefix("against")) or 0) if chosen else 0
    return _View(chosen, against, pairs, min(at, max(len(pairs) - 1, 0)))


def _row(here: Comparison, found: Loaded, each: Behaviour, place: int, view: _View, texts: excerpt.Texts) -> None:
    """One behaviour with a pair of answers, and what can be asked of it."""
    chosen, against, pairs, at = view
    opened = address.text("open") if chosen else ""
    with st.container(border=True, key=f"behaviour-{each.number}"):
        body = row.head(found, each, place, load.rulings(*here).get(each.number))
        if view.pair:
            body += excerpt.pair(here, each, view.pair, texts)
        st.html(body)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            if pairs:
                kind = "against it" if against else "that shows it"
                st.caption(f"Pair {at + 1:,} of {len(pairs):,} {kind}", width="content")
            if len(pairs) > 1:
                _button(each, "Next pair", "next", "skip_next", {"pair": _pair(against, (at + 1) % len(pairs))})
            if against:
                _button(each, "A pair for it", "for", "undo", {"pair": None})
            elif each.against:
                label = f"A pair against it ({len(each.against):,})"
                _button(each, label, "against", "block", {"pair": "against0"})
            for name, (label, icon) in closer.PANELS.items():
                wanted = None if opened == name else name
                _button(
                    each, label, name, icon, {"open": wanted, "pair": address.text("pair") if chosen else None}
                )
            if pairs:
                st.page_link(
                    "pages/compare.py",
                    label="Whole answers",
                    icon=":material/compare_arrows:",
                    query_params=here.link(
                        prompt=pairs[at].prompt_id, draw=address.draw(pairs[at].draw), **_mark(each)
                    ),
                )
            closer.finding(here, each)
        if opened:
            closer.show(here, found, each, opened)


def _pair(against: bool, at: int) -> str | None:
    return f"against{at}" if against else str(at) if at else None


def _mark(each: Behaviour) -> dict[str, str]:
    """What Compare is to mark."""
    if each.by == "probe" and each.kind != "amount":
        return {"probe": each.source}
    return {"behaviour": str(each.number)} if each.by == "phrase" else {}


def _button(each: Behaviour, label: str, name: str, icon: str, values: dict[str, object]) -> None:
    st.button(
        label,
        key=f"{name}-{each.number}",
        type="tertiary",
        icon=f":material/{icon}:",
        on_click=address.put,
        kwargs={"behaviour": each.number, "open": None, **values},
    )
