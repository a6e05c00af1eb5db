"""A behaviour's badges: who sees it and whose name it has, where there is something to say."""

import numpy as np
import pandas as pd
import pytest

from diffing import diff, labels
from diffing.diff import noise
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


def test_noise_is_asked_of_as_many_prompts_as_the_share_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    stored = diff.load(study, "a", "b")
    stored.__dict__["noise"] = pd.DataFrame({"low": [0.0], "high": [1.0], "band": [0.2]})
    monkeypatch.setattr(
        noise, "of_features", lambda bins, frequency: np.full(len(frequency), bins["band"].iloc[0])
    )
    found = Loaded(stored, stored.features, False)
    each = next(each for each in called.behaviours(study, stored) if each.name == "uses numbered lists")
    # A band of 20 points over 120 prompts is one of 40 over 30.
    few = each._replace(prompts=30)
    assert found.beyond_noise(few._replace(delta=0.41)) and not found.beyond_noise(few._replace(delta=0.39))
    assert found.beyond_noise(each._replace(prompts=120, delta=0.21))
    assert not found.beyond_noise(each._replace(kind="place", delta=0.9))
