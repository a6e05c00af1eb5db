"""Where values along ordered checkpoints take a step, or rise or fall all along: tests by permutation.

Works on an array of prompts × checkpoints × items and knows neither studies nor texts. Promises valid p-values
where the order of the checkpoints within each prompt means nothing: what is divided by stays the same under every
order. What rises and falls again is seen only as far as a step or a line shows it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from diffing.common.arrays import Array, Bools, Floats, Ints

PERMUTATIONS = 4_999
"""Orders drawn for each prompt: p reaches 1 / 5,000, so that one item in 250 can be called at 0.05."""
RESAMPLES = 400
"""Times prompts are drawn again for the range of a step, of which ten lie beyond each end."""
LEAST = 6
"""Prompts that must differ along the checkpoints before an item is tested, as `measure` has it for two."""
TIE = 1e-3
"""Statistics that count as equal, in standard errors: sums of 32 bits differ by less, and p by nothing."""
CELLS = 8_000_000
"""Cells of one block of drawn orders, checkpoints times prompts times checkpoints: 32 MB of 32 bits."""


class Steps(NamedTuple):
    """By item; NaN, or a split of 0, where it was not tested."""

    differing: Ints
    """Prompts whose checkpoints are not all alike."""
    z_trend: Floats
    """The line's slope in standard errors of the null."""
    p_trend: Floats
    z_step: Floats
    """The largest of the steps, in standard errors of the null, with its sign."""
    p_step: Floats
    split: Ints
    """Checkpoints before the largest step."""
    split_low: Ints
    """Ends of the range that holds 95 % of the splits found when prompts are drawn again."""
    split_high: Ints
    gradual: Bools
    """Whether the line is at least as sure as the step."""
    before: Floats
    """Mean of the checkpoints before the step, and of those after; of what is gradual, of the first and last."""
    after: Floats
    low: Floats
    """95 % interval of after minus before."""
    high: Floats


def contrasts(checkpoints: int) -> Floats:
    """Weights of the checkpoints, a row for each split and one for the line; each sums to 0, its squares to 1."""
    place = np.arange(checkpoints)
    after = place[None, :] >= np.arange(1, checkpoints)[:, None]
    rows = after / after.sum(axis=1, keepdims=True) - ~after / (~after).sum(axis=1, keepdims=True)
    rows = np.vstack([rows, place - place.mean()])
    return np.asarray(rows / np.sqrt((rows**2).sum(axis=1, keepdims=True)), np.float64)


def statistics(values: Floats) -> Floats:
    """Splits and the line × items: each contrast in standard errors, which no order within prompts changes."""
    z: Floats = np.einsum("kc,icm->km", contrasts(values.shape[1]), _scaled(values)[0])
    return z


def test(values: Floats, seed: int, permutations: int = PERMUTATIONS) -> Steps:
    """Test every item of prompts × checkpoints × items."""
    checkpoints = values.shape[1]
    scaled, differing = _scaled(values)
    every = contrasts(checkpoints)
    z = np.einsum("kc,icm->km", every, scaled)
    tested = differing >= LEAST
    split = np.abs(z[:-1]).argmax(axis=0)
    largest = np.take_along_axis(z[:-1], split[None], axis=0)[0]
    p_step, p_trend = np.full(len(tested), np.nan), np.full(len(tested), np.nan)
    random = np.random.default_rng(seed)
    if tested.any():
        observed = np.abs(np.stack([largest, z[-1]]))[:, tested]
        tails = _tails(scaled[:, :, tested], [every[:-1], every[-1:]], observed, permutations, random)
        p_step[tested], p_trend[tested] = tails
    low, high = _range(scaled, every[:-1], random)
    nothing = np.where(tested, 0.0, np.nan)
    gradual = tested & (np.abs(z[-1]) >= np.abs(largest))
    before, after, change_low, change_high = _change(values, weights(split + 1, gradual, checkpoints))
    return Steps(
        differing,
        z[-1] + nothing,
        p_trend,
        largest + nothing,
        p_step,
        np.where(tested, split + 1, 0),
        np.where(tested, low, 0),
        np.where(tested, high, 0),
        gradual,
        before,
        after,
        change_low,
        change_high,
    )


class Apart(NamedTuple):
    """By item: which checkpoint is furthest from the mean of the others; NaN where it was not tested."""

    differing: Ints
    which: Ints
    z: Floats
    p: Floats
    """Of the largest of all checkpoints' differences."""
    one: Floats
    """Its own mean, and that of the others."""
    others: Floats
    low: Floats
    """95 % interval of one less others."""
    high: Floats


def apart(values: Floats, seed: int, permutations: int = PERMUTATIONS) -> Apart:
    """Test of every item of prompts × checkpoints × items: does one checkpoint stand apart, whatever the order?"""
    checkpoints, items = values.shape[1:]
    scaled, differing = _scaled(values)
    every = np.eye(checkpoints) - 1 / checkpoints
    every = every / np.sqrt((every**2).sum(axis=1, keepdims=True))
    z = np.einsum("kc,icm->km", every, scaled)
    which = np.abs(z).argmax(axis=0)
    largest = np.take_along_axis(z, which[None], axis=0)[0]
    p, tested = np.full(items, np.nan), differing >= LEAST
    if tested.any():
        random = np.random.default_rng(seed)
        (p[tested],) = _tails(scaled[:, :, tested], [every], np.abs(largest[None, tested]), permutations, random)
    others, one, low, high = _change(values, against_others(which, checkpoints))
    return Apart(differing, which, np.where(tested, largest, np.nan), p, one, others, low, high)


def _scaled(values: Floats) -> tuple[Floats, Ints]:
    """Values less their prompt's mean, so that any contrast of their sums has a variance of 1 under the null."""
    differing: Bools = (values != values[:, :1]).any(axis=1)
    centred = np.where(differing[:, None], values - values.mean(axis=1, keepdims=True), 0.0)
    # Of one prompt's values in random order the variance, which is the same in every order.
    variance = (centred**2).sum(axis=(0, 1)) / (values.shape[1] - 1)
    scale = np.divide(1.0, np.sqrt(variance), out=np.zeros(len(variance)), where=variance > 0)
    return centred * scale, differing.sum(axis=0).astype(np.int64)


def _tails(
    scaled: Floats, weights: Sequence[Floats], observed: Floats, permutations: int, random: np.random.Generator
) -> Floats:
    """p of the largest contrast of each kind: how many orders have one as large, the observed one among them."""
    prompts, checkpoints, items = scaled.shape
    flat = scaled.reshape(prompts * checkpoints, items).astype(np.float32)
    rows = np.vstack(weights).astype(np.float32)
    kinds = np.cumsum([0, *(len(kind) for kind in weights[:-1])])
    reached = np.zeros((len(weights), items))
    block = max(1, CELLS // (prompts * checkpoints**2))
    for start in range(0, permutations, block):
        size = min(block, permutations - start)
        order = _orders(size * prompts, checkpoints, random).reshape(size, prompts * checkpoints)
        # The weights are moved and not the values: one product of matrices for all items.
        sums = np.abs(rows[:, order].reshape(len(rows) * size, -1) @ flat).reshape(len(rows), size, items)
        found = np.maximum.reduceat(sums, kinds, axis=0)
        reached += (found >= observed[:, None] - TIE).sum(axis=1)
    return np.asarray((1 + reached) / (1 + permutations), np.float64)


def _orders(count: int, checkpoints: int, random: np.random.Generator) -> Array:
    """So many random orders of the checkpoints, a row each."""
    return np.asarray(random.random((count, checkpoints), dtype=np.float32).argsort(axis=1))


def _range(scaled: Floats, weights: Floats, random: np.random.Generator) -> tuple[Ints, Ints]:
    """Between which splits the largest step lies when prompts are drawn again."""
    prompts, checkpoints, items = scaled.shape
    if prompts == 0:
        return np.zeros(items, np.int64), np.zeros(items, np.int64)
    drawn = random.multinomial(prompts, np.full(prompts, 1 / prompts), RESAMPLES).astype(np.float32)
    sums = (drawn @ scaled.reshape(prompts, -1).astype(np.float32)).reshape(RESAMPLES, checkpoints, items)
    # All splits have one standard error, so that their order hangs on no variance.
    found = np.abs(np.einsum("kc,bcm->bkm", weights, sums)).argmax(axis=1) + 1
    low, high = np.quantile(found, [0.025, 0.975], axis=0, method="inverted_cdf")
    return low.astype(np.int64), high.astype(np.int64)


def weights(split: Ints, gradual: Bools, checkpoints: int) -> Floats:
    """Items × checkpoints: what the mean after each item's split less that before it weighs them by.

    Of what is gradual, the last checkpoint less the first.
    """
    place = np.arange(checkpoints)
    late = np.where(gradual[:, None], place == checkpoints - 1, place >= split[:, None])
    early = np.where(gradual[:, None], place == 0, place < split[:, None])
    return np.asarray(
        late / late.sum(axis=1, keepdims=True) - early / early.sum(axis=1, keepdims=True), np.float64
    )


def against_others(which: Ints, checkpoints: int) -> Floats:
    """Items × checkpoints: what one checkpoint less the mean of the others weighs them by."""
    mine = np.arange(checkpoints) == which[:, None]
    return np.where(mine, 1.0, -1 / (checkpoints - 1))


def contrast(values: Floats, weights: Floats) -> Floats:
    """Prompts × items: each item's checkpoints by its weights."""
    found: Floats = np.einsum("icm,mc->im", values, weights)
    return found


def _change(values: Floats, weights: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Means of what weighs less than nothing and of the others, and the interval of their difference."""
    prompts, _, items = values.shape
    if prompts < 2:
        nothing = np.full(items, np.nan)
        return nothing, nothing, nothing, nothing
    early, late = (contrast(values, np.maximum(way * weights, 0.0)) for way in (-1, 1))
    middle, half = (late - early).mean(axis=0), half_width(late - early)
    return early.mean(axis=0), late.mean(axis=0), middle - half, middle + half


def half_width(values: Floats) -> Floats:
    """Half of the 95 % interval of a mean over prompts, which lie down the first axis."""
    n = len(values)
    if n < 2:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(stdtrit(n - 1, 0.975) * values.std(axis=0, ddof=1) / np.sqrt(n))
