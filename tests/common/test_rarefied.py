"""Rarefied presence against drawing, and against the hypergeometric distribution."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from diffing.common.rarefied import Chance


def test_the_chance_is_the_hypergeometric_one() -> None:
    random = np.random.default_rng(0)
    tokens = random.integers(1, 400, 500)
    shown, drawn = random.integers(0, tokens + 1), random.integers(1, tokens + 1)
    assert Chance(400)(shown, tokens, drawn) == pytest.approx(hypergeom.sf(0, tokens, shown, drawn), abs=1e-10)


def test_an_answer_that_is_not_cut_shows_what_it_shows() -> None:
    assert Chance(9)(np.array([0, 1, 12]), np.array([9, 9, 9]), np.array([9, 9, 9])).tolist() == [0.0, 1.0, 1.0]
