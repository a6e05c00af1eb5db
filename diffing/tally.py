"""Counting, prompt by prompt: by how much each side shows each feature, in several views at once.

Goes through the pairs in blocks of prompts and keeps only what the tests need: for each feature the number of
prompts on which a side leads by so much, in cells of split and category, and for rates and intensities the
per-prompt differences that are not 0. Promises that its memory does not grow with prompts times features. Tests
nothing itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffing import nulls
from diffing.pairing import Pairing
from diffing.presence import Shown

CELLS = 4_000_000
"""Cells of one block: prompts times features."""
SPREAD = 64
"""Least standard deviation, in whole coins, of the rounded sums that rates and intensities are tested by."""

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
View = Callable[[Shown, Array, Array, Array], Array]
"""Entries, each one's answer length and cut length -> whether the cut answer shows it."""


def plain(_shown: Shown, entries: Array, _tokens: Array, _cut: Array) -> Array:
    return np.ones(len(entries), dtype=bool)


def beginning(shown: Shown, entries: Array, _tokens: Array, cut: Array) -> Array:
    return np.asarray(shown.first[entries] < cut)


def ending(shown: Shown, entries: Array, tokens: Array, cut: Array) -> Array:
    return np.asarray(shown.last[entries] >= tokens - cut)


@dataclass(frozen=True)
class Leads:
    """How many prompts have each side ahead by each size: arrays of cells x features x sizes."""

    sizes: Ints
    unit: int
    more_a: Array
    more_b: Array

    def of(self, cells: Array | slice = slice(None)) -> tuple[Ints, Ints]:
        """Features x sizes, summed over some cells."""
        return self.more_a[cells].sum(axis=0, dtype=np.int64), self.more_b[cells].sum(axis=0, dtype=np.int64)


@dataclass
class Amounts:
    """A quantity of each answer, averaged over draws: its mean on each side, and the prompts that differ."""

    prompts: int
    mean_a: Floats
    mean_b: Floats
    _feature: list[Array] = field(default_factory=list)
    _difference: list[Array] = field(default_factory=list)

    def add(self, feature: Array, difference: Array) -> None:
        self._feature.append(feature)
        self._difference.append(difference)

    def coins(self) -> tuple[Ints, Ints]:
        """Features x sizes 1, 2, ...: how many rounded differences have each size; and their signed sum.

        A prompt of ordinary size is at least two coins, so that rounding costs about 1 % of the power.
        """
        n, top = len(self.mean_a), max(SPREAD, int(2 * self.prompts**0.5))
        feature = np.concatenate([np.empty(0, np.uint32), *self._feature])
        difference = np.concatenate([np.empty(0, np.float32), *self._difference])
        norm = np.sqrt(np.bincount(feature, weights=difference**2, minlength=n))
        scale = np.divide(top, norm, out=np.zeros(n), where=norm > 0).astype(np.float32)
        level = np.rint(difference * scale[feature])
        observed = np.rint(np.bincount(feature, weights=level, minlength=n)).astype(np.int64)
        place = feature.astype(np.int32) * (top + 1) + np.minimum(np.abs(level), top).astype(np.int32)
        counts = np.bincount(place, minlength=n * (top + 1)).reshape(n, top + 1)
        return counts[:, 1:], observed

    def test(self, least: int) -> tuple[Floats, Ints]:
        """Exact two-sided sign-flip p of the rounded sum, NaN under `least` prompts that differ; their number."""
        counts, observed = self.coins()
        differing = counts.sum(axis=1)
        p = np.full(len(counts), np.nan)
        tested = np.flatnonzero(differing >= least)
        p[tested] = nulls.coin_tail(np.arange(1, counts.shape[1] + 1), counts[tested], observed[tested])
        return p, differing


@dataclass
class Tally:
    """Everything counted in one pass."""

    prompts: int
    frequency_a: Floats
    frequency_b: Floats
    peak_a: Floats
    peak_b: Floats
    rate: Amounts
    amount: Amounts
    views: dict[str, Leads]


def count(
    shown: Shown, pairing: Pairing, views: dict[str, View], amounts: bool = True, per_token: bool = True
) -> Tally:
    """One pass over all pairs; `per_token` makes the amount a mean over tokens rather than a sum."""
    n, cells = shown.n_features, int(pairing.cell.max(initial=-1)) + 1
    prompts = len(pairing.prompts)
    kind = np.int16 if prompts < 2**15 else np.int32
    shape = (cells, n, len(pairing.sizes))
    tally = Tally(
        prompts,
        frequency_a=np.zeros(n),
        frequency_b=np.zeros(n),
        peak_a=np.zeros(n),
        peak_b=np.zeros(n),
        rate=Amounts(prompts, np.zeros(n), np.zeros(n)),
        amount=Amounts(prompts, np.zeros(n), np.zeros(n)),
        views={
            name: Leads(pairing.sizes, pairing.unit, np.zeros(shape, kind), np.zeros(shape, kind))
            for name in views
        },
    )
    for cell, rows in _blocks(pairing, n):
        _count_block(tally, shown, pairing, views, cell, rows, amounts, per_token)
    for mean in ("frequency_a", "frequency_b"):
        setattr(tally, mean, getattr(tally, mean) / max(prompts, 1))
    for amount in (tally.rate, tally.amount):
        amount.mean_a /= max(prompts, 1)
        amount.mean_b /= max(prompts, 1)
    return tally


def _blocks(pairing: Pairing, n: int) -> Iterator[tuple[int, slice]]:
    """Runs of prompts inside one cell, few enough for one byte to count them."""
    step = int(np.clip(CELLS // max(n, 1), 1, 255))
    edges = np.flatnonzero(np.diff(pairing.cell, prepend=-1, append=-1))
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        for first in range(start, end, step):
            yield int(pairing.cell[start]), slice(first, min(first + step, end))


def _count_block(
    tally: Tally,
    shown: Shown,
    pairing: Pairing,
    views: dict[str, View],
    cell: int,
    rows: slice,
    amounts: bool,
    per_token: bool,
) -> None:
    n, height = shown.n_features, rows.stop - rows.start
    ahead = {name: np.zeros(height * n, np.int8 if pairing.unit < 128 else np.int16) for name in views}
    rate, amount = (np.zeros(height * n if amounts else 0, np.float32) for _ in range(2))
    pairs = np.arange(*np.searchsorted(pairing.row, [rows.start, rows.stop]))
    for slot in range(int(pairing.draws[rows].max(initial=0))):
        drawn = pairs[pairing.slot[pairs] == slot]
        row, draws = pairing.row[drawn], pairing.draws[pairing.row[drawn]]
        shorter = np.minimum(pairing.tokens_a[drawn], pairing.tokens_b[drawn])
        for side, sign in (("a", -1), ("b", 1)):
            documents, tokens = getattr(pairing, side)[drawn], getattr(pairing, f"tokens_{side}")[drawn]
            lengths = np.diff(shown.indptr)[documents]
            entries = shown.positions(documents)
            feature = shown.feature[entries]
            place = np.repeat((row - rows.start) * n, lengths) + feature
            for name, view in views.items():
                seen = view(shown, entries, np.repeat(tokens, lengths), np.repeat(shorter, lengths))
                ahead[name][place if seen.all() else place[seen]] += sign
            share = np.repeat(1 / draws, lengths)
            getattr(tally, f"frequency_{side}")[:] += np.bincount(feature, weights=share, minlength=n)
            if amounts:
                per_1000 = shown.count[entries] * np.repeat(1000 / (draws * tokens), lengths)
                sums = shown.total[entries] * np.repeat(1 / (draws * (tokens if per_token else 1)), lengths)
                for one, values, grid in ((tally.rate, per_1000, rate), (tally.amount, sums, amount)):
                    getattr(one, f"mean_{side}")[:] += np.bincount(feature, weights=values, minlength=n)
                    grid[place] += (sign * values).astype(np.float32)
                _keep_peaks(getattr(tally, f"peak_{side}"), shown, documents)
    for name, grid in ahead.items():
        _keep_leads(tally.views[name], pairing.units(grid.reshape(height, n), rows), cell)
    for one, grid in ((tally.rate, rate), (tally.amount, amount)):
        # Equal draws in another order leave a rounding error, which is no difference.
        found = np.flatnonzero(np.abs(grid) > 1e-6 * np.abs(grid).max(initial=0))
        one.add((found % n).astype(np.uint32), grid[found])


def _keep_peaks(peaks: Floats, shown: Shown, documents: Array) -> None:
    for document in documents.tolist():
        entries = slice(shown.indptr[document], shown.indptr[document + 1])
        feature = shown.feature[entries]
        peaks[feature] = np.maximum(peaks[feature], shown.peak[entries])


def _keep_leads(leads: Leads, ahead: Array, cell: int) -> None:
    for place, size in enumerate(leads.sizes.tolist()):
        # Sums of bytes run at memory speed, and a block has fewer than 256 prompts.
        leads.more_b[cell, :, place] += (ahead == size).view(np.uint8).sum(axis=0, dtype=np.uint8)
        leads.more_a[cell, :, place] += (ahead == -size).view(np.uint8).sum(axis=0, dtype=np.uint8)
