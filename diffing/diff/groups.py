"""Where the difference lies: by category and tag, and whether it is the same in all categories.

Heterogeneity is tested for every testable feature, whether or not its total differs, against two nulls at once:
permuted category labels, and exchanged sides. Its p is the larger of the two, so it is valid where differences are
spread alike in all categories, and also where they are not but the sides do not differ in any: a feature that
lives in one category only is such a one. Between these (one mean that is not 0, unlike spreads) it is approximate.
Promises no p below 1 / (1 + LAST). Tags overlap, so they have differences and intervals and no test.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.arrays import Array, Bools, Floats, Ints
from diffing.diff import measure, tally
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Shown
from diffing.diff.tally import Leads

STAGES = (100, 1_000, 10_000, 100_000)
"""Samples of each null after each stage; a feature goes on only while more could decide its q."""
LAST = STAGES[-1]
"""Enough for a q under 0.05 where 5,000 features are tested and only one of them differs between groups."""
NEAR = 0.1
"""Of those whose p under permuted labels is above this, exchanged sides are not asked: the larger p is no smaller,
and above 5 % in any case."""
CELLS = 300_000
"""Cells of a working array: it should stay in a processor's cache, at 2.4 MB of eight bytes each."""

PAIRS = 64
"""Pairs that are looked at together: a few megabytes of the widest dictionaries."""

COLUMNS = ["feature", "kind", "group", "n", "delta", "ci_low", "ci_high", "discordant_a", "discordant_b"]


def heterogeneity(leads: Leads, pairing: Pairing, testable: Bools, seed: int) -> dict[str, Floats]:
    """Q, p and q of each testable feature over the categories with enough prompts; NaN for the others."""
    columns = {name: np.full(len(testable), np.nan) for name in ("heterogeneity", "p_heterogeneity")}
    rows = np.flatnonzero(testable)
    cells = pairing.cells
    groups = [name for name in cells["group"].unique() if name]
    if len(groups) >= 2 and len(rows):
        size = np.array([cells.loc[cells["group"] == g, "prompts"].sum() for g in groups], dtype=np.int64)
        more = [leads.of((cells["group"] == g).to_numpy()) for g in groups]
        # Signed sizes: what A leads by, then what B leads by; groups x features x values.
        counts = np.stack([np.concatenate([a[rows], b[rows]], axis=1) for a, b in more])
        values = np.concatenate([-leads.sizes, leads.sizes])
        # A stream of its own beside that of separability (3): what one draws does not move the other.
        q_sum, p = scattered(counts, values, size, np.random.default_rng([seed, 5]), len(rows))
        columns["heterogeneity"][rows], columns["p_heterogeneity"][rows] = q_sum, p
    columns["q_heterogeneity"] = stats.benjamini_hochberg(columns["p_heterogeneity"])
    return columns


def scattered(
    counts: Ints, values: Ints, size: Ints, random: np.random.Generator, tests: int
) -> tuple[Floats, Floats]:
    """Q of each feature, and its p among so many tests; `counts` is groups x features x values.

    Values are signed sizes of difference: those that A leads by, then in the same order those that B leads by.
    """
    # In whole units of the pairing: Q is a ratio, and the unit falls out of it.
    sums, squares = (np.asarray(counts @ value, dtype=np.float64) for value in (values, values**2))
    # Where all prompts differ alike there is no scatter, and nothing to sample.
    varies = np.flatnonzero(squares.sum(axis=0) * size.sum() > sums.sum(axis=0) ** 2)
    q_sum, p = np.zeros(counts.shape[1]), np.ones(counts.shape[1])
    if len(varies):
        q_sum[varies] = studentised(sums[:, varies], squares[:, varies], size)
        p[varies] = _larger_p(counts[:, varies], values, size, q_sum[varies], tests, random)
    return q_sum, p


def studentised(sums: Array, squares: Array, size: Ints) -> Floats:
    """The scatter of the groups' means round their weighted mean; groups come first, whatever stands behind.

    A group's weight is its size over its variance, half of which is its own and half that of all prompts. By its
    own alone a group in which no prompt happens to differ would be known exactly, and outweigh all others.
    """
    n = size.sum()
    # With all sides exchanged to one there may be no variance left; any small number then does.
    whole = np.maximum((squares.sum(axis=0) - sums.sum(axis=0) ** 2 / n) / (n - 1), 1e-9)
    weights, first, second = (np.zeros(whole.shape) for _ in range(3))
    # Group by group and in place: this is most of the test's time, and so its arrays stay in the cache.
    for each, total, square in zip(size.tolist(), sums, squares, strict=True):
        variance = total * total
        variance *= -1 / each
        variance += square
        variance *= 1 / (each - 1)
        variance += whole
        weight = np.divide(2 * each, variance, out=variance)
        weights += weight
        weight *= total
        weight *= 1 / each
        first += weight
        weight *= total
        weight *= 1 / each
        second += weight
    first *= first
    first /= weights
    second -= first
    return np.asarray(second)


class Null(NamedTuple):
    """Q where categories do not matter: a distribution for each pattern of differences, which features share."""

    patterns: Ints
    of: Ints
    """Each feature's pattern."""
    samples: Callable[[Ints, int], Iterator[Floats]]
    """Chunks of samples x patterns, so many samples in all."""

    def exceeding(self, features: Ints, bar: Floats, number: int) -> Floats:
        """How many samples are at least as high as each feature's bar."""
        kinds, kind = np.unique(self.of[features], return_inverse=True)
        count = np.zeros(len(features))
        for sampled in self.samples(self.patterns[kinds], number) if len(features) else ():
            count += np.sum(sampled[:, kind] >= bar, axis=0)
        return count


def _larger_p(
    counts: Ints, values: Ints, size: Ints, q_sum: Floats, tests: int, random: np.random.Generator
) -> Floats:
    """The larger p of the two nulls, each (1 + b) / (1 + B); more of both where they could decide q."""
    half = len(values) // 2
    patterns, of = np.unique(_mirrored(counts.sum(axis=0)), axis=0, return_inverse=True)
    labels = Null(patterns, of, partial(_labels_permuted, values=values, size=size, random=random))
    # By group the sizes alone, whichever side leads.
    sizes = (counts[..., :half] + counts[..., half:]).transpose(1, 0, 2)
    patterns, of = np.unique(sizes, axis=0, return_inverse=True)
    sides = Null(patterns, of, partial(_sides_exchanged, sizes=values[half:], size=size, random=random))
    # Equal Q may differ in the last digits.
    bar = q_sum * (1 - 1e-9) - 1e-9
    exceeding, done = np.zeros((2, len(bar))), np.zeros((2, len(bar)))
    active = np.arange(len(bar))
    for before, stage in zip((0, *STAGES), STAGES, strict=False):
        exceeding[0, active] += labels.exceeding(active, bar[active], stage - before)
        done[0, active] = stage
        near = (stage == STAGES[0]) & (exceeding[0, active] <= NEAR * stage)
        active = active[near | _could(exceeding[0, active], stage, tests)]
        exceeding[1, active] += sides.exceeding(active, bar[active], stage - before)
        done[1, active] = stage
        larger = exceeding[:, active].max(axis=0)
        active = active[_could(larger, stage, tests) & ~_does(larger, stage, tests)]
        if len(active) == 0:
            break
    return np.asarray(np.max((1 + exceeding) / (1 + done), axis=0, where=done > 0, initial=0))


def _mirrored(counts: Ints) -> Ints:
    """Of a pattern and its mirror image the earlier one: turning all signs round leaves Q as it is."""
    flipped = np.roll(counts, counts.shape[1] // 2, axis=1)
    return np.asarray(np.where(_less(flipped, counts)[:, None], flipped, counts))


def _less(left: Ints, right: Ints) -> Bools:
    """Row by row, whether `left` comes before `right` in dictionary order."""
    unequal = left != right
    first = unequal.argmax(axis=1)
    rows = np.arange(len(left))
    return np.asarray(left[rows, first] < right[rows, first])


def _could(exceeding: Floats, done: int, tests: int) -> Bools:
    """Features that pass if their p is at the lower end of what the samples allow."""
    # No p can come out below the last stage's: where too few features are left for that, none will pass.
    return _passing(np.maximum((exceeding - _margin(exceeding)) / done, 1 / (1 + LAST)), tests)


def _does(exceeding: Floats, done: int, tests: int) -> Bools:
    """Features that pass even if their p is at the upper end."""
    return _passing((1 + exceeding + _margin(exceeding)) / done, tests)


def _margin(exceeding: Floats) -> Floats:
    # Two standard deviations of a count, and one more than was seen, so that none at all is not taken for certain.
    return np.asarray(2 * np.sqrt(exceeding + 1))


def _passing(p: Floats, tests: int) -> Bools:
    """Which of the smallest p among many tests Benjamini and Hochberg's rule calls."""
    order = np.sort(p)
    passing = np.flatnonzero(order <= measure.LEVEL * np.arange(1, len(p) + 1) / tests)
    return np.asarray(p <= (order[passing[-1]] if len(passing) else -1.0))


def _labels_permuted(
    patterns: Ints, number: int, values: Ints, size: Ints, random: np.random.Generator
) -> Iterator[Floats]:
    """Chunks of permutations x patterns: Q under shuffled labels; a pattern has a count for each value."""
    labels = np.repeat(np.arange(len(size)), size).astype(np.uint16)
    # A prefix of the shuffled prompts has the first value, the next stretch the second, and so on.
    ends = np.column_stack([np.zeros(len(patterns), np.int64), np.cumsum(patterns, axis=1)])
    reach = int(ends.max())
    # Several groups are counted at once, each in its own bits of one number. No group's sum of squares is larger
    # than all groups' together, so none runs over into its neighbour's bits.
    most = int((patterns @ values**2).max())
    bits = next(bits for bits in (8, 16, 32, 64) if most < 2**bits)
    lanes = 64 // bits
    # Every stretch of a shuffled row is as good a sample as its beginning.
    stretches = max(1, len(labels) // max(reach, 1))
    # A multiple of the stretches, so that no row is shuffled for a part of them.
    step = max(stretches, CELLS // max(reach, len(patterns) * len(size)) // stretches * stretches)
    for start in range(0, number, step):
        samples = min(step, number - start)
        rows = random.permuted(np.tile(labels, (-(-samples // stretches), 1)), axis=1)
        shuffled = rows[:, : stretches * reach].reshape(-1, reach)[:samples]
        sums, squares = (np.empty((len(size), samples, len(patterns))) for _ in range(2))
        for first in range(0, len(size), lanes):
            members = range(first, min(first + lanes, len(size)))
            unit = np.zeros(len(size), dtype=np.uint64)
            unit[members] = np.uint64(1) << np.arange(0, bits * len(members), bits, dtype=np.uint64)
            seen = np.zeros((samples, reach + 1), dtype=np.uint64)
            np.cumsum(unit[shuffled], axis=1, out=seen[:, 1:])
            # What A leads by and what B leads by apart: a number in parts cannot go below zero.
            ahead, behind, square = (np.zeros((samples, len(patterns)), np.uint64) for _ in range(3))
            for place, value in enumerate(values.tolist()):
                stretch = seen[:, ends[:, place + 1]]
                stretch -= seen[:, ends[:, place]]
                stretch *= np.uint64(abs(value))
                (ahead if value > 0 else behind)[:] += stretch
                square += stretch * np.uint64(abs(value))
            mask = np.uint64(2**bits - 1)
            for group in members:
                sums[group] = ahead & mask
                sums[group] -= behind & mask
                squares[group] = square & mask
                for packed in (ahead, behind, square):
                    packed >>= np.uint64(bits)
        yield studentised(sums, squares, size)


def _sides_exchanged(
    patterns: Ints, number: int, sizes: Ints, size: Ints, random: np.random.Generator
) -> Iterator[Floats]:
    """Chunks of exchanges x patterns: Q with each prompt's sides exchanged by a coin.

    A pattern has a count for each group and size of difference. Every group keeps its own differences, and with
    them its own variance: what lives in one group only is not spread over all.
    """
    groups = len(size)
    squares = (patterns @ sizes**2).T[:, None].astype(np.float64)
    # A group's coins lie side by side: the first ones decide the first size, the next ones the second.
    coins = patterns.sum(axis=2).max(axis=0, initial=0)
    starts, tossed = np.concatenate([[0], np.cumsum(coins)[:-1]]), int(coins.sum())
    ends = starts[:, None] + np.cumsum(patterns, axis=2)
    ends = np.concatenate([np.broadcast_to(starts[:, None], (len(patterns), groups, 1)), ends], axis=2)
    step = max(1, CELLS // max(tossed, len(patterns) * groups))
    for start in range(0, number, step):
        samples = min(step, number - start)
        seen = np.zeros((samples, tossed + 1), dtype=np.int32)
        bits = np.unpackbits(np.frombuffer(random.bytes(-(-samples * tossed // 8)), np.uint8))
        np.cumsum(bits[: samples * tossed].reshape(samples, tossed), axis=1, out=seen[:, 1:])
        sums = np.zeros((groups, samples, len(patterns)))
        for group in range(groups):
            for place, value in enumerate(sizes.tolist()):
                heads = seen[:, ends[:, group, place + 1]]
                heads -= seen[:, ends[:, group, place]]
                heads *= 2
                heads -= patterns[:, group, place].astype(np.int32)
                heads *= value
                sums[group] += heads
        yield studentised(sums, squares, size)


def table(shown: Shown, pairing: Pairing, features: Ints) -> pd.DataFrame:
    """Differences of some features by category and by tag, in long form."""
    ahead = differences(shown, pairing, features)
    tags = pairing.prompts["tags"].str.split(";").map(lambda names: {name.strip() for name in names} - {""})
    # Small categories have a row here though not in the test: an interval says by itself how little it knows.
    kinds = {
        "category": {name: pairing.prompts["category"] == name for name in pairing.prompts["category"].unique()},
        "tag": {name: tags.map(lambda own, name=name: name in own) for name in sorted(set().union(*tags))},
    }
    parts = [pd.DataFrame(columns=COLUMNS)]
    for kind, groups in kinds.items():
        for group, members in groups.items():
            rows = members.to_numpy(dtype=bool)
            part = _of_group(ahead[rows], pairing)
            parts.append(part.assign(feature=features, kind=kind, group=group)[COLUMNS])
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def _of_group(ahead: Array, pairing: Pairing) -> pd.DataFrame:
    prompts = len(ahead)
    more_a = np.stack([np.sum(ahead == -size, axis=0) for size in pairing.sizes], axis=1)
    more_b = np.stack([np.sum(ahead == size, axis=0) for size in pairing.sizes], axis=1)
    low, high = measure.interval(pairing, prompts, more_a, more_b, 0.95)
    return pd.DataFrame(
        {
            "n": prompts,
            "delta": (more_b - more_a) @ pairing.sizes / (pairing.unit * prompts),
            "ci_low": low,
            "ci_high": high,
            "discordant_a": more_a.sum(axis=1),
            "discordant_b": more_b.sum(axis=1),
        }
    )


def differences(shown: Shown, pairing: Pairing, features: Ints) -> Array:
    """Prompts x some features: by how much B leads, in the pairing's whole units."""
    column = np.full(shown.n_features, -1, dtype=np.int64)
    column[features] = np.arange(len(features))
    kind = tally.signed(pairing)
    draws = np.zeros((len(pairing.prompts), len(features)), dtype=kind)
    for start in range(0, len(pairing.row), PAIRS):
        part = slice(start, start + PAIRS)
        for documents, sign in ((pairing.a[part], -1), (pairing.b[part], 1)):
            block = shown.block(documents)
            place = column[block.feature]
            wanted = np.flatnonzero(place >= 0)
            np.add.at(draws, (pairing.row[part][block.owner[wanted]], place[wanted]), kind(sign))
    return pairing.units(draws, slice(None))
