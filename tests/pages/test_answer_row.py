"""A behaviour's badges: who sees it and whose name it has, where there is something to say."""

import numpy as np
import pandas as pd
import pytest

from diffing import diff
from diffing.diff import noise
from diffing.diff.members import Beside
from diffing.findings import findings, rulings
from diffing.findings.predicates import Predicate
from diffing.labels import called
from pages.parts.answer import row
from pages.parts.loaded import Loaded
from tests.fakes import finding_study, judged_study


def test_badges_name_the_readers_that_agree_and_whose_words_a_name_is(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    stored = diff.load(study, "a", "b")
    found = Loaded(study, stored, False)
    each = next(each for each in called.behaviours(study, stored) if each.name == "uses numbered lists")
    plain = row.badges(found, each)
    both = row.badges(found, each._replace(readers=("starter", "gpt2-small"), author="Ada <b>"))
    fresh = [badge for badge in both if badge not in plain]
    assert [badge.split(">")[1].split("<")[0] for badge in fresh] == ["both readers", "named by Ada &lt;b&gt;"]
    assert "features of each reader move with it: starter and gpt2-small." in fresh[0]
    assert row.badges(found, each._replace(readers=("starter",))) == plain


def test_a_judge_is_named_with_what_it_found_where_it_was_asked_of_these_very_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = finding_study.make(monkeypatch)
    stored = diff.load(study, "a", "b")
    found = Loaded(study, stored, False)
    behaviours = called.behaviours(study, stored)
    lists, spaces = (
        next(each for each in behaviours if each.name == name)
        for name in ("uses numbered lists", "has double spaces within lines")
    )
    claims = lists.name, "is kind"
    for claim in claims:
        findings.add(study, claim, "b", predicate=Predicate.of_probe(lists.source), author="Ada")
    assert rulings.of(study, "a", "b", behaviours) == {}
    judged_study.judge(study, claims, lambda number, _truth: -1 if number % 10 == 0 else 1, "m <b>")
    (judged,) = rulings.of(study, "a", "b", behaviours).values()
    (badge,) = set(row.badges(found, lists, judged)) - set(row.badges(found, lists))
    assert badge.startswith('<span class="good" title="m &lt;b&gt; on 20') and badge.endswith(">judged</span>")
    assert "of 43 new prompts 38 show it more on B, 5 on A; q = " in badge
    assert spaces.number not in rulings.of(study, "a", "b", behaviours)


def test_a_judge_that_did_not_confirm_shows_so(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    behaviours = called.behaviours(study, diff.load(study, "a", "b"))
    lists = next(each for each in behaviours if each.name == "uses numbered lists")
    findings.add(study, lists.name, "b", predicate=Predicate.of_probe(lists.source), author="Ada")
    judged_study.judge(study, [lists.name], lambda number, _truth: 1 if number % 2 else -1)
    judged = rulings.of(study, "a", "b", behaviours)[lists.number]
    assert (judged.verified, judged.word) == (False, "judge did not confirm")
    judged_study.judge(study, [lists.name], lambda _number, _truth: -1, "another")
    assert rulings.of(study, "a", "b", behaviours)[lists.number].word == "judge: the contrary"


def test_noise_is_asked_of_as_many_prompts_as_the_share_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    stored = diff.load(study, "a", "b")
    stored.__dict__["noise"] = pd.DataFrame({"low": [0.0], "high": [1.0], "band": [0.2]})
    monkeypatch.setattr(
        noise, "of_features", lambda bins, frequency: np.full(len(frequency), bins["band"].iloc[0])
    )
    found = Loaded(study, stored, False)
    each = next(each for each in called.behaviours(study, stored) if each.name == "uses numbered lists")
    # A band of 20 points over 120 prompts is one of 40 over 30.
    few = each._replace(prompts=30)
    assert found.beyond_noise(few._replace(delta=0.41)) and not found.beyond_noise(few._replace(delta=0.39))
    assert found.beyond_noise(each._replace(prompts=120, delta=0.21))
    assert not found.beyond_noise(each._replace(kind="place", delta=0.9))


def test_what_goes_with_a_behaviour_stands_beneath_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    stored = diff.load(study, "a", "b")
    each = called.behaviours(study, stored)[0]._replace(beside=[Beside("uses <b>", 0.1, 0.2)])
    assert row.beside(each).endswith(">with it: uses &lt;b&gt; (10\u00a0% → 20\u00a0%)</div>")
    assert row.beside(each._replace(beside=())) == ""


def test_a_difference_is_told_from_the_side_that_the_words_name(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    stored = diff.load(study, "a", "b")
    each = called.behaviours(study, stored)[0]._replace(kind="habit", delta=-0.35, ci_low=-0.41, ci_high=0.02)
    assert row.by(each) == "by 35 points [−2 to 41]"
    amount = each._replace(kind="amount", share_a=100, share_b=300, delta=1, ci_low=0.5, ci_high=1.5)
    assert row.by(amount) == "by 200 words [100 to 300]"
