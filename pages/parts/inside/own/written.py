"""What the variant wrote that its base would not: the passages it prefers most, token by token."""

import streamlit as st

from diffing.common.escape import esc, md
from diffing.common.words import count
from diffing.whitebox.measures.recurring import FRESH
from diffing.whitebox.sight.seen import Seen
from pages.parts import download, highlight
from pages.parts.address import Comparison
from pages.parts.inside import heat

SHOWN = 6
"""Passages: two or three screens of them are not read."""
MARKED = 5
"""Phrases that are underlined: of more, nearly all of a text would be."""


def show(here: Comparison, seen: Seen) -> None:
    """The passages of the largest mean, and what the nulls' are like."""
    samples, facts = seen.table("samples"), seen.facts()
    kept = samples[(samples["fresh"] >= FRESH) & ~samples["held_out"]]
    best = kept.nlargest(SHOWN, "gap")
    st.markdown("##### What it writes that its base would not")
    table = seen.judged.above if len(seen.judged.above) else seen.judged.table
    phrases = [str(text) for text in table["text"].head(MARKED)]
    told = [heat.laid(row.text, row.pieces, row.gaps) for row in best.itertuples()]
    # One scale for all, whose full colour is for the largest few: a single far token would pale the rest.
    values = sorted(part.value for parts in told for part in parts)
    largest = values[int(0.98 * (len(values) - 1))] if values else 0.0
    st.html(highlight.STYLE + heat.scale("a little likelier to the variant", f"by {largest:.1f} nats or more"))
    for row, parts in zip(best.itertuples(), told, strict=True):
        with st.container(border=True):
            base = esc(" ".join(str(row.base_text).split()))
            st.html(
                heat.text(row.prefix, parts, largest, phrases)
                + f'<div class="scale answer">the base, from the same beginning: {base}</div>'
            )
    st.caption(_said(seen, facts, len(kept), phrases))
    flat = samples.assign(**{name: samples[name].map(list) for name in ("pieces", "gaps")})
    download.csv("Download all passages", flat, f"{here.study.name}-inside-{seen.name}-passages")


def _said(seen: Seen, facts: dict[str, object], kept: int, phrases: list[str]) -> str:
    under = f"Underlined is what recurs: {', '.join(f'“{md(phrase)}”' for phrase in phrases)}. " if phrases else ""
    left = f"{facts['repeating']} of {facts['samples']} passages turn in circles and were left out. "
    return (
        f"The first of {count(kept, 'passage')}, paler what they go on from; those that were held out to confirm "
        f"are not shown. {under}{left}{_beside(seen, facts)}"
    )


def _beside(seen: Seen, facts: dict[str, object]) -> str:
    """The mean of the passages preferred most, beside that of the nulls."""
    own = facts["discovery"]
    nulls = [each["discovery"]["top"] for each in seen.null_facts() if each["discovery"]]
    if not isinstance(own, dict) or not nulls:
        return ""
    return (
        f"The ten that the variant prefers most are {own['top']:.2f} nats a token likelier to it; under nulls "
        f"{min(nulls):.2f} to {max(nulls):.2f}."
    )
