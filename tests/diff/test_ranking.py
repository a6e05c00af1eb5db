"""The one order: by how large a difference is at least."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diffing.common import stats as own
from diffing.diff import ranking


def counted(a: list[int], b: list[int], prompts: int = 400) -> pd.DataFrame:
    more_a, more_b = np.array(a), np.array(b)
    low, high = own.bonett_price(more_a, more_b, prompts)
    p = own.mcnemar(more_a, more_b)
    return pd.DataFrame({"delta": (more_b - more_a) / prompts, "ci_low": low, "ci_high": high, "p": p})


def test_a_clean_rare_difference_outranks_a_larger_noisy_one() -> None:
    # 9.5 points of a thing that one side alone does, 10 and -10.5 of things that both do all the time.
    table = counted([0, 60, 104, 30], [38, 100, 62, 31])
    assert ranking.ordered(table).index.tolist() == [0, 2, 1, 3]
    assert table["delta"].abs().idxmax() == 2


def test_it_is_the_end_nearer_to_0_with_its_sign_and_0_where_the_interval_holds_0() -> None:
    table = counted([0, 38, 30], [38, 0, 31])
    low = table.at[0, "ci_low"]
    assert ranking.at_least(table).tolist() == pytest.approx([low, -low, 0.0])
    assert low > 0


def test_a_difference_without_an_interval_has_the_one_that_its_p_stands_for() -> None:
    table = pd.DataFrame(
        {
            "delta_equal_length": [0.1, -0.1, 0.1, 0.3],
            "p_equal_length": [1e-6, 1e-6, 0.2, np.nan],
            "rate_a": [1.0, 5.0, 1.0, 1.0],
            "rate_b": [3.0, 1.0, 9.0, 1.0],
            "p_rate": [1e-4, 1e-300, 0.9, np.nan],
        }
    )
    z = stats.norm.isf(0.5e-6)
    expected = 0.1 - 1.959964 * 0.1 / z
    found = ranking.at_least(table, "delta_equal_length")
    assert found.tolist() == pytest.approx([expected, -expected, 0, 0], abs=1e-7)
    assert ranking.ordered(table, "rate").index.tolist() == [1, 0, 2, 3]


def test_what_is_equally_sure_stands_by_size_and_then_as_it_stood() -> None:
    table = counted([30, 30, 20], [31, 31, 24])
    assert ranking.ordered(table).index.tolist() == [2, 0, 1]
