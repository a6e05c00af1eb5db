"""A finding in one line of a table: its sentence, its own figures, and what it still lacks in a few words.

Promises that a claim whose words nothing has tested begins by saying so and has no figures, whatever it was tied
to.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from diffing.common.words import count, listed, points, shares, whole_number
from diffing.diff import measure
from diffing.findings import evidence
from diffing.findings.evidence import Standing, Status
from diffing.findings.findings import Finding

UNTESTED = "Unverified wording"
"""What stands before a claim that nothing has tested, larger than the claim where letters have sizes."""
MEANING: dict[Status, str] = {
    "reported": "a person put it into the report, after it was judged or counted",
    "verified": "a judge, who saw the claim and unnamed answers to new prompts, found it there",
    "counted": "exactly these words were counted in answers to new prompts and hold there; no judge was asked yet",
    "unverified wording": "nothing has tested these words, whatever they were tied to",
    "rejected": "a person threw it out, or new prompts show the contrary",
}
"""What each state means, for whoever reads the word for the first time."""
ORIGINS = {
    "hand": "written by a person",
    "sae": "written by a model that read features",
    "baseline": "written by a model that read answers",
    "template": "drafted from the counts",
    "inside": "seen from inside",
}
"""Where a claim's words come from."""
FAR = 20
"""Times as many prompts as there are, beyond which nobody asks them. Chosen by eye."""


def rest(finding: Finding) -> str:
    """What follows the side's letter in a sentence about it."""
    amount = finding.counts_what_it_says and finding.predicate is not None and finding.predicate.amount
    # Of an amount the claim is the comparison; of all else, how often is.
    return f" {finding.claim}" if amount else f" more often {finding.claim}"


def origin(finding: Finding) -> str:
    """Where its words come from, and of what was seen from inside, by which methods."""
    told = finding.evidence
    if finding.origin != "inside" or not isinstance(told, dict):
        return ORIGINS[finding.origin]
    methods, nulls = told.get("methods"), told.get("nulls")
    # A history may come from elsewhere.
    if not isinstance(methods, list) or not isinstance(nulls, int):
        return ORIGINS[finding.origin]
    return from_inside([str(title) for title in methods], nulls)


def from_inside(titles: Sequence[str], nulls: int) -> str:
    """Which methods saw a clue, and above how many nulls it stands."""
    by = listed(title[:1].lower() + title[1:] for title in titles)
    return f"{ORIGINS['inside']} by {by}, above {count(nulls, 'null')}"


def sentence(standing: Standing) -> str:
    """The claim with its subject, behind a word where nothing tested it."""
    said = f"{standing.finding.side.upper()}{rest(standing.finding)}"
    return f"{UNTESTED}: {said}" if standing.status == "unverified wording" else said


def figure(standing: Standing, side: Literal["a", "b"]) -> str | None:
    """A side's share of answers, or amount in an answer, that shows the very claim; None where nothing tells."""
    own, check, at = standing.counted, standing.check, "ab".index(side)
    if standing.status == "unverified wording":
        return None
    if own is not None:
        return f"{(own.a, own.b)[at]:,.0f}" if own.amount else shares(own.a, own.b)[at]
    if check is not None and check.prompts:
        return shares(check.presence_a, check.presence_b)[at]
    return None


def difference(standing: Standing) -> str | None:
    """B minus A, in points or in the amount itself."""
    own, check = standing.counted, standing.check
    if standing.status == "unverified wording":
        return None
    if own is not None:
        return whole_number(own.delta) if own.amount else points(own.delta)
    return points(check.presence_b - check.presence_a) if check is not None and check.prompts else None


def lacks(standing: Standing) -> str:
    """What it would take next; empty where it has all."""
    check = standing.check
    if standing.why:
        return "rejected"
    if standing.open:
        return "a person's reason"
    if standing.status in ("verified", "reported") and check is not None and check.verified:
        return ""
    judged = "the judge did not confirm it" if check is not None and check.prompts else "not judged yet"
    more = _more(standing) if standing.status not in evidence.SUPPORTED else ""
    return more or judged


def _more(standing: Standing) -> str:
    """About how many more prompts its own count would need; empty where more would not tell."""
    own = standing.counted
    if own is None or own.amount:
        return ""
    ahead, behind = (own.more_b, own.more_a) if standing.finding.sign > 0 else (own.more_a, own.more_b)
    differing = measure.needed(np.array([ahead]), np.array([behind]), measure.LEVEL)[0]
    if np.isnan(differing) or not ahead + behind:
        return ""
    # Prompts that differ, as often as they do now.
    more = differing / (ahead + behind) * own.prompts - own.prompts
    # To ten: it is a reckoning from one sample's difference.
    return count(max(10, 10 * round(more / 10)), "more prompt") if more <= FAR * own.prompts else ""
