"""Claims before they are findings: what differs on discovery prompts, and what can be said of it without a model.

A plain draft is a behaviour of the diff that counts itself: it says what its probe or phrase counts, in these very
words, and no more. What only a feature shows is no sentence about answers, whatever its label says, and no draft.
Promises that what a model is shown was selected by discovery prompts alone, and that no claim of a side stands
twice.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from rapidfuzz import fuzz

from diffing import labels
from diffing.common.errors import UserError
from diffing.diff import measure, ranking
from diffing.diff.stored import Diff
from diffing.findings.predicates import Predicate
from diffing.labels.history import Label
from diffing.study.study import Study

ALIKE = 88
"""Likeness in percent (rapidfuzz, words in any order) from which two claims of a side are one: a word more or
less, an ending. Chosen by eye; claims of one meaning in other words are left to the judge's votes."""


class Family(NamedTuple):
    """What the model is shown of one family."""

    feature: int
    """Its lead."""
    members: int
    delta: float
    """On discovery prompts."""
    label: Label | None
    probes: str

    @property
    def sign(self) -> int:
        return 1 if self.delta > 0 else -1


class Proposal(NamedTuple):
    """A claim with all that it rests on, before it is written down."""

    claim: str
    sign: int
    features: tuple[int, ...]
    probes: tuple[str, ...]
    size: float
    """The largest difference behind it."""
    why: str = ""
    predicate: Predicate | None = None


def families(study: Study, stored: Diff, each: int) -> list[Family]:
    """Leads that differ on discovery prompts, the first of each side by `ranking` of these alone, A's first."""
    table = stored.features
    leads = table[(table["feature"] == table["family"]) & (table["q_discovery"] < measure.LEVEL)]
    sizes = table["family"].value_counts()
    current = labels.current(study)
    strongest = []
    for sign in (-1, 1):
        side = leads[np.sign(leads["delta_discovery"]) == sign]
        for row in ranking.ordered(side, "delta_discovery").head(each).itertuples():
            number = int(row.feature)
            label = current.get(number)
            strongest.append(
                Family(number, int(sizes[number]), float(row.delta_discovery), label, str(row.probes))
            )
    return strongest


def moving(stored: Diff) -> pd.DataFrame:
    """Probes that differ on discovery prompts, by name."""
    table = stored.probes.set_index("probe")
    return table[table["q_discovery"] < measure.LEVEL]


def distinct(proposals: Sequence[Proposal]) -> list[Proposal]:
    """Without claims that repeat an earlier one of the same side."""
    kept: list[Proposal] = []
    for proposal in proposals:
        alike = (
            fuzz.token_sort_ratio(proposal.claim.lower(), other.claim.lower())
            for other in kept
            if other.sign == proposal.sign
        )
        if max(alike, default=0) < ALIKE:
            kept.append(proposal)
    return kept


def plain(stored: Diff, most: int) -> list[Proposal]:
    """Drafts without a language model: what changed and can be counted, length first, then the surest.

    What held-out prompts did not bear out is left out. Only where they bear out nothing do those stand for it of
    which too few prompts differ to tell: they are leads.
    """
    if stored.older:
        raise UserError(
            f"The diff of '{stored.a}' and '{stored.b}' is of an older version, which knew no behaviours; "
            f"run `python -m diffing diff {stored.folder.parents[1].name} --a {stored.a} --b {stored.b}`."
        )
    drafts = []
    confirmed = stored.behaviours["confirmed"]
    wanted = "yes" if (confirmed == "yes").any() else "too few"
    for row in stored.behaviours[confirmed == wanted].itertuples():
        predicate = Predicate.of_behaviour(str(row.kind), str(row.by), str(row.source))
        if predicate is None:
            continue
        with_it = stored.habits[(stored.habits["habit"] == row.habit) & (row.habit > 0)]
        features = tuple(int(name) for name in with_it.loc[with_it["kind"] == "feature", "name"])
        probes = (str(row.source),) if row.by == "probe" else ()
        sign, size = 1 if row.side == "b" else -1, abs(float(row.delta_discovery))
        drafts.append(Proposal(predicate.shown, sign, features, probes, size, predicate=predicate))
    return drafts[:most]
