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

SPREAD = 64
"""Least standard deviation, in whole coins, of the rounded sums that are tested.

From about 1,000 prompts on it is two coins to a prompt, where rounding adds 2 % to the variance at most and so
costs about 1 % of the power (`docs/method.md`).
"""
FINE = 2
"""Binary digits behind the point of a level: 4 to a factor of two, so that what ties differs by a quarter at most.

With 8 or 16 of them no power was gained in simulated differences of any shape (`docs/method.md`).
"""
MANTISSA = 23
"""Binary digits behind the point of a float32, which stand below its exponent."""
SIZE = np.int16(2 ** (8 + FINE) - 1)
"""The bits of a level that are not its sign: eight of the exponent come before them."""
NUDGE = np.float32(1 + 2.0**-16)
"""What differences are multiplied by, so that no whole number or quarter stands at a level's edge.

Thirds of draws that add up to one then tie with one, which rounding would else now and then put a level apart.
"""
LEVELS = 64
"""Levels of a feature, 16 factors of two down from the norm of its differences, which none of them exceeds.

With 1,000 prompts an ordinary difference is five factors down, and only what is 2,000 times smaller ties at the
lowest level.
"""
STEPS = 16
"""Levels of a difference of chances, which is 1 at most: what is under 3 in a hundred counts as none."""
WAITING = 2_000_000
"""Differences that wait to be counted: eight megabytes, so that memory does not grow with prompts."""
CHUNK = 2_000_000
"""Cells that are worked on at a time, so that memory stays bounded: 16 MB of eight bytes each. Chosen by eye."""


class Coins(NamedTuple):
    """Whole coins of every feature, as `nulls.coin_tail` takes them."""

    counts: Array
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
    """Features and levels that are not counted yet."""
    _waiting: int = 0
    _lowest: Array | None = None
    """By feature, the level that stands first among those that are counted."""
    _counted: Array | None = None
    """Features x signs x levels, the last of them for what rounding puts above the norm."""

    @classmethod
    def empty(cls, prompts: int, features: int) -> "Amounts":
        return cls(prompts, {side: np.zeros(features) for side in "ab"}, np.zeros(features))

    def add(self, feature: Array, short: Array, difference: Array) -> None:
        """Some prompts' differences of some features, B minus A, float32; the others differ by nothing.

        `short` are the features again, in the shortest numbers that will do: they are kept for a while.
        """
        np.add.at(self.squares, feature, (difference**2).astype(np.float64))
        self._moved.append((short, _levels(difference)))
        self._waiting += len(short)
        if self._waiting > WAITING:
            self._count()

    def coins(self) -> Coins:
        """Coins of the signed ranks: differences of one level share the mean of their ranks."""
        return coins(self._counts(), self.prompts, ranked=True)

    def _counts(self) -> Array:
        """Features x signs (A more, B more) x levels: how many prompts differ so."""
        self._count()
        assert self._counted is not None
        counts = self._counted[:, :, :LEVELS].copy()
        counts[:, :, -1] += self._counted[:, :, LEVELS]
        return counts

    def _count(self) -> None:
        """Count what waits, by levels down from the norm of what has come so far.

        The norm only grows, and levels below the lowest are counted as that: what was counted so stays there, so
        that it makes no difference how much was counted at a time.
        """
        n = len(self.squares)
        kind = counting(self.prompts)
        lowest = _levels(np.sqrt(self.squares).astype(np.float32)) - np.int16(LEVELS - 1)
        if self._counted is None or self._lowest is None:
            self._counted = np.zeros((n, 2, LEVELS + 1), kind)
        else:
            _lift(self._counted, np.minimum(lowest - self._lowest, LEVELS))
        self._lowest = lowest
        flat = self._counted.reshape(-1)
        for short, signed in self._moved:
            size = signed & SIZE
            feature = short.astype(np.intp)
            level = np.clip(size - lowest[feature], 0, LEVELS)
            cell = feature * (2 * (LEVELS + 1))
            cell += level + (signed >= 0) * np.int16(LEVELS + 1)
            np.add.at(flat, cell if size.all() else cell[size > 0], kind(1))
        self._moved, self._waiting = [], 0


def _lift(counts: Array, by: Array) -> None:
    """Move each feature's levels down by so many; those under the lowest are counted as that."""
    for step in np.unique(by[by > 0]).tolist():
        rows = np.flatnonzero(by == step)
        old = counts[rows]
        new = np.zeros_like(old)
        new[:, :, 0] = old[:, :, : step + 1].sum(axis=2)
        new[:, :, 1 : old.shape[2] - step] = old[:, :, step + 1 :]
        counts[rows] = new


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
        np.add.at(self.sum, feature, difference.astype(np.float64))
        level = np.rint(STEPS * difference).astype(np.int8)
        moved = np.flatnonzero(level != 0)
        level = level.take(moved)
        cell = feature.take(moved) * (2 * (STEPS + 1))
        cell += np.abs(level) + (level > 0) * np.int8(STEPS + 1)
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


def _coins(counts: Array, top: int, width: int, ranked: bool) -> tuple[Array, Array, Floats]:
    """`coins` of some features; all sums are of whole numbers below 2^53, and so exact in any order."""
    n, _, levels = counts.shape
    behind, ahead = counts[:, 0].ravel(), counts[:, 1].ravel()
    # Most levels of most features are empty.
    cell = np.flatnonzero((behind | ahead) != 0)
    feature = cell // levels
    size, lead = (behind[cell] + ahead[cell]).astype(np.float64), (ahead[cell] - behind[cell]).astype(np.float64)
    value = (cell % levels).astype(np.float64)
    if ranked:
        below = np.cumsum(size)
        total = np.bincount(feature, size, n)
        # Twice the mean of the ranks, which begin anew with each feature.
        value = 2 * (below - (np.cumsum(total) - total)[feature]) - size + 1

    def summed(weight: Array) -> Floats:
        return np.bincount(feature, weight, n).astype(np.float64, copy=False)

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
    """The sign bit of a float32 and, under `SIZE`, levels that rise with its size: 0 for 0, 4 to a factor of two.

    A float's bits without its sign are in the order of its size, with the exponent first; so this is exact and the
    same on every machine, which no logarithm is.
    """
    return ((difference * NUDGE).view(np.int32) >> (MANTISSA - FINE)).astype(np.int16)


def _top(prompts: int) -> int:
    # At least two coins to a prompt of ordinary size.
    return max(SPREAD, int(2 * prompts**0.5))


def _width(top: int) -> int:
    """The largest coin that a rank can become.

    Of m doubled ranks with a norm of at least m√m none is above 2m: a coin is at most 2m and 2 top / √m, which are
    equal at m = top^⅔.
    """
    return int(2 * top ** (2 / 3)) + 1
