"""What our own verification says of a run's claims, on held-out prompts that no run is shown.

A claim that can be counted is counted, as every finding is; of the others a judge has to say, where one is named.
Promises that all claims of a run are corrected for together. Whether the truth agrees is for the table to say:
where q and truth often differ, something is wrong with q.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from diffing.agents.benchmark.claim import Claim
from diffing.findings import counting, findings, verification
from diffing.study.study import Study

AUTHOR = "agent of the benchmark"


class Verified(NamedTuple):
    """One claim on held-out prompts."""

    q: float | None
    """None where nothing could be tested."""
    holds: bool | None
    """Whether the claim's side shows it more, by q; None where nobody was asked."""


class Quiet:
    """Progress that nobody watches."""

    def update(self, done: int, total: int, unit: str = "", cost: float | None = None, note: str = "") -> None: ...

    def check(self) -> None: ...

    def billed(self, key: str, dollars: float) -> None: ...

    def over(self) -> None: ...

    def log(self, line: str) -> None: ...


def verified(study: Study, claims: Sequence[Claim], judge: str = "") -> list[Verified]:
    """Each claim's verification; `judge` is asked about those that cannot be counted."""
    found = _counted(study, claims)
    rest = [place for place, each in enumerate(claims) if each.predicate is None]
    if judge and rest:
        found |= _judged(study, [claims[place] for place in rest], rest, judge)
    return [found.get(place, Verified(None, None)) for place in range(len(claims))]


def _counted(study: Study, claims: Sequence[Claim]) -> dict[int, Verified]:
    places = [place for place, each in enumerate(claims) if each.predicate is not None]
    predicates = [predicate for each in claims if (predicate := each.predicate) is not None]
    counts = counting.count(study, "a", "b", predicates)
    return {
        place: Verified(_known(counted.q), counted.holds(_sign(claims[place])))
        for place, counted in zip(places, counts, strict=True)
        if counted is not None
    }


def _judged(study: Study, claims: Sequence[Claim], places: Sequence[int], judge: str) -> dict[int, Verified]:
    written = [
        findings.add(study, each.wording, each.more, a="a", b="b", author=AUTHOR, author_kind="llm")
        for each in claims
    ]
    ids = list(dict.fromkeys(finding.id for finding in written))
    verification.run(study, verification.Options(a="a", b="b", model=judge, findings=ids), Quiet())
    checks = verification.read(study, "a", "b").checks
    return {
        place: Verified(_known(check.q), check.verified)
        for place, finding in zip(places, written, strict=True)
        if (check := checks.get(finding.id)) is not None
    }


def _known(q: float) -> float | None:
    return None if math.isnan(q) else float(q)


def _sign(claim: Claim) -> int:
    return 1 if claim.more == "b" else -1
