"""What a report is made from, read once: the diff, the labels, the findings with what speaks against them.

Promises that a label which counting contradicts is never used as a feature's name, and that features are described
from discovery prompts alone. Writes nothing and words nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from diffing import diff, labels
from diffing.diff import answer, measures, ranking
from diffing.diff.answer import Behaviour
from diffing.diff.stored import Diff
from diffing.findings import evidence, seen_inside, tally, verification
from diffing.findings.evidence import Standing, Status
from diffing.findings.findings import Finding
from diffing.findings.predicates import Predicate
from diffing.findings.seen_inside import Held
from diffing.findings.tally import Tally
from diffing.findings.verification import Verification
from diffing.jobs.job import JobStatus, recent
from diffing.labels import against
from diffing.labels.contradictions import Contradiction
from diffing.models.providers import Checkpoint
from diffing.reader import firing
from diffing.reader.encodings import Encodings
from diffing.study import plain
from diffing.study.study import Study
from diffing.whitebox.sight import seen
from diffing.whitebox.sight.seen import Inside

MOST = 20
"""Families shown, whichever side has them: what a person reads through; the tables of the folder have all."""


@dataclass(frozen=True)
class Facts:
    """One comparison of one study."""

    study: Study
    diff: Diff
    encodings: Encodings
    a: Checkpoint
    b: Checkpoint
    table: pd.DataFrame
    """The diff's features by number, with the labels that stand."""
    top: list[int]
    """Leads of families that differ, the first in the order of `ranking`."""
    named: dict[int, str]
    """What to call each feature that the report shows."""
    flagged: dict[int, list[Contradiction]]
    """What counting says against labels of shown features."""
    standings: list[Standing]
    verification: Verification

    @cached_property
    def probes(self) -> pd.DataFrame:
        return self.diff.probes.set_index("probe", drop=False).rename_axis(None)

    @cached_property
    def made(self) -> str:
        """What is told of sides that are made of other checkpoints; empty where both are plain."""
        return plain.note(self.study, self.a.key, self.b.key)

    @cached_property
    def behaviours(self) -> list[Behaviour]:
        """What changed, in the order in which all that a report says of it is put."""
        return answer.behaviours(self.diff)

    def place(self, finding: Finding) -> int:
        """Which of the behaviours a finding is about, counted from 0; behind all where it is about none."""
        counts = finding.predicate
        for at, each in enumerate(self.behaviours):
            if counts is not None and counts == Predicate.of_behaviour(each.kind, each.by, each.source):
                return at
        for at, each in enumerate(self.behaviours):
            if {*finding.probes} & {*each.probes} or {*finding.features} & {*each.features}:
                return at
        return len(self.behaviours)

    @cached_property
    def prompts(self) -> pd.DataFrame:
        return self.study.prompts()

    @cached_property
    def answers(self) -> pd.DataFrame:
        """The answers of both sides, all of them."""
        table = self.study.responses()
        return table[table["checkpoint"].isin([self.a.key, self.b.key])].reset_index(drop=True)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        return self.study.pairs(self.a.key, self.b.key)

    @cached_property
    def votes(self) -> Tally:
        """What people said who voted blind."""
        return tally.of(self.study, self.a.key, self.b.key)

    @cached_property
    def measures(self) -> pd.DataFrame:
        """Numbers by answer that other tools gave, compared: of all prompts, then by category."""
        parts = (measures.table(self.study, self.a.key, self.b.key, by_category=by) for by in (False, True))
        return measures.both(*parts)

    @cached_property
    def inside(self) -> Inside:
        """What methods saw in the weights."""
        return seen.of(self.study, self.a.key, self.b.key)

    @cached_property
    def held_inside(self) -> tuple[Held, ...]:
        """What of it stands above all nulls, with what answers show."""
        return seen_inside.held(self.study, self.inside)

    @cached_property
    def work(self) -> list[JobStatus]:
        """What was run on the study but reports, oldest first."""
        # Without reports, or each would differ from the one before by that one. Ids begin with the date.
        jobs = [job.status() for job in recent(self.study)]
        return sorted((job for job in jobs if job.kind != "report"), key=lambda job: job.id)

    def side(self, key: str) -> str:
        """A or B."""
        return "A" if key == self.a.key else "B"

    @cached_property
    def claimed(self) -> list[Standing]:
        """Findings that nothing speaks against, each meaning once, in the behaviours' order."""
        sound = [standing for standing in self.standings if not standing.why and not standing.open]
        return sorted(each_meaning_once(sound), key=lambda each: self.place(each.finding))

    @property
    def put_forward(self) -> list[Standing]:
        """The same in the order of the report: those whose words nothing has tested stand behind all others."""
        return sorted(self.claimed, key=lambda each: each.status not in evidence.SUPPORTED)

    @cached_property
    def blocked(self) -> list[Standing]:
        return [standing for standing in self.standings if standing.open and not standing.why]

    @cached_property
    def rejected(self) -> list[Standing]:
        return [standing for standing in self.standings if standing.why]

    @property
    def supported(self) -> list[Standing]:
        """Those that a judge or a count of exactly what they say bears out."""
        return [standing for standing in self.claimed if standing.status in evidence.SUPPORTED]

    def verified(self, side: str = "") -> list[Standing]:
        held = [standing for standing in self.claimed if sure(standing) == "verified"]
        return [standing for standing in held if side in ("", self.side(standing.finding.more))]


def each_meaning_once(sound: Sequence[Standing]) -> list[Standing]:
    """Without findings that another one leads; where that one is not among these, the first speaks for it."""
    ids = {standing.finding.id for standing in sound}
    heads: dict[str, Standing] = {}
    for standing in sound:
        lead = standing.same_as or standing.finding.id
        # The leader itself whenever it comes, else whoever comes first.
        if lead not in heads or lead == standing.finding.id:
            heads[lead] = standing
    return [s for s in sound if heads[s.same_as or s.finding.id] is s and s.same_as not in ids]


def sure(standing: Standing) -> Status:
    """How far a finding got; being in a report adds nothing to what is known of it."""
    if standing.status != "reported":
        return standing.status
    return "verified" if any(rung.name == "verified" and rung.passed for rung in standing.rungs) else "counted"


def gather(study: Study, a: str = "", b: str = "") -> Facts:
    """Everything about one comparison; a `UserError` says which step is missing."""
    a, b = study.sides(a, b)
    encodings, stored = Encodings.open(study), diff.load(study, a, b)
    standings = evidence.of(study, a, b)
    top = strongest(stored)
    # A reported finding and one that is about to be must stand in the same place.
    order = evidence.ORDER
    standings.sort(key=lambda s: (order.index(sure(s)), -evidence.net(s), -size(s, study, stored), s.finding.id))
    claimed = [feature for standing in standings for feature in own_features(standing, study, stored)]
    shown = list(dict.fromkeys([*top, *claimed]))
    flagged = against.of(study, a, b, shown)
    table = (
        labels.named(study, stored.features, stored.a, stored.b, stored.probes)
        .set_index("feature", drop=False)
        .rename_axis(None)
    )
    return Facts(
        study=study,
        diff=stored,
        encodings=encodings,
        a=study.checkpoint(a),
        b=study.checkpoint(b),
        table=table,
        top=top,
        named=called(study, encodings, table, shown),
        flagged=flagged,
        standings=standings,
        verification=verification.read(study, a, b),
    )


def strongest(stored: Diff) -> list[int]:
    """The leads that differ, in the order that the diff has them in."""
    return [int(feature) for feature in stored.top(MOST)["feature"]]


def own_features(standing: Standing, study: Study, stored: Diff) -> list[int]:
    """The features of a finding that belong to the study's present reader."""
    finding = standing.finding
    if finding.reader and finding.reader != labels.sae_of(study.settings.reader):
        return []
    return [feature for feature in finding.features if 0 <= feature < len(stored.features)]


def size(standing: Standing, study: Study, stored: Diff) -> float:
    """The difference, at least, that a finding rests on, of several the largest; 0 where it rests on none."""
    features = stored.features.loc[own_features(standing, study, stored)]
    probes = stored.probes[stored.probes["probe"].isin(standing.finding.probes)]
    both = [ranking.at_least(rows).abs() for rows in (features, probes) if len(rows)]
    return float(pd.concat(both).max()) if both else 0.0


def called(study: Study, encodings: Encodings, table: pd.DataFrame, shown: Sequence[int]) -> dict[int, str]:
    """A name for each feature: its label, or the tokens it fires on where it has none that counting lets stand."""
    bare = [f for f in shown if table.at[f, "refuted"] or table.at[f, "named_by"] == "rule"]
    described = firing.describe(encodings, bare, firing.readable(study, encodings)) if bare else {}
    return {f: described[f].in_words() if f in described else str(table.at[f, "label"]) for f in shown}


def members(diff: Diff, lead: int) -> int:
    return int((diff.features["family"] == lead).sum())
