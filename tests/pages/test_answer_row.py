"""A behaviour's badges: who sees it and whose name it has, where there is something to say."""

import pytest

from diffing import diff, labels
from diffing.labels import called
from pages.parts.answer import row
from pages.parts.load import Loaded
from tests.fakes import finding_study


def test_badges_name_the_readers_that_agree_and_whose_words_a_name_is(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    stored = diff.load(study, "a", "b")
    found = Loaded(stored, labels.named(study, stored.features, "a", "b"), False)
    each = next(each for each in called.behaviours(study, stored) if each.name == "uses numbered lists")
    plain = row.badges(found, each)
    both = row.badges(found, each._replace(readers=("starter", "gpt2-small"), author="Ada <b>"))
    fresh = [badge for badge in both if badge not in plain]
    assert [badge.split(">")[1].split("<")[0] for badge in fresh] == ["both readers", "named by Ada &lt;b&gt;"]
    assert "features of each reader move with it: starter and gpt2-small." in fresh[0]
    assert row.badges(found, each._replace(readers=("starter",))) == plain
