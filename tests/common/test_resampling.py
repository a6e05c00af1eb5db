"""Blocks drawn anew and left out, against scipy's own bootstrap, the usual interval of a mean, and simulation."""

import numpy as np
import pytest
from scipy import stats

from diffing.common import resampling
from diffing.common.arrays import Floats

RANDOM = np.random.default_rng(0)


def test_every_draw_has_as_many_blocks_as_there_are_and_hangs_on_the_seed() -> None:
    times = resampling.draws(7, 100, 3)
    assert times.shape == (100, 7) and (times.sum(1) == 7).all()
    assert (times == resampling.draws(7, 100, 3)).all() and (times != resampling.draws(7, 100, 4)).any()


def test_ends_of_drawn_blocks_are_those_of_scipys_bootstrap() -> None:
    sums, sizes = RANDOM.gamma(2.0, 3.0, (30, 2)), RANDOM.integers(1, 9, 30).astype(float)
    low, high = resampling.drawn(sums, sizes, 20_000, 0)
    for thing in range(2):

        def ratio(above: Floats, below: Floats, axis: int) -> Floats:
            found: Floats = above.sum(axis=axis) / below.sum(axis=axis)
            return found

        theirs = stats.bootstrap(
            (sums[:, thing], sizes), ratio, paired=True, n_resamples=20_000, method="percentile", random_state=1
        ).confidence_interval
        wide = theirs.high - theirs.low
        assert [low[thing], high[thing]] == pytest.approx([theirs.low, theirs.high], abs=0.03 * wide)
        # One thing by itself is the same.
        alone = resampling.drawn(sums[:, thing], sizes, 20_000, 0)
        assert alone == pytest.approx((low[thing], high[thing]))
    assert np.isnan(resampling.drawn(sums[:0], sizes[:0], 100, 0)).all()


def test_the_jackknifes_reach_of_a_mean_is_students_and_holds_the_truth() -> None:
    blocks = RANDOM.normal(3.0, 1.0, (6, 2000))
    half = resampling.reach((blocks.sum(0) - blocks) / 5)
    low, high = stats.t.interval(0.95, 5, blocks.mean(0), stats.sem(blocks))
    assert half == pytest.approx((high - low) / 2)
    # Of six blocks 1.96 standard errors would hold it in 89 of 100.
    assert 0.935 <= (np.abs(blocks.mean(0) - 3.0) <= half).mean() <= 0.965
    assert np.isinf(resampling.reach(blocks[:1])).all()
