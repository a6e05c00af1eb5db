"""What measures vary with, under nulls and where there is something: `python -m bench.variation`.

A row a case of 2,000 simulated measures (`diffing/diff/variation.py`): how often the noise of two runs of one
checkpoint was passed, how often categories were called unlike, and how often the interval over categories held the
difference that more categories would show. `docs/method.md` has the table. Takes two minutes of a processor.
"""

import math
from typing import NamedTuple

import numpy as np

from diffing.common.arrays import Floats
from diffing.diff import variation

TIMES = 2_000


class Case(NamedTuple):
    """How prompts are asked and what they answer."""

    name: str
    kind: str = "yes/no"
    prompts: int = 60
    categories: int = 6
    draws: int = 3
    gain: float = 0.0
    """What B is better by, in every category."""
    apart: float = 0.0
    """Standard deviation of that between categories."""


CASES = [
    Case("null: yes or no, 3 draws"),
    Case("null: yes or no, 2 draws, 20 prompts", prompts=20, categories=2, draws=2),
    Case("null: skewed numbers, 3 draws", kind="number"),
    Case("null: yes or no, 200 prompts, 20 categories", prompts=200, categories=20, draws=2),
    Case("B better by 15 points everywhere", gain=0.15),
    Case("none on average, ±20 points by category", prompts=200, categories=10, apart=0.2),
    Case("B better by 10, ±10 points by category", prompts=400, categories=20, gain=0.1, apart=0.1),
]


def main() -> None:
    print("| case | beyond noise | unlike, p < 0.05 | over categories | over prompts |")
    print("|---|---|---|---|---|")
    for case in CASES:
        random = np.random.default_rng(0)
        found = np.array([_once(case, random, number) for number in range(TIMES)])
        told = [
            f"{share:.1%}".replace("%", " %") if not math.isnan(share) else "–" for share in found.mean(axis=0)
        ]
        print(f"| {case.name} | {' | '.join(told)} |")


def _once(case: Case, random: np.random.Generator, number: int) -> list[float]:
    group = np.repeat(np.arange(case.categories), case.prompts // case.categories)
    hard = random.beta(2, 2, len(group))
    shift = case.gain + random.normal(0, case.apart, case.categories)[group]
    sides = np.stack([_draws(case, random, chance) for chance in (hard, hard + shift)], axis=1)
    means = sides.mean(axis=2)
    difference: Floats = means[:, 1] - means[:, 0]
    scatter = sides.var(axis=2, ddof=1).sum(axis=1) / case.draws
    delta = float(difference.mean())
    noise = variation.of_draws(scatter, np.full(len(group), case.draws), len(group), delta)
    _, p = variation.between_groups(difference, group, 0, str(number), 1)
    half = 1.96 * float(difference.std(ddof=1)) / len(group) ** 0.5
    low, high = variation.over_tasks(difference, group, (delta - half, delta + half))
    covers = [low <= case.gain <= high if not math.isnan(low) else math.nan]
    return [bool(noise.outside), p < 0.05, *covers, delta - half <= case.gain <= delta + half]


def _draws(case: Case, random: np.random.Generator, chance: Floats) -> Floats:
    size = (case.draws, len(chance))
    if case.kind == "number":
        return np.asarray(np.exp(random.normal(chance * 3, 1, size)).T)
    return np.asarray((random.random(size) < chance).T.astype(float))


if __name__ == "__main__":
    main()
