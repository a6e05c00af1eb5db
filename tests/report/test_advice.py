"""What a report says of use: only where something countable differs."""

from dataclasses import replace

from diffing.report import advice
from diffing.report.facts import Facts


def test_an_implication_is_drawn_only_from_what_differs(gathered: Facts) -> None:
    drawn = {implication.area: implication.seen for implication in advice.implications(gathered)}
    assert drawn["Length and cost"] == "B's answers are 17\u00a0% longer (12 → 14 words)."
    assert drawn["Layout"] == "At equal length B more often has numbered items (+97 points)."
    assert drawn["White space"] == "At equal length B less often has double spaces (−100 points)."
    assert drawn["Refusals"] == "No answer begins with one, so these prompts say nothing of them."
    assert set(drawn) == {"Length and cost", "Layout", "White space", "Refusals"}
    same = replace(gathered)
    vars(same)["probes"] = gathered.probes.assign(q=1.0)
    assert [each.area for each in advice.implications(same)] == ["Length and cost", "Refusals"]


def test_what_is_turned_round_at_equal_length_is_not_said_of_use(gathered: Facts) -> None:
    """Longer answers show more of nearly everything, as contractions do: +9 points, and −6 at equal length."""
    longer = replace(gathered)
    table = gathered.probes.copy()
    table.loc["contractions", ["q", "delta", "ci_low", "ci_high", "delta_rarefied"]] = [
        1e-6,
        0.09,
        0.05,
        0.13,
        -0.06,
    ]
    table.loc["contractions", "survives_equal_length"] = False
    vars(longer)["probes"] = table
    said = " ".join(f"{each.seen} {each.advice}" for each in advice.implications(longer))
    assert "contractions" not in said
    assert advice.may_be_length(longer) == ["contractions"]
