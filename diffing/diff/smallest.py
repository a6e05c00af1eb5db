"""The smallest difference that a study can find: one reckoning and one sentence, wherever it is said.

Promises that two figures of it that differ are of different tests, and that each says which. Nothing is known here
of amounts and places: it is of what answers show or do not.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from diffing.common import stats
from diffing.common.words import count
from diffing.diff import measure

HALF = "Half of that takes about four times as many prompts."
"""What is said beside it to whom it is too large."""


class Smallest(NamedTuple):
    """Of one table of tests."""

    size: float
    """As a share; infinite where no difference, however large, would be found."""
    prompts: int
    tests: int
    """That are corrected for: Bonferroni's level, no more than a diff's own correction grants."""
    discordance: float
    """Share of prompts that differ by chance."""
    what: str = "one feature"
    """That an answer shows."""
    unit: str = "prompt"

    @classmethod
    def of(cls, prompts: int, tests: int, discordance: float) -> "Smallest":
        """Of one feature's share, before or without a diff."""
        found = stats.smallest_detectable(prompts, tests, discordance, measure.LEVEL, measure.POWER)
        return cls(found, prompts, tests, discordance)

    @classmethod
    def of_diff(cls, summary: Mapping[str, Any]) -> "Smallest":
        """What a diff could have found of one feature, by its summary."""
        size, prompts, tests = (summary[name] for name in ("smallest_detectable", "prompts", "tested"))
        return cls(math.inf if size is None else size, prompts, tests, summary["background_discordance"] or 0.0)

    @property
    def points(self) -> str:
        """The figure alone."""
        return "none" if math.isinf(self.size) else f"{100 * self.size:.0f} points"

    @property
    def sentence(self) -> str:
        """For a person."""
        on = count(self.prompts, self.unit)
        corrected = f"corrected for {count(self.tests, 'test')}"
        if math.isinf(self.size):
            what = f"no difference of any size in how often answers show {self.what}"
            return f"On {on} {what} could be found, {corrected}."
        return (
            f"The smallest difference that {on} can find in how often answers show {self.what} is "
            f"{self.points}: so much is found four times in five, {corrected}."
        )
