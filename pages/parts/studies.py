"""The studies on the first page: what each says, the way into it, and how it is renamed, copied and deleted."""

from collections.abc import Sequence

import streamlit as st

from diffing import status as statuses
from diffing.common import words
from diffing.common.errors import UserError
from diffing.common.escape import esc, md
from diffing.overview import Overview
from diffing.study import sample, upkeep
from diffing.study.study import Study
from pages.parts import address, highlight, job_panel, person

STYLE = """<style>
[class*=st-key-study-]{gap:.35rem;padding:.8rem 1rem .7rem}
.pair{font-size:.875rem;overflow-wrap:anywhere;opacity:.9}
.says{font-size:1rem;line-height:1.5;max-width:68rem;margin:.1rem 0 .3rem}
.largest{display:flex;flex-wrap:wrap;gap:.3rem .5rem;font-size:.85rem}
.largest span{padding:.1rem .6rem;border-radius:.7rem;background:rgba(128,132,149,.14);overflow-wrap:anywhere}
.largest i{font-style:normal;font-variant-numeric:tabular-nums;opacity:.75;margin-left:.3rem}
.next code{font-size:.78rem;opacity:.65;background:none}
</style>"""
FEW = 3
"""Studies that one sees at a glance, and needs no search for."""


def open_study(study: Study, compared: bool) -> None:
    """To what the study has to show; the sample takes the steps that it lacks on the way."""
    if study.settings.note == sample.NOTE:
        if person.may_change():
            statuses.begin(study)
        compared = True
    address.leave("answer" if compared else "run", address.written(study=study.name))


def searched(found: Sequence[Overview]) -> list[Overview]:
    """The studies that a search leaves."""
    if len(found) <= FEW and not address.text("q-studies"):
        return list(found)
    search = st.text_input(
        "Search the studies",
        key="q-studies",
        bind="query-params",
        placeholder="Search names and what they say",
        label_visibility="collapsed",
        width=320,
    )
    left = [each for each in found if each.matches(search)]
    if not left:
        st.caption("No study has these words.")
    return left


def card(each: Overview) -> None:
    """One study."""
    with st.container(border=True, key=f"study-{each.name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(md(each.name), anchor=False, width="stretch")
            if each.changed:
                st.caption(words.moment(each.changed), width="content")
            _menu(each)
            opens = each.study is not None and st.button(
                "Open", key=f"open-{each.name}", icon=":material/arrow_forward:", help=f"Open {md(each.name)}"
            )
        if each.study is None:
            st.error(md(each.fault))
            return
        if opens:
            open_study(each.study, bool(each.sentence))
        st.html(_sides(each.study))
        if each.sentence:
            # No line ends between a pair's two figures, nor between a figure and its sign.
            says = esc(each.sentence).replace(" %", "&nbsp;%").replace(" → ", "&nbsp;→&nbsp;")
            st.html(f"<div class='says'>{says}</div>{_largest(each)}")
        for kind in each.running:
            job_panel.panel(each.study, kind)
        if each.stale and not each.running:
            _stale(each.study, each.stale)
        if each.next and not each.running:
            st.html(f"<div class='next'>{esc(each.next)} <code>{esc(each.how)}</code></div>")
        facts = [fact for fact in (each.size, each.findings, each.study.settings.note) if fact]
        st.caption(" · ".join(md(fact) for fact in facts))


def _stale(study: Study, why: str) -> None:
    """That its sentence is no longer true, and the click that makes it so."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge("outdated", icon=":material/history:", color="orange")
        st.markdown(why, width="content")
        if st.button("Compare again", key=f"redo-{study.name}", icon=":material/refresh:"):
            try:
                statuses.redo(study)
            except UserError as error:
                st.error(md(str(error)))
            else:
                st.rerun()


def _sides(study: Study) -> str:
    names = [checkpoint.name for checkpoint in study.checkpoints]
    more = f" and {esc(', '.join(names[2:]))}" if len(names) > 2 else ""
    if study.one_sided:
        return f"<div class='pair'>A collection of texts: {esc(names[0])}</div>"
    one, two = (f"{highlight.letter(side)} {esc(name)}" for side, name in zip("ab", names, strict=False))
    return f"<div class='pair'>{one} &nbsp;→&nbsp; {two}{more}</div>"


def _largest(each: Overview) -> str:
    """Its largest changes on one line."""
    chips = [
        f"<span>{highlight.letter(change.side.lower())} {esc(change.name)} <i>{esc(change.figures)}</i></span>"
        for change in each.changes
    ]
    return f"<div class='largest'>{''.join(chips)}</div>"


def _menu(each: Overview) -> None:
    """What can be done with the whole study."""
    with st.popover(
        "", icon=":material/more_vert:", key=f"menu-{each.name}", help="Rename, duplicate, delete", type="tertiary"
    ):
        new = st.text_input("New name", value=f"{each.name}-2", key=f"new-name-{each.name}")
        with st.container(horizontal=True):
            rename = person.button("Rename", key=f"rename-{each.name}", icon=":material/edit:")
            copy = person.button("Duplicate", key=f"duplicate-{each.name}", icon=":material/content_copy:")
            delete = person.button("Delete", key=f"delete-{each.name}", icon=":material/delete:")
        st.caption("A deleted study can be put back, at the end of this page.")
        try:
            if rename:
                upkeep.rename(each.name, new)
            elif copy:
                upkeep.duplicate(each.name, new)
            elif delete:
                upkeep.delete(each.name)
        except UserError as error:
            st.error(md(str(error)))
            return
    if rename or copy or delete:
        st.rerun()


def trash() -> None:
    """What was deleted, each with the way back."""
    gone = upkeep.deleted()
    if not gone:
        return
    with st.expander(words.count(len(gone), "deleted study", "deleted studies")):
        for each in gone:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.write(f"{md(each.name)}, deleted {words.moment(each.when)}")
                if person.button("Put back", key=f"restore-{each.folder.parent.name}", icon=":material/undo:"):
                    try:
                        upkeep.restore(each)
                    except UserError as error:
                        st.error(md(str(error)))
                    else:
                        st.rerun()
        st.caption("They lie in the hidden folder .trash beside the studies; empty it to free their space.")
