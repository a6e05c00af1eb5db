"""A study's own probes on a page: what they show, a way to see it in the answers, and the form for a new one.

The form counts while it is typed, on discovery prompts alone: what held-out prompts say comes once a probe is
kept, so that nobody words one after them. Nothing is asked of a judge before its price was shown.
"""

from typing import Any

import pandas as pd
import streamlit as st

from diffing.common import words
from diffing.common.errors import UserError
from diffing.common.escape import md, visible
from diffing.diff import own, selection
from diffing.diff.own import Answers, Line, Tested
from diffing.findings import asking
from diffing.models.questions import Asking
from diffing.probes import own_probes
from diffing.probes.own_probes import MARK, OwnProbe
from pages.parts import address, consent, download, highlight, load, person, upload
from pages.parts.address import Comparison
from pages.parts.attempt import attempt
from pages.parts.figures import FIGURES, shown
from pages.parts.findings import steps

AUTHOR = "person"
"""Who stands beside a probe that is kept here; the page of findings asks for a name."""
TYPED = {
    "words": ("Whole words, with commas between", "sorry, apologies, I regret"),
    "phrase": ("A phrase, letter by letter", "I am happy to"),
    "regex": ("A regular expression; ^ and $ at every line", "^(Sure|Certainly)\\b"),
    "question": ("A question about each answer, yes or no", "Does it refuse?"),
}
"""By kind, what its field is called and an example."""
TITLES = {"words": "Words", "phrase": "Phrase", "regex": "Expression", "question": "Question for a judge"}
FIELDS = ("own-text", "own-judge", "own-name", "own-says")
COLUMNS = ["probe", "says", "frequency_a", "frequency_b", "delta", "ci_low", "ci_high", "q_judged"]
COLUMNS += ["delta_rarefied", "frequency_a_heldout", "frequency_b_heldout", "q_heldout", "counts", "fault"]
LINES = 3
"""Answers of each side that show it: enough to see whether it counts what was meant."""


def show(here: Comparison) -> None:
    """The whole section."""
    st.subheader("Probes of your own")
    st.html(highlight.STYLE)
    try:
        probes = own_probes.load(here.study)
        # Of a study without any no answer is read until one is typed.
        tested = load.own_probes(here.study, here.a, here.b) if probes else None
    except UserError as error:
        st.info(md(str(error)))
        return
    st.caption(
        "Counted in the same pairs and by the same tests as the built-in probes, and corrected for among "
        "themselves: q of rules over your rules, q of questions over your questions. No other q hangs on them."
    )
    if tested is not None:
        _table(tested)
        _chosen(here, load.own_answers(here.study, here.a, here.b), tested, probes)
    _form(here)
    _files(here, tested, probes)


# Those that are kept.


def _table(tested: Tested) -> None:
    rows = selection.judged(tested.table)
    held = {name: 100 * rows[name] for name in ("frequency_a_heldout", "frequency_b_heldout")}
    number = st.column_config.NumberColumn
    columns = FIGURES | {
        "probe": st.column_config.TextColumn("probe", pinned=True),
        "frequency_a_heldout": number("new prompts, A", format="%.1f %%"),
        "frequency_b_heldout": number("new prompts, B", format="%.1f %%"),
        "q_heldout": number("new prompts, q", format="%.2g"),
        "counts": st.column_config.TextColumn("what is counted", width="large"),
        "fault": st.column_config.TextColumn("not counted because"),
    }
    faults = [] if (rows["fault"] != "").any() else ["fault"]
    st.dataframe(
        shown(rows.assign(**held), [name for name in COLUMNS if name not in faults]),
        placeholder="–",
        hide_index=True,
        column_config=columns,
        key="own-probes",
        alt="Own probes with their shares, differences, intervals and tests",
    )


def _chosen(here: Comparison, answers: Answers, tested: Tested, probes: list[OwnProbe]) -> None:
    """What can be done with one of them."""
    by_name = {probe.name: probe for probe in probes}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Probe", list(by_name), key="own-chosen")
        probe = by_name[name]
        row = tested.table[tested.table["probe"] == name].iloc[0]
        pair = _pair(answers, tested, row)
        if pair is not None:
            st.page_link(
                "pages/compare.py",
                label="Open a pair that shows it",
                icon=":material/compare_arrows:",
                query_params=here.link(
                    probe=MARK + name, prompt=pair.prompt_id, draw=address.draw(pair.draw) if pair.draw else None
                ),
            )
        if person.button("Remove", key="own-remove", icon=":material/delete:"):
            attempt(lambda: own_probes.remove(here.study, name, person.name(AUTHOR)))
    if probe.question is not None:
        _question(here, probe, row)


def _pair(answers: Answers, tested: Tested, row: "pd.Series[Any]") -> Line | None:
    found = tested.places.get(str(row["probe"]))
    return None if found is None else own.example(answers, found, "a" if row["delta"] < 0 else "b")


def _question(here: Comparison, probe: OwnProbe, row: "pd.Series[Any]") -> None:
    """How far a question is, and the step that puts it to its judge."""
    assert probe.question is not None
    st.caption(md(asking.counted_words(row)))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        dollars = st.number_input("Limit in dollars", 0.0, value=1.0, step=0.5, key="own-limit")
        note = "Only for an address of your own, URL#MODEL."
        variable = st.text_input("Variable that holds the key", key="own-key", help=note)
    options = {"model": probe.question.judge, "key_env": variable.strip(), "max_dollars": float(dollars)}
    try:
        consent.show([Asking.model_validate(options).point], "own")
    except UserError as error:
        st.error(md(str(error)))
        return
    label = f"Ask {probe.question.judge} about each answer"
    steps.step(here, "ask", md(label), options | {"probes": [probe.name]}, asking)


# A new one.


def _form(here: Comparison) -> None:
    """Fields that count while they are typed; they keep what was typed until it is kept."""
    with st.container(border=True):
        kind = st.segmented_control(
            "Add one",
            list(TYPED),
            default="words",
            required=True,
            key="own-kind",
            format_func=TITLES.__getitem__,
        )
        label, example = TYPED[kind]
        text = st.text_input(label, key="own-text", placeholder=example, max_chars=2000)
        judge = ""
        if kind == "question":
            judge = st.text_input("Judge", key="own-judge", placeholder="openrouter:google/gemini-2.5-flash")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input("Name", key="own-name", placeholder="says sorry", max_chars=40)
            says = st.text_input(
                "An answer that shows it …", key="own-says", placeholder="apologises", max_chars=120
            )
        seen = st.checkbox(
            "Answers to new (held-out) prompts were looked at", address.flag("held"), key="own-held"
        )
        typed = {"kind": kind, "text": text, "judge": judge, "name": name, "says": says, "seen": seen}
        if text.strip() and kind != "question":
            _trial(here, kind, text)
        # Never disabled: what was typed last arrives with the click that would come too early.
        person.button("Keep it", type="primary", key="own-keep", on_click=_keep, args=[here, typed])
        if fault := st.session_state.pop("own-fault", ""):
            st.error(md(fault))


def _keep(here: Comparison, typed: dict[str, Any]) -> None:
    """Keep it and empty the fields; where it cannot be kept they stay as they are."""
    try:
        own_probes.add(here.study, _probe(here, **typed))
    except UserError as error:
        st.session_state["own-fault"] = str(error)
        return
    for field in FIELDS:
        st.session_state[field] = ""


def _probe(here: Comparison, kind: str, text: str, judge: str, name: str, says: str, seen: bool) -> OwnProbe:
    """What was typed as a probe that can be kept."""
    if not name.strip():
        raise UserError("The probe has no name yet; give it one.")
    told: dict[str, Any] = {"says": says, "author": person.name(AUTHOR), "held_out_seen": seen}
    if kind == "question":
        return own_probes.made(name, question={"text": text.strip(), "judge": judge.strip()}, **told)
    rule = own_probes.rule_of(**{kind: text})
    if rule is None:
        raise UserError("There is nothing to look for yet; write it into the first field.")
    if fault := str(load.own_trial(here.study, here.a, here.b, rule.model_dump_json()).table["fault"][0]):
        raise UserError(fault)
    return own_probes.made(name, rule=rule, **told)


def _trial(here: Comparison, kind: str, text: str) -> None:
    """What a rule counts in answers to discovery prompts, before it is kept."""
    try:
        rule = own_probes.rule_of(**{kind: text})
    except UserError as error:
        st.error(md(str(error)))
        return
    if rule is None:
        return
    answers = load.own_answers(here.study, here.a, here.b)
    tested = load.own_trial(here.study, here.a, here.b, rule.model_dump_json())
    row, found = tested.table.iloc[0], next(iter(tested.places.values()), None)
    if found is None:
        st.error(md(str(row["fault"])))
        return
    st.markdown(_figures(row))
    for column, side in zip(st.columns(2), ("a", "b"), strict=True):
        with column:
            st.html(highlight.letter(side))
            lines = own.lines(answers, found, side, LINES)
            for line in lines:
                st.html(_line(line, side))
            if not lines:
                st.caption("No answer to a discovery prompt shows it.")


def _figures(row: "pd.Series[Any]") -> str:
    test = f"p = {words.small(row['p'])} by itself" if pd.notna(row["p"]) else "too few prompts differ to test it"
    shares = "A {} → B {}".format(*words.shares(row["frequency_a"], row["frequency_b"]))
    interval, rarefied = words.interval(row["ci_low"], row["ci_high"]), words.points(row["delta_rarefied"])
    change = f"{words.points(row['delta'])} points ({interval})"
    told = (
        f"of answers to {row['n_prompts']:,.0f} discovery prompts: {change}, "
        f"{test}; {rarefied} among as many random tokens of both. New prompts are counted once it is kept."
    )
    return f"**{md(shares)}** {md(told)}"


def _line(line: Line, side: str) -> str:
    return highlight.excerpt(line.excerpt, side)


# To other studies and from them.


def _files(here: Comparison, tested: Tested | None, probes: list[OwnProbe]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if tested is not None:
            download.csv("Download this table", tested.table, f"{here.study.name}-own-probes")
            name = f"{here.study.name}-own-probes.json"
            download.text("Download the probes", lambda: own_probes.written(probes), name, "application/json")
        with st.popover("Take some in from a file", icon=":material/upload:"):
            brought = st.file_uploader("A file that was written here", ["json"], key="own-file")
            if person.button("Take them in", key="own-take") and brought is not None:
                with upload.saved(brought) as path:
                    attempt(lambda: st.toast(_taken(own_probes.take(here.study, path))))


def _taken(probes: list[OwnProbe]) -> str:
    names = f": {', '.join(probe.name for probe in probes)}" if probes else ""
    return md(visible(f"Took in {words.count(len(probes), 'probe')}{names}."))
