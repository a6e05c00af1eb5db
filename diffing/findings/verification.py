"""The `verify` job: findings tested by a judge on held-out prompts, from their wording alone.

Chooses what to ask, has it asked (`judging`) and reads what follows (`verdicts`). Promises that no discovery
prompt is used, that nothing asked already is asked again, and that what is read back is computed anew from the
kept verdicts: a finding whose wording changed is unverified at once. Does not promise that the judge is right;
its own error, where there are several draws to estimate it on, stands beside the result, and net shares are
corrected for the error that a person's verdicts show (`people`, `correction`), where there are any.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from diffing.common import files
from diffing.common.errors import UserError
from diffing.common.step import Progress, Result
from diffing.findings import correction, findings, judging, people, verdicts
from diffing.findings.correction import Error
from diffing.findings.findings import Finding
from diffing.findings.judging import Pair, Store, Verdicts
from diffing.findings.verdicts import Check, OwnError
from diffing.models import questions
from diffing.models.questions import Asking, Estimate, Question
from diffing.study import plain, responses
from diffing.study.settings import load_settings
from diffing.study.study import Study


class Options(Asking):
    """What one run of `verify` is told. `model` is the judge."""

    a: str = ""
    b: str = ""
    findings: list[str] = []
    """Ids; empty takes all of this comparison that nobody rejected."""
    claims_per_call: int = Field(default=judging.MOST, ge=1, le=judging.MOST)
    own_error: bool = True
    """Also judge pairs of draws of one checkpoint, where there is nothing to find."""


@dataclass(frozen=True)
class Plan:
    """What a run would ask."""

    questions: list[Question[Verdicts]]
    pairs: list[Pair]


@dataclass(frozen=True)
class Verification:
    """Where all findings of one comparison stand with one judge."""

    judge: str
    checks: dict[str, Check] = field(default_factory=dict)
    """By finding, as seen from what it claims; those never judged are absent."""
    dates: dict[str, str] = field(default_factory=dict)
    """When the judge last gave a verdict on each of these."""
    same_as: dict[str, str] = field(default_factory=dict)
    """Findings that say what another one says, by the votes, and which one: the stronger of them leads."""
    own_error: OwnError | None = None
    """None where it is not estimable: it takes two draws of a checkpoint."""
    error: Error | None = None
    """The judge's error over all claims by a person's verdicts; None where these are too few."""
    tests: int = 0
    """Claims that were corrected for together, with those of agents that were never judged."""
    cost: float | None = None
    tokens_in: int = 0
    tokens_out: int = 0


def plan(study: Study, options: Options) -> Plan:
    """The questions that are still to be asked; spends nothing."""
    a, b = study.sides(options.a, options.b)
    chosen = _chosen(study, a, b, options.findings)
    # Said here, where it is asked for: of what is made of others a finding is verified on what is plain.
    plain.sides(study, a, b)
    between = judging.verifying(study, a, b)
    if not between:
        raise UserError(
            f"Study '{study.name}' has no pair of answers to new (held-out) prompts to verify on; collect more, "
            "or make a study with a larger held-out share."
        )
    # The claims first: a limit that ends the run early should cost the judge's own error, and not them.
    asked_on = between + (judging.verifying(study, a, b, within=True) if options.own_error else [])
    claims = {finding.wording: finding.claim for finding in chosen}
    wanted = Store(study, options.who).wanted(asked_on, list(claims))
    asked = judging.questions(asked_on, claims, wanted, study.settings.seed, options.claims_per_call)
    return Plan(asked, asked_on)


def _chosen(study: Study, a: str, b: str, ids: Sequence[str]) -> list[Finding]:
    known = {finding.id: finding for finding in findings.load(study) if (finding.a, finding.b) == (a, b)}
    if unknown := [identifier for identifier in ids if identifier not in known]:
        raise UserError(
            f"'{unknown[0]}' is no finding of '{a}' against '{b}'; 'findings {study.name}' lists them."
        )
    chosen = [known[i] for i in ids] if ids else [f for f in known.values() if not f.rejected]
    if not chosen:
        raise UserError(f"Study '{study.name}' has no findings to verify; 'draft {study.name}' proposes some.")
    return chosen


def estimate(study: Study, options: Options) -> Estimate:
    """Calls, tokens and dollars of a run. Spends nothing."""
    return questions.estimate(plan(study, options).questions, questions.price_of(options))


def run(study: Study, options: Options, progress: Progress) -> Result:
    """The job: ask what has not been asked, and say what came of it."""
    a, b = study.sides(options.a, options.b)
    planned = plan(study, options)
    keep = Store(study, options.who).keep({pair.key: pair for pair in planned.pairs}, options)
    spent = questions.put(planned.questions, options, progress, keep, "judgements")
    after = read(study, a, b, options.who)
    names = [identifier for identifier, check in after.checks.items() if check.verified]
    return {
        "judge": options.who,
        "checked": len(after.checks),
        "verified": len([name for name in names if name not in after.same_as]),
        "merged": len(after.same_as),
        **spent.summary(),
    }


def read(study: Study, a: str = "", b: str = "", judge: str = "") -> Verification:
    """What the kept verdicts say of all findings of a comparison; the latest judge's where none is named."""
    a, b = study.sides(a, b)
    paths = [judging.path_of(study), findings.path_of(study), people.path_of(study)]
    paths += [study.folder / name for name in (*responses.FILES, "prompts.csv")]
    # Everything that the result hangs on.
    return _read(str(study.folder), a, b, judge, tuple(map(files.identity, paths)))


# Some studies with some judges each, and a few kilobytes a result.
@lru_cache(maxsize=16)
def _read(folder: str, a: str, b: str, judge: str, _stamp: tuple[files.Identity, ...]) -> Verification:
    """`read`, once for each state of the files: it is asked for far more often than they change."""
    study = Study(Path(folder), load_settings(Path(folder) / "study.toml"))
    kept = judging.lines(study)
    known = judging.judges(kept)
    if not known:
        return Verification(judge="")
    judge = judge or known[-1]
    mine = [finding for finding in findings.load(study) if (finding.a, finding.b) == (a, b)]
    lines = [line for line in kept if line["judge"] == judge]
    given = _table(study, a, b, lines)
    # Earlier wordings too: whoever words a claim anew has had another try.
    between = judging.verifying(study, a, b)
    said = people.given(between, kept, people.read(study), judge)
    corrected = correction.of(people.units(between, lines), said)
    # What an agent worded and nobody judged: it may have been left for what its count showed on these prompts.
    unjudged = len({f.wording for f in mine if f.by_agent} - set(given["claim"]))
    checks = {
        claim: replace(check, corrected=corrected.get(claim))
        for claim, check in verdicts.check(given, unjudged).items()
    }
    turned = {f.id: checks[f.wording].toward(f.sign) for f in mine if f.wording in checks}
    said_on = {verdict["claim"]: line["date"] for line in lines for verdict in line["verdicts"]}
    paid = [line["cost"] for line in lines if line["cost"] is not None]
    return Verification(
        judge=judge,
        checks=turned,
        dates={f.id: said_on.get(f.wording, "") for f in mine if f.id in turned},
        same_as=_same(given, [finding for finding in mine if finding.id in turned], turned),
        own_error=verdicts.own_error(given),
        error=correction.measured(said),
        tests=len(checks) + unjudged if checks else 0,
        cost=sum(paid) if paid else None,
        tokens_in=sum(line["tokens_in"] for line in lines),
        tokens_out=sum(line["tokens_out"] for line in lines),
    )


def table(study: Study, a: str = "", b: str = "") -> pd.DataFrame:
    """Every verdict that `read` counts, with the claim's words where a finding still has them."""
    a, b = study.sides(a, b)
    judge = read(study, a, b).judge
    counted = _table(study, a, b, [line for line in judging.lines(study) if line["judge"] == judge])
    said = {finding.wording: finding.claim for finding in findings.load(study)}
    counted.insert(1, "words", [said.get(wording, "") for wording in counted["claim"]])
    return counted


def said(study: Study, a: str = "", b: str = "") -> pd.DataFrame:
    """Every verdict of a person that `read` counts, beside the judge's on the same pair."""
    a, b = study.sides(a, b)
    judge = read(study, a, b).judge
    return people.given(judging.verifying(study, a, b), judging.lines(study), people.read(study), judge)


def _table(study: Study, a: str, b: str, lines: Sequence[dict[str, Any]]) -> pd.DataFrame:
    return judging.table(judging.verifying(study, a, b) + judging.verifying(study, a, b, within=True), lines)


def _same(given: pd.DataFrame, mine: Sequence[Finding], checks: dict[str, Check]) -> dict[str, str]:
    """Findings merged into others: same votes, or the mirror image claimed of the other side."""
    # One without any vote has no net share, and NaN would leave the others in no order.
    net = {identifier: check.net if check.prompts else 0.0 for identifier, check in checks.items()}
    # The strongest leads; of equals the oldest, as they stand in the history: dates are what some clock said.
    mine = sorted((f for f in mine if not f.rejected), key=lambda f: -net[f.id])
    wordings = list(dict.fromkeys(finding.wording for finding in mine))
    aliases = verdicts.merged(given, wordings)
    leaders: dict[tuple[str, int], str] = {}
    merged = {}
    for finding in mine:
        alias = aliases.get(finding.wording)
        leader, turned = (alias.leader, alias.mirrored) if alias else (finding.wording, False)
        # A claim and its contrary of the same side are no two wordings of one thing.
        place = (leader, -finding.sign if turned else finding.sign)
        if place in leaders:
            merged[finding.id] = leaders[place]
        else:
            leaders[place] = finding.id
    return merged
