"""Where the difference lies: by category and tag, and whether it is the same in all categories.

Heterogeneity is tested for every testable feature, whether or not its total differs, against permuted category
labels. Promises p-values that are exact up to the number of permutations: never below 1 / (1 + LAST). Tags
overlap, so they have differences and intervals and no test.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.arrays import Array, Bools, Floats, Ints
from diffing.diff import measure
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Shown
from diffing.diff.tally import Leads

STAGES = (100, 1_000, 10_000, 100_000)
"""Permutations in all after each stage; a feature goes on only while more could decide its q."""
LAST = STAGES[-1]
"""Enough for a q under 0.05 where 5,000 features are tested and only one of them differs between groups."""
CELLS = 300_000
"""Cells of a working array: it should stay in a processor's cache, at 2.4 MB of eight bytes each."""

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
        q_sum, p = _test(counts, values, size, np.random.default_rng([seed, 5]))
        columns["heterogeneity"][rows], columns["p_heterogeneity"][rows] = q_sum, p
    columns["q_heterogeneity"] = stats.benjamini_hochberg(columns["p_heterogeneity"])
    return columns


def _test(counts: Ints, values: Ints, size: Ints, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Cochran's Q with one pooled variance, and its p."""
    n = size.sum()
    # In whole units of the pairing: Q is a ratio, and the unit falls out of it.
    sums = counts @ values
    total, squares = sums.sum(axis=0), counts.sum(axis=0) @ values**2
    variance = (squares - total**2 / n) / (n - 1)
    between = np.sum(sums**2 / size[:, None], axis=0)
    varies = np.flatnonzero(variance > 0)
    q_sum, p = np.zeros(len(variance)), np.ones(len(variance))
    q_sum[varies] = (between - total**2 / n)[varies] / variance[varies]
    if len(varies):
        p[varies] = _permuted(counts.sum(axis=0)[varies], values, size, between[varies], len(p), random)
    return q_sum, p


def _permuted(
    counts: Ints, values: Ints, size: Ints, between: Floats, tests: int, random: np.random.Generator
) -> Floats:
    """(1 + b) / (1 + B) over permutations of the category labels, more of them where they could decide q.

    The null depends on a feature only through how many prompts have each difference, so features that agree in
    that share one, and all features share each shuffled row of labels.
    """
    # Turning all signs round leaves Q as it is: of a pattern and its mirror image the earlier one stands for both.
    flipped = np.roll(counts, counts.shape[1] // 2, axis=1)
    turned = _less(flipped, counts)
    patterns, pattern = np.unique(np.where(turned[:, None], flipped, counts), axis=0, return_inverse=True)
    exceeding, done = np.zeros(len(counts)), np.zeros(len(counts))
    active = np.arange(len(counts))
    for before, stage in zip((0, *STAGES), STAGES, strict=False):
        kinds, kind = np.unique(pattern[active], return_inverse=True)
        # Sums are whole numbers over group sizes: equal ones may differ in the last digit.
        bar = between[active] * (1 - 1e-9)
        for null in _null(patterns[kinds], values, size, stage - before, random):
            exceeding[active] += np.sum(null[:, kind] >= bar, axis=0)
        done[active] = stage
        active = active[_undecided(exceeding[active], stage, tests)]
        if len(active) == 0:
            break
    return np.asarray((1 + exceeding) / (1 + done))


def _less(left: Ints, right: Ints) -> Bools:
    """Row by row, whether `left` comes before `right` in dictionary order."""
    unequal = left != right
    first = unequal.argmax(axis=1)
    rows = np.arange(len(left))
    return np.asarray(left[rows, first] < right[rows, first])


def _undecided(exceeding: Floats, done: int, tests: int) -> Ints:
    """Features that would pass were their p at the lower end of what was sampled, and fail at the upper end."""
    # Two standard deviations of a count, and one more than was seen, so that none at all is not taken for certain.
    margin = 2 * np.sqrt(exceeding + 1)
    # No p can come out below the last stage's: where too few features are left for that, none will pass.
    could = _passing(np.maximum((exceeding - margin) / done, 1 / (1 + LAST)), tests)
    does = _passing((1 + exceeding + margin) / done, tests)
    return np.flatnonzero(could & ~does)


def _passing(p: Floats, tests: int) -> Bools:
    """Which of the smallest p among many tests Benjamini and Hochberg's rule calls."""
    order = np.sort(p)
    passing = np.flatnonzero(order <= measure.LEVEL * np.arange(1, len(p) + 1) / tests)
    return np.asarray(p <= (order[passing[-1]] if len(passing) else -1.0))


def _null(patterns: Ints, values: Ints, size: Ints, number: int, random: np.random.Generator) -> Iterator[Floats]:
    """Chunks of permutations x patterns: the between-groups sum of squares under shuffled labels."""
    labels = np.repeat(np.arange(len(size)), size).astype(np.uint16)
    # A prefix of the shuffled prompts has the first value, the next stretch the second, and so on.
    ends = np.column_stack([np.zeros(len(patterns), np.int64), np.cumsum(patterns, axis=1)])
    reach = int(ends.max())
    # Several groups are counted at once, each in its own bits of one number.
    most = int((patterns @ np.abs(values)).max())
    # No group's sum is larger than all groups' together, so none runs over into its neighbour's bits.
    bits = next(bits for bits in (8, 16, 32) if most < 2**bits)
    lanes = 64 // bits
    # Every stretch of a shuffled row is as good a sample as its beginning.
    stretches = max(1, len(labels) // max(reach, 1))
    # A multiple of the stretches, so that no row is shuffled for a part of them.
    step = max(stretches, CELLS // max(reach, len(patterns)) // stretches * stretches)
    for start in range(0, number, step):
        samples = min(step, number - start)
        rows = random.permuted(np.tile(labels, (-(-samples // stretches), 1)), axis=1)
        shuffled = rows[:, : stretches * reach].reshape(-1, reach)[:samples]
        total = np.zeros((len(shuffled), len(patterns)))
        for first in range(0, len(size), lanes):
            members = size[first : first + lanes]
            unit = np.zeros(len(size), dtype=np.uint64)
            unit[first : first + lanes] = np.uint64(1) << np.arange(0, bits * len(members), bits, dtype=np.uint64)
            seen = np.zeros((len(shuffled), reach + 1), dtype=np.uint64)
            np.cumsum(unit[shuffled], axis=1, out=seen[:, 1:])
            # What A leads by and what B leads by apart: a number in parts cannot go below zero.
            ahead, behind = (np.zeros(total.shape, np.uint64) for _ in range(2))
            for place, value in enumerate(values.tolist()):
                stretch = seen[:, ends[:, place + 1]]
                stretch -= seen[:, ends[:, place]]
                stretch *= np.uint64(abs(value))
                (ahead if value > 0 else behind)[:] += stretch
            mask = np.uint64(2**bits - 1)
            for count in members.tolist():
                sums = (ahead & mask).astype(np.float64)
                sums -= behind & mask
                sums *= sums
                total += sums / count
                ahead >>= np.uint64(bits)
                behind >>= np.uint64(bits)
        yield total


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
    draws = np.zeros((len(pairing.prompts), len(features)), dtype=np.int16)
    for documents, sign in ((pairing.a, -1), (pairing.b, 1)):
        for row, document in zip(pairing.row.tolist(), documents.tolist(), strict=True):
            place = column[shown.document(document).feature]
            draws[row, place[place >= 0]] += sign
    return pairing.units(draws, slice(None))
