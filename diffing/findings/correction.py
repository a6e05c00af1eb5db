"""Net shares corrected for the judge's measured error, from a person's verdicts on some of the pairs it judged.

Pure functions of tables; asks nobody. A claim with verdicts of its own is corrected by prediction-powered
inference; the others by the judge's error over all claims together, taken to be the same but for what their
verdicts show of its spread. Promises that without verdicts there is no correction, that a judge is never taken to
be perfect because a few verdicts agree with it, and that what cannot be told is the interval from -1 to 1. Does
not promise that the person is right. `docs/method.md` gives the formulas under "The judge's error, measured".
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from diffing.common.arrays import Array, Floats
from diffing.common.words import interval, points

ENOUGH = 12
"""Verdicts of a claim's own from which it is corrected by them alone, and of all claims together from which any
is: with 12 the simulated intervals hold the truth as often as they say (`bench/judges.py`)."""
TRIED = np.linspace(-1, 1, 2001)
"""Net shares that are tried for the pooled interval: a tenth of a point, and what is shown is whole points."""


@dataclass(frozen=True)
class Corrected:
    """A net share as the person would have found it, had the person judged all pairs."""

    net: float
    low: float
    """Ends of the 95 % interval, over prompts and over which pairs the person saw."""
    high: float
    judged: float
    """The judge's own figure in the same measure, the mean over prompts and, within them, over draws."""
    verdicts: int
    """The person's verdicts that it rests on."""
    own: bool
    """Whether these are the claim's own; otherwise they are those on all claims together."""

    def toward(self, sign: int) -> "Corrected":
        """The same as seen from a claim that B (1) or A (-1) shows it more."""
        if sign > 0:
            return self
        # 0.0 - net: the minus of 0 would be written as -0.
        return replace(self, net=0.0 - self.net, low=-self.high, high=-self.low, judged=0.0 - self.judged)


class Error(NamedTuple):
    """The judge's mean verdict as a line over the person's: `lean + slope * verdict`."""

    lean: float
    """What it says, on average, where the person sees no difference; above 0 towards B."""
    slope: float
    """How much of a difference it shows: 1 of a judge without error, 0 of one that looks at nothing."""
    covariance: Floats
    """Of both, with prompts as the unit."""
    spread: float
    """Variance of the lean from claim to claim, beyond what chance explains."""
    verdicts: int
    claims: int

    def told(self) -> dict[str, float | int]:
        """As plain values; the standard errors stand for the covariance."""
        of_lean, of_slope = np.sqrt(np.diag(self.covariance)).tolist()
        return {
            "lean": self.lean,
            "lean_error": of_lean,
            "slope": self.slope,
            "slope_error": of_slope,
            "spread": self.spread**0.5,
            "verdicts": self.verdicts,
            "claims": self.claims,
        }


def of(judged: pd.DataFrame, given: pd.DataFrame, level: float = 0.95) -> dict[str, Corrected]:
    """Each claim's net share, B's minus A's, as far as the verdicts reach.

    `judged`: a row a claim and pair of answers (`claim`, `prompt_id`, `pick`). `given`: the pairs among them
    that a person judged too, with `verdict`, the judge's `pick`, and `weight`, how many prompts of the claim
    each stands for.
    """
    corrected: dict[str, Corrected] = {}
    if given.empty:
        return corrected
    error = measured(given)
    for claim, rows in judged.groupby("claim", sort=True):
        means = rows.groupby("prompt_id")["pick"].mean().to_numpy(np.float64)
        mine = given[given["claim"] == claim]
        if len(mine) >= ENOUGH:
            verdict, pick, weight = (mine[name].to_numpy(np.float64) for name in ("verdict", "pick", "weight"))
            net, low, high = own(means, verdict, pick, weight, level)
            corrected[str(claim)] = Corrected(net, low, high, float(means.mean()), len(mine), True)
        elif error is not None:
            net, low, high = pooled(means, error, level)
            corrected[str(claim)] = Corrected(net, low, high, float(means.mean()), error.verdicts, False)
    return corrected


def own(
    means: Floats, verdict: Floats, pick: Floats, weight: Floats, level: float = 0.95
) -> tuple[float, float, float]:
    """Prediction-powered mean with its interval.

    `means` are the judge's over all prompts, the other arrays speak of the pairs labelled. The weights are inverse
    to the chance of being asked. The judge counts as much as it agrees with the person (power tuning), so that a
    poor judge costs nothing against having none.
    """
    count, share = len(verdict), weight / weight.sum()
    of_pick, of_verdict = pick - share @ pick, verdict - share @ verdict
    varied = float(share @ of_pick**2)
    # A judge that said one thing of all pairs asked cannot be tuned, and is taken at its word.
    tuned = min(1.0, max(0.0, float(share @ (of_pick * of_verdict)) / varied)) if varied > 0 else 1.0
    error = verdict - tuned * pick
    centre = float(share @ error)
    net = tuned * float(means.mean()) + centre
    # What the error has by chance, with two verdicts more that differ from the judge, one each way: a dozen that
    # agree prove no perfect judge.
    usual = weight.mean()
    squares = float(weight**2 @ (error - centre) ** 2) * count / (count - 1) + 2 * usual**2
    variance = squares / float(weight.sum() + 2 * usual) ** 2
    # The labelled pairs are among those judged: both means share those prompts.
    shared = 2 * tuned * float(share @ (of_pick * error)) / len(means)
    variance += max(0.0, tuned**2 * _of_mean(means) + shared)
    half = float(stdtrit(count - 2, (1 + level) / 2)) * variance**0.5
    return _within(net), _within(net - half), _within(net + half)


def measured(given: pd.DataFrame) -> Error | None:
    """The judge's error over all claims together; None where the verdicts are too few, or all alike."""
    if len(given) < ENOUGH or given["verdict"].nunique() < 2:
        return None
    verdict, pick = given["verdict"].to_numpy(np.float64), given["pick"].to_numpy(np.float64)
    weight = given["weight"].to_numpy(np.float64) / float(given["weight"].mean())
    line = np.column_stack([np.ones(len(given)), verdict])
    bread = np.linalg.inv(line.T @ (weight[:, None] * line))
    lean, slope = bread @ (line.T @ (weight * pick))
    left = pick - lean - slope * verdict
    scores = pd.DataFrame(weight[:, None] * line * left[:, None]).groupby(given["prompt_id"].to_numpy()).sum()
    sums, prompts, count = scores.to_numpy(np.float64), len(scores), len(given)
    # Two verdicts more that differ by one, as above, where the person sees a difference: so both figures of a
    # judge that was never wrong have some width.
    middle = sums.T @ sums * prompts / max(prompts - 1, 1) * (count - 1) / (count - 2) + 2 * np.eye(2)
    claims = given["claim"].to_numpy()
    spread = _spread(left, weight, claims)
    return Error(float(lean), float(slope), bread @ middle @ bread, spread, count, len(set(claims)))


def pooled(means: Floats, error: Error, level: float = 0.95) -> tuple[float, float, float]:
    """The net share whose image by the judge's line is what the judge said of all prompts.

    The interval holds every share that the judge's figure does not rule out (Fieller), so that a judge who tells
    nothing apart, a slope that may be 0, gives the whole from -1 to 1.
    """
    said, (of_lean, both), (_, of_slope) = float(means.mean()), error.covariance[0], error.covariance[1]
    chance = _of_mean(means) + error.spread * (1 + 1 / error.claims)
    variance = chance + of_lean + 2 * TRIED * both + TRIED**2 * of_slope
    gap = np.abs(said - error.lean - error.slope * TRIED) / np.sqrt(variance)
    # Where the judge's figure lies beyond what its line can give, the end that comes nearest.
    stands = gap <= max(float(stdtrit(error.verdicts - 2, (1 + level) / 2)), float(gap.min()))
    low, high = float(TRIED[stands].min()), float(TRIED[stands].max())
    if error.slope <= 0:
        return (low + high) / 2, low, high
    return min(max((said - error.lean) / error.slope, low), high), low, high


def _of_mean(means: Floats) -> float:
    """Variance of the judge's mean over prompts; as `stats.bootstrap`, with two prompts more, one each way."""
    count = len(means) + 2
    return (float(((means - means.mean()) ** 2).sum()) + 2) / count**2


def _spread(left: Floats, weight: Floats, claims: Array) -> float:
    """Variance between claims of what the line leaves over, less what it has by chance (method of moments)."""
    table = pd.DataFrame({"w": weight, "ww": weight**2, "wr": weight * left, "wrr": weight * left**2})
    sums = table.groupby(claims).sum()
    several = table.groupby(claims).size() > 1
    if several.sum() < 2:
        return 0.0
    sums = sums[several]
    mean = sums["wr"] / sums["w"]
    inside = float((sums["wrr"] - sums["w"] * mean**2).sum() / (sums["w"] - sums["ww"] / sums["w"]).sum())
    chance = inside * float((sums["ww"] / sums["w"] ** 2).mean())
    return max(0.0, float(mean.var(ddof=1)) - chance)


def _within(value: float) -> float:
    return float(min(1.0, max(-1.0, value)))


def words(corrected: Corrected | None) -> str:
    """What stands beside a judge's net share, everywhere."""
    if corrected is None:
        return "uncorrected"
    whose = "on it" if corrected.own else "on all claims together"
    return (
        f"corrected {points(corrected.net)} points (95 % interval {interval(corrected.low, corrected.high)}) by "
        f"{corrected.verdicts} verdicts of a person {whose}"
    )


def error_words(error: Error | None) -> str:
    """The judge's measured error in a sentence."""
    if error is None:
        return (
            f"The judge's error is not measured: it takes {ENOUGH} verdicts of a person, and a difference seen in "
            "some of them."
        )
    lean = f"leans to {'B' if error.lean > 0 else 'A'} by {abs(error.lean):.0%} where the person sees none"
    return (
        f"By {error.verdicts} verdicts of a person the judge shows {max(0.0, error.slope):.0%} of the differences "
        f"that the person sees, and {lean}."
    )
