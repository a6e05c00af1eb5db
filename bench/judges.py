"""Whether net shares corrected by a person's verdicts hold the truth: `python -m bench.judges [--repeats 300]`.

Answers of two checkpoints show claims or do not; a judge sees that with the errors of its case, and a person who
is right judges a few pairs that the product's own rule draws. Prints how often the judge's own 95 % interval
holds the true net share of all prompts there could be, how often the corrected one does, and how wide it is;
`docs/method.md` quotes it.
"""

import argparse
import time
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.arrays import Array
from diffing.findings import correction, people


class Case(NamedTuple):
    """A judge and what it judges."""

    name: str
    claims: int
    sensitivity: float = 1.0
    """Chance that it sees the claim in an answer that shows it."""
    specificity: float = 1.0
    """Chance that it sees none in one that does not."""
    longer: float = 0.0
    """Chance that it gives an undecided pair to the longer answer, which in 70 of 100 is B's."""
    uneven: float = 0.0
    """Standard deviation of `longer` from claim to claim."""
    timid: float = 0.0
    """Chance that it calls a difference none."""
    prompts: int = 200
    verdicts: int = 40


CASES = (
    Case("perfect judge, one claim", 1),
    Case("perfect judge, ten claims", 10),
    Case("sensitivity 0.95, specificity 0.95, one claim", 1, 0.95, 0.95),
    Case("the same, ten claims", 10, 0.95, 0.95),
    Case("sensitivity 0.8, specificity 0.7, one claim", 1, 0.8, 0.7),
    Case("the same, one claim, 12 verdicts", 1, 0.8, 0.7, verdicts=12),
    Case("the same, one claim, 20 verdicts", 1, 0.8, 0.7, verdicts=20),
    Case("the same, three claims", 3, 0.8, 0.7),
    Case("the same, ten claims", 10, 0.8, 0.7),
    Case("the same, ten claims, 60 verdicts", 10, 0.8, 0.7, verdicts=60),
    Case("undecided pairs to the longer in 60 of 100, one claim", 1, longer=0.6),
    Case("the same, one claim, 12 verdicts", 1, longer=0.6, verdicts=12),
    Case("the same, ten claims", 10, longer=0.6),
    Case("the same, more on some claims, ten claims", 10, longer=0.6, uneven=0.25),
    Case("calls half of all differences none, ten claims", 10, timid=0.5),
    Case("looks at nothing, ten claims", 10, 0.5, 0.5),
)


def simulate(case: Case, seed: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """The judge's verdict and the truth for each claim and prompt, and the net share of all prompts by claim."""
    random = np.random.default_rng([seed, case.claims, case.prompts])
    parts, true = [], {}
    for number in range(case.claims):
        # Claims from nearly absent to common, and from no difference to a large one either way.
        shown, ahead = random.uniform(0.1, 0.6), random.choice([0.0, 0.1, 0.3]) * random.choice([-1, 1])
        shares = np.clip([shown - ahead / 2, shown + ahead / 2], 0.02, 0.98)
        shows = random.random((case.prompts, 2)) < shares
        truth = shows[:, 1].astype(int) - shows[:, 0]
        true[f"c{number}"] = float(shares[1] - shares[0])
        lean = float(np.clip(case.longer + case.uneven * random.normal(), 0, 1)) if case.longer else 0.0
        pick = _judged(case, shows, lean, random)
        part = pd.DataFrame({"prompt_id": [f"p{n}" for n in range(case.prompts)], "pick": pick, "verdict": truth})
        parts.append(part.assign(claim=f"c{number}", draw=0))
    return pd.concat(parts, ignore_index=True).astype({"pick": float, "verdict": float}), true


def _judged(case: Case, shows: Array, lean: float, random: np.random.Generator) -> Array:
    right = random.random(shows.shape) < np.where(shows, case.sensitivity, case.specificity)
    seen = np.where(right, shows, ~shows)
    pick = seen[:, 1].astype(int) - seen[:, 0]
    pick = np.where(random.random(len(pick)) < case.timid, 0, pick)
    longer = np.where(random.random(len(pick)) < 0.7, 1, -1)
    return np.where((pick == 0) & (random.random(len(pick)) < lean), longer, pick)


def corrected(table: pd.DataFrame, verdicts: int, seed: int) -> dict[str, correction.Corrected]:
    """By the verdicts on what the product draws."""
    judged = table[[*people.UNIT, "pick"]]
    asked = people.drawn(judged, seed, verdicts)[people.UNIT].merge(table[[*people.UNIT, "verdict"]])
    return correction.of(judged, people.weighed(judged, asked))


class Rates(NamedTuple):
    """Over all claims of all runs."""

    own: float
    """The judge's own interval holds the true net share."""
    corrected: float
    """The corrected one does."""
    own_width: float
    """Mean width, in net share."""
    width: float
    bias: float
    """Mean of the judge's figure minus the truth, without its sign."""
    error: float
    """The same of the corrected figure."""


def rates(case: Case, repeats: int, first: int = 0) -> Rates:
    rows = []
    for seed in range(first, first + repeats):
        table, true = simulate(case, seed)
        found = corrected(table, case.verdicts, seed)
        for claim, pick in table.groupby("claim")["pick"]:
            low, high = _plain(pick.to_numpy())
            net, after, truth = float(pick.mean()), found[str(claim)], true[str(claim)]
            held = low <= truth <= high, after.low - 1e-9 <= truth <= after.high + 1e-9
            rows.append((*held, high - low, after.high - after.low, abs(net - truth), abs(after.net - truth)))
    return Rates(*np.mean(np.array(rows, dtype=float), axis=0).tolist())


def _plain(pick: Array) -> tuple[float, float]:
    """The interval that verification gives without a person."""
    group, losses, wins = np.ones(1, np.int64), int((pick < 0).sum()), int((pick > 0).sum())
    low, high = stats.bootstrap(group, np.array([[losses]]), np.array([[wins]]), len(pick), 1, 1)
    return float(low[0]), float(high[0])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=300, help="Studies of each judge.")
    told, begun = options.parse_args(), time.perf_counter()
    print("| judge | holds the truth, uncorrected | corrected | off by, uncorrected | corrected | width |")
    print("|---|---|---|---|---|---|")
    for case in CASES:
        found = rates(case, told.repeats)
        print(
            f"| {case.name} | {found.own:.1%} | {found.corrected:.1%} | {100 * found.bias:.1f} | "
            f"{100 * found.error:.1f} | {100 * found.own_width:.0f} → {100 * found.width:.0f} |",
            flush=True,
        )
    print(f"\n{told.repeats} studies a row, {time.perf_counter() - begun:.0f} s.")


if __name__ == "__main__":
    main()
