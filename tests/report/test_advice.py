"""What a report says of use: only where something countable differs."""

from dataclasses import replace

from diffing.report import advice
from diffing.report.facts import Facts


def test_an_implication_is_drawn_only_from_what_differs(gathered: Facts) -> None:
    drawn = {implication.area: implication.seen for implication in advice.implications(gathered)}
    assert drawn["Layout"] == "B against A: numbered items +100 points"
    assert drawn["White space"] == "B against A: double spaces −100 points"
    assert "Refusals and disclaimers" not in drawn
    same = replace(gathered)
    vars(same)["probes"] = gathered.probes.assign(q=1.0, q_mean=1.0)
    assert advice.implications(same) == []
