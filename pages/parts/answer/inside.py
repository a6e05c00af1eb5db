"""Below the behaviours: what was seen from inside above all nulls, and whether answers show it too."""

import streamlit as st

from diffing.common.escape import md
from diffing.common.words import count, listed
from diffing.findings.seen_inside import Held
from diffing.whitebox.sight import clues
from pages.parts.address import Comparison
from pages.parts.inside import kept

SHOWN = 5
"""Clues, the strongest above its nulls first: as many as the sentence names. The page Inside has all."""


def show(here: Comparison) -> None:
    """The whole block; nothing where nothing stands above nulls."""
    held = kept.held_inside(*here)
    if not held:
        return
    found = kept.inside(*here)
    st.subheader("Seen from inside", anchor=False)
    st.markdown(md(found.sentence))
    titles = {each.name: each.title for each in found.methods}
    st.markdown("\n".join(f"- {_line(each, titles)}" for each in held[:SHOWN]))
    counted = sum(each.counted is not None for each in held)
    corrected = f" q is corrected over the {count(counted, 'clue')} that can be counted." if counted > 1 else ""
    outdated = [each.title.lower() for each in found.methods if each.outdated]
    old = f" Out of date: {md(listed(outdated))}." if outdated else ""
    st.caption(f"A clue is no finding: only answers tell what the model does.{corrected}{old}")
    more = f", {len(held) - SHOWN} more of them" if len(held) > SHOWN else ""
    st.page_link(
        "pages/inside.py",
        label=f"All clues{more}, beside their nulls",
        icon=":material/search_insights:",
        query_params=here.link(),
    )


def _line(each: Held, titles: dict[str, str]) -> str:
    """One clue with who sees it, and in small letters what the answers say."""
    clue = each.clue
    name = f"{clues.quoted(clue.text)}{', less of it' if clue.less else ''}"
    by = ", ".join(titles[method].lower() for method in clue.methods)
    nulls = f"{'less' if clue.in_nulls else 'nothing'} of it in {count(clue.nulls, 'null')}"
    return f"**{md(name)}** ({md(by)}; {nulls})  \n  :small[:gray[{md(each.words)}]]"
