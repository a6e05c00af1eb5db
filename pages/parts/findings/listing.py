"""The view of all findings of two checkpoints: how many stand where, a table of them, and the chosen one."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from diffing.common.escape import md, visible
from diffing.common.words import interval, points, small
from diffing.findings import brief
from diffing.findings.correction import Corrected
from diffing.findings.evidence import Standing
from diffing.findings.findings import Finding
from diffing.probes import excerpts
from diffing.study import plain
from pages.parts import address, download, job_panel, load
from pages.parts.address import Comparison
from pages.parts.findings import by_hand, finding
from pages.parts.loaded import Loaded

BLOCKED = "needs a reason"
EXAMPLE = 110
"""Characters of an example: what a wide column shows in three lines."""
TALL = 66
"""Pixels of a row: three lines, and the least from which Streamlit wraps text (4 rem)."""
COLUMNS = {
    "id": None,
    "claim": st.column_config.TextColumn("claim", width=255),
    "A": st.column_config.TextColumn(
        "A", width=60, help="Its own figure on A's answers to new prompts: counted, or else by the judge's word."
    ),
    "B": st.column_config.TextColumn("B", width=60, help="The same on B's."),
    "B − A": st.column_config.TextColumn("B − A", width=65, help="In points, or as an amount."),
    "example": st.column_config.TextColumn(
        "first example", width=265, help="Of the side that shows it more; « » stands around what is counted."
    ),
    "status": st.column_config.TextColumn(
        "status",
        width=95,
        help="; ".join(f"{name}: {told}" for name, told in brief.MEANING.items()) + ".",
    ),
    "lacking": st.column_config.TextColumn("still lacks", width=110),
    "origin": st.column_config.TextColumn("origin", width=100, help="Where its words come from."),
    "for": st.column_config.NumberColumn("for", format="%d", width=50, help="New prompts that the judge gave it."),
    "against": st.column_config.NumberColumn("against", format="%d", width=60),
    "net share": st.column_config.NumberColumn(
        "net share", format="%+.0f", help="In points, on new prompts, by the judge's word alone."
    ),
    "corrected": st.column_config.TextColumn(
        "corrected",
        width=135,
        help="Net share corrected for the judge's error by a person's verdicts, with its 95 % interval.",
    ),
    "q": st.column_config.TextColumn("q", width=75, help="Of its count, or else of the judge's verdicts."),
}


def show(here: Comparison, found: Loaded | None, author: str) -> None:
    """The whole view."""
    standings = load.standings(*here)
    # What a link brings is in sight, and not below the list.
    brought = by_hand.brought()
    if brought:
        by_hand.show(here, found, author)
    if not standings:
        _none_yet(here, found)
    else:
        if found is None:
            st.info(
                "The features and probes below have no figures now: these two checkpoints must be compared first."
            )
            job_panel.missing_steps(here)
        chosen = _filtered(here, standings)
        _table(here, chosen)
        _chosen(here, standings, chosen, found, author)
    if not brought:
        by_hand.show(here, found, author)


def _none_yet(here: Comparison, found: Loaded | None) -> None:
    st.info(
        "No findings yet. A finding is a claim about what changed, with the features, probes and answers it rests "
        "on. Have some drafted, which needs no key, or write one by hand."
    )
    if found is None:
        job_panel.missing_steps(here)
    else:
        options = {"model": "", "a": here.a, "b": here.b}
        job_panel.start_button(here.study, "draft", "Draft findings without a model", lambda: options)
        job_panel.panel(here.study, "draft")


def _filtered(here: Comparison, standings: Sequence[Standing]) -> list[Standing]:
    """Those that pass the filters, under the line that counts all."""
    kinds = list(dict.fromkeys(standing.status for standing in standings))
    counts = [f"{kind} **{sum(standing.status == kind for standing in standings)}**" for kind in kinds]
    blocked = sum(bool(standing.open) for standing in standings)
    counts += [f"{BLOCKED} **{blocked}**"] if blocked else []
    name_a, name_b = here.names
    st.markdown(f"**A** {md(name_a)} against **B** {md(name_b)}: {' · '.join(counts)}")
    st.caption("  \n".join(f"**{kind}**: {brief.MEANING[kind]}." for kind in kinds))
    if made := plain.note(*here):
        st.warning(md(made))
    with st.container(horizontal=True, vertical_alignment="center"):
        kind = st.segmented_control(
            "Show",
            [*kinds, BLOCKED] if blocked else kinds,
            key="status",
            bind="query-params",
            label_visibility="collapsed",
        )
        search = st.text_input(
            "Search claims",
            key="q-findings",
            bind="query-params",
            label_visibility="collapsed",
            placeholder="Search",
        )
    chosen = [
        standing
        for standing in standings
        if kind in (None, standing.status) or (kind == BLOCKED and standing.open)
    ]
    return [standing for standing in chosen if search.lower() in standing.finding.claim.lower()]


def _table(here: Comparison, chosen: Sequence[Standing]) -> None:
    """A row each, of which one is chosen."""
    if not chosen:
        st.info("No finding passes these filters.")
        return

    def pick() -> None:
        selected = st.session_state["list"]["selection"]["rows"]
        if selected and selected[0] < len(chosen):
            address.put(finding=chosen[selected[0]].finding.id)

    rows = listed(chosen, [_example(here, each.finding) for each in chosen])
    st.dataframe(
        rows,
        hide_index=True,
        column_config=COLUMNS,
        key="list",
        on_select=pick,
        selection_mode="single-row",
        row_height=TALL,
        # Six rows, then it scrolls, so that the finding below is in sight.
        height=min(38 + TALL * len(rows), 38 + 6 * TALL),
        alt="The findings; a row shows the finding below",
    )
    download.csv("Download this table", rows, f"{here.study.name}-findings")


def _chosen(
    here: Comparison,
    standings: Sequence[Standing],
    listed: Sequence[Standing],
    found: Loaded | None,
    author: str,
) -> None:
    """The finding in the address, or the first of the list."""
    wanted = address.text("finding")
    known = {standing.finding.id: standing for standing in standings}
    if wanted and wanted not in known:
        st.warning(
            f"There is no finding '{md(wanted)}' of these two checkpoints; those that there are stand above."
        )
    elif wanted or listed:
        with st.container(border=True):
            finding.show(here, known[wanted] if wanted else listed[0], found, author)


def listed(standings: Sequence[Standing], examples: Sequence[str]) -> pd.DataFrame:
    """Findings as a table, a row each; columns that say nothing of any are left out."""
    table = pd.DataFrame([_row(*each) for each in zip(standings, examples, strict=True)])
    figures = ("A", "B", "B − A", "for", "against", "net share", "corrected")
    empty = [name for name in figures if table[name].isna().all()]
    return table.drop(columns=empty + [name for name in ("example", "same as", "q") if not table[name].any()])


def _row(standing: Standing, example: str) -> dict[str, object]:
    said, check = standing.finding, standing.check
    return {
        "id": said.id,
        "claim": visible(brief.sentence(standing)),
        "A": brief.figure(standing, "a"),
        "B": brief.figure(standing, "b"),
        "B − A": brief.difference(standing),
        "example": example,
        "status": standing.status,
        "lacking": brief.lacks(standing),
        "q": _q(standing),
        "for": check.wins if check else None,
        "against": check.losses if check else None,
        "net share": 100 * check.net if check else None,
        "corrected": _corrected(check.corrected) if check else None,
        "origin": brief.ORIGINS[said.origin],
        "same as": standing.same_as,
    }


def _q(standing: Standing) -> str:
    own, check = standing.counted, standing.check
    q = own.q if own is not None else check.q if check is not None and check.prompts else None
    return "" if q is None or standing.status == "unverified wording" else small(q)


def _example(here: Comparison, said: Finding) -> str:
    """One line of the first example's answer on the side that shows it more, cut to what the claim counts."""
    if not said.examples:
        return ""
    pair = said.examples[0]
    text = load.texts_to(here.study, (pair.prompt_id,)).get(
        (pair.prompt_id, here.a if said.side == "a" else here.b, pair.draw), ""
    )
    # An amount is all over the answer: its marks would tell nothing.
    spans = said.predicate.spans(text) if said.predicate and not said.predicate.amount else []
    return visible(excerpts.around(text, spans, EXAMPLE).plain)


def _corrected(found: Corrected | None) -> str:
    return f"{points(found.net)} ({interval(found.low, found.high)})" if found else "uncorrected"
