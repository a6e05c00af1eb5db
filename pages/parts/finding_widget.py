"""One finding on a page: its claim, how far it got, what speaks against it, what it rests on, ways to change it.

Every change is a line of the findings' history; nothing is overwritten. Status and contradictions are computed by
`diffing.findings.evidence` and shown as they are.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from diffing import labels
from diffing.common.errors import UserError
from diffing.common.escape import esc, md, visible
from diffing.findings import evidence, findings
from diffing.findings.evidence import Standing
from diffing.findings.findings import Example, Finding
from diffing.probes import near, scan
from diffing.study import prompts
from diffing.study.study import Study
from pages.parts.charts import short
from pages.parts.figures import FEATURE, FIGURES, shown
from pages.parts.load import Loaded

COLOURS: dict[str, Any] = {
    "reported": "green", "verified": "green", "replicated": "blue", "label validated": "blue", "candidate": "gray",
    "rejected": "red",
}  # fmt: skip
ORIGINS = {
    "hand": "a person",
    "sae": "a model that read features",
    "baseline": "a model that read answers",
    "template": "the plain template",
}
MARKS = {
    True: ":green[:material/check_circle:]",
    False: ":red[:material/cancel:]",
    None: ":gray[:material/radio_button_unchecked:]",
}
ROW = ["frequency_a", "frequency_b", "delta", "q", "delta_equal_length", "replicated"]


def show(study: Study, standing: Standing, found: Loaded | None, author: str) -> None:
    """The whole finding; `author` stands beside what is changed here."""
    finding = standing.finding
    with st.container(horizontal=True):
        st.badge(standing.status, color=COLOURS[standing.status])
        if standing.open:
            st.badge("needs a person's reason", icon=":material/warning:", color="orange")
        if finding.held_out_seen:
            st.badge("held-out answers were seen", icon=":material/visibility:", color="gray")
    st.html(f"<h3 style='margin:0'>{esc(finding.claim)}</h3>")
    by = ORIGINS[finding.origin] + ("" if finding.origin == "template" else f", {md(finding.author)}")
    st.caption(
        f"More in **{finding.side.upper()}**, {md(study.checkpoint(finding.more).name)} · found by {by} · "
        f"{md(finding.created[:10])} · {md(finding.id)}"
    )
    if standing.why:
        st.error(f"Rejected: {md(standing.why)}")
    if standing.same_as:
        st.info(f"By the judge's votes another wording of {md(standing.same_as)}, which counts in its place.")
    beside = st.container(horizontal=True, gap="large")
    with beside, st.container(width="stretch", key="roomy-finding"):
        _rungs(standing)
        _rests_on(study, finding, found)
        _pairs(study, finding)
    with beside, st.container(width=340):
        _objections(study, standing, author)
        _notes(study, finding, author)
        _edit(study, finding, author)


def _rungs(standing: Standing) -> None:
    st.markdown("**How far it got**")
    st.markdown("  \n".join(f"{MARKS[rung.passed]} **{rung.name}**: {md(rung.words)}" for rung in standing.rungs))
    check = standing.check
    if check is not None and check.prompts:
        with st.container(horizontal=True):
            st.metric(
                "Applies", f"{check.frequency:.0%}", help="Held-out prompts on which the judge saw a difference."
            )
            st.metric("For it", f"{check.accuracy:.0%}", help="Of these, those that went the claimed way.")
            st.metric(
                "Net share", f"{100 * check.net:+.0f} points", help=f"{_interval(check.low, check.high)}, 95 %."
            )
            st.metric("Present in A", f"{check.presence_a:.0%}")
            st.metric("Present in B", f"{check.presence_b:.0%}")


def _interval(low: float, high: float) -> str:
    return f"{100 * low:+.0f} to {100 * high:+.0f} points"


def _rests_on(study: Study, finding: Finding, found: Loaded | None) -> None:
    st.markdown("**What it rests on**")
    if not finding.features and not finding.probes:
        st.caption("No feature and no probe.")
    if finding.features and finding.reader not in ("", labels.sae_of(study.settings.reader)):
        st.caption(f"Its features belong to another reader, {md(finding.reader)}.")
        return
    if found is None:
        st.caption(md(", ".join([*(f"#{feature}" for feature in finding.features), *finding.probes])))
        return
    if finding.features:
        rows = found.table[found.table["feature"].isin(finding.features)]
        key = f"features-{finding.id}"
        event = st.dataframe(
            shown(rows, ["feature", "label", *ROW]), hide_index=True, column_config=FEATURE | FIGURES, key=key,
            on_select="rerun", selection_mode="single-row", alt="The finding's features; a row opens the feature",
        )  # fmt: skip
        if event["selection"]["rows"]:
            feature = rows.iloc[event["selection"]["rows"][0]]["feature"]
            st.switch_page("pages/feature.py", query_params=_link(study, finding) | {"feature": str(feature)})
    if finding.probes:
        rows = found.diff.probes[found.diff.probes["probe"].isin(finding.probes)]
        st.dataframe(
            shown(rows, ["probe", *ROW]),
            hide_index=True,
            column_config=FIGURES,
            alt="The finding's surface probes",
        )


def _link(study: Study, finding: Finding) -> dict[str, str]:
    return {"study": study.name, "a": finding.a, "b": finding.b}


def _pairs(study: Study, finding: Finding) -> None:
    table = study.prompts().set_index("id")
    for title, pairs in (("Examples", finding.examples), ("Against it", finding.counter_examples)):
        if pairs:
            st.markdown(f"**{title}**")
        for pair in pairs:
            if pair.prompt_id not in table.index:
                st.caption(f"Prompt {md(pair.prompt_id)} is no longer in the study.")
                continue
            prompt = table.loc[pair.prompt_id]
            to = _link(study, finding) | {"prompt": pair.prompt_id}
            to |= {"feature": str(finding.features[0])} if finding.features else {}
            to |= {"probe": finding.probes[0]} if finding.probes and not finding.features else {}
            to |= {"draw": f"draw {pair.draw + 1}"} if pair.draw else {}
            to |= {"held": "true"} if prompt["split"] == "held-out" else {}
            label = f"Draw {pair.draw + 1} · {short(visible(prompts.shown(prompt)), 60)}"
            st.page_link("pages/compare.py", label=md(label), icon=":material/compare_arrows:", query_params=to)


def _objections(study: Study, standing: Standing, author: str) -> None:
    finding = standing.finding
    st.markdown("**What speaks against it**")
    if not standing.objections:
        st.caption("Nothing that can be counted.")
    for one in standing.objections:
        (st.warning if one in standing.open else st.info)(md(one.words))
    if finding.reason:
        st.html(f"<small>A person's reason: {esc(finding.reason)}</small>")
    if standing.open:
        with st.form(f"reason-{finding.id}"):
            reason = st.text_area("Why may it be reported all the same?", height=80)
            if st.form_submit_button("Let it pass"):
                attempt(lambda: evidence.allow(study, finding.id, reason, author))


def _notes(study: Study, finding: Finding, author: str) -> None:
    st.markdown("**Notes**")
    for note in finding.notes:
        st.html(f"{esc(note.text)} <small>· {esc(note.author)}, {esc(note.date[:10])}</small>")
    with st.form(f"note-{finding.id}", clear_on_submit=True, border=False):
        text = st.text_input("Note", label_visibility="collapsed", placeholder="What you saw, and where")
        if st.form_submit_button("Add the note") and text.strip():
            attempt(lambda: findings.note(study, finding.id, text, author))


def _edit(study: Study, finding: Finding, author: str) -> None:
    with st.expander("Change it"), st.form(f"edit-{finding.id}", border=False):
        claim = st.text_area("Claim", finding.claim, height=80, help="With other words it must be verified again.")
        numbers = st.text_input("Features", ", ".join(map(str, finding.features)), help="Numbers.")
        probes = st.multiselect("Probes", scan.NAMES, [p for p in finding.probes if p in near.PROBES])
        names = {f"{pair.prompt_id}, draw {pair.draw + 1}": pair for pair in finding.examples}
        against = {f"{pair.prompt_id}, draw {pair.draw + 1}": pair for pair in finding.counter_examples}
        kept = st.multiselect("Examples", list(names), list(names), help="The page Compare adds some.")
        kept_against = st.multiselect("Against it", list(against), list(against))
        if st.form_submit_button("Save"):
            wanted: dict[str, Sequence[Any]] = {
                "features": ids(numbers), "probes": probes, "examples": [names[one] for one in kept],
                "counter_examples": [against[one] for one in kept_against],
            }  # fmt: skip
            attempt(lambda: save(study, finding, claim, wanted, author))
    if finding.rejected:
        if st.button("Take the rejection back", key=f"back-{finding.id}"):
            attempt(lambda: findings.reject(study, finding.id, "", author))
    else:
        with st.expander("Reject it"), st.form(f"reject-{finding.id}", border=False):
            why = st.text_input("Why it does not hold")
            if st.form_submit_button("Reject"):
                if why.strip():
                    attempt(lambda: findings.reject(study, finding.id, why, author))
                else:
                    st.error("Say why: whoever finds it again should know.")
    with st.expander("History"):
        for change in reversed(findings.history(study, finding.id)):
            parts = [
                *change.put,
                *(f"more {name}" for name in change.add),
                *(f"fewer {name}" for name in change.drop),
            ]
            st.html(f"<small>{esc(when(change.date))} · {esc(change.author)} · {esc(', '.join(parts))}</small>")


def save(study: Study, finding: Finding, claim: str, wanted: dict[str, Sequence[Any]], author: str) -> Finding:
    """Write only what differs, so that what another added meanwhile stays."""
    claim = " ".join(claim.split())
    add = {name: [one for one in new if one not in getattr(finding, name)] for name, new in wanted.items()}
    drop = {name: [one for one in getattr(finding, name) if one not in new] for name, new in wanted.items()}
    put: dict[str, Any] = {"claim": claim} if claim and claim != finding.claim else {}
    if add["features"]:
        put["reader"] = labels.sae_of(study.settings.reader)
    add, drop = ({name: new for name, new in lists.items() if new} for lists in (add, drop))
    return (
        findings.change(study, finding.id, author, put=put, add=add, drop=drop) if put or add or drop else finding
    )


def make(study: Study, a: str, b: str, author: str, found: Loaded | None) -> None:
    """The form for a finding by hand; features and probes in the address stand in it already, and their side."""
    given = st.query_params.get("features", "")
    named = [name for name in st.query_params.get("probes", "").split(",") if name in near.PROBES]
    with st.expander("Write a finding by hand", expanded=bool(given or named)), st.form("make", border=False):
        claim = st.text_input("An answer of one side more often …", placeholder="ends with an offer to help")
        side = st.segmented_control(
            "Side that shows it more", ["A", "B"], default=leaning(found, ids(given), named), required=True
        )
        numbers = st.text_input("Features", given, help="Their numbers.")
        probes = st.multiselect("Probes", scan.NAMES, named)
        seen = st.checkbox("Held-out answers were looked at", st.query_params.get("held") in ("1", "true"))
        if st.form_submit_button("Add the finding"):
            attempt(
                lambda: st.query_params.update(
                    finding=findings.add(
                        study, claim, "a" if side == "A" else "b", a=a, b=b, author=author, features=ids(numbers),
                        probes=probes, held_out_seen=seen, reader=labels.sae_of(study.settings.reader),
                    ).id
                )
            )  # fmt: skip


def leaning(found: Loaded | None, features: list[int], named: list[str]) -> str:
    """The side that most of these features and probes are shown more on; B where nothing tells."""
    if found is None:
        return "B"
    table, probes = found.diff.features, found.diff.probes
    deltas = [
        *table.loc[table["feature"].isin(features), "delta"],
        *probes.loc[probes["probe"].isin(named), "delta"],
    ]
    return "A" if sum(1 if delta < 0 else -1 for delta in deltas) > 0 else "B"


def add_pair(study: Study, a: str, b: str, pair: Example, held_out: bool) -> None:
    """A pair of answers on another page becomes an example of a finding, or speaks against it."""
    mine = {one.id: one for one in findings.load(study) if (one.a, one.b) == (a, b) and not one.rejected}
    with st.popover("Add to a finding", icon=":material/add:", disabled=not mine):
        chosen = st.selectbox("Finding", list(mine), format_func=lambda one: short(visible(mine[one].claim), 70))
        kind = st.segmented_control("It is", ["an example", "against it"], default="an example", required=True)
        if st.button("Add this pair") and chosen:
            name = "examples" if kind == "an example" else "counter_examples"
            put = {"held_out_seen": True} if held_out else {}
            findings.change(study, chosen, AUTHOR, put=put, add={name: [list(pair)]})
            st.toast("Added.")


AUTHOR = "person"


def when(date: str) -> str:
    """A moment as people read it, to the minute."""
    return date[:16].replace("T", " ") + " UTC"


def ids(text: str) -> list[int]:
    return list(dict.fromkeys(int(number) for number in re.findall(r"\d+", text)))


def attempt(action: Callable[[], object]) -> None:
    """Do it and show the page anew, or say what is wrong."""
    try:
        action()
    except UserError as error:
        st.error(md(str(error)))
    else:
        st.rerun()


def listed(standings: Sequence[Standing]) -> pd.DataFrame:
    """Findings as a table, a row each; columns that say nothing of any are left out."""
    table = pd.DataFrame(
        [
            {
                "id": one.finding.id,
                "status": one.status,
                "needs a reason": bool(one.open),
                "more on": one.finding.side.upper(),
                "claim": visible(one.finding.claim),
                "found by": ORIGINS[one.finding.origin],
                "features": len(one.finding.features),
                "for": one.check.wins if one.check else None,
                "against": one.check.losses if one.check else None,
                "net share": 100 * one.check.net if one.check else None,
                "q": one.check.q if one.check else None,
                "same as": one.same_as,
                "lacking": "; ".join(rung.words for rung in one.rungs if not rung.passed),
            }
            for one in standings
        ]
    )
    empty = [name for name in ("for", "against", "net share", "q") if table[name].isna().all()]
    return table.drop(columns=empty + [name for name in ("needs a reason", "same as") if not table[name].any()])
