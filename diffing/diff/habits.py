"""Habits: how many separate things changed, and which features, probes and phrases change together.

One changed habit moves dozens of features: those of its words, of their pieces, and of what stands beside them.
The *peel* takes candidates, what can be counted first and of that the best founded, and asks of each what is left
of it when the habits found before are taken away: its tokens on or beside theirs and their close members', then
the prompts on which a habit that it keeps company with moved. What still differs is a habit of its own; what no
longer does moves with the habit that took it. At the end every habit is asked once more in the light of all
others, the weakest first, and those are kept that are sure among all that was tested, not among candidates alone:
where one habit moves many features, a correction over features lets some through that differ by chance.

Every difference is a rarefied one, so that length alone brings none. Promises that the outcome hangs on the pairs
and candidates that it is given and on nothing drawn at random. It is a description and no test: p here orders and
stops the peel, and who wants to know whether a habit holds asks prompts that the peel has not seen.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from diffing.common.arrays import Array, Bools, Floats
from diffing.diff.ground import Ground, p_of
from diffing.diff.measure import LEAST, LEVEL

Kind = Literal["probe", "phrase", "feature"]
KINDS: tuple[Kind, ...] = ("probe", "phrase", "feature")
"""Of candidates with like evidence the earlier kind comes first. Features come after all that is counted: one may
fire on the words of two habits, differ more surely than either, and so would stand for both."""
BESIDE = 2
"""Tokens on either side that count as a habit's: the same reach as a probe's (`near.AROUND`)."""
DENSE = 0.1
"""A habit on more than this share of all tokens takes no tokens away: too much would lie on them by chance."""
COMPANY = 0.2
"""Correlation over prompts from which two keep company, where it is also beyond chance.

A sentence before all others takes the place of the usual openings, which correlate with it by little more than
this. Of ten planted habits (`bench.truth`) ten are found and none besides; with 0.3 nine, and two besides.
"""
CLOSE = 0.7
"""Correlation with its lead from which a member's tokens are the habit's too: half of what varies is shared. A
sentence is longer than what is on or beside the words of its lead."""
BEYOND = 2.6
"""Standard errors of a correlation that stand for beyond chance: 1 % of unrelated pairs."""
APART = 0.25
"""Of an answer, from which distance on two things stand in other places, and neither takes the other's. Openings
take each other's place, and so do endings; a closing paragraph and what the first words are, are two habits."""
HALF = 0.5
"""Prompts on which a habit moved by less are quiet ones. A candidate that keeps more than this share of its
difference is not explained, though too little may be left for a p below the corrected bar."""


class Candidate(NamedTuple):
    """Something that differs, and the tokens on which it is shown."""

    kind: Kind
    name: str
    """A probe's or phrase's name, a feature's number."""
    tokens: Array
    """Ascending places among all documents' tokens."""


class Member(NamedTuple):
    """A candidate that moves with a habit."""

    candidate: int
    share: float
    """Of its tokens, those on or beside the lead's."""
    correlation: float
    """Of its prompts' differences with the lead's."""
    left: float
    """What is left of its difference when the habits are taken away, as a share."""


class Habit(NamedTuple):
    """A candidate that stands alone, and what moves with it."""

    lead: int
    members: tuple[Member, ...]


def peel(ground: Ground, candidates: Sequence[Candidate], tested: Mapping[Kind, int] | None = None) -> list[Habit]:
    """Habits, the best founded first, each with its members; candidates without a significant p are left out.

    `tested` is how many of each kind the candidates were chosen from; without it there were no others.
    """
    if not candidates:
        return []
    kinds = [each.kind for each in candidates]
    return _Peel(ground, candidates, {kind: kinds.count(kind) for kind in KINDS} | dict(tested or {})).habits()


class _Rest(NamedTuple):
    """What is left of a candidate: whether it stands, or else the habit that it moves with."""

    stands: bool
    share: float
    taker: int


class _Peel:
    """The peel under way: which candidates lead so far, and the tokens that these take."""

    def __init__(self, ground: Ground, candidates: Sequence[Candidate], tested: Mapping[Kind, int]) -> None:
        self._ground = ground
        self._candidates = candidates
        self._moves = np.column_stack([ground.difference(each.tokens) for each in candidates])
        self._p = p_of(self._moves)
        self._bar = LEVEL / len(candidates)
        """Of each retest: corrected for all that there are."""
        self._sure = self._p * [len(KINDS) * tested[each.kind] for each in candidates]
        """Bonferroni's p over all that was tested, each kind with a third of the level."""
        self._company = _correlations(self._moves)
        self._up = self._moves.mean(axis=0) > 0
        self._middle = np.array([ground.place(each.tokens) for each in candidates])
        self._unnamed = np.array([each.kind == "feature" for each in candidates])
        self._reach: dict[int, Bools] = {}
        """Of habits, all tokens on or beside theirs and their close members'; none of those that are dense."""
        self._taken = np.zeros((2, 2, ground.size), np.int16)
        """Of how many habits each token is: of those that go down or up, and whose lead has a name or has none."""
        self._leads: list[int] = []
        self._dissolved: set[int] = set()
        """Candidates that led and do so no more: each is taken back once, and so the peel comes to an end."""
        self._order: list[int] = []
        """Candidates with a significant p, in the order in which they are asked."""
        self._under: dict[int, int] = {}
        """The habit that each candidate moves with."""
        self._left: dict[int, float] = {}

    def habits(self) -> list[Habit]:
        counted = [each.kind != "feature" for each in self._candidates]
        kinds = [KINDS.index(each.kind) for each in self._candidates]
        # By half orders of magnitude, so that like evidence is one place and the kind decides.
        evidence = np.round(2 * np.log10(np.maximum(self._p, 1e-300)))
        order = np.lexsort((np.array(kinds), evidence, ~np.array(counted)))
        self._order = order[self._p[order] < self._bar].tolist()
        self._place(self._order)
        while self._dissolve_one():
            pass
        for lead in list(self._leads):
            self._hand_over(lead)
        return [self._habit(lead) for lead in self._surely()]

    def _surely(self) -> list[int]:
        """The leads that hold among all that was tested, by Benjamini and Hochberg's step up; the surest first."""
        leads = sorted(self._leads, key=lambda lead: (self._sure[lead], lead))
        good = [number for number, lead in enumerate(leads, start=1) if self._sure[lead] <= LEVEL * number]
        return leads[: max(good, default=0)]

    def _place(self, some: Sequence[int]) -> None:
        """Let each lead or move with a lead."""
        for candidate in some:
            rest = self._rest(candidate)
            if rest.stands and candidate not in self._dissolved:
                self._begin(candidate)
            else:
                self._join(candidate, rest)

    def _begin(self, lead: int) -> None:
        self._leads.append(lead)
        self._reach[lead] = np.zeros(self._ground.size, dtype=bool)
        self._widen(lead, lead)

    def _join(self, member: int, rest: _Rest) -> None:
        self._under[member], self._left[member] = rest.taker, rest.share
        if self._likeness(member, rest.taker) >= CLOSE:
            self._widen(rest.taker, member)

    def _widen(self, lead: int, by: int) -> None:
        """Give a lead the tokens that it or a member of it is on, unless that would be too many."""
        wider = self._reach[lead] | self._reached(by)
        if wider.mean() <= DENSE:
            self._taken_by(lead)[:] += wider.astype(np.int16) - self._reach[lead]
            self._reach[lead] = wider

    def _end(self, lead: int) -> None:
        self._leads.remove(lead)
        self._taken_by(lead)[:] -= self._reach.pop(lead)

    def _taken_by(self, lead: int) -> Array:
        """What leads of its way and kind take."""
        return np.asarray(self._taken[int(self._up[lead]), int(self._unnamed[lead])])

    def _reached(self, candidate: int) -> Bools:
        return self._ground.beside(self._candidates[candidate].tokens, BESIDE)

    def _rest(self, candidate: int) -> _Rest:
        """What is left of it beside all habits but itself."""
        tokens, others = self._candidates[candidate].tokens, [lead for lead in self._leads if lead != candidate]
        whole = float(self._moves[:, candidate].mean())
        company = [lead for lead in others if self._keeps_company(candidate, lead)]
        takers = [lead for lead in others if self._may_take(candidate, lead, company)]
        free = self._ground.difference(tokens[self._free(candidate, takers)])
        if takers and not self._holds(free, whole):
            # Most on its tokens took it; where none is, whom it keeps most company with.
            taker = max(takers, key=lambda lead: (self._share(candidate, lead), self._likeness(candidate, lead)))
            return _Rest(False, float(free.mean() / whole) if whole else 0.0, taker)
        if not company:
            return _Rest(True, 1.0, -1)
        quiet = np.all(np.abs(self._moves[:, company]) < HALF, axis=1)
        left = float(free[quiet].mean() / whole) if quiet.any() else 0.0
        taker = max(company, key=lambda lead: self._likeness(candidate, lead))
        if quiet.sum() * abs(whole) < LEAST:
            # Habits of nearly all answers leave too few quiet prompts to tell by; what a line says is left, then.
            design = np.column_stack([np.ones(len(free)), self._moves[:, company]])
            left = float(np.linalg.lstsq(design, free)[0][0] / whole)
            return _Rest(left > HALF, left, taker)
        return _Rest(self._holds(free[quiet], whole), left, taker)

    def _may_take(self, candidate: int, lead: int, company: Sequence[int]) -> bool:
        """Whether being on a lead's tokens explains a candidate: if it goes the same way.

        What has a name of its own is no part of a feature that happens to be active there as well: with such a one
        it must keep company.
        """
        named = not self._unnamed[candidate] and self._unnamed[lead]
        return bool(self._up[candidate] == self._up[lead] and (not named or lead in company))

    def _free(self, candidate: int, takers: Sequence[int]) -> Bools:
        """Which of a candidate's tokens none of these takes."""
        tokens, up = self._candidates[candidate].tokens, int(self._up[candidate])
        taken = self._taken[up, 0, tokens].astype(np.int64)
        if self._unnamed[candidate]:
            taken += self._taken[up, 1, tokens]
        else:
            unnamed = [self._reach[lead] for lead in takers if self._unnamed[lead] and lead in self._reach]
            taken += sum((reach[tokens] for reach in unnamed), np.zeros(len(tokens), np.int64))
        own = self._reach.get(candidate)
        # A habit does not take its own; a named one's stand among those of names.
        taken -= 0 if own is None else own[tokens]
        return self._mostly(taken == 0, tokens)

    def _mostly(self, free: Bools, tokens: Array) -> Bools:
        """Which tokens are of a run of neighbours that is mostly free: a phrase is shown whole or not at all."""
        owner = self._ground.document[tokens]
        run = np.cumsum((np.diff(tokens, prepend=-2) > 1) | (np.diff(owner, prepend=-1) > 0)) - 1
        share = np.bincount(run, free) / np.maximum(np.bincount(run), 1)
        return np.asarray(share[run] > HALF)

    def _holds(self, differences: Floats, whole: float) -> bool:
        """Whether these still differ as the whole does: for sure, or by most of it where few are left to tell."""
        share, p = float(differences.mean() / whole) if whole else 0.0, p_of(differences[:, None])[0]
        return bool(share > 0 and p < self._bar or share > HALF and p < LEVEL)

    def _keeps_company(self, candidate: int, lead: int) -> bool:
        """Whether both change on the same prompts, so that one may be the other seen again.

        What has a name and stands elsewhere in answers is the other seen again only where both are close: to a
        reader "begins at once with a list" is not "goes on behind the list".
        """
        bar = max(COMPANY, BEYOND / max(self._ground.prompts, 1) ** 0.5)
        apart = abs(self._middle[candidate] - self._middle[lead]) > APART
        if apart and not self._unnamed[candidate]:
            bar = CLOSE
        return bool(self._likeness(candidate, lead) >= bar)

    def _likeness(self, candidate: int, lead: int) -> float:
        return abs(float(self._company[candidate, lead]))

    def _share(self, candidate: int, lead: int) -> float:
        """Of a candidate's tokens, those that a lead takes."""
        return float(self._reach[lead][self._candidates[candidate].tokens].mean())

    def _dissolve_one(self) -> bool:
        """Take back the weakest habit that the others explain."""
        for lead in sorted(self._leads, key=lambda lead: (-self._p[lead], lead)):
            if len(self._leads) == 1:
                return False
            rest = self._rest(lead)
            if not rest.stands:
                self._end(lead)
                self._dissolved.add(lead)
                # What it took may be a habit beside those that explain it: "I" is in apologies and in hedges.
                asked = {lead, *(member for member, under in self._under.items() if under == lead)}
                for member in asked - {lead}:
                    del self._under[member]
                self._place([candidate for candidate in self._order if candidate in asked])
                return True
        return False

    def _hand_over(self, lead: int) -> None:
        """Let the best founded member lead that is on the very tokens: a wider one may have come to explain it."""
        same = [
            member
            for member, under in self._under.items()
            if under == lead and self._share(member, lead) >= 1 - DENSE and self._p[member] < self._p[lead]
        ]
        if not same:
            return
        best = min(same, key=lambda member: (self._p[member], member))
        self._end(lead)
        self._begin(best)
        del self._under[best]
        self._join(lead, _Rest(False, 0.0, best))
        for member in [member for member, under in self._under.items() if under == lead]:
            self._join(member, _Rest(False, self._left[member], best))

    def _habit(self, lead: int) -> Habit:
        reach = self._reached(lead)
        members = [
            Member(
                member,
                float(reach[self._candidates[member].tokens].mean()),
                float(self._company[member, lead]),
                self._left[member],
            )
            for member, under in self._under.items()
            if under == lead
        ]
        return Habit(
            lead, tuple(sorted(members, key=lambda member: (self._p[member.candidate], member.candidate)))
        )


def _correlations(moves: Floats) -> Floats:
    """Of each pair of columns; 0 where one never varies."""
    centred = moves - moves.mean(axis=0)
    size = np.linalg.norm(centred, axis=0)
    unit = np.divide(centred, size, out=np.zeros_like(centred), where=size > 1e-9)
    return np.asarray(unit.T @ unit)
