"""Claims before they are findings: what differs on discovery prompts, and what can be said of it without a model.

Promises that selection uses discovery prompts alone, that both sides get their share, and that no claim of a side
stands twice. A plain draft says what a probe counts or what a label names, no more: it is a candidate.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from rapidfuzz import fuzz

from diffing import labels
from diffing.common.arrays import Bools
from diffing.diff import measure, ranking
from diffing.diff.stored import Diff
from diffing.findings.exhibits import Chooser
from diffing.labels import contradictions
from diffing.labels.history import Label
from diffing.probes.probes import PROBES
from diffing.reader import firing
from diffing.reader.encodings import Encodings
from diffing.study.study import Study

NEAR = 0.5
"""Share of a feature's active tokens at a probe from which a plain draft takes it for that probe's: most of it."""
TOGETHER = 0.65
"""Correlation over discovery answers from which two plain drafts of a side are one. Chosen by eye, on what is
counted twice by its nature, such as a closing question and any question."""
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


def plain(study: Study, stored: Diff, each: int, most: int, chooser: Chooser) -> list[Proposal]:
    """Drafts without a language model: what each differing probe counts, then what other families are called."""
    counted = moving(stored)
    of_probe: dict[str, list[int]] = {}
    rest = []
    for family in families(study, stored, each):
        name, share = next(iter(contradictions.nearest(family.probes).items()), ("", 0.0))
        # A feature that fires on bold but moves the other way than bold must be about something else.
        along = name in counted.index and counted.loc[name, "delta_discovery"] * family.sign > 0
        if along and share >= NEAR:
            of_probe.setdefault(name, []).append(family.feature)
        else:
            rest.append(family)
    drafts = []
    for name, delta in counted["delta_discovery"].items():
        features = tuple(of_probe.get(str(name), ()))
        claim, sign = f"has {name}: {PROBES[str(name)].description}", 1 if delta > 0 else -1
        drafts.append(Proposal(claim, sign, features, (str(name),), abs(float(delta))))
    said = _sayings(study, [family.feature for family in rest if family.label is None])
    for family in rest:
        claim = f"shows {family.label.label}" if family.label else said[family.feature]
        drafts.append(Proposal(claim, family.sign, (family.feature,), (), abs(family.delta)))
    # The largest first, since of two that are one the first stays.
    drafts.sort(key=lambda draft: -draft.size)
    a, b = (apart(distinct([draft for draft in drafts if draft.sign == sign]), chooser) for sign in (-1, 1))
    # Both sides get their share, and what one leaves the other takes.
    half = max(most - len(b), most // 2)
    return sorted(a[:half] + b[: most - len(a[:half])], key=lambda draft: -draft.size)


def apart(proposals: Sequence[Proposal], chooser: Chooser) -> list[Proposal]:
    """Without those that nearly the same answers show as an earlier one: a closing question and any question."""
    kept: list[tuple[Proposal, Bools]] = []
    for proposal in proposals:
        shows = chooser.shows(proposal.features, proposal.probes)
        if all(phi(shows, other) < TOGETHER for _, other in kept):
            kept.append((proposal, shows))
    return [proposal for proposal, _ in kept]


def phi(one: Bools, other: Bools) -> float:
    """Correlation of two yes-or-no columns; 0 where either never changes."""
    if not len(one) or one.all() or other.all() or not one.any() or not other.any():
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _sayings(study: Study, features: Sequence[int]) -> dict[int, str]:
    """What can be said of features without a label."""
    if not features:
        return {}
    encodings = Encodings.open(study)
    described = firing.describe(encodings, features, firing.readable(study, encodings))
    said = {}
    for feature, lexical in described.items():
        words = ", ".join(f"“{piece}”" for piece, _ in lexical.top)
        said[feature] = f"uses tokens like {words}" if words else f"activates feature {feature}"
    return said
