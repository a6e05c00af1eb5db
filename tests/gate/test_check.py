"""A gate: what makes a comparison fail, what lets it pass, and when it cannot tell."""

from datetime import date
from pathlib import Path

import pytest

from diffing import Study
from diffing.common.errors import UserError
from diffing.common.words import points
from diffing.diff import compute
from diffing.gate import alike, check, items, written
from diffing.gate.check import Checked, Options
from tests.fakes import channel_study, gated_study

TODAY = date(2026, 11, 29)
SURE = "q_gate < 0.05 and abs(delta) > 0.5"
"""A rule whose size a small study can see."""


def checked(name: str = "study", **options: object) -> Checked:
    return check.of(Study.open(name), Options.model_validate(options), TODAY)


def ids(some: list[check.Judged]) -> list[str]:
    return [each.item.id for each in some]


def expected(path: Path, *lines: str) -> str:
    path.write_text("".join(f"[[change]]\n{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def test_a_change_fails_once_and_what_is_part_of_it_stands_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gated_study.study(monkeypatch)
    found = checked(fail_on=SURE)
    assert (found.verdict, found.code) == ("changed", 1)
    assert "behaviour:probe:bold" in ids(found.changed)
    (bold,) = [each for each in found.changed if each.item.id == "behaviour:probe:bold"]
    assert "probe:bold" in ids(found.parts(bold))
    assert "probe:bold" not in ids(found.changed)
    assert found.size == 0.5


def test_nothing_changed_passes_only_where_a_change_would_have_been_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    gated_study.study(monkeypatch, bold=0.0)
    assert (checked(fail_on=SURE).verdict, checked(fail_on=SURE).code) == ("passed", 0)
    blind = checked(fail_on="q_gate < 0.05 and abs(delta) > 0.02")
    assert (blind.verdict, blind.code) == ("cannot tell", 2)
    assert all((power.needed or 0) > 60 for power in blind.powers if power.needed)
    # A study that would not have seen it either, but saw another thing.
    assert checked(fail_on="prompts > 0", size=0.02).code == 1


def test_a_channel_is_held_against_the_rule_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    channel_study.make(monkeypatch)
    study = Study.open("thinking")
    study.run("encode")
    study.diff()
    assert checked("thinking", fail_on=SURE).verdict == "passed"
    study.through("reasoning").run("encode")
    found = checked("thinking", fail_on=SURE, channel="reasoning")
    assert found.verdict == "changed" and "in the reasoning from A (A) to B (B)" in written.sentence(found)
    # A study that is seen through a channel already is not seen through another.
    again = check.of(study.through("reasoning"), Options(fail_on=SURE), TODAY)
    assert written.sentence(again) == written.sentence(found)


def test_a_rule_that_nothing_could_break_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    gated_study.study(monkeypatch, bold=0.0)
    with pytest.raises(UserError, match="Nothing could fail on 'abs\\(delta\\) > 0.5' by a change of 10 points"):
        checked(fail_on="abs(delta) > 0.5", size=0.1)
    with pytest.raises(UserError, match="'detla' is no name"):
        checked(fail_on="detla > 1")


def test_an_expected_change_passes_with_its_parts_in_its_range_and_until_its_day(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gated_study.study(monkeypatch)
    rule = f"what != 'phrase' and name != 'is longer, in words' and {SURE}"
    (bold, *_) = [each for each in checked(fail_on=rule).changed if each.item.id == "behaviour:probe:bold"]
    whole = 'id = "behaviour:probe:bold"\ndirection = "B"'

    def after(*lines: str) -> Checked:
        return checked(fail_on=rule, allow=expected(tmp_path / "allow.toml", *lines))

    came = after(f'{whole}\nnote = "house style"')
    assert [(each.item.id, each.why) for each in came.by("expected")] == [("behaviour:probe:bold", "house style")]
    (probe,) = [each for each in came.judged if each.item.id == "probe:bold"]
    assert (probe.outcome, probe.why) == ("expected", "part of 'uses bold', which is expected")
    faults = {
        'id = "behaviour:probe:bold"\ndirection = "A"': "was expected with more on A",
        f"{whole}\nhigh = 0.1": f"was expected with B-A of at most +10 points, and is {points(bold.item.delta)}",
        f"{whole}\nexpires = 2026-11-28": "was expected until 2026-11-28, which is over",
    }
    for lines, why in faults.items():
        (failed,) = [each for each in after(lines).changed if each.item.id == "behaviour:probe:bold"]
        assert failed.why == why
    assert after(f"{whole}\nexpires = 2026-11-29").by("expected")


def test_an_expected_change_that_did_not_come_is_said_and_fails_where_that_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gated_study.study(monkeypatch, bold=0.0)
    allow = expected(
        tmp_path / "allow.toml",
        'id = "probe:bold"\ndirection = "B"',
        'name = "sings"\ndirection = "A"',
        'id = "probe:emoji"\ndirection = "A"\nexpires = 2020-01-01',
    )
    found = checked(fail_on=SURE, allow=allow)
    assert (found.verdict, [each.change.called for each in found.absent]) == ("passed", ["probe:bold", "sings"])
    assert found.absent[0].why.startswith("B-A is +0 points")
    assert found.absent[1].why == "nothing of that id or name is among what was compared"
    assert [change.called for change in found.expired] == ["probe:emoji"]
    assert checked(fail_on=SURE, allow=allow, strict=True).code == 1


def test_what_was_there_before_is_no_news_and_what_is_more_than_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    gated_study.study(monkeypatch, "last", bold=0.8, prompts=60)
    gated_study.study(monkeypatch, "same", bold=0.8, prompts=60)
    gated_study.study(monkeypatch, "first", bold=0.0, prompts=60)
    rule = "what != 'phrase' and by == 'probe' and kind != 'amount' and q_gate < 0.05 and abs(delta) > 0.3"
    again = checked("same", fail_on=rule, baseline="last")
    assert (again.verdict, again.changed) == ("passed", [])
    (bold,) = [each for each in again.judged if each.item.id == "probe:bold"]
    assert (bold.outcome, bold.why) == ("as before", "B-A was +80 points there")
    new = checked("same", fail_on=rule, baseline="first")
    assert new.code == 1
    (bold,) = [each for each in new.judged if each.item.id == "probe:bold"]
    assert bold.outcome == "changed" and bold.beyond is not None
    assert (bold.beyond.before, round(bold.beyond.item.delta, 6)) == (0, 0.8)
    with pytest.raises(UserError, match="cannot be its own baseline"):
        checked("same", fail_on=rule, baseline="same")


def test_what_cannot_be_held_against_the_baseline_still_fails() -> None:
    rule = check.rule_of(Options())
    feature = gated_study.item(what="behaviour", by="feature", source="7")
    assert check._before(rule, feature, None, 0.1) == (
        "changed",
        "cannot be held against the baseline, which has no count of it",
    )


def test_one_change_that_is_counted_twice_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    study = gated_study.study(monkeypatch)
    found = checked(fail_on=SURE)
    told = [each.item for each in found.changed if each.item.by in ("probe", "phrase")]
    assert [item.source for item in told if "old" in item.source] == ["bold"]
    parts = {each.item.id: each.part_of for each in found.judged if each.part_of}
    assert parts["probe:bold"] == "behaviour:probe:bold"
    # Whatever stands with another thing stands with one that is told itself.
    assert {*parts.values()} <= {*ids(found.changed)}
    heads = [gated_study.item(), gated_study.item(id="probe:other", source="emoji")]
    assert alike.wholes(study, ("a", "b"), heads) == {}
    again = [gated_study.item(), gated_study.item(id="probe:again")]
    assert alike.wholes(study, ("a", "b"), again) == {"probe:again": "probe:bold"}
    assert alike.wholes(study, ("a", "b"), [again[0], again[1]._replace(delta=-0.2)]) == {}


def test_what_only_features_tell_of_says_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    study = gated_study.study(monkeypatch)
    stored = compute.current(study, "a", "b")
    feature = int(stored.features.sort_values("q")["feature"].iloc[0])
    titles = items._titles(study, stored, [feature])
    assert titles[feature].startswith(f"shows feature {feature}, which stands at ")
    assert items._titles(study, stored, []) == {}


def test_q_gate_is_q_times_the_families_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    study = gated_study.study(monkeypatch)
    found = items.of(study, compute.current(study, "a", "b"))
    families = {each.family for each in found if each.q == each.q}
    assert len(families) >= 3
    assert all(each.q_gate == min(1.0, each.q * len(families)) for each in found if each.q == each.q)
    assert len({each.id for each in found}) == len(found)
