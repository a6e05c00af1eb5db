"""The report's sentences: the answer in six, what was not found, what follows for use, how far it can be trusted.

Plain text made from figures by templates; no model writes here. Promises that a claim is only repeated as far as
it got, and that "no change" is said only where an interval allows it. Escapes nothing: what lays it out does.
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common.words import count, interval, listed, points, share, small
from diffing.diff import gate, measure, ranking, selection
from diffing.diff.summary import cannot_tell, identical
from diffing.findings import correction
from diffing.findings.evidence import Standing
from diffing.labels import contradictions
from diffing.report.facts import Facts, sure

MANY = 4
"""Things named in a sentence: more of them nobody keeps in mind. The tables have all."""


# The answer.


def answer(facts: Facts) -> list[str]:
    """Six sentences: on what, how long, what of each side, how much in all, and how sure."""
    sides = [_side(facts, "B"), _side(facts, "A")]
    return [_compared(facts), _length(facts), *sides, _amount(facts), _footing(facts)]


def _compared(facts: Facts) -> str:
    summary = facts.diff.summary
    left = sum(summary["excluded"].values())
    compared = (
        f"B ({facts.b.name}) was compared with A ({facts.a.name}) on {count(summary['prompts'], 'prompt')} with "
        f"{count(summary['pairs'], 'pair')} of answers; {count(left, 'pair')} had to be left out."
    )
    return f"{compared} {identical(summary)}".rstrip()


def _length(facts: Facts) -> str:
    """How long the answers are, which every other difference is read by."""
    row = facts.probes.loc["words"]
    amounts = f"{row['mean_a']:,.0f} words on average on A, {row['mean_b']:,.0f} on B"
    if not row["q_mean"] < measure.LEVEL:
        return f"That their lengths differ was not found: {amounts} (q = {small(row['q_mean'])})."
    change = row["mean_b"] / row["mean_a"] - 1 if row["mean_a"] else float("inf")
    # A mean is pulled by a few long answers; the test is of ranks, and a mean against it would mislead.
    if np.sign(change) != np.sign(row["lean_mean"]):
        way = "longer" if row["lean_mean"] > 0 else "shorter"
        return f"Most of B's answers are {way}, though not on average: {amounts} (q = {small(row['q_mean'])})."
    return (
        f"B's answers are {abs(change):.0%} {'longer' if change > 0 else 'shorter'}: {amounts} "
        f"(q = {small(row['q_mean'])})."
    )


def _amount(facts: Facts) -> str:
    summary = facts.diff.summary
    apart = summary["separability"]
    whole = gate.in_words(summary.get("anything"))
    if not summary["families"]:
        amount = (
            f"Of {count(summary['tested'], 'feature')} tested none differs after correction, which does not prove "
            "that nothing changed"
        )
    else:
        amount = (
            f"Of {count(summary['tested'], 'feature')} tested {summary['differing']:,} differ after correction, "
            f"in {count(summary['families'], 'family', 'families')}; {share(summary['share_surviving'])} of these "
            "survive at equal length"
        )
    if whole:
        amount = f"{whole} By presence alone, a single view: {amount[0].lower()}{amount[1:]}"
    if apart["auc"] is None:
        return f"{amount}; one cannot tell the sides apart by all features together: {cannot_tell(summary)}."
    return (
        f"{amount}; all features together tell the sides apart with an AUC of {apart['auc']:.2f} on "
        f"{count(apart['prompts'], 'prompt')} (0.5 is chance, shuffled sides stay below {apart['null_high']:.2f} "
        "in 95 of 100 runs)."
    )


def _side(facts: Facts, side: str) -> str:
    """What one side shows more, from the best evidence there is."""
    mine = [standing for standing in facts.claimed if facts.side(standing.finding.more) == side]
    for grade, words in (
        ("verified", "confirmed by a judge on held-out prompts"),
        ("counted", "counted on held-out prompts"),
    ):
        said = [s for s in mine if sure(s) == grade]
        if said:
            claims = "; ".join(_sized(standing) for standing in said[:MANY])
            more = f"; and {len(said) - MANY:,} more" if len(said) > MANY else ""
            besides = _counted(facts, side, {name for standing in said for name in _named(standing)})
            counted = f"; counted besides: {listed(besides)}" if besides else ""
            return f"{side} more often shows, {words}: {claims}{more}{counted}."
    counts = _counted(facts, side)
    if counts:
        return f"Counted in the answers themselves, {side} more often has {listed(counts)}."
    features = [f for f in facts.top if (facts.table.at[f, "delta"] > 0) == (side == "B")]
    if features:
        # What a label makes of a feature is no word on answers: nobody counted or judged it.
        more = count(len(features), "family of features fires", "families of features fire")
        return f"Nothing that can be counted is more frequent on {side} after correction; {more} more there."
    return f"Nothing that was looked for is more frequent on {side} after correction."


def _sized(standing: Standing) -> str:
    """A claim with its own figures: what was counted of it, or the judge's net share."""
    claim, own, check = standing.finding.claim, standing.counted, standing.check
    if standing.finding.counts_what_it_says and own is not None:
        if own.amount:
            return f"{claim} ({own.a:,.0f} on A, {own.b:,.0f} on B)"
        return f"{claim} ({share(own.a)} on A, {share(own.b)} on B)"
    if check is None:
        return claim
    if check.corrected is None:
        return f"{claim} (net {points(check.net)} points, uncorrected)"
    return (
        f"{claim} (net {points(check.corrected.net)} points, corrected; {points(check.net)} by the judge's word)"
    )


def _named(standing: Standing) -> set[str]:
    """Countable things that a finding is about."""
    return {*standing.finding.probes, *contradictions.named(standing.finding.claim)}


def _counted(facts: Facts, side: str, but: Collection[str] = ()) -> list[str]:
    """What one side's answers have more often by counting, without those things that were said already."""
    rows = [row for row in moving(facts, side) if row["probe"] not in but]
    return [_still(row) for row in rows[:MANY]]


def moving(facts: Facts, side: str) -> list["pd.Series[float]"]:
    """Probes that one side shows more, in the order of `ranking`."""
    table = facts.probes[facts.probes["q"] < measure.LEVEL]
    table = table[table["delta"] > 0] if side == "B" else table[table["delta"] < 0]
    return [row for _, row in ranking.ordered(table).iterrows()]


def _footing(facts: Facts) -> str:
    """What all this rests on."""
    leads = facts.table.loc[facts.top]
    again = int((leads["replicated"] == "yes").sum())
    base = f"Of the {len(leads)} families that lead the ranking {again} came again on held-out prompts"
    if not len(leads):
        base = "No family differs, to be looked for again on held-out prompts"
    if not facts.standings:
        return f"{base}, and no findings were recorded, so these are differences in figures and not yet claims."
    if not facts.verification.judge:
        return f"{base}, and no judge was asked, so only what can be counted is claimed."
    return f"{base}, and of {judged(facts)}."


def judged(facts: Facts) -> str:
    """What became of all claims that the judge saw, each counted once."""
    # Taken out step by step, so that no claim is counted twice and all of them are.
    seen = [one for one in facts.standings if one.check is not None and one.check.prompts]
    held = facts.verified()
    left = [one for one in seen if one not in held]
    contrary = [one for one in left if one.check is not None and one.check.opposite]
    left = [one for one in left if one not in contrary]
    again = [one for one in left if one.check is not None and one.check.verified]
    same = [one for one in again if one.same_as]
    parts = [
        f"{count(len(seen), 'claim')} put before a judge ({facts.verification.judge}) {len(held)} were verified",
        *[f"{len(same)} more say one of these in other words"] * bool(same),
        *[f"{len(again) - len(same)} more are blocked or were rejected"] * (len(again) > len(same)),
        *[f"{len(contrary)} turned out the other way round"] * bool(contrary),
        *[f"{len(left) - len(again)} were not confirmed"] * (len(left) > len(again)),
    ]
    return listed(parts)


# What was not found.


class NotFound(NamedTuple):
    """Things that were looked for, by what can be said of them."""

    no_change: list[str]
    too_rare: list[str]
    cannot_tell: list[str]
    never: list[str]
    features: list[str]
    """Sentences on features and claims."""


def not_found(facts: Facts) -> NotFound:
    still = facts.probes[facts.probes["verdict"] != "differs"]
    # Older diffs judge by presence what every answer has, as it has words; only the amount could differ.
    always = (still["frequency_a"] >= measure.NEARLY_ALL) & (still["frequency_b"] >= measure.NEARLY_ALL)
    still = still[~always | selection.by_amount(still)]
    absent = (still["frequency_a"] == 0) & (still["frequency_b"] == 0)
    seen, sentences = still[~absent], []
    verdicts = facts.diff.summary["verdicts"]
    sentences.append(
        f"Of the features tested, {verdicts.get('no change', 0):,} show no change, "
        f"{verdicts.get('too rare to tell', 0):,} are too rare to tell, and of "
        f"{verdicts.get('cannot tell', 0):,} one cannot tell."
    )
    calm = facts.table[(facts.table["verdict"] == "no change") & (facts.table["named_by"] != "rule")]
    # Of a feature that hardly any answer shows, "no change" goes without saying.
    calm = calm[calm[["frequency_a", "frequency_b"]].max(axis=1) >= 0.05]
    calm = calm[~calm["feature"].isin(facts.flagged)].sort_values("frequency_a", ascending=False, kind="stable")
    if len(calm):
        sentences.append(f"Labelled features with no change: {'; '.join(calm['label'].head(10))}.")
    for standing in facts.claimed:
        if standing.check is not None and sure(standing) != "verified":
            low, high = standing.check.low, standing.check.high
            # The whole interval must lie inside the margin; that a difference was not found proves nothing.
            none = low >= -measure.EQUIVALENT and high <= measure.EQUIVALENT
            sentences.append(
                f"The judge did not confirm “{standing.finding.claim}” "
                f"(95 % interval of the net share {interval(low, high)} points, "
                f"{correction.words(standing.check.corrected)}): "
                f"{'no change' if none else 'cannot tell'}."
            )
    return NotFound(
        no_change=[_still(row) for _, row in seen[seen["verdict"] == "no change"].iterrows()],
        too_rare=[_still(row) for _, row in seen[seen["verdict"] == "too rare to tell"].iterrows()],
        cannot_tell=[_still(row) for _, row in seen[seen["verdict"] == "cannot tell"].iterrows()],
        never=[str(name) for name in still[absent].index],
        features=sentences,
    )


def _still(row: "pd.Series[float]") -> str:
    if row.get("judged_by") == "amount":
        return f"{row['probe']} ({row['mean_a']:,.1f} an answer on A, {row['mean_b']:,.1f} on B)"
    return f"{row['probe']} ({_shares(row)})"


def _shares(row: "pd.Series[float]") -> str:
    return f"{share(row['frequency_a'])} on A, {share(row['frequency_b'])} on B"


def confidence(standing: Standing) -> str:
    """How sure a finding is, in a sentence."""
    grade = sure(standing)
    words = {
        "verified": "Well founded: a judge who saw only its wording found it on held-out prompts.",
        "counted": "Well founded as a count: exactly what it says was counted on held-out prompts.",
        "unverified wording": "Unverified wording: nothing has tested these words, whatever they rest on.",
    }[grade]
    if standing.check is not None and grade != "verified":
        words = "The judge did not confirm it on held-out prompts."
        if grade == "counted":
            words = "Counted on held-out prompts exactly as it says, though the judge did not confirm it there."
    if standing.finding.reason:
        words += f" Something speaks against it, which a person answered: {standing.finding.reason}"
    return words
