"""What a report says of use: only where something countable differs."""

from dataclasses import replace

from diffing.report import advice
from diffing.report.facts import Facts
from tests.fakes.report_study import facts

__all__ = ["facts"]


def test_an_implication_is_drawn_only_from_what_differs(facts: Facts) -> None:
    drawn = {implication.area: implication.seen for implication in advice.implications(facts)}
    assert drawn["Layout"] == "B against A: numbered items +100 points"
    assert drawn["White space"] == "B against A: double spaces −100 points"
    assert "Refusals and disclaimers" not in drawn
    same = replace(facts)
    vars(same)["probes"] = facts.probes.assign(q=1.0, q_mean=1.0)
    assert advice.implications(same) == []
