"""What an agent hands in at the end of a run: up to ten separate claims, or none where it found nothing.

Promises that what is handed in is whole or is refused with a sentence that says what is wrong with it. Judges no
claim: `diffing.agents.benchmark.grading` holds them against the truth.
"""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from diffing.agents.benchmark.truth import Count
from diffing.common.errors import UserError
from diffing.common.step import Settings, first_fault
from diffing.findings import predicates
from diffing.findings.predicates import Predicate

MOST = 10
"""Claims of a run: as many as the bundled sample has changes. Each further one is a free guess."""
EVIDENCE = 20
"""Pieces of evidence of a claim: more than anybody looks up."""


class Claim(Settings):
    """One separate change that an agent says there is."""

    text: str = Field(
        min_length=3, max_length=300, description="What an answer shows, naming no side: 'ends with an offer'."
    )
    more: Literal["a", "b"] = Field(description="The side that shows it more.")
    when: str = Field(default="", max_length=300, description="On which prompts, where not on all.")
    count: Count = Field(
        default="",
        max_length=300,
        description="What counts it, where something does: probe:NAME, words:ONE,OTHER, phrase:TEXT or "
        "regex:EXPRESSION. Then this is what is claimed.",
    )
    confidence: float = Field(ge=0, le=1, description="How likely it is that this is so.")
    evidence: list[str] = Field(
        default=[], max_length=EVIDENCE, description="What you read that shows it: pairs, features, cells."
    )

    @property
    def predicate(self) -> Predicate | None:
        return predicates.typed(self.count) if self.count else None

    @property
    def wording(self) -> str:
        """As a finding words it."""
        return f"{self.text} ({self.when})" if self.when else self.text

    @property
    def said(self) -> str:
        """As a reader is shown it."""
        where = f" When: {self.when}" if self.when else ""
        counted = f" Counted by: {self.count}" if self.count else ""
        return f"{self.text}{where}{counted} (more on side {self.more.upper()})"


_CLAIMS = TypeAdapter(list[Claim])


def handed(told: Any) -> list[Claim]:
    """Claims as they came, or a `UserError` that says what is wrong with them."""
    try:
        claims = _CLAIMS.validate_json(told) if isinstance(told, str | bytes) else _CLAIMS.validate_python(told)
    except ValidationError as error:
        raise UserError(
            f"These are no claims: {first_fault(error)}; change that and hand them in again."
        ) from error
    if len(claims) > MOST:
        raise UserError(f"{len(claims)} claims are more than the {MOST} that are taken; keep the surest.")
    return claims


def read(claims: Sequence[Claim], seen: str) -> list[int]:
    """Of each claim, how many pieces of its evidence stand in what the agent was shown."""
    return [sum(bool(each.strip()) and each.strip() in seen for each in claim.evidence) for claim in claims]
