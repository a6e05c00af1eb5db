"""Exact null distributions of sums over prompts, for very many sums at once.

Exchanging the two sides of a prompt turns its difference around, so under the null a difference summed over
prompts is a sum of independent fair coins, one of size |difference| for each prompt. Its distribution depends
only on how many coins of each size there are, which makes one matrix product of counts and log-cosines do the
convolutions of all features together. `step_tails` is the same for steps that are not symmetric.

Promises p-values that equal full enumeration to 1e-12 absolute. Below `FAR` float64 has too few digits left for
that sum, and a saddlepoint value takes over: usually within 1 %, within 10 % where all but a coin or two fell
one way (measured in the tests). That far out it decides nothing.
"""

import numpy as np
from scipy.special import erfcx

from diffing.common.arrays import Floats, Ints

FAR = 1e-9
"""Two-sided p below which the saddlepoint value is given: there an error of 1e-12 would pass a thousandth of
it."""
REACH = 8.7
"""Standard deviations that hold all but 1e-16 of any sum of coins (Hoeffding)."""
NOTHING = -45.0
"""Logarithm of what is too small to be added up: 3e-20, below the last bit of 1 even when thousands are added."""
CROWD = 0.3
"""Share of features with something at a point from which on the point is worked out for all of them at once.

Picking single cells out of a table takes about three times as long as going through all of them.
"""
CHUNK = 200_000
"""Cells of a working array, so that memory stays bounded: 1.6 MB each, small enough for a processor's cache. No
measurement of it is kept, and nothing but time hangs on it."""


def coin_tail(sizes: Ints, counts: Ints, observed: Ints) -> Floats:
    """P(|T| >= |observed|) for T a sum of coins worth plus or minus their size.

    `sizes` are whole and positive; row f of `counts` says how many coins of each size feature f has.
    """
    observed = np.abs(observed)
    numbers = np.asarray(counts, dtype=np.float64)
    total = numbers @ sizes
    deviation = np.sqrt(numbers @ sizes.astype(np.float64) ** 2)
    reach = np.minimum(total, REACH * deviation)
    p = np.ones(len(observed))
    # Beyond the reach the sum has no mass that float64 could hold beside 1.
    near = (observed > 0) & (observed <= reach)
    # Points needed so that no mass folds back: the sum has one parity, so its period is twice the points. Rounded
    # up to powers of two or three quarters of them, so that many features share one matrix of cosines; at least 4,
    # so that there is a point before the last, and always even.
    least = np.maximum((observed + reach) / 2 + 1, 4)
    points = np.exp2(np.ceil(np.log2(least)))
    points = np.where((least <= 0.75 * points) & (points >= 8), 0.75 * points, points)
    # Features of like coins together: sizes that none of them has need not be looked at.
    largest = len(sizes) - np.argmax(numbers[:, ::-1] > 0, axis=1)
    order = np.argsort(largest, kind="stable")
    for count in np.unique(points[near]):
        rows = order[near[order] & (points[order] == count)]
        p[rows] = _fourier_tail(sizes, numbers[rows], observed[rows], int(count))
    far = np.flatnonzero((observed > 0) & ((p < FAR) | ~near))
    p[far] = _saddlepoint_tail(sizes, numbers[far], observed[far])
    return p


def _fourier_tail(sizes: Ints, counts: Floats, observed: Ints, points: int) -> Floats:
    """1 - P(|T| < observed), by the inverse transform of a product of cosines."""
    angle = np.pi * np.arange(1, points // 2 + 1) / points
    cosine = np.cos(np.outer(sizes, angle))
    # The sum's parity makes the transform even about a quarter turn: every point but the last counts twice.
    weight = np.where(np.arange(1, points // 2 + 1) < points // 2, 2.0, 1.0) / np.sin(angle)
    log_size = np.log(np.abs(cosine))
    # float32 holds whole numbers exactly up to 16 million, more than the prompts of any study, at half the time.
    negative = (cosine < 0).astype(np.float32)
    # The term at angle 0: how many values lie inside, as the sum's values are two apart.
    inside = observed - 1.0
    step = max(1, CHUNK // points)
    for start in range(0, len(observed), step):
        here = counts[start : start + step]
        used = np.flatnonzero(here.any(axis=0))
        here = here[:, used]
        log_product = here @ log_size[used]
        # A product of negative cosines has the sign of the parity of their number.
        sign = 1 - 2 * np.mod(here.astype(np.float32) @ negative[used], 2)
        turn = observed[start : start + step] - 1.0
        # Most points of most transforms are nothing; those that are not are mostly the first ones.
        alive = log_product > NOTHING
        crowd = int(np.argmin(np.append(alive.mean(axis=0) >= CROWD, False)))
        first = np.exp(log_product[:, :crowd]) * sign[:, :crowd] * np.sin(np.outer(turn, angle[:crowd]))
        row, point = np.nonzero(alive[:, crowd:])
        point += crowd
        terms = np.exp(log_product[row, point]) * sign[row, point] * np.sin(turn[row] * angle[point])
        rest = np.bincount(row, weights=terms * weight[point], minlength=len(log_product))
        inside[start : start + step] += first @ weight[:crowd] + rest
    return np.clip(1.0 - inside / points, 0.0, 1.0)


def _saddlepoint_tail(sizes: Ints, counts: Floats, observed: Ints) -> Floats:
    """Twice the Lugannani-Rice upper tail for a lattice, and the exact value where every coin fell one way."""
    p = np.empty(len(observed))
    step = max(1, CHUNK // len(sizes))
    for start in range(0, len(observed), step):
        part = slice(start, start + step)
        p[part] = _saddlepoint_chunk(sizes.astype(np.float64), counts[part], observed[part].astype(np.float64))
    return p


def _saddlepoint_chunk(sizes: Floats, counts: Floats, observed: Floats) -> Floats:
    tilt = observed / (counts @ sizes**2)
    extreme = observed >= counts @ sizes
    # The slope is concave, so Newton's steps from the left never pass the root. Random cases took at most 18 of
    # them; the limit only keeps a loop from having no end.
    for _ in range(100):
        lean = np.tanh(np.outer(tilt, sizes))
        slope = (counts * lean) @ sizes
        # Here and below 1e-300 stands in for 0, by which nothing can be divided and which has no logarithm.
        curve = np.maximum((counts * (1 - lean**2)) @ sizes**2, 1e-300)
        step = np.where(extreme, 0.0, (observed - slope) / curve)
        tilt += step
        # Far finer than the approximation itself, which is good to 1 %.
        if np.all(np.abs(step) <= 1e-9 * tilt):
            break
    lifted = np.outer(tilt, sizes)
    # log cosh, written so that a large tilt does not overflow; nor does the cosine at 300, whose square is
    # nothing.
    cumulant = np.sum(counts * (lifted + np.log1p(np.exp(-2 * lifted)) - np.log(2)), axis=1)
    curve = np.maximum(np.sum(counts * (sizes / np.cosh(np.minimum(lifted, 300))) ** 2, axis=1), 1e-300)
    # The sum moves in steps of this span, and the lattice form of the formula asks for it.
    span = 2.0 * _common_divisor(sizes, counts)
    w = np.sqrt(np.maximum(2 * (tilt * observed - cumulant), 1e-300))
    u = -np.expm1(-tilt * span) / span * np.sqrt(curve)
    density = np.exp(-(w**2) / 2) / np.sqrt(2 * np.pi)
    # The normal tail over its density: each of the two underflows long before their ratio does.
    mills = np.sqrt(np.pi / 2) * erfcx(w / np.sqrt(2))
    upper = density * (mills + 1 / u - 1 / w)
    # All coins one way or all the other: two of 2^n patterns. No p is 0, so that it can be shown on a log scale.
    p: Floats = np.where(extreme, np.exp2(1 - counts.sum(axis=1)), np.clip(2 * upper, 1e-300, 1.0))
    return p


def _common_divisor(sizes: Floats, counts: Floats) -> Floats:
    """The greatest common divisor of each row's sizes: half the distance between the sum's values."""
    divisor = np.zeros(len(counts), dtype=np.int64)
    for column, size in enumerate(sizes.astype(np.int64)):
        divisor = np.where(counts[:, column] > 0, np.gcd(divisor, size), divisor)
    # A row without coins has no divisor.
    return np.maximum(divisor, 1).astype(np.float64)


def step_tails(outcomes: list[Ints], counts: Ints, observed: Ints) -> tuple[Floats, Floats]:
    """P(T <= observed) and P(T >= observed), T a sum of independent steps, each uniform over its outcomes.

    `outcomes[s]` lists the whole-number outcomes of a step of kind s (repeats weigh), row f of `counts` how
    many steps of each kind feature f has. Good to 1e-12 absolute; never below that.
    """
    numbers = np.asarray(counts, dtype=np.float64)
    lowest = numbers @ np.array([o.min() for o in outcomes])
    width = int((numbers @ np.array([np.ptp(o) for o in outcomes])).max(initial=0)) + 1
    # A power of two at least as wide as the widest sum: fast to transform, and no mass folds back onto other
    # values.
    points = 1 << max(1, (width - 1).bit_length())
    angle = 2 * np.pi * np.arange(points // 2 + 1) / points
    transforms = np.array([np.exp(-1j * np.outer(angle, o - o.min())).mean(axis=1) for o in outcomes])
    # Where a step's transform vanishes the product must too: e to a very negative power.
    size = np.log(np.maximum(np.abs(transforms), 1e-300))
    turn = np.angle(transforms)
    lower, upper = np.empty(len(observed)), np.empty(len(observed))
    chunk = max(1, CHUNK // points)
    for start in range(0, len(observed), chunk):
        part = slice(start, start + chunk)
        mass = np.fft.irfft(np.exp(numbers[part] @ size + 1j * (numbers[part] @ turn)), n=points, axis=1)
        place = np.clip(observed[part] - lowest[part], 0, points - 1).astype(np.int64)[:, None]
        below = np.take_along_axis(np.cumsum(mass, axis=1), place, axis=1)[:, 0]
        here = np.take_along_axis(mass, place, axis=1)[:, 0]
        lower[part] = below
        upper[part] = 1 - below + here
    # What is below that is the transform's rounding and no probability.
    return np.clip(lower, 1e-12, 1.0), np.clip(upper, 1e-12, 1.0)
