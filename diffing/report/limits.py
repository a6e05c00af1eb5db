"""How far a report reaches: what did not change, what cannot be told and what would tell, what it cannot show.

Promises that "did not change" is said only where an interval lies inside its margin, and of every other thing that
was looked for that it is open.
"""

import math
from typing import NamedTuple

from diffing.common.words import count, interval, share
from diffing.diff import measure, unchanged
from diffing.diff.smallest import HALF, Smallest
from diffing.diff.unchanged import Still
from diffing.findings import correction
from diffing.report.facts import Facts, sure

NEVER = f"{share(0)} → {share(0)}"


class Open(NamedTuple):
    """Things that were looked for, by what can be said of them."""

    same: list[str]
    cannot_tell: list[str]
    """With about how many prompts would tell."""
    hardly: list[str]
    """What more prompts would hardly tell either."""
    too_rare: list[str]
    never: list[str]
    """In no answer of either side, or next to none."""


MARGIN = (
    f"by less than {100 * measure.EQUIVALENT:.0f} points and a quarter of the share itself, lengths by less than "
    f"{share(measure.OF_AMOUNT)}"
)
"""What "did not change" means, as the end of a sentence."""


TEXT_ALONE = (
    "Only the text of the answers was compared: which are better, true or safe, and why they differ, does not "
    "follow. It holds for prompts like these."
)


def found(facts: Facts) -> Open:
    """What the probes looked for and did not find to differ."""
    still, asked = unchanged.still(facts.diff), facts.diff.summary["prompts"]
    never = [each.probe for each in still if each.figures == NEVER]
    still = [each for each in still if each.probe not in never]
    open_ones = [each for each in still if each.verdict == "cannot tell"]
    far = [each for each in open_ones if each.needed(asked) is None]
    return Open(
        same=[_told(each) for each in still if each.verdict == "no change"],
        cannot_tell=[_told(each, _prompts(each.needed(asked))) for each in open_ones if each not in far],
        hardly=[_told(each) for each in far],
        too_rare=[_told(each) for each in still if each.verdict == "too rare to tell"],
        never=never,
    )


def _told(each: Still, more: str = "") -> str:
    return f"{each.probe} ({each.figures}{more})"


def _prompts(needed: int | None) -> str:
    return f"; about {needed:,} prompts would tell"


def smallest(facts: Facts) -> str:
    """The smallest effect that the study can find."""
    least = Smallest.of_diff(facts.diff.summary)
    return least.sentence if math.isinf(least.size) else f"{least.sentence} {HALF}"


def not_confirmed(facts: Facts) -> list[str]:
    """Claims that a judge was asked about and did not confirm."""
    out = []
    for standing in facts.claimed:
        check = standing.check
        if check is None or not check.prompts or sure(standing) == "verified":
            continue
        # The whole interval must lie inside the margin; that a difference was not found proves nothing.
        none = check.low >= -measure.EQUIVALENT and check.high <= measure.EQUIVALENT
        out.append(
            f"The judge did not confirm “{standing.finding.claim}” (95 % interval of the net share "
            f"{interval(check.low, check.high)} points, {correction.words(check.corrected)}): "
            f"{'no change' if none else 'cannot tell'}."
        )
    return out


def by_features(facts: Facts) -> list[str]:
    """What the features say of it."""
    verdicts = facts.diff.summary["verdicts"]
    out = [
        f"Of the features tested, {verdicts.get('no change', 0):,} show no change, "
        f"{verdicts.get('too rare to tell', 0):,} are too rare to tell, and of {verdicts.get('cannot tell', 0):,} "
        "one cannot tell."
    ]
    calm = facts.table[(facts.table["verdict"] == "no change") & (facts.table["named_by"] != "rule")]
    # Of a feature that hardly any answer shows, "no change" goes without saying.
    calm = calm[calm[["frequency_a", "frequency_b"]].max(axis=1) >= 0.05]
    calm = calm[~calm["feature"].isin(facts.flagged)].sort_values("frequency_a", ascending=False, kind="stable")
    if len(calm):
        out.append(f"Labelled features with no change: {'; '.join(calm['label'].head(10))}.")
    return out


def method(facts: Facts) -> list[str]:
    """What this way of comparing cannot show."""
    summary = facts.diff.summary
    out = [
        "The reader is not the model under study: its features are what one fixed model makes of the answers' "
        "text, not what happens inside A or B.",
        "Only what stands in the answers is compared; why A and B differ does not follow.",
        "A label is a hypothesis about a feature. One that was never scored blind may be wrong, and even a "
        "scored one says where a feature fires, not all that it means.",
        f"Features that differ on fewer than {measure.LEAST} prompts are not tested at all.",
        f"The figures hold for these {summary['prompts']:,} prompts and this way of sampling, and for others only "
        "as far as these are like them.",
        "Surface probes count forms, in English where they are words, and do not know what was meant.",
        "Refusals are recognised by their wording, which misses some and takes in some others.",
    ]
    if summary["pairs_truncated"]:
        out.append(
            f"{count(summary['pairs_truncated'], 'pair')} held a truncated answer; without them "
            f"{summary['differing_untruncated']:,} of {summary['differing']:,} features still differ."
        )
    if facts.verification.judge:
        out.append("A judge is a model too; its verdicts can share the mistakes of whoever wrote the claim.")
    return out
