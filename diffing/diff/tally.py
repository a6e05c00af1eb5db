"""Counting, prompt by prompt: by how much each side shows each feature, in several views at once.

Goes through the pairs prompt by prompt and keeps only what the tests need: for each feature the number of prompts
on which a side leads by so much, in cells of split and group; for rates and strengths the prompts' differences
that are not 0; for rarefied chances their rounded sizes; for the fit on lengths its sums. Promises that its memory
does not grow with prompts times features, only with what they show. Tests nothing itself.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from diffing.common.arrays import Array, Floats, Ints
from diffing.diff.amounts import Amounts, Chances, counting
from diffing.diff.length import Fit, Rarefied
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Document, Shown

CELLS = 4_000_000
"""Cells of one block, prompts times features: 4 MB a view, so that all three stay in a processor's cache."""
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
    rarefied: Chances
    """The chance that as many random tokens as the shorter answer has show it."""
    fit: Fit
    views: dict[View, Leads]


def count(shown: Shown, pairing: Pairing, views: Collection[View], amounts: bool = True) -> Tally:
    """One pass over all pairs."""
    n, cells, prompts = shown.n_features, int(pairing.cell.max(initial=-1)) + 1, len(pairing.prompts)
    shape, kind = (cells, n, len(pairing.sizes)), counting(prompts)
    tally = Tally(
        prompts,
        frequency={side: np.zeros(n) for side in "ab"},
        peak={side: np.zeros(n, np.float32) for side in "ab"},
        rate=Amounts.empty(prompts, n),
        strength=Amounts.empty(prompts, n),
        rarefied=Chances.empty(prompts, n if amounts else 0),
        fit=Fit.of(pairing, n if amounts else 0),
        views={v: Leads(pairing.sizes, pairing.unit, np.zeros(shape, kind), np.zeros(shape, kind)) for v in views},
    )
    moves = Moves.none(n, pairing) if amounts else None
    # A byte counts up to 127 draws of one prompt, in half the memory of the next larger number.
    draws = np.int8 if pairing.draws.max(initial=0) < 128 else np.int16
    for cell, rows in _blocks(pairing, n):
        ahead = {v: np.zeros((rows.stop - rows.start, n), draws) for v in views}
        for row in range(rows.start, rows.stop):
            lines = {v: grid[row - rows.start] for v, grid in ahead.items()}
            _count_prompt(tally, shown, pairing, row, lines, moves)
        for view, grid in ahead.items():
            units = pairing.units(grid, rows)
            _keep_leads(tally.views[view], units, cell)
            if amounts and view == "whole":
                tally.fit.add(rows, units, pairing.unit)
    # Thirds of a prompt may add up to a little more than one.
    tally.frequency = {side: np.minimum(f / max(prompts, 1), 1.0) for side, f in tally.frequency.items()}
    return tally


def _blocks(pairing: Pairing, n: int) -> Iterator[tuple[int, slice]]:
    """Runs of prompts inside one cell, few enough for one byte to count them."""
    step = int(np.clip(CELLS // max(n, 1), 1, 255))
    edges = np.flatnonzero(np.diff(pairing.cell, prepend=-1, append=-1))
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        for first in range(start, end, step):
            yield int(pairing.cell[start]), slice(first, min(first + step, end))


@dataclass
class Moves:
    """One prompt's differences in rate, strength and rarefied chance, added up over its draws."""

    rarefied: Rarefied
    sums: Array
    """Kinds x features, float32, B minus A."""
    largest: Array
    """The largest amount of each kind that was added."""

    @classmethod
    def none(cls, features: int, pairing: Pairing) -> "Moves":
        longest = max(pairing.tokens_a.max(initial=0), pairing.tokens_b.max(initial=0))
        return cls(Rarefied(int(longest)), np.zeros((3, features), np.float32), np.zeros(3, np.float32))

    def add(self, kind: int, side: str, feature: Array, values: Array) -> None:
        (np.add if side == "b" else np.subtract).at(self.sums[kind], feature, values)
        self.largest[kind] = max(self.largest[kind], values.max())

    def keep(self, tally: Tally) -> None:
        """Hand the prompt's differences to the tally, and begin anew."""
        feature = np.flatnonzero((self.sums[0] != 0) | (self.sums[1] != 0) | (self.sums[2] != 0))
        short = feature.astype(np.min_scalar_type(self.sums.shape[1]))
        for amount, sums, largest in zip((tally.rate, tally.strength), self.sums, self.largest, strict=False):
            moved = sums.take(feature)
            # Equal draws in another order leave a rounding error, which is no difference: a millionth of the
            # largest is some eight times float32's precision.
            moved[np.abs(moved) <= np.float32(1e-6) * largest] = 0
            amount.add(feature, short, moved)
        tally.rarefied.add(feature, self.sums[2].take(feature))
        self.sums[:] = 0
        self.largest[:] = 0


def _count_prompt(
    tally: Tally, shown: Shown, pairing: Pairing, row: int, lines: dict[View, Array], moves: Moves | None
) -> None:
    """Add one prompt's pairs to its line of each view, and its amounts, by way of `moves`, to the tally."""
    first, end = np.searchsorted(pairing.row, [row, row + 1]).tolist()
    share = 1 / max(end - first, 1)
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
            peaks, counts = document.peaks, document.counts
            np.maximum.at(tally.peak[side], feature, peaks)
            amounts = counts * np.float32(1000 * share / tokens), peaks * np.float32(share)
            for kind, (amount, values) in enumerate(zip((tally.rate, tally.strength), amounts, strict=True)):
                np.add.at(amount.sums[side], feature, values.astype(np.float64))
                moves.add(kind, side, feature, values)
            moves.add(2, side, feature, moves.rarefied.chance(counts, tokens, cut) * np.float32(share))
    if moves is not None:
        moves.keep(tally)


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
