"""Counting, prompt by prompt: by how much each side shows each feature, in several views at once.

Goes through the pairs prompt by prompt and keeps only what the tests need: for each feature the number of prompts
on which a side leads by so much, in cells of split and group; for rates and strengths the prompts' differences
that are not 0; for rarefied chances their rounded sizes; for the fit on lengths its sums. Promises that its memory
does not grow with prompts times features, only with what they show. Tests nothing itself.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from diffing.common.arrays import Array, Bools, Floats, Ints
from diffing.diff.amounts import Amounts, Chances, counting
from diffing.diff.length import Fit, Rarefied
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Block, Shown

CELLS = 4_000_000
"""Cells of one block, prompts times features: 4 MB a view, so that all three stay in a processor's cache."""
FEW = 2**18
"""The same of what amounts are summed in: three megabytes of prompts × features, near enough to a processor to be
added to at random places."""
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
    moves = Moves.none(pairing) if amounts else None
    small = signed(pairing)
    few = max(1, FEW // max(n, 1))
    for cell, rows in _blocks(pairing, n):
        ahead = {v: np.zeros((rows.stop - rows.start, n), small) for v in views}
        for start in range(rows.start, rows.stop, few):
            some = slice(start, min(start + few, rows.stop))
            lines = {v: grid[some.start - rows.start : some.stop - rows.start] for v, grid in ahead.items()}
            _count_prompts(tally, shown, pairing, some, lines, moves)
        for view, grid in ahead.items():
            units = pairing.units(grid, rows)
            _keep_leads(tally.views[view], units, cell)
            if amounts and view == "whole":
                tally.fit.add(rows, units, pairing.unit)
    # Thirds of a prompt may add up to a little more than one.
    tally.frequency = {side: np.minimum(f / max(prompts, 1), 1.0) for side, f in tally.frequency.items()}
    return tally


def signed(pairing: Pairing) -> type[np.int8] | type[np.int16]:
    """The shortest numbers that count by how many draws a side leads."""
    # A byte counts up to 127 draws of one prompt, in half the memory of the next larger number.
    return np.int8 if pairing.draws.max(initial=0) < 128 else np.int16


def _blocks(pairing: Pairing, n: int) -> Iterator[tuple[int, slice]]:
    """Runs of prompts inside one cell, few enough for one byte to count them."""
    step = int(np.clip(CELLS // max(n, 1), 1, 255))
    edges = np.flatnonzero(np.diff(pairing.cell, prepend=-1, append=-1))
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        for first in range(start, end, step):
            yield int(pairing.cell[start]), slice(first, min(first + step, end))


@dataclass
class Moves:
    """A few prompts' differences in rate, strength and rarefied chance, each added up over its draws."""

    rarefied: Rarefied

    @classmethod
    def none(cls, pairing: Pairing) -> "Moves":
        longest = max(pairing.tokens_a.max(initial=0), pairing.tokens_b.max(initial=0))
        return cls(Rarefied(int(longest)))

    def keep(
        self, tally: Tally, cells: Array, kinds: Sequence[Array], sides: Array, row: Array, rows: int
    ) -> None:
        """Hand prompts' differences to the tally: three `kinds` of values at `cells` (prompts × features).

        `sides` is the sign of the side that shows each, and `row` its prompt.
        """
        n = len(tally.strength.squares)
        sums = np.zeros((3, rows * n), np.float32)
        largest = np.zeros((3, rows), np.float32)
        for sum_, most, values in zip(sums, largest, kinds, strict=True):
            # In the order of the answers, so that sums are rounded alike whatever is looked at together.
            np.add.at(sum_, cells, values * sides.astype(values.dtype))
            np.maximum.at(most, row, values)
        cell = np.flatnonzero((sums[0] != 0) | (sums[1] != 0) | (sums[2] != 0))
        feature, row = cell % n, cell // n
        short = feature.astype(np.min_scalar_type(n))
        for amount, sum_, most in zip((tally.rate, tally.strength), sums, largest, strict=False):
            moved = sum_.take(cell)
            # Equal draws in another order leave a rounding error, which is no difference: a millionth of the
            # largest is some eight times float32's precision.
            moved[np.abs(moved) <= np.float32(1e-6) * most[row]] = 0
            amount.add(feature, short, moved)
        tally.rarefied.add(feature, sums[2].take(cell))


def _count_prompts(
    tally: Tally, shown: Shown, pairing: Pairing, rows: slice, lines: dict[View, Array], moves: Moves | None
) -> None:
    """Add some prompts' pairs to their lines of each view, and their amounts, by way of `moves`, to the tally."""
    first, end = np.searchsorted(pairing.row, [rows.start, rows.stop]).tolist()
    # A's answer and B's in turn, pair by pair.
    tokens = np.column_stack([pairing.tokens_a[first:end], pairing.tokens_b[first:end]])
    block = shown.block(np.column_stack([pairing.a[first:end], pairing.b[first:end]]).ravel())
    pair, owner = block.owner // 2, block.owner
    row = pairing.row[first:end][pair] - rows.start
    share = 1 / pairing.draws[rows][row]
    long, cut = tokens.ravel()[owner], tokens.min(axis=1)[pair]
    feature = block.feature.astype(np.intp)
    cells = row * shown.n_features + feature
    sides = (2 * (owner % 2) - 1).astype(np.int8)
    for view, line in lines.items():
        seen = _seen(block, view, long, cut)
        # Where all are seen nothing is chosen.
        some = slice(None) if seen is None else np.flatnonzero(seen)
        # `at` is the quicker way to add where types agree.
        np.add.at(line.reshape(-1), cells[some], sides[some].astype(line.dtype))
    of_side = {"a": np.flatnonzero(sides < 0), "b": np.flatnonzero(sides > 0)}
    for side, mine in of_side.items():
        np.add.at(tally.frequency[side], feature[mine], share[mine])
    if moves is None or len(feature) == 0:
        return
    part = share.astype(np.float32)
    # As one number for each answer is rounded, and not as the product of two.
    scale = (1000 * share / long).astype(np.float32)
    rate, strength = block.counts * scale, block.peaks * part
    for side, mine in of_side.items():
        np.maximum.at(tally.peak[side], feature[mine], block.peaks[mine])
        for amount, values in ((tally.rate, rate), (tally.strength, strength)):
            np.add.at(amount.sums[side], feature[mine], values[mine].astype(np.float64))
    chance = moves.rarefied.chances(block.counts, long, cut) * part
    moves.keep(tally, cells, (rate, strength, chance), sides, row, rows.stop - rows.start)


def _seen(block: Block, view: View, tokens: Array, cut: Array) -> Bools | None:
    """Which entries are shown by the whole answer (None), or by a cut of it to its first or its last tokens."""
    if view == "whole":
        return None
    return np.asarray(block.firsts < cut if view == "beginning" else block.lasts >= tokens - cut)


def _keep_leads(leads: Leads, ahead: Array, cell: int) -> None:
    for place, size in enumerate(leads.sizes.tolist()):
        # Sums of bytes run at memory speed, and a block has fewer than 256 prompts.
        leads.more_b[cell, :, place] += (ahead == size).view(np.uint8).sum(axis=0, dtype=np.uint8)
        leads.more_a[cell, :, place] += (ahead == -size).view(np.uint8).sum(axis=0, dtype=np.uint8)
