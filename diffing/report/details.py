"""All about each finding, for the report's appendix: what it rests on, what was made of it, and its pairs.

Promises that what is blocked or rejected is never worded as a claim, and that the status stands before the words.
What is said of a finding in short is `cards`'s, pairs of answers `examples`'s.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from diffing.common import words
from diffing.common.words import count, interval, listed, points, share, small, yes
from diffing.diff import measure, pairing
from diffing.findings import correction, evidence, judging, verdicts
from diffing.findings.evidence import Standing
from diffing.findings.exhibits import Chooser
from diffing.findings.findings import Finding
from diffing.findings.verdicts import Check
from diffing.labels import contradictions
from diffing.report import examples as report_examples
from diffing.report.examples import Pair
from diffing.report.facts import Facts, own_features, sure

PLACES = 3
"""Features of a finding of which it is said where they fire, in one sentence."""
RUNGS = {
    "labels": "Labels of its features, scored blind",
    "features": "What it rests on, on new prompts",
    "counted": "Its own words, counted",
    "verified": "Its own words, judged",
}


class Figure(NamedTuple):
    """A row of the diff that a finding rests on."""

    what: str
    name: str
    a: str
    b: str
    difference: str
    interval: str
    q: str
    equal_length: str
    replicated: str


class Detail(NamedTuple):
    """A finding that is put forward."""

    claim: str
    side: str
    status: str
    author: str
    reading: list[str]
    """What it rests on and how it is to be read, in sentences."""
    figures: list[Figure]
    rungs: list[tuple[str, str]]
    """Kinds of evidence that there are, in words."""
    verification: str
    """What the judge said, and what other prompts would show; empty where none was asked."""
    hypothesis: str
    objections: list[str]
    also: list[str]
    """Other wordings that the judge's votes did not tell apart."""
    notes: list[str]
    examples: list[Pair]
    counter_examples: list[Pair]


class SetAside(NamedTuple):
    """A finding that the report does not claim."""

    status: str
    claim: str
    side: str
    why: list[str]


def of(facts: Facts) -> list[Detail]:
    """Every finding that is put forward, in the order of the cards."""
    chooser = Chooser(facts.study, facts.encodings, facts.a.key, facts.b.key)
    return [_of_finding(facts, chooser, standing) for standing in facts.put_forward]


def blocked(facts: Facts) -> list[SetAside]:
    return [_aside(facts, standing, [each.words for each in standing.open]) for standing in facts.blocked]


def rejected(facts: Facts) -> list[SetAside]:
    return [_aside(facts, standing, [standing.why]) for standing in facts.rejected]


def _aside(facts: Facts, standing: Standing, why: list[str]) -> SetAside:
    finding = standing.finding
    return SetAside(standing.status.capitalize(), finding.claim, facts.side(finding.more), why)


def _of_finding(facts: Facts, chooser: Chooser, standing: Standing) -> Detail:
    finding, check = standing.finding, standing.check
    side, other = facts.side(finding.more), facts.side(finding.less)
    features = own_features(standing, facts.study, facts.diff)
    examples, counter = report_examples.of_finding(facts, chooser, finding, features)
    # Beside words that nothing tested, figures of what they were tied to would be read as theirs.
    tested = sure(standing) in evidence.SUPPORTED
    figures = [figure(facts, feature) for feature in features] + [probe(facts, name) for name in finding.probes]
    rungs = [(RUNGS[rung.name], rung.words) for rung in standing.rungs if rung.passed is not None]
    same = [each.finding.claim for each in facts.standings if each.same_as == finding.id and not each.open]
    return Detail(
        claim=finding.claim,
        side=side,
        status=sure(standing).capitalize(),
        author=finding.written_by,
        reading=_reading(facts, finding, features, tested),
        figures=figures if tested else [],
        rungs=rungs if tested else [],
        verification=verification(facts, check) if check is not None else "",
        hypothesis=hypothesis(check, side, other) if check is not None and check.prompts else "",
        objections=[each.words for each in standing.objections],
        also=same,
        notes=[f"{note.author}: {note.text}" for note in finding.notes],
        examples=examples,
        counter_examples=counter,
    )


def _reading(facts: Facts, finding: Finding, features: Sequence[int], tested: bool) -> list[str]:
    basis = []
    if features:
        basis.append(count(len(features), "feature"))
    if finding.probes:
        basis.append(count(len(finding.probes), "surface probe"))
    out = [f"It rests on {' and '.join(basis)}." if basis else "It rests on no feature and no probe."]
    if finding.predicate is not None and not finding.counts_what_it_says:
        out.append(f"Beside it stands a count, which does not test its words: {finding.predicate.shown}.")
    out += places(facts, finding, features) if features else []
    out += _categories(facts, features[0]) if features and tested else []
    # Evidence has whatever shape its author gave it.
    why = finding.evidence.get("why") if isinstance(finding.evidence, dict) else None
    if isinstance(why, str) and why.strip():
        out.append(f"Its author's reading: {why.strip()}")
    if any(feature in facts.flagged for feature in features):
        out.append("A label among its features is contradicted by counting and is not used here.")
    if finding.held_out_seen:
        out.append(
            "Whoever wrote it had seen answers to new prompts, so figures on these do not confirm it "
            "independently."
        )
    return out


def places(facts: Facts, finding: Finding, features: Sequence[int]) -> list[str]:
    """Where its features fire, by counting, and whether that is what the claim names."""
    near = {feature: contradictions.nearest(str(facts.table.at[feature, "probes"])) for feature in features}
    firing = [
        f"feature {feature} fires at {next(iter(here))} ({share(next(iter(here.values())))} of its tokens)"
        for feature, here in near.items()
        if here
    ][:PLACES]
    out = [f"By counting, {listed(firing)}."] if firing else []
    things = contradictions.named(finding.claim)
    # Only where it is known of every feature: one that fires at nothing countable may be what bears the claim out.
    if things and all(near.values()) and not any(thing in here for here in near.values() for thing in things):
        out.append(
            f"What the claim names ({listed(things)}) is not among what its features fire at most, so they hardly "
            "support it."
        )
    return out


def _categories(facts: Facts, feature: int) -> list[str]:
    """Where its first feature differs most and least, if there are categories of some size."""
    table = facts.diff.categories
    rows = table[(table["feature"] == feature) & (table["kind"] == "category") & (table["n"] >= pairing.FEW)]
    if len(rows) < 2:
        return []
    # By name where two are equal, so that the sentence is the same each time.
    rows = rows.assign(size=rows["delta"].abs()).sort_values(["size", "group"], kind="stable")
    least, most = (
        f"{row['group']} ({points(row['delta'])} points, {count(int(row['n']), 'prompt')})"
        for _, row in rows.iloc[[0, -1]].iterrows()
    )
    q = rows["q_heterogeneity"].iloc[0]
    sure = "it is not the same in all categories" if q < measure.LEVEL else "which may be chance"
    return [f"Its first feature differs most in {most} and least in {least}; {sure} (q = {small(q)})."]


def verification(facts: Facts, check: Check) -> str:
    """What the judge said, with everything that it hangs on."""
    asked = count(check.prompts + check.missing, "new prompt")
    return (
        f"{facts.verification.judge} saw both answers unnamed and in both orders on {asked}: {check.wins} for the "
        f"claim, {check.losses} against, {check.ties} ties, {check.missing} missing (exact p = {small(check.p)}, "
        f"q = {small(check.q)} over {count(facts.verification.tests, 'claim')}). The claim tells the sides apart "
        f"on {share(check.frequency)} of prompts, and there the judge picked the claimed side in "
        f"{share(check.accuracy)}: a net share of {points(check.net)} points (95 % interval "
        f"{interval(check.low, check.high)}), {correction.words(check.corrected)}. By its word "
        f"{share(check.presence_a)} of A's answers and {share(check.presence_b)} of B's show it at all; its "
        f"preference turned with the order in {share(check.flipped)} of pairs."
    )


def hypothesis(check: Check, side: str, other: str) -> str:
    """What other prompts would show if it holds, so that someone else can try it."""
    return (
        f"To other prompts like these, {side} more often than {other} gives an answer of which this is true; "
        f"judged in the same way on these new prompts, {side} led by a net {points(check.net)} points (95 % "
        f"interval of that mean {interval(check.low, check.high)}), {correction.words(check.corrected)}."
    )


def own_error(facts: Facts) -> str:
    """How far the judge can be trusted, and who else was asked."""
    if not facts.verification.judge:
        return ""
    words = verdicts.own_error_words(facts.verification.own_error)
    words += f" {correction.error_words(facts.verification.error)}"
    others = [judge for judge in judging.judges(judging.lines(facts.study)) if judge != facts.verification.judge]
    if others:
        words += f" Verdicts of other judges ({', '.join(others)}) are kept in the study and not used here."
    return words


def figure(facts: Facts, feature: int) -> Figure:
    return _figure(f"feature {feature}", facts.named[feature], facts.table.loc[feature])


def probe(facts: Facts, name: str) -> Figure:
    row = facts.probes.loc[name]
    figure = _figure("counted", name, row)
    if row.get("judged_by") != "amount":
        return figure
    # Every answer has some, so that shares would say nothing.
    return figure._replace(
        a=f"{row['mean_a']:,.1f} an answer",
        b=f"{row['mean_b']:,.1f} an answer",
        difference=words.change(row["change"]),
        interval=f"{words.change(row['change_low'])} to {words.change(row['change_high'])}",
        q=small(row["q_mean"]),
    )


def _figure(what: str, name: str, row: "pd.Series[Any]") -> Figure:
    return Figure(
        what=what,
        name=name,
        a=share(row["frequency_a"]),
        b=share(row["frequency_b"]),
        difference=points(row["delta"]),
        interval=interval(row["ci_low"], row["ci_high"]),
        q=small(row["q"]),
        equal_length=yes(row["survives_equal_length"]),
        replicated=words.replicated(row),
    )
