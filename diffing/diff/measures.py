"""Measures compared: scores and other numbers by answer, as other tools gave them, on two checkpoints.

The prompt is the unit. Its draws are averaged, and under the null its difference may have either sign: of a
yes-or-no measure with one draw that is the exact McNemar test, of any other the exact test of the mean. Reads no
encodings and no answers. Promises that a number on one side alone is left out and counted, that all measures are
one family of tests, and that the z without pairing, which a harness would give, is of the same prompts.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr, stdtrit

from diffing.common import stats
from diffing.common.arrays import Array, Bools, Floats, Ints
from diffing.diff import measure, variation
from diffing.study.study import Study

ALL = ""
"""The category of a row of all prompts."""
COLUMNS = (
    *("measure", "category", "kind", "better", "n_prompts", "draws", "alone_a", "alone_b"),
    *("mean_a", "mean_b", "delta", "ci_low", "ci_high", "discordant_a", "discordant_b", "p", "q", "verdict"),
    *("needed", "se", "se_unpaired", "z_unpaired", "p_unpaired", "gain"),
    *("delta_heldout", "p_heldout", "q_heldout"),
    *("heterogeneity", "p_heterogeneity", "q_heterogeneity", "tasks", "ci_low_tasks", "ci_high_tasks"),
    *("noise_band", "outside_noise"),
)
"""Each is explained in `docs/method.md`."""
GRID = 120
"""Differences are taken as they are if they are whole numbers of halves, thirds, … or 120ths: means of up to six
draws are, and most decimals that tools round to."""
WIDEST = 6400.0
"""Standard deviation, in coins, of the widest sum that is tested: its null distribution has some 50,000 points,
which take a tenth of a second."""
FINE = 64.0
"""Coins of a root mean square difference that lies on no such grid: rounding then adds less than a ten-thousandth
to the variance."""
NOISE = 1e-9
"""Differences below this share of the largest number are the rounding of means, and none."""
LARGEST, SMALLEST = 1e150, 1e-150
"""Beyond the one a number has no square that a computer holds, and is left out; below the other it counts as 0."""


Sides = tuple[str, str]
Kind = Literal["yes/no", "share", "number"]


class Coins(NamedTuple):
    """Differences of prompts in whole units, as `stats.presence` and `stats.bootstrap` take them."""

    sizes: Ints
    more_a: Ints
    more_b: Ints
    unit: float
    """Whole units of a difference of 1."""


class Paired(NamedTuple):
    """One measure (of one category) over the prompts that have it on both sides."""

    name: str
    category: str
    kind: Kind
    """Whether each of its numbers is 0 or 1, lies between them, or is any other."""
    higher: bool | None
    """Whether more of it is better; None where nobody said."""
    values: Floats
    """Prompts × sides: means over draws."""
    held: Bools
    draws: int
    """The most that a prompt has on both sides."""
    alone_a: int
    """Answers whose number has no partner."""
    alone_b: int
    group: Array
    """Each prompt's category."""
    scatter: Floats
    """Of prompts with several draws on both sides: the variance of the difference that these draws tell."""
    several: Ints
    """How many draws each of those has."""


def table(study: Study, a: str, b: str, by_category: bool = False) -> pd.DataFrame:
    """A row for each measure that either side has: means, difference, interval, tests and verdict.

    `by_category`: a row for each measure and category instead, of measures that several categories have; those
    rows are a family of tests of their own.
    """
    some = list(_measured(study, a, b, by_category))
    rows = [_row(each) | _varying(each, study.settings.seed, 0 if by_category else len(some)) for each in some]
    found = pd.DataFrame(rows, columns=[*MADE, *COLUMNS])
    found["outside_noise"] = found["outside_noise"].astype("boolean")
    found["q_heterogeneity"] = stats.benjamini_hochberg(found["p_heterogeneity"].to_numpy(np.float64))
    for ending in ("", "_heldout"):
        # Where fewer differ no test reaches 5 % whichever way they lie, so that nothing is to be corrected for.
        tested = found[f"p{ending}"].where(found[f"differ{ending}"] >= measure.LEAST)
        found[f"q{ending}"] = stats.benjamini_hochberg(tested.to_numpy(np.float64))
    base = ((found["mean_a"] + found["mean_b"]) / 2).to_numpy(np.float64)
    low, high, q = (found[name].to_numpy(np.float64) for name in ("low", "high", "q"))
    number = (found["kind"] == "number").to_numpy(bool)
    scale = np.where(number, np.abs(base), 1.0)
    scaled = [np.divide(end, scale, out=np.full(len(scale), np.nan), where=scale > 0) for end in (low, high)]
    found["verdict"] = np.where(
        number, measure.amount_verdict(q, *scaled), measure.verdict(q, low, high, base)
    ).astype(object)
    margin = np.where(number, measure.OF_AMOUNT, measure.margin(base))
    found["needed"] = [
        n * measure.times(*ends) if verdict not in ("differs", "no change") else math.nan
        for n, verdict, *ends in zip(found["n_prompts"], found["verdict"], *scaled, margin, strict=True)
    ]
    return found[list(COLUMNS)]


MADE = ("low", "high", "differ", "differ_heldout")
"""What rows are judged by and do not keep: the 90 % interval, and how many prompts differ."""


def numbers_of(study: Study, keys: Sequence[str]) -> pd.DataFrame:
    """The numbers that count of some checkpoints' answers: to active prompts, and none that has no square."""
    numbers = study.measures()
    if numbers.empty:
        return numbers
    asked = study.prompts()
    mine = numbers["checkpoint"].isin(list(keys)) & numbers["prompt_id"].isin(asked.loc[asked["active"], "id"])
    return numbers[mine & (numbers["value"].abs() <= LARGEST)]


def _measured(study: Study, a: str, b: str, by_category: bool) -> Iterator[Paired]:
    numbers = numbers_of(study, (a, b))
    if numbers.empty:
        return
    asked = study.prompts().set_index("id")
    numbers = numbers.assign(category=numbers["prompt_id"].map(asked["category"]).astype("str"))
    for _, mine in numbers.groupby("name", sort=True):
        parts = list(mine.groupby("category", sort=True)) if by_category else [("", mine)]
        if by_category and len(parts) < 2:
            continue
        for category, part in parts:
            yield _paired(mine, str(category), part, asked, (a, b))


def _paired(whole: pd.DataFrame, category: str, mine: pd.DataFrame, asked: pd.DataFrame, sides: Sides) -> Paired:
    """`mine` is what the category has of the whole measure."""
    wide = mine.pivot(index=["prompt_id", "draw"], columns="checkpoint", values="value").reindex(
        columns=list(sides)
    )
    both = wide.dropna()
    by_prompt = both.groupby("prompt_id")
    means = by_prompt.mean()
    size, variance = by_prompt.size(), by_prompt.var(ddof=1).sum(axis=1)
    several = size[size > 1]
    there = wide.notna()
    said = whole["higher_is_better"].dropna()
    return Paired(
        name=str(whole["name"].iloc[0]),
        category=category,
        kind="yes/no"
        if whole["value"].isin((0, 1)).all()
        else "share"
        if whole["value"].between(0, 1).all()
        else "number",
        higher=bool(said.iloc[0]) if len(said) else None,
        values=means.to_numpy(np.float64).reshape(-1, 2),
        held=(asked["split"].reindex(means.index) == "held-out").to_numpy(bool),
        draws=int(size.max()) if len(both) else 0,
        alone_a=int((there.iloc[:, 0] & ~there.iloc[:, 1]).sum()),
        alone_b=int((there.iloc[:, 1] & ~there.iloc[:, 0]).sum()),
        group=asked["category"].reindex(means.index).to_numpy(str),
        scatter=(variance.reindex(several.index) / several).to_numpy(np.float64),
        several=several.to_numpy(np.int64),
    )


def _row(each: Paired) -> dict[str, Any]:
    n = len(each.values)
    difference = _differences(each.values)
    coins, held = _coins(difference), _coins(difference[each.held])
    mean_a, mean_b = each.values.mean(axis=0) if n else (math.nan, math.nan)
    delta = float(difference.mean()) if n else math.nan
    better = "" if each.higher is None or not delta or not n else "B" if (delta > 0) == each.higher else "A"
    ends = dict(zip(("ci_low", "ci_high"), interval(each, coins, 0.95), strict=True))
    # Two one-sided tests at 5 % each, as in a diff.
    ends |= dict(zip(("low", "high"), interval(each, coins, 0.90), strict=True))
    return {
        **{name: getattr(each, name) for name in ("category", "kind", "draws", "alone_a", "alone_b")},
        "measure": each.name,
        "better": better,
        "n_prompts": n,
        "mean_a": float(mean_a),
        "mean_b": float(mean_b),
        "delta": delta,
        **ends,
        "discordant_a": int((difference < 0).sum()),
        "discordant_b": int((difference > 0).sum()),
        "differ": int((difference != 0).sum()),
        "p": sign_flip(coins) if n else math.nan,
        **_unpaired(each.values, difference),
        "delta_heldout": float(difference[each.held].mean()) if each.held.any() else math.nan,
        "p_heldout": sign_flip(held) if each.held.any() else math.nan,
        "differ_heldout": int((difference[each.held] != 0).sum()),
    }


def _varying(each: Paired, seed: int, tests: int) -> dict[str, Any]:
    """What it varies with beside prompts; by tasks only of a measure as a whole, one of so many `tests`."""
    difference = _differences(each.values)
    noise = variation.of_draws(
        each.scatter, each.several, len(difference), float(difference.mean()) if len(difference) else 0.0
    )
    told = {"noise_band": noise.band, "outside_noise": noise.outside}
    if not tests or not len(difference):
        return told
    q_sum, p = variation.between_groups(difference, each.group, seed, each.name, tests)
    low, high = variation.over_tasks(difference, each.group, interval(each, _coins(difference), 0.95))
    told |= {"heterogeneity": q_sum, "p_heterogeneity": p, "tasks": len(np.unique(each.group))}
    return told | {"ci_low_tasks": low, "ci_high_tasks": high}


def change_interval(values: Floats, kind: Kind, draws: int) -> tuple[float, float]:
    """95 % interval of the mean difference of two columns of prompts' values, as a comparison of two has it."""
    return _ends(values, kind, draws, _coins(_differences(values)), 0.95)


def _differences(values: Floats) -> Floats:
    """B minus A of each prompt, without the last digits that means of equal draws may differ by."""
    difference: Floats = values[:, 1] - values[:, 0]
    least = max(NOISE * np.abs(values).max(initial=0), SMALLEST)
    return np.where(np.abs(difference) <= least, 0.0, difference)


def _coins(difference: Floats) -> Coins:
    """Sizes hang on how large differences are and never on their signs, so that every p is exact for them."""
    moved = difference[difference != 0]
    if not len(moved):
        nothing = np.zeros((1, 1), np.int64)
        return Coins(np.ones(1, np.int64), nothing, nothing, 1.0)
    unit = _unit(np.abs(moved))
    whole = np.rint(np.abs(moved) * unit).astype(np.int64)
    sizes = np.unique(whole[whole > 0])
    more_a, more_b = ((whole[moved * way > 0][:, None] == sizes).sum(axis=0)[None] for way in (-1, 1))
    return Coins(sizes, more_a, more_b, unit)


def _unit(size: Floats) -> float:
    """Coins of a difference of 1: the fewest that make all sizes whole, or else many to an ordinary difference."""
    norm = float(np.sqrt(np.square(size).sum()))
    for unit in range(1, GRID + 1):
        if unit * norm > WIDEST:
            break
        whole = np.rint(unit * size)
        if whole.all() and np.abs(unit * size - whole).max() < 1e-6:
            return float(unit)
    return float(min(FINE * len(size) ** 0.5, WIDEST)) / norm


def sign_flip(coins: Coins) -> float:
    """Exact two-sided p of the mean difference; of differences of one size it is McNemar's."""
    return float(stats.presence(coins.sizes, coins.more_a, coins.more_b)[0])


def interval(each: Paired, coins: Coins, level: float) -> tuple[float, float]:
    """Bonett and Price's of yes or no at one draw, the bootstrap over prompts at several, else Student's.

    NaN where nothing is known: without prompts, and of a number that is the same everywhere.
    """
    return _ends(each.values, each.kind, each.draws, coins, level)


def _ends(values: Floats, kind: Kind, draws: int, coins: Coins, level: float) -> tuple[float, float]:
    n = len(values)
    if kind == "yes/no" and n:
        if draws == 1:
            ends = stats.bonett_price(coins.more_a[:, 0], coins.more_b[:, 0], n, level)
        else:
            ends = _resampled(coins, n, draws, level)
        return float(ends[0][0]), float(ends[1][0])
    if n < 2:
        return math.nan, math.nan
    difference = values[:, 1] - values[:, 0]
    # One prompt more each way that differs by a standard deviation of the numbers, as for shares: else what
    # happened never to differ would have an interval of no width.
    squares = np.square(difference - difference.mean()).sum() + 2 * values.var()
    half = float(stdtrit(n - 1, (1 + level) / 2) * np.sqrt(squares / (n - 1) / n))
    centre = float(difference.mean())
    return (centre - half, centre + half) if half > NOISE * np.abs(values).max() else (math.nan, math.nan)


def _resampled(coins: Coins, n: int, draws: int, level: float) -> tuple[Floats, Floats]:
    """The bootstrap's, with every difference that so many draws can make: it adds one such each way."""
    unit, mine = round(coins.unit), coins.sizes * draws
    sizes = np.union1d(mine, unit * np.arange(1, draws + 1))
    wide = np.zeros((2, len(sizes)), np.int64)
    wide[:, np.searchsorted(sizes, mine)] = coins.more_a[0], coins.more_b[0]
    return stats.bootstrap(sizes, wide[:1], wide[1:], n, unit * draws, draws, level)


def _unpaired(values: Floats, difference: Floats) -> dict[str, float]:
    """What a harness tells from both sides' standard errors, and how much narrower pairing by prompt made it."""
    n = len(values)
    if n < 2:
        return dict.fromkeys(("se", "se_unpaired", "z_unpaired", "p_unpaired", "gain"), math.nan)
    paired = float(difference.std(ddof=1) / n**0.5)
    apart = float(np.sqrt(values.var(axis=0, ddof=1).sum() / n))
    z = float(difference.mean()) / apart if apart else math.nan
    return {
        "se": paired,
        "se_unpaired": apart,
        "z_unpaired": z,
        "p_unpaired": 2 * float(ndtr(-abs(z))),
        "gain": apart / paired if paired else math.nan,
    }


def both(table: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    """The tables of all prompts and by category in one; the category of a row of all prompts is empty."""
    return pd.concat([table, parts], ignore_index=True) if len(parts) else table
