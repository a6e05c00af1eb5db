"""What a judge made of the behaviours of a diff, where a finding in their very words was put before one.

Promises that of other words than a behaviour's own nothing is said, whatever they rest on.
"""

from collections.abc import Sequence
from typing import NamedTuple

from diffing.common.words import count, small
from diffing.diff.answer import Behaviour
from diffing.findings import findings, verification
from diffing.findings.findings import Finding
from diffing.findings.predicates import Predicate
from diffing.findings.verdicts import Check
from diffing.study.study import Study


class Ruling(NamedTuple):
    """One behaviour before the judge."""

    finding: str
    verified: bool
    word: str
    """What became of it, in two or three words."""
    told: str
    """By whom, when, and what was found, in a sentence."""


def of(study: Study, a: str, b: str, behaviours: Sequence[Behaviour]) -> dict[int, Ruling]:
    """By a behaviour's number; those that no judge has seen are absent."""
    checked = verification.read(study, a, b)
    if not checked.checks:
        return {}
    mine = [each for each in findings.load(study) if (each.a, each.b) == (a, b) and each.counts_what_it_says]
    out = {}
    for behaviour in behaviours:
        for finding in (each for each in mine if _made_of(each, behaviour)):
            check = checked.checks.get(finding.id)
            if check is not None and check.prompts:
                out[behaviour.number] = _ruling(finding, check, checked.judge, checked.dates[finding.id])
    return out


def _made_of(finding: Finding, behaviour: Behaviour) -> bool:
    counts = Predicate.of_behaviour(behaviour.kind, behaviour.by, behaviour.source)
    return counts is not None and finding.predicate == counts and finding.side == behaviour.direction.lower()


def _ruling(finding: Finding, check: Check, judge: str, date: str) -> Ruling:
    side, other = ("A", "B") if finding.side == "a" else ("B", "A")
    word = "judged" if check.verified else "judge: the contrary" if check.opposite else "judge did not confirm"
    prompts = count(check.prompts, "new prompt")
    told = (
        f"{judge} on {date[:10]}, which saw both answers unnamed in both orders: of {prompts} {check.wins} show "
        f"it more on {side}, {check.losses} on {other}; q = {small(check.q)}."
    )
    return Ruling(finding.id, check.verified, word, told)
