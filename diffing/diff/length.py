"""Length taken out of a difference: chances that equally many tokens show a feature, and a fit on lengths.

Longer answers show more of everything. `Rarefied` asks what as many random tokens of the longer answer would show
as the shorter one has, and `Fit` where the line through prompts' differences meets equal lengths. Promises that
both are of the whole answer: neither beginnings nor endings are cut off.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, stdtrit

from diffing.common.arrays import Array, Floats
from diffing.diff.pairing import Pairing

FULL = float(np.log(2.0))
"""Answers that differ in length by a factor of at most two have full weight in the fit.

Beyond, weight falls so that no prompt pulls harder than one at that factor: the line is wanted at equal lengths,
and shares cannot go on along it for ever. Where only body lines were deleted from answers 59 of 3,096 features
that differed kept an interval on one side of 0; 78 did without this, and chance alone would leave 77.
"""
COLUMNS = 2048
"""Features that the fit takes at a time: a block of prompts by so many stays in a processor's cache, which took a
quarter of the time of all features at once.
"""
ALIKE = 1e-9
"""Logarithms of lengths' ratios that count as one: far below those of any two answers of unlike lengths."""


class Rarefied:
    """The chance that some random tokens of an answer show a feature, as ecologists compare unequal samples."""

    def __init__(self, longest: int) -> None:
        """`longest`: tokens of the longest answer."""
        self._log_factorial = gammaln(np.arange(longest + 1) + 1.0)

    def chance(self, counts: Array, tokens: int, cut: int) -> Array:
        """That `cut` of an answer's tokens, drawn without replacement, hold one of a feature's `counts` tokens.

        1 - C(T - k, L) / C(T, L). Where more is counted than there are tokens, all of them are taken to show it.
        """
        if cut == tokens or len(counts) == 0:
            return np.ones(len(counts), np.float32)
        most = int(counts.max())
        if most > tokens:
            counts, most = np.minimum(counts, tokens), tokens
        k = np.arange(most + 1)
        # Tokens that neither show it nor are drawn; were they fewer than none, it could not be missed.
        left = tokens - k - cut
        log = self._log_factorial
        missed = log[tokens - k] + log[tokens - cut] - log[np.maximum(left, 0)] - log[tokens]
        chance = np.where(left < 0, 1.0, -np.expm1(missed)).astype(np.float32)
        return np.asarray(chance.take(counts))

    def chances(self, counts: Array, tokens: Array, cut: Array) -> Array:
        """The same of many answers at once: a count, an answer's length and a number of tokens drawn for each."""
        found = np.ones(len(counts), np.float32)
        asked = np.flatnonzero(cut != tokens)
        tokens, cut = tokens[asked], cut[asked]
        k = np.minimum(counts[asked].astype(np.int64), tokens)
        left = tokens - k - cut
        log = self._log_factorial
        missed = log[tokens - k] + log[tokens - cut] - log[np.maximum(left, 0)] - log[tokens]
        found[asked] = np.where(left < 0, 1.0, -np.expm1(missed))
        return found


class Adjusted(NamedTuple):
    """Differences at equal length, with 95 % intervals."""

    delta: Floats
    low: Floats
    high: Floats


@dataclass
class Fit:
    """The line through prompts' differences over log(L_B / L_A), for all features at once.

    Least squares with weights that hang on lengths alone, so that all that is needed of a feature are sums over
    prompts. Differences lie between -1 and 1, so only prompts of unusual lengths could pull at the line, and it is
    these that weigh less (Mallows 1975).
    """

    prompts: int
    design: Floats
    """Prompts x (1, x)."""
    _terms: Floats
    """What each prompt's difference adds to the intercept, the slope, and three sums of the residuals."""
    _sums: Floats
    _squares: Floats

    @classmethod
    def of(cls, pairing: Pairing, features: int) -> "Fit":
        ratio = np.log(pairing.tokens_b / np.maximum(pairing.tokens_a, 1))
        x = np.bincount(pairing.row, ratio / pairing.draws[pairing.row], minlength=len(pairing.prompts))
        return cls.over(x.astype(np.float64, copy=False), features)

    @classmethod
    def over(cls, x: Floats, features: int) -> "Fit":
        """Over each prompt's log(L_B / L_A), the mean over its draws."""
        n = len(x)
        design = np.column_stack([np.ones(n), x])
        weight = FULL / np.maximum(np.abs(x), FULL)
        # The generalised inverse: where all lengths are equal there is no slope, and the intercept is the mean.
        # (Where B is always longer by one and the same factor `result` says nothing.)
        solve = np.linalg.pinv(design.T * weight @ design) @ (design.T * weight)
        # Each prompt pulls the line towards itself, by so much (HC3 of MacKinnon and White 1985).
        pull = np.minimum(np.sum(design.T * solve, axis=0), 0.99)
        spread = (solve[0] / (1 - pull)) ** 2
        terms = np.stack([solve[0], solve[1], spread, spread * x])
        return cls(n, design, terms, np.zeros((len(terms), features)), np.zeros(features))

    def add(self, rows: slice, ahead: Array, unit: int) -> None:
        """By how much B leads in a block of prompts, prompts down, in whole units of which `unit` are 1."""
        terms = self._terms[:, rows].astype(np.float32)
        for start in range(0, ahead.shape[1], COLUMNS):
            part = slice(start, start + COLUMNS)
            shares = ahead[:, part].astype(np.float32)
            if unit > 1:
                shares /= unit
            self._sums[:, part] += terms @ shares
            self._squares[part] += terms[2] @ np.square(shares, out=shares)

    def result(self) -> Adjusted:
        """The difference where lengths are equal; NaN where that cannot be known from these prompts."""
        x = self.design[:, 1]
        if self.prompts < 3 or (np.ptp(x) < ALIKE <= np.abs(x).max()):
            nothing = np.full(self._sums.shape[1], np.nan)
            return Adjusted(nothing, nothing, nothing)
        at, slope, sums, tilted = self._sums
        spread = self._terms[2]
        residual = self._squares - 2 * (at * sums + slope * tilted)
        residual += at**2 * spread.sum() + 2 * at * slope * (spread @ x) + slope**2 * (spread @ x**2)
        # One prompt more each way, as in the plain interval: without them what never differed had no width.
        deviation = np.sqrt(np.maximum(residual, 0) + 2 / self.prompts**2)
        half = stdtrit(self.prompts - 2, 0.975) * deviation
        return Adjusted(at, np.maximum(at - half, -1.0), np.minimum(at + half, 1.0))
