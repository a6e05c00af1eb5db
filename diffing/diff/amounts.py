"""A quantity of every answer, by prompts: how many differ in it by how much, and the exact tests of that.

Differences are kept as levels, larger ones for larger differences, and levels become whole coins: of the level's
rank (`Amounts`, a signed-rank test), or of the difference itself (`Chances`). Promises that the size of a coin
hangs on the sizes of the differences and never on their signs, so that exchanging the sides of a prompt turns its
coin and changes no other: every p is exact for the coins as they are.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from diffing.common import nulls
from diffing.common.arrays import Array, Floats, Ints

SPREAD = 128
"""Least standard deviation, in whole coins, of the rounded sums that are tested.

With 1,000 prompts it is four coins to a prompt, where rounding adds half a per cent to the variance.
"""
FINE = 3
"""Binary digits behind the point of a level: 8 to a factor of two, so what ties differs by an eighth at most."""
LEVELS = 128
"""Levels of a feature, 16 factors of two down from the norm of its differences, which none of them exceeds.

With 1,000 prompts an ordinary difference is five factors down, and only what is 2,000 times smaller ties at the
lowest level.
"""
STEPS = 64
"""Levels of a difference of chances, which is 1 at most: what is under half a step counts as none."""
CHUNK = 2_000_000
"""Cells that are worked on at a time, so that memory stays bounded: 16 MB of eight bytes each. Chosen by eye."""


class Coins(NamedTuple):
    """Whole coins of every feature, as `nulls.coin_tail` takes them."""

    counts: Ints
    """Features x sizes 1, 2, …: how many differences have each size."""
    observed: Ints
    """Their signed sum."""
    lean: Floats
    """The signed sum before rounding as a share of the sum of sizes: -1 if A has more on every prompt."""

    def p(self, least: int) -> Floats:
        """Exact two-sided p; NaN where fewer than `least` prompts have a coin."""
        p = np.full(len(self.counts), np.nan)
        tested = np.flatnonzero(self.counts.sum(axis=1) >= least)
        sizes = np.arange(1, self.counts.shape[1] + 1)
        p[tested] = nulls.coin_tail(sizes, self.counts[tested], self.observed[tested])
        return p


@dataclass
class Amounts:
    """A quantity of each answer, averaged over draws: its sum, and the prompts that differ in it."""

    prompts: int
    sums: dict[str, Floats]
    """By side, `a` and `b`: the sum over prompts."""
    squares: Floats
    """Of the prompts' differences, summed."""
    _moved: list[tuple[Array, Array]] = field(default_factory=list)

    @classmethod
    def empty(cls, prompts: int, features: int) -> "Amounts":
        return cls(prompts, {side: np.zeros(features) for side in "ab"}, np.zeros(features))

    def add(self, feature: Array, difference: Array) -> None:
        """One prompt's differences of some features, B minus A, float32; the others differ by nothing."""
        np.add.at(self.squares, feature, (difference**2).astype(np.float64))
        self._moved.append((feature, _levels(difference)))

    def coins(self) -> Coins:
        """Coins of the signed ranks: differences of one level share the mean of their ranks."""
        return coins(self._counts(), self.prompts, ranked=True)

    def _counts(self) -> Array:
        """Features x signs (A more, B more) x levels: how many prompts differ so."""
        n = len(self.squares)
        lowest = _levels(np.sqrt(self.squares).astype(np.float32)).astype(np.int64) - (LEVELS - 1)
        kind = counting(self.prompts)
        counts = np.zeros(n * 2 * LEVELS, kind)
        for short, signed in self._moved:
            feature = short.astype(np.intp)
            level = np.clip(np.abs(signed.astype(np.int64)) - lowest[feature], 0, LEVELS - 1)
            cell = (2 * feature + (signed > 0)) * LEVELS + level
            np.add.at(counts, cell[signed != 0], kind(1))
        return counts.reshape(n, 2, LEVELS)


@dataclass
class Chances:
    """A difference between -1 and 1 of each prompt: its sum, and the prompts by its rounded size."""

    prompts: int
    sum: Floats
    _counts: Array

    @classmethod
    def empty(cls, prompts: int, features: int) -> "Chances":
        return cls(prompts, np.zeros(features), np.zeros(features * 2 * (STEPS + 1), counting(prompts)))

    def add(self, feature: Array, difference: Array) -> None:
        """One prompt's differences of some features, B minus A; the others differ by nothing."""
        place = feature.astype(np.intp)
        np.add.at(self.sum, place, difference.astype(np.float64))
        level = np.rint(STEPS * difference).astype(np.intp)
        level, place = level[level != 0], place[level != 0]
        cell = (2 * place + (level > 0)) * (STEPS + 1) + np.abs(level)
        np.add.at(self._counts, cell, self._counts.dtype.type(1))

    def coins(self) -> Coins:
        """Coins of the differences themselves."""
        return coins(self._counts.reshape(-1, 2, STEPS + 1), self.prompts, ranked=False)


def coins(counts: Array, prompts: int, ranked: bool) -> Coins:
    """Whole coins from how many prompts have each level: features x signs (A more, B more) x levels.

    A level is worth twice the mean rank of its differences, or else its own number. That is taken as it is where
    sums stay small, and scaled down elsewhere: of few prompts the test is that of the ranks themselves.
    """
    n, top = len(counts), _top(prompts)
    width = _width(top) if ranked else STEPS
    whole, observed, lean = np.zeros((n, width), counting(prompts)), np.zeros(n, np.int64), np.zeros(n)
    step = max(1, CHUNK // counts.shape[2])
    for start in range(0, n, step):
        part = slice(start, start + step)
        whole[part], observed[part], lean[part] = _coins(counts[part], top, width, ranked)
    return Coins(whole, observed, lean)


def _coins(counts: Array, top: int, width: int, ranked: bool) -> tuple[Array, Floats, Floats]:
    """`coins` of some features; all sums are of whole numbers below 2^53, and so exact in any order."""
    n, _, levels = counts.shape
    behind, ahead = counts[:, 0].ravel(), counts[:, 1].ravel()
    # Most levels of most features are empty.
    cell = np.flatnonzero(behind | ahead)
    feature = cell // levels
    size, lead = (behind[cell] + ahead[cell]).astype(np.float64), (ahead[cell] - behind[cell]).astype(np.float64)
    value = (cell % levels).astype(np.float64)
    if ranked:
        below = np.cumsum(size)
        total = np.bincount(feature, size, n)
        # Twice the mean of the ranks, which begin anew with each feature.
        value = 2 * (below - (np.cumsum(total) - total)[feature]) - size + 1

    def summed(weight: Array) -> Floats:
        return np.bincount(feature, weight, n)

    norm = np.sqrt(summed(size * value**2))
    scale = np.minimum(1.0, np.divide(top, norm, out=np.ones(n), where=norm > 0))
    coin = np.rint(value * scale[feature])
    whole = np.bincount(feature * (width + 1) + coin.astype(np.int64), size, n * (width + 1))
    largest = summed(size * value)
    lean = np.divide(summed(lead * value), largest, out=np.zeros(n), where=largest > 0)
    return whole.reshape(n, width + 1)[:, 1:], summed(lead * coin), lean


def counting(prompts: int) -> type[np.int16] | type[np.int32]:
    """The shortest numbers that can count prompts."""
    return np.int16 if prompts < 2**15 else np.int32


def _levels(difference: Array) -> Array:
    """Signed levels, which rise with the size of a float32: 0 for 0, and 8 to a factor of two.

    A float's bits without its sign are in the order of its size, with the exponent first; so this is exact and the
    same on every machine, which no logarithm is.
    """
    size = np.abs(difference).astype(np.float32).view(np.int32) >> (23 - FINE)
    return np.where(difference < 0, -size, size).astype(np.int16)


def _top(prompts: int) -> int:
    # At least two coins to a prompt of ordinary size, where rounding costs about 1 % of the power.
    return max(SPREAD, int(2 * prompts**0.5))


def _width(top: int) -> int:
    """The largest coin that a rank can become.

    Of m doubled ranks with a norm of at least m√m none is above 2m: a coin is at most 2m and 2 top / √m, which are
    equal at m = top^⅔.
    """
    return int(2 * top ** (2 / 3)) + 1
