"""Counting, prompt by prompt: by how much each side shows each feature, in several views at once.

Goes through the pairs prompt by prompt and keeps only what the tests need: for each feature the number of prompts
on which a side leads by so much, in cells of split and group, and for rates and strengths the prompts' differences
that are not 0. Promises that its memory does not grow with prompts times features, only with what they show. Tests
nothing itself.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from diffing.common.arrays import Array, Floats, Ints
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Document, Shown

CELLS = 4_000_000
"""Cells of one block, prompts times features: 4 MB a view, so that all three stay in a processor's cache."""
SPREAD = 64
"""Least standard deviation, in whole coins, of the rounded sums that rates and strengths are tested by.

From about 1,000 prompts on it is two coins to a prompt, where rounding adds 2 % to the variance at most and so
costs about 1 % of the power (`docs/method.md`).
"""

View = Literal["whole", "beginning", "ending"]


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
    """A quantity of each answer, averaged over draws: its sum, and the prompts that differ in it."""

    prompts: int
    sums: dict[str, Floats]
    """By side, `a` and `b`: the sum over prompts."""
    _squares: Floats
    _moved: list[tuple[Array, Array]] = field(default_factory=list)

    @classmethod
    def empty(cls, prompts: int, features: int) -> "Amounts":
        return cls(prompts, {side: np.zeros(features) for side in "ab"}, np.zeros(features))

    def add(self, feature: Array, difference: Array) -> None:
        """One prompt's differences of some features, B minus A; the others differ by nothing."""
        np.add.at(self._squares, feature, (difference**2).astype(np.float64))
        self._moved.append((feature, difference))

    def coins(self) -> tuple[Array, Ints]:
        """Features x sizes 1, 2, ...: how many rounded differences have each size; and their signed sum.

        A prompt of ordinary size is at least two coins, so that rounding costs about 1 % of the power.
        """
        # Two coins to a prompt of ordinary size; no single one is larger than `top`, as none is longer than all.
        n, top = len(self._squares), max(SPREAD, int(2 * self.prompts**0.5))
        norm = np.sqrt(self._squares)
        scale = np.divide(top, norm, out=np.zeros(n), where=norm > 0).astype(np.float32)
        kind = _counting(self.prompts)
        counts, observed = np.zeros(n * (top + 1), kind), np.zeros(n)
        for short, difference in self._moved:
            feature = short.astype(np.intp)
            level = np.rint(difference * scale[feature])
            np.add.at(observed, feature, level.astype(np.float64))
            np.add.at(counts, feature * (top + 1) + np.abs(level).astype(np.intp), kind(1))
        return counts.reshape(n, top + 1)[:, 1:], observed.astype(np.int64)


@dataclass
class Tally:
    """Everything counted in one pass."""

    prompts: int
    frequency: dict[str, Floats]
    """By side, `a` and `b`: share of prompts that show each feature."""
    peak: dict[str, Array]
    """By side: strongest activation anywhere, float32."""
    rate: Amounts
    """Active tokens in a thousand."""
    strength: Amounts
    """The answer's strongest activation, 0 where it does not show the feature."""
    views: dict[View, Leads]


def count(shown: Shown, pairing: Pairing, views: Collection[View], amounts: bool = True) -> Tally:
    """One pass over all pairs."""
    n, cells, prompts = shown.n_features, int(pairing.cell.max(initial=-1)) + 1, len(pairing.prompts)
    shape, kind = (cells, n, len(pairing.sizes)), _counting(prompts)
    tally = Tally(
        prompts,
        frequency={side: np.zeros(n) for side in "ab"},
        peak={side: np.zeros(n, np.float32) for side in "ab"},
        rate=Amounts.empty(prompts, n),
        strength=Amounts.empty(prompts, n),
        views={v: Leads(pairing.sizes, pairing.unit, np.zeros(shape, kind), np.zeros(shape, kind)) for v in views},
    )
    moves = np.zeros((2, n), np.float32) if amounts else None
    # A byte counts up to 127 draws of one prompt, in half the memory of the next larger number.
    draws = np.int8 if pairing.draws.max(initial=0) < 128 else np.int16
    for cell, rows in _blocks(pairing, n):
        ahead = {v: np.zeros((rows.stop - rows.start, n), draws) for v in views}
        for row in range(rows.start, rows.stop):
            lines = {v: grid[row - rows.start] for v, grid in ahead.items()}
            _count_prompt(tally, shown, pairing, row, lines, moves)
        for view, grid in ahead.items():
            _keep_leads(tally.views[view], pairing.units(grid, rows), cell)
    # Thirds of a prompt may add up to a little more than one.
    tally.frequency = {side: np.minimum(f / max(prompts, 1), 1.0) for side, f in tally.frequency.items()}
    return tally


def _counting(prompts: int) -> type[np.int16] | type[np.int32]:
    """The shortest numbers that can count prompts."""
    return np.int16 if prompts < 2**15 else np.int32


def _blocks(pairing: Pairing, n: int) -> Iterator[tuple[int, slice]]:
    """Runs of prompts inside one cell, few enough for one byte to count them."""
    step = int(np.clip(CELLS // max(n, 1), 1, 255))
    edges = np.flatnonzero(np.diff(pairing.cell, prepend=-1, append=-1))
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        for first in range(start, end, step):
            yield int(pairing.cell[start]), slice(first, min(first + step, end))


def _count_prompt(
    tally: Tally,
    shown: Shown,
    pairing: Pairing,
    row: int,
    lines: dict[View, Array],
    moves: Array | None,
) -> None:
    """Add one prompt's pairs to its line of each view, and its amounts, by way of `moves`, to the tally."""
    first, end = np.searchsorted(pairing.row, [row, row + 1]).tolist()
    share = 1 / max(end - first, 1)
    largest = np.zeros((2, 1), np.float32)
    for pair in range(first, end):
        lengths = int(pairing.tokens_a[pair]), int(pairing.tokens_b[pair])
        cut = min(lengths)
        for side, sign, number, tokens in zip("ab", (-1, 1), (pairing.a, pairing.b), lengths, strict=True):
            document = shown.document(int(number[pair]))
            feature = document.feature.astype(np.intp)
            # `at` is the quicker way to add where types agree.
            for view, line in lines.items():
                np.add.at(line, feature, line.dtype.type(sign) * _seen(document, view, tokens, cut))
            np.add.at(tally.frequency[side], feature, share)
            if moves is None or len(feature) == 0:
                continue
            np.maximum.at(tally.peak[side], feature, document.peaks)
            amounts = document.counts * np.float32(1000 * share / tokens), document.peaks * np.float32(share)
            for kind, (amount, values) in enumerate(zip((tally.rate, tally.strength), amounts, strict=True)):
                np.add.at(amount.sums[side], feature, values.astype(np.float64))
                np.add.at(moves[kind], feature, values if side == "b" else -values)
                largest[kind] = max(largest[kind, 0], values.max())
    if moves is not None:
        # Equal draws in another order leave a rounding error, which is no difference: a millionth of the largest
        # is some eight times float32's precision.
        least = np.float32(1e-6) * largest
        feature = np.flatnonzero((np.abs(moves) > least).any(axis=0))
        # Kept for every prompt until the end, so in the shortest numbers that will do.
        short = feature.astype(np.min_scalar_type(shown.n_features))
        for kind, amount in enumerate((tally.rate, tally.strength)):
            moved = moves[kind].take(feature)
            amount.add(short, np.where(np.abs(moved) > least[kind], moved, np.float32(0)))
        moves[:] = 0


def _seen(document: Document, view: View, tokens: int, cut: int) -> Array | bool:
    """Which features are shown by the whole answer, or by a cut of it to its first or its last tokens."""
    # The shorter answer is cut nowhere, and its positions need not be read.
    if view == "whole" or cut == tokens:
        return True
    return document.firsts < cut if view == "beginning" else document.lasts >= tokens - cut


def _keep_leads(leads: Leads, ahead: Array, cell: int) -> None:
    for place, size in enumerate(leads.sizes.tolist()):
        # Sums of bytes run at memory speed, and a block has fewer than 256 prompts.
        leads.more_b[cell, :, place] += (ahead == size).view(np.uint8).sum(axis=0, dtype=np.uint8)
        leads.more_a[cell, :, place] += (ahead == -size).view(np.uint8).sum(axis=0, dtype=np.uint8)
