"""How far each finding got, and what speaks against it: computed each time from labels, diff and verdicts.

A claim's words are supported by two things alone: a count of exactly what they say on held-out prompts, or a judge
who found it there. That features behind it came again, or that their labels held, is said of the features and of
the labels: a sentence that merely rests on them is unverified wording. Promises that no status is stored, so that
none outlives what it rests on, and that a finding with an open contradiction cannot be reported.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from diffing import diff, labels
from diffing.common import files
from diffing.common.errors import UserError
from diffing.common.words import share, small
from diffing.diff import summary
from diffing.diff.stored import Diff
from diffing.findings import counting, findings, verification
from diffing.findings.counting import Counted
from diffing.findings.findings import Finding
from diffing.findings.verdicts import Check
from diffing.findings.verification import Verification
from diffing.labels import contradictions, mentions
from diffing.labels.history import Label
from diffing.study import plain
from diffing.study.plain import OWN, VerifiedOn
from diffing.study.study import Study

Status = Literal["unverified wording", "counted", "verified", "reported", "rejected"]
ORDER: tuple[Status, ...] = ("reported", "verified", "counted", "unverified wording", "rejected")
"""The best founded first."""
SUPPORTED: tuple[Status, ...] = ("reported", "verified", "counted")

VALID = 0.7
"""Balanced accuracy of blind detection from which a label counts as validated, its interval above one half:
with all passages that of 0.70 begins at 0.60. Chosen by eye."""

NEGATION = re.compile(
    r"\b(?:fewer|less|no|not|without|never|rarely|seldom|avoids?|omits?|lacks?|drops?|instead of|rather than)\b",
    re.IGNORECASE,
)
REACH = 40
"""Characters before a thing's name in which a negation turns what is claimed of it: some six words, chosen by
eye."""


class Rung(NamedTuple):
    """One kind of evidence."""

    name: Literal["labels", "features", "counted", "verified"]
    passed: bool | None
    """None where there is nothing to go by."""
    words: str


class Objection(NamedTuple):
    """A contradiction between a finding and the figures."""

    kind: Literal["counts", "length", "noise"]
    key: str
    """Stays the same while it says the same of the same claim."""
    words: str


class Standing(NamedTuple):
    """Where a finding stands."""

    finding: Finding
    status: Status
    why: str
    """Of a rejection."""
    rungs: list[Rung]
    objections: list[Objection]
    open: list[Objection]
    """Those that no person's reason answers; while there are any, it cannot be reported."""
    check: Check | None
    """What the judge's verdicts say; None before verification."""
    same_as: str
    """The stronger finding that it is another wording of, by the votes."""
    counted: Counted | None = None
    """What held-out prompts show of exactly its words; None where nothing counts these. What is counted beside
    other words stands in the rungs alone: no figure of it may be read as the claim's."""


def of(study: Study, a: str = "", b: str = "") -> list[Standing]:
    """All findings of a comparison, by status, the largest net share first."""
    a, b = study.sides(a, b)
    try:
        stored = diff.load(study, a, b)
    except UserError:
        # A study may have findings by hand or from the baseline before any reader was run.
        stored = None
    checked, current = verification.read(study, a, b), labels.current(study)
    reader = labels.sae_of(study.settings.reader)
    mine = [finding for finding in findings.load(study) if (finding.a, finding.b) == (a, b)]
    verified_on = plain.verified_on(study, a, b)
    stands = [
        standing(finding, stored, current, checked, reader, count, verified_on)
        for finding, count in zip(mine, _counts_of(study, a, b, mine), strict=True)
    ]
    return sorted(stands, key=lambda stand: (ORDER.index(stand.status), -net(stand)))


def _counts_of(study: Study, a: str, b: str, mine: Sequence[Finding]) -> list[Counted | None]:
    """What each finding's predicate shows on held-out prompts, corrected over all of them."""
    try:
        a, b = plain.sides(study, a, b)
    except UserError:
        return [None] * len(mine)
    counts = iter(counting.count(study, a, b, [each.predicate for each in mine if each.predicate is not None]))
    return [None if each.predicate is None else next(counts) for each in mine]


def net(stand: Standing) -> float:
    """How much more answers show the claim, by votes or else by its count; 0 where neither was asked."""
    if stand.check and stand.check.prompts:
        return stand.check.net
    return stand.finding.sign * stand.counted.size if stand.counted else 0.0


def standing(
    finding: Finding,
    stored: Diff | None,
    current: Mapping[int, Label],
    checked: Verification,
    reader: str,
    count: Counted | None = None,
    on: VerifiedOn = OWN,
) -> Standing:
    """Where one finding stands; `reader` names the reader that diff and labels belong to."""
    rows = _rows(finding, stored, reader)
    check = checked.checks.get(finding.id)
    behind = [_labelled(finding, current, reader), _again(finding, rows)]
    wording = [_counted(finding, count, on), _verified(check, on)]
    objections = against(finding, rows, None if stored is None else stored.probes.set_index("probe"))
    # By key: a reason answers what spoke against it when it was given, and nothing that came up since.
    left = [one for one in objections if not finding.reason or one.key not in finding.answered]
    why = finding.rejected
    if not why and check is not None and check.opposite:
        contrary = f"{check.losses} prompts to {check.wins}, q = {small(check.q)}"
        why = f"answers to new prompts show the contrary: {contrary}"
    if not why and finding.counts_what_it_says and count is not None and count.contrary(finding.sign):
        why = f"answers to new prompts show the contrary: {count.words}"
    # Only what was asked of the words themselves lifts them, and a judge is asked of any words.
    passed = [rung.name for rung in wording if rung.passed]
    status: Status = "unverified wording"
    if why:
        status = "rejected"
    elif "verified" in passed:
        status = "verified"
    elif "counted" in passed:
        status = "counted"
    if status in SUPPORTED and finding.reported and not left:
        status = "reported"
    same = checked.same_as.get(finding.id, "")
    own = count if finding.counts_what_it_says else None
    return Standing(finding, status, why, [*behind, *wording], objections, left, check, same, own)


def get(study: Study, identifier: str) -> Standing:
    """One finding's standing."""
    finding = findings.get(study, identifier)
    return next(one for one in of(study, finding.a, finding.b) if one.finding.id == identifier)


def told(stand: Standing) -> dict[str, Any]:
    """A finding with its standing as plain data; what is not known is null."""
    counted = stand.finding.predicate
    return {
        # Before the claim: nobody reads the one without the other.
        "status": stand.status,
        **stand.finding.model_dump(mode="json"),
        "why": stand.why,
        "evidence_for": [rung._asdict() for rung in stand.rungs],
        "evidence_against": [
            objection._asdict() | {"open": objection in stand.open} for objection in stand.objections
        ],
        "counts": counted.shown if counted else None,
        "counted": summary.plain(stand.counted._asdict() if stand.counted else None),
        "verification": summary.plain(asdict(stand.check) if stand.check else None),
        "same_as": stand.same_as,
    }


def allow(study: Study, identifier: str, reason: str, author: str) -> Finding:
    """A person's reason why a finding may be reported in spite of what now speaks against it."""
    if not reason.strip():
        raise UserError(f"The reason for finding '{identifier}' is empty; say why it holds all the same.")
    keys = [one.key for one in get(study, identifier).objections]
    if not keys:
        raise UserError(f"Nothing speaks against finding '{identifier}'; it needs no reason.")
    return findings.change(study, identifier, author, put={"reason": reason.strip(), "answered": keys})


def report(study: Study, stand: Standing) -> Finding:
    """Mark a finding as reported: only a supported one, with every contradiction answered by a person."""
    identifier = stand.finding.id
    if stand.open:
        raise UserError(
            f"Finding '{identifier}' cannot be reported: {stand.open[0].words}; write why it holds, or reject it."
        )
    if stand.status not in SUPPORTED:
        raise UserError(f"Finding '{identifier}' is {stand.status}; have a judge verify it first.")
    return findings.change(study, identifier, "report", "rule", put={"reported": files.now()})


# The rungs.


def _rows(finding: Finding, stored: Diff | None, reader: str) -> pd.DataFrame:
    """The diff's rows of a finding's features and probes."""
    if stored is None:
        return pd.DataFrame()
    # A feature's number means nothing in another SAE. A finding that names no reader is taken to mean
    # this one.
    own = not finding.reader or finding.reader == reader
    features = stored.features[stored.features["feature"].isin(finding.features if own else [])]
    probes = stored.probes[stored.probes["probe"].isin(finding.probes)]
    parts = [part for part in (features, probes) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _labelled(finding: Finding, current: Mapping[int, Label], reader: str) -> Rung:
    """Of the labels: it says nothing of the claim's own words."""
    if not finding.features:
        return Rung("labels", None, "rests on no feature")
    if finding.reader and finding.reader != reader:
        return Rung("labels", None, f"its features belong to another reader ({finding.reader})")
    known = [current[feature] for feature in finding.features if feature in current]
    scores = [score for label in known if (score := label.detection(finding.more)) is not None]
    if not scores:
        return Rung("labels", None, "no label of its features was scored blind")
    good = sum(balanced >= VALID and low > 0.5 for balanced, low in scores)
    words = (
        f"{good} of {len(scores)} scored labels told passages apart on {finding.more} (best "
        f"{share(max(scores)[0])})"
    )
    return Rung("labels", 2 * good >= len(scores), words)


def _again(finding: Finding, rows: pd.DataFrame) -> Rung:
    """Of the features and probes: that these came again is no word for what the claim makes of them."""
    if rows.empty:
        return Rung("features", None, "rests on no row of a diff")
    # Of an amount every answer has some: only its count by itself can tell.
    rows = rows[rows["judged_by"].ne("amount")] if "judged_by" in rows else rows
    if rows.empty:
        return Rung("features", None, "rests on an amount, which its count tells of")
    agree = np.sign(rows["delta_discovery"]) == finding.sign
    # Older diffs say "no" of what was not confirmed.
    said = rows["replicated"].replace("no", "not confirmed")
    yes, no = (int(((said == word) & agree).sum()) for word in ("yes", "not confirmed"))
    few = int((rows["replicated"] == "too few").sum())
    words = f"{yes} of {len(rows)} features or probes behind it came again on new prompts"
    if not agree.all():
        words += f"; the other way round: {int((~agree).sum())}"
    if not yes + no:
        return Rung("features", None, words + f" ({few} had too few to tell)" if few else words)
    # Half of those that could tell are enough, as one feature of a claim may be of little weight.
    return Rung("features", yes > 0 and 2 * yes >= len(rows) - few, words)


def _counted(finding: Finding, count: Counted | None, on: VerifiedOn) -> Rung:
    if finding.predicate is None:
        return Rung("counted", None, "nothing of it can be counted; a judge can check it")
    if on.lacking:
        return Rung("counted", None, on.lacking)
    if count is None:
        return Rung("counted", None, f"this version cannot count '{finding.predicate.shown}'")
    holds = None if np.isnan(count.q) else count.holds(finding.sign)
    if finding.counts_what_it_says:
        return Rung("counted", holds, f"{count.words}{on.words}")
    beside = f"counted beside it, and not what it says: {finding.predicate.shown}"
    return Rung("counted", None, f"{beside}: {count.words}{on.words}")


def _verified(check: Check | None, on: VerifiedOn) -> Rung:
    if check is None:
        return Rung("verified", None, on.lacking or "no judge was asked")
    words = (
        f"{check.wins} prompts for it, {check.losses} against, {check.ties} ties, {check.missing} missing; "
        f"q = {small(check.q)}{on.words}"
    )
    return Rung("verified", check.verified if check.prompts else None, words)


# What speaks against it.


def against(finding: Finding, rows: pd.DataFrame, probes: pd.DataFrame | None) -> list[Objection]:
    """Contradictions between a finding and the diff; `probes` is its table by name."""
    objections = [] if probes is None else _counts(finding, probes)
    if rows.empty:
        return objections
    objections += _all_of(finding, rows, "survives_equal_length", "length", "none of it is left at equal length")
    objections += _all_of(finding, rows, "outside_noise", "noise", "all of it lies inside the noise between draws")
    return objections


def _counts(finding: Finding, probes: pd.DataFrame) -> list[Objection]:
    """What the claim names surely moves against it, in share and amount; one that moves along is enough."""
    named = expected(finding.claim)
    # A probe that it rests on and does not name is claimed to be more frequent.
    named |= {name: named.get(name, 1) for name in finding.probes}
    objections = []
    for name, turn in named.items():
        if name not in probes.index:
            continue
        row = probes.loc[name]
        moved = contradictions.movement(row, turn * finding.sign)
        if moved > 0:
            return []
        if moved < 0:
            words = (
                f"it says {'more' if turn > 0 else 'less'} of {name} in {finding.more}, but {name} go from "
                f"{share(row['frequency_a'])} of answers in {finding.a} to "
                f"{share(row['frequency_b'])} in {finding.b} "
                f"(q = {small(row['q'])}), and from {row['mean_a']:.3g} to {row['mean_b']:.3g} an answer"
            )
            objections.append(_objection(finding, "counts", name, words))
    return objections


def expected(claim: str) -> dict[str, int]:
    """Countable things that a claim names, and whether it says more (1) or less (-1) of them."""
    return {
        name: -1 if NEGATION.search(claim[max(0, place - REACH) : place]) else 1
        for name, place in mentions.of(claim).items()
    }


def _all_of(
    finding: Finding, rows: pd.DataFrame, column: str, kind: Literal["length", "noise"], words: str
) -> list[Objection]:
    """An objection where the column says no of every row that it says anything of."""
    # Probes have no band of noise, and a feature that does not differ says nothing of its length: blanks.
    known = rows[column].dropna() if column in rows else pd.Series(dtype=bool)
    return [] if known.empty or known.astype(bool).any() else [_objection(finding, kind, "", words)]


def _objection(finding: Finding, kind: Literal["counts", "length", "noise"], about: str, words: str) -> Objection:
    key = files.content_hash([finding.wording, finding.side, kind, about], 12)
    return Objection(kind, key, words)
