"""How often a claim without any truth passes: our verification and the published acceptance rule, side by side.

Run with `python -m bench.verification [--repeats 20]`; `docs/method.md` holds the result. Answers of both sides
show a claim equally often, prompt by prompt; a judge sees them with errors and a leaning towards whichever answer
stands first. The published rule judges each prompt once, in an order drawn by a coin, and accepts a claim whose
side wins by more than one point of all prompts.
"""

import argparse
import time
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.arrays import Array, Bools
from diffing.findings import verdicts

CLAIMS = 200
TOGETHER = 10
"""Claims corrected for together, as many as a study commonly has."""
MARGIN = 0.01
"""Lead, as a share of all prompts, from which the published rule accepts."""


class Case(NamedTuple):
    """What is simulated."""

    name: str
    prompts: int
    draws: int
    shown: float
    """Share of answers that show a claim, about which prompts differ."""
    ahead: float = 0.0
    """By how much B's answers show it more; 0 is the null."""
    error: float = 0.05
    """Share of judgements that look at nothing."""
    leaning: float = 0.1
    """Share of undecided judgements that go to the first answer."""


CASES = (
    Case("rare, 100 prompts", 100, 1, 0.1),
    Case("common, 100 prompts", 100, 1, 0.5),
    Case("common, 100 prompts, 3 draws", 100, 3, 0.5),
    Case("rare, 1,000 prompts", 1000, 1, 0.1),
    Case("common, 1,000 prompts", 1000, 1, 0.5),
    Case("careless judge, 1,000 prompts", 1000, 1, 0.3, error=0.4, leaning=0.6),
    Case("always the first", 1000, 1, 0.3, error=0.0, leaning=1.0),
    Case("true, by 10 points, 1,000 prompts", 1000, 1, 0.3, ahead=0.1),
    Case("true, by 20 points, 100 prompts", 100, 1, 0.3, ahead=0.2),
)


class Rates(NamedTuple):
    """Share of claims that pass."""

    decided: float
    """Mean share of prompts with a vote."""
    alone: float
    """A claim checked alone."""
    ten: float
    """Ten corrected for together."""
    all: float
    """All of them corrected for together."""
    published: float


def simulate(case: Case, claims: int, seed: int) -> pd.DataFrame:
    """A judge's verdicts on claims about answers of two sides."""
    random = np.random.default_rng([seed, case.prompts, case.draws, int(1000 * case.shown)])
    shape = (claims, case.prompts, case.draws)
    # Prompts differ in how much they draw a behaviour out; both sides answer the same ones.
    pull = random.beta(2 * case.shown, 2 * (1 - case.shown), (claims, case.prompts, 1))
    shows = {
        "a": random.random(shape) < np.clip(pull - case.ahead / 2, 0, 1),
        "b": random.random(shape) < np.clip(pull + case.ahead / 2, 0, 1),
    }
    strength = {side: shown * (1 + random.integers(0, 3, shape)) for side, shown in shows.items()}
    truth = np.sign(strength["b"] - strength["a"]).astype(np.int64)
    grid = np.indices(shape).reshape(3, -1)
    name = np.array([f"{number:03}" for number in range(claims)], dtype=object)[grid[0]]
    parts = []
    for order in (0, 1):
        first = 1 if order else -1
        said = _judge(truth, first, case, random)
        part = pd.DataFrame({"claim": name, "kind": verdicts.BETWEEN, "prompt_id": grid[1], "draw": grid[2]})
        part["order"], part["pick"] = order, said.ravel().astype(float)
        part["shows_a"], part["shows_b"] = shows["a"].ravel().astype(float), shows["b"].ravel().astype(float)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)[verdicts.COLUMNS]


def _judge(truth: Array, first: int, case: Case, random: np.random.Generator) -> Array:
    if case.leaning == 1.0:
        return np.full(truth.shape, first)
    careless = random.random(truth.shape) < case.error
    said = np.where(careless, random.integers(-1, 2, truth.shape), truth)
    leans = (said == 0) & (random.random(truth.shape) < case.leaning)
    return np.where(leans, first, said)


def published(table: pd.DataFrame, seed: int) -> Bools:
    """Which claims, each of B, the published rule accepts: one draw, and one order for a prompt and ten claims."""
    batch, prompt = table["claim"].astype(int).to_numpy() // TOGETHER, table["prompt_id"].to_numpy()
    coin = np.random.default_rng([seed, 1]).integers(0, 2, (batch.max() + 1, prompt.max() + 1))
    once = table[(table["draw"] == 0) & (table["order"] == coin[batch, prompt])]
    return np.asarray(once.groupby("claim")["pick"].mean().to_numpy() > MARGIN)


def rates(case: Case, claims: int = CLAIMS, repeats: int = 1) -> Rates:
    """Each claim is said of B, which under the null is no better than a guess."""
    found: list[list[float]] = []
    for seed in range(repeats):
        table = simulate(case, claims, seed)
        checks = list(verdicts.check(table).values())
        p = pd.Series([check.p for check in checks])
        lead = pd.Series([check.wins > check.losses for check in checks])
        ten = pd.concat([_corrected(group) for _, group in p.groupby(p.index // TOGETHER)])
        found.append(
            [
                float(np.mean([check.frequency for check in checks])),
                float(((p < verdicts.LEVEL) & lead).mean()),
                float(((ten < verdicts.LEVEL) & lead).mean()),
                float(np.mean([check.verified for check in checks])),
                float(published(table, seed).mean()),
            ]
        )
    return Rates(*np.mean(found, axis=0).tolist())


def _corrected(p: "pd.Series[float]") -> "pd.Series[float]":
    return pd.Series(stats.benjamini_hochberg(p.to_numpy()), index=p.index)


def main() -> None:
    options = argparse.ArgumentParser(description="False positives of verification on simulated claims.")
    options.add_argument("--repeats", type=int, default=20)
    told = options.parse_args()
    begun = time.perf_counter()
    print(
        "| claims | prompts with a vote | verified, alone | verified, of ten | verified, of 200 | published rule |"
    )
    print("|---|---|---|---|---|---|")
    for case in CASES:
        found = rates(case, repeats=told.repeats)
        print(f"| {case.name} | " + " | ".join(f"{100 * value:.1f} %" for value in found) + " |", flush=True)
    print(f"\n{told.repeats} × {CLAIMS} claims each, {time.perf_counter() - begun:.0f} s.")


if __name__ == "__main__":
    main()
