"""What a gate would have seen: the engine's own reckoning, at the level of the gate."""

import math

from diffing.common import stats
from diffing.diff import measure
from diffing.gate import power
from diffing.gate.power import Power
from tests.fakes import gated_study


def test_the_smallest_change_and_the_prompts_it_takes_agree_with_the_engines() -> None:
    one = power._power("probe", 100, 100, 40, 0.1, 0.1, 0.01)
    assert one.smallest == stats.smallest_detectable(100, 40, 0.1, 0.01, measure.POWER)
    assert not one.enough and one.needed is not None
    assert stats.smallest_detectable(one.needed, 40, 0.1, 0.01, measure.POWER) <= 0.1
    assert stats.smallest_detectable(int(one.needed * 0.9) - 10, 40, 0.1, 0.01, measure.POWER) > 0.1
    # Of held-out prompts alone the same number is needed, and so more of all.
    held_out = power._power("behaviour", 50, 100, 40, 0.1, 0.1, 0.01)
    assert held_out.needed is not None and abs(held_out.needed - 2 * one.needed) <= 20
    assert power._power("probe", 100, 100, 40, 0.1, 0.001, 0.01).needed is None


def test_how_many_prompts_differ_by_chance_leaves_the_change_out() -> None:
    # 100 prompts, 30 of them more on B and 10 on A: 20 of them by chance. Bonett and Price add one each way.
    a, b = 11 / 102, 31 / 102
    half = 1.96 * math.sqrt((a + b - (b - a) ** 2) / 102)
    found = power._discordance(gated_study.item(delta=0.2, ci_low=b - a - half, ci_high=b - a + half))
    assert 0.2 <= found <= 0.23


def test_any_built_in_table_will_do_and_each_own_probe_must() -> None:
    good = Power("probe", 100, 40, 0.1, 0.1, 100, True)
    bad, own = good._replace(what="phrase", enough=False), good._replace(what="own probe", enough=False)
    assert power.enough([good, bad])
    assert not power.enough([bad])
    assert not power.enough([good, own])
    assert power.enough([own._replace(enough=True)])
