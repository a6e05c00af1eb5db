"""A series held against a rule: what changed, at which checkpoint, and that order alone breaks nothing."""

import json
from datetime import date
from pathlib import Path

import jsonschema
import pytest

from diffing.common.errors import UserError
from diffing.diff import timeline
from diffing.gate import check, forms, written
from diffing.gate.check import Checked, Judged
from diffing.study.study import Study
from tests.diff.test_timeline import answer, longer
from tests.fakes.diff_study import made
from tests.gate.test_forms import SARIF

TODAY = date(2026, 11, 29)
RULE = "q_gate < 0.05 and abs(delta) > 0.4 and survives_length != 'no'"


@pytest.fixture
def four() -> Study:
    """Bold comes with c, hedges rise all along, an opening comes with d."""
    return made(answer, prompts=80, keys="abcd", encoded=False)


def checked(**options: object) -> Checked:
    given = {"series": True, "fail_on": RULE} | options
    return check.of(Study.open("study"), check.Options.model_validate(given), TODAY)


def named(found: Checked, name: str) -> Judged:
    return next(each for each in found.judged if each.item.id == name)


def test_what_changed_is_said_with_the_checkpoint_at_which_it_did(four: Study) -> None:
    found = checked()
    assert (found.verdict, found.code, found.series) == ("changed", 1, ("a", "b", "c", "d"))
    assert [named(found, f"probe:{name}").item.at for name in ("bold", "hedges")] == ["c", ""]
    assert [named(found, f"probe:{name}").outcome for name in ("bold", "hedges", "emoji")] == [
        *("changed", "changed"),
        "passed",
    ]
    text = written.text(found)
    assert text.startswith("Changed along 4 checkpoints, from a to d: ")
    assert "from c on more: uses bold (probe), 4 % → 78 %".replace(" %", "\u00a0%") in text
    assert "steadily more: hedges" in text
    # By the checkpoint at which each changed.
    places = [each.item.at for each in found.changed]
    assert places == sorted(places, key=lambda key: "abcd".index(key) if key else 4)
    bold = named(found, "probe:bold").item
    row = timeline.of(four).items.set_index("item").loc["bold"]
    assert (bold.share_a, bold.share_b, bold.ci_low, bold.q) == (
        *(row["before"], row["after"]),
        *(row["change_low"], row["q"]),
    )


@pytest.mark.usefixtures("four")
def test_a_rule_may_ask_for_the_newest_checkpoint_alone() -> None:
    newest = checked(fail_on=f"at == 'd' and {RULE}")
    assert {each.item.at for each in newest.changed} == {"d"}
    assert checked(fail_on=f"at == 'b' and {RULE}").verdict == "passed"
    with pytest.raises(UserError, match="Nothing could fail"):
        checked(fail_on="at == 'x'")


@pytest.mark.usefixtures("four")
def test_a_change_is_expected_at_its_checkpoint_and_no_other(tmp_path: Path) -> None:
    allow = tmp_path / "allow.toml"
    for at, outcome in (("c", "expected"), ("b", "changed")):
        allow.write_text(f'[[change]]\nid = "probe:bold"\ndirection = "B"\nat = "{at}"\n', encoding="utf-8")
        assert named(checked(allow=str(allow)), "probe:bold").outcome == outcome
    assert named(checked(allow=str(allow)), "probe:bold").why == "was expected at b, and came at c"


@pytest.mark.usefixtures("four")
def test_every_form_is_written_and_sound() -> None:
    found = checked()
    jsonschema.validate(json.loads(forms.sarif(found)), SARIF)
    told = json.loads(forms.as_json(found))
    assert told["series"] == [{"key": key, "name": key} for key in "abcd"]
    assert next(item for item in told["items"] if item["id"] == "probe:bold")["at"] == "c"
    assert "| where | what | before → after | change | q |" in written.markdown(found)
    assert "from c on more: uses bold" in forms.junit(found)


def test_what_may_be_length_alone_breaks_nothing_and_length_is_told_once() -> None:
    made(longer, prompts=120, keys="abc", encoded=False)
    found = checked(fail_on="q_gate < 0.05 and abs(delta) > 0.1 and survives_length != 'no'")
    hedges = named(found, "probe:hedges")
    assert (hedges.item.survives_length, hedges.item.confirmed, hedges.outcome) == (
        "no",
        "may be length",
        "passed",
    )
    assert named(found, "probe:characters").part_of == "probe:words"
    assert "probe:words" in [each.item.id for each in found.changed]


def test_a_series_in_which_nothing_changed_passes_or_says_that_it_cannot_tell() -> None:
    made(lambda prompt, _key, _draw: f"word{prompt % 9} again, perhaps.", prompts=60, keys="abc", encoded=False)
    assert checked().verdict == "passed"
    blind = checked(fail_on="q_gate < 0.05 and abs(delta) > 0.01")
    assert (blind.verdict, blind.code) == ("cannot tell", 2)


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("options", [{"baseline": "other"}, {"a": "a"}, {"checkpoints": "a,b"}])
def test_what_a_series_cannot_take_is_said(options: dict[str, str]) -> None:
    with pytest.raises(UserError, match="has its own past|three or more different"):
        checked(**options)


def test_of_several_checkpoints_the_newest_is_compared_with_the_one_before(four: Study) -> None:
    assert check.sides(four) == ("c", "d")
    assert check.sides(four, a="a") == ("a", "b")
    assert check.sides(four, b="d") == ("a", "d")
