"""What follows from verdicts on claims: votes, exact tests, shares with intervals, merging, the judge's own error.

Pure functions of tables; asks nobody. A verdict is one judge's word on one claim and one pair of answers in one
order. Promises that a missing verdict counts on no side, and that a preference which turns with the order counts
as none. `docs/method.md` gives the formulas under "Verification".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.arrays import Floats
from diffing.common.words import share
from diffing.findings.correction import Corrected

LEVEL = 0.05
"""False discovery rate that findings are called verified by: the usual one, and the same as the diff's."""
AGREE = 0.8
"""Share of equal votes from which two claims may be one, among prompts where either is decided. Below 1, as
a judge does not always agree with itself either; chosen by eye."""
KAPPA = 0.6
"""Agreement beyond chance that it takes too: what nearly every answer of a side shows agrees anyway.
From 0.6 on it is commonly called substantial."""
FEW = 6
"""Prompts decided for either claim that such a comparison needs: of fewer, a single vote decides."""

BETWEEN = "between"
"""The kind of a pair with one answer of each checkpoint; two draws of one checkpoint are of kind 'a' or 'b'."""
COLUMNS = ["claim", "kind", "prompt_id", "draw", "order", "pick", "shows_a", "shows_b"]
"""Of a table of verdicts. `pick`: -1 for the first checkpoint (or draw), 1 for the second, 0 for neither, NaN
where the verdict is missing; `order`: 0 where the first one stood first; `shows_*`: whether that answer shows the
claim at all."""

PAIR = ["claim", "kind", "prompt_id", "draw"]


@dataclass(frozen=True)
class Check:
    """How a claim did on held-out prompts."""

    prompts: int
    """Prompts with a vote; ties are votes, missing ones are not."""
    wins: int
    """Votes for B; after `toward`, for the claimed side."""
    losses: int
    ties: int
    missing: int
    """Prompts without one whole pair of verdicts."""
    p: float
    """Exact two-sided sign test of wins against losses."""
    q: float
    """After Benjamini and Hochberg, over all claims checked together."""
    frequency: float
    """Share of prompts with a vote for either side."""
    accuracy: float
    """Share of those that are wins; NaN without any."""
    net: float
    """Share won minus share lost: frequency · (2 · accuracy - 1)."""
    low: float
    """Ends of the 95 % bootstrap interval of the net share over prompts."""
    high: float
    presence_a: float
    """Share of A's answers that show it at all, by the judge's word, averaged within prompts first."""
    presence_b: float
    flipped: float
    """Share of pairs where the judge's preference turned with the order."""
    corrected: Corrected | None = None
    """The net share corrected for the judge's measured error; None without a person's verdicts."""

    @property
    def verified(self) -> bool:
        return self.q < LEVEL and self.wins > self.losses

    @property
    def opposite(self) -> bool:
        """Whether the held-out prompts show the contrary of the claim."""
        return self.q < LEVEL and self.losses > self.wins

    def toward(self, sign: int) -> "Check":
        """The same as seen from a claim that B (1) or A (-1) shows it more."""
        if sign > 0:
            return self
        # 0.0 - net: the minus of 0 would be written as -0.
        corrected = self.corrected.toward(sign) if self.corrected else None
        turned = replace(self, wins=self.losses, losses=self.wins, accuracy=1 - self.accuracy, corrected=corrected)
        return replace(turned, net=0.0 - self.net, low=-self.high, high=-self.low)


class Alias(NamedTuple):
    """What a claim turned out to be another wording of."""

    leader: str
    mirrored: bool
    """Whether it says the contrary of the other side."""


@dataclass(frozen=True)
class OwnError:
    """What the judge sees where there is nothing to see: between two draws of one checkpoint."""

    tests: int
    """Claims times checkpoints."""
    false: int
    """Those with p < 0.05."""
    decided: float
    """Share of pairs in which it preferred one draw in both orders."""
    flipped: float
    """Share of pairs in which its preference turned with the order."""


def pairs(verdicts: pd.DataFrame) -> pd.DataFrame:
    """One row a claim and pair of answers: both orders together."""
    columns = ["pick", "shows_a", "shows_b"]
    orders = [
        verdicts[verdicts["order"] == order].set_index(PAIR)[columns].add_suffix(f"_{order}") for order in (0, 1)
    ]
    # Outer: an order that was never asked about is missing, and not the other order's word alone.
    both = orders[0].join(orders[1], how="outer")
    first, second = both["pick_0"].to_numpy(np.float64), both["pick_1"].to_numpy(np.float64)
    missing = np.isnan(first) | np.isnan(second)
    agreed = np.where(first == second, first, 0.0)
    out = pd.DataFrame({"pick": np.where(missing, np.nan, agreed)}, index=both.index)
    out["flipped"] = np.where(missing, np.nan, first * second < 0)
    for side in ("shows_a", "shows_b"):
        seen = (both[f"{side}_0"].to_numpy(np.float64) + both[f"{side}_1"].to_numpy(np.float64)) / 2
        out[side] = np.where(missing, np.nan, seen)
    return out.reset_index()


def votes(paired: pd.DataFrame) -> pd.DataFrame:
    """One row a claim, kind and prompt: the majority over its pairs, 0 for a tie, NaN where no pair is whole."""
    group = paired.groupby(["claim", "kind", "prompt_id"], sort=True)
    out = group[["shows_a", "shows_b"]].mean()
    # `min_count`: the sum of nothing is missing here, and not a tie.
    out["vote"] = np.sign(group["pick"].sum(min_count=1))
    return out.reset_index()


def check(verdicts: pd.DataFrame, others: int = 0) -> dict[str, Check]:
    """How each claim did as one that B shows it more, corrected over all of them and over `others` beside them.

    The others were tried and not judged, and count as tests that found nothing.
    """
    paired = pairs(verdicts)
    paired = paired[paired["kind"] == BETWEEN]
    if paired.empty:
        return {}
    flipped = paired.groupby("claim")["flipped"].mean()
    voted = votes(paired)
    votes_for = {"wins": voted["vote"] > 0, "losses": voted["vote"] < 0, "ties": voted["vote"] == 0}
    table = pd.DataFrame(votes_for | {"missing": voted["vote"].isna()}).groupby(voted["claim"]).sum()
    presence = voted.groupby("claim")[["shows_a", "shows_b"]].mean()
    p = stats.mcnemar(table["losses"].to_numpy(np.int64), table["wins"].to_numpy(np.int64))
    # A claim without a single vote was not tested: a p of 1 would make the correction harder for the others.
    p[(table["missing"] == voted.groupby("claim").size()).to_numpy()] = np.nan
    q = stats.benjamini_hochberg(np.append(p, np.ones(others)))[: len(p)]
    checks = {}
    for row, claim in enumerate(table.index):
        wins, losses, ties, missing = (int(table.loc[claim, name]) for name in table.columns)
        prompts = wins + losses + ties
        low, high = interval(wins, losses, prompts)
        checks[str(claim)] = Check(
            prompts=prompts,
            wins=wins,
            losses=losses,
            ties=ties,
            missing=missing,
            p=float(p[row]),
            q=float(q[row]),
            frequency=_share(wins + losses, prompts),
            accuracy=_share(wins, wins + losses),
            net=_share(wins - losses, prompts),
            low=low,
            high=high,
            presence_a=float(presence.loc[claim, "shows_a"]),
            presence_b=float(presence.loc[claim, "shows_b"]),
            flipped=float(flipped[claim]),
        )
    return checks


def interval(wins: int, losses: int, prompts: int, level: float = 0.95) -> tuple[float, float]:
    """Bootstrap interval of the net share over prompts."""
    if not prompts:
        return float("nan"), float("nan")
    # As of one group of prompts with one draw each: a prompt has one vote, however many draws stand behind it.
    group = np.ones(1, np.int64)
    low, high = stats.bootstrap(group, np.array([[losses]]), np.array([[wins]]), prompts, 1, 1, level)
    return float(low[0]), float(high[0])


def merged(verdicts: pd.DataFrame, order: Sequence[str]) -> dict[str, Alias]:
    """Claims whose votes agree with those of one that stands before them in `order`, or are their mirror image."""
    voted = votes(pairs(verdicts))
    voted = voted[voted["kind"] == BETWEEN]
    grid = voted.pivot(index="claim", columns="prompt_id", values="vote")
    leaders: list[str] = []
    aliases: dict[str, Alias] = {}
    for claim in (claim for claim in order if claim in grid.index):
        mine = grid.loc[claim].to_numpy(np.float64)
        # Compared with leaders alone: through a chain of likenesses two claims could be one that are not alike.
        for leader in leaders:
            theirs = grid.loc[leader].to_numpy(np.float64)
            mirrored = next((turn < 0 for turn in (1, -1) if alike(theirs, turn * mine)), None)
            if mirrored is not None:
                aliases[claim] = Alias(leader, mirrored)
                break
        else:
            leaders.append(claim)
    return aliases


def alike(mine: Floats, theirs: Floats) -> bool:
    """Whether votes agree, beyond what their shares alone give (Cohen's kappa over A, B and tie).

    Votes that are all the same tell nothing apart, and so are not called alike.
    """
    both = ~np.isnan(mine) & ~np.isnan(theirs)
    mine, theirs = mine[both], theirs[both]
    # Two rare claims agree on all the prompts where neither shows.
    decided = (mine != 0) | (theirs != 0)
    if decided.sum() < FEW or np.mean(mine[decided] == theirs[decided]) < AGREE:
        return False
    chance = sum(float(np.mean(mine == vote) * np.mean(theirs == vote)) for vote in (-1, 0, 1))
    # Kappa multiplied out, so that a chance of 1 divides nothing by 0.
    return bool(np.mean(mine == theirs) - chance >= KAPPA * (1 - chance)) and chance < 1


def own_error(verdicts: pd.DataFrame) -> OwnError | None:
    """The judge's error on pairs of draws of one checkpoint; None where there are none to estimate it on."""
    paired = pairs(verdicts[verdicts["kind"] != BETWEEN])
    paired = paired[paired["pick"].notna()]
    if paired.empty:
        return None
    voted = votes(paired)
    counts = (
        voted.assign(up=voted["vote"] > 0, down=voted["vote"] < 0).groupby(["claim", "kind"])[["up", "down"]].sum()
    )
    p = stats.mcnemar(counts["up"].to_numpy(np.int64), counts["down"].to_numpy(np.int64))
    return OwnError(
        tests=len(p),
        false=int((p < LEVEL).sum()),
        decided=float((paired["pick"] != 0).mean()),
        flipped=float(paired["flipped"].mean()),
    )


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else float("nan")


def own_error_words(error: OwnError | None) -> str:
    """The judge's own error in a sentence."""
    if error is None:
        return "The judge's own error is not estimable: it takes two draws of a checkpoint."
    return (
        f"Between two draws of one checkpoint, where there is nothing to find, the judge called {error.false} of "
        f"{error.tests} claims different (p < 0.05); its preference turned with the order in "
        f"{share(error.flipped)} "
        "of pairs."
    )
