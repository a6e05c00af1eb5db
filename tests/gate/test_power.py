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


def test_a_rule_about_one_probe_counts_on_how_much_that_one_moves_by_chance() -> None:
    calm = gated_study.item(id="probe:calm", delta=0.0, ci_low=-0.02, ci_high=0.02)
    restless = gated_study.item(id="probe:restless", delta=0.0, ci_low=-0.1, ci_high=0.1)
    assert power._background([calm], 0.5) == power._discordance(calm) < power._discordance(restless)
    # What was not tested counts only where a rule is of nothing else.
    untested = calm._replace(q=float("nan"))
    assert power._background([untested, restless], 0.5) == power._discordance(restless)
    assert power._background([untested], 0.5) == power._discordance(calm)
    assert power._background([], 0.5) == 0.5


def test_any_built_in_table_will_do_and_each_own_probe_must() -> None:
    good = Power("probe", 100, 40, 0.1, 0.1, 100, True)
    bad, own = good._replace(what="phrase", enough=False), good._replace(what="own probe", enough=False)
    assert power.enough([good, bad])
    assert not power.enough([bad])
    assert not power.enough([good, own])
    assert power.enough([own._replace(enough=True)])
