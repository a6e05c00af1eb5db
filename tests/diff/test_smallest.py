"""The smallest difference that can be found is one number in one sentence, and says of what."""

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest

from diffing import diff, status
from diffing.diff.smallest import Smallest
from diffing.gate.power import Power
from diffing.report import limits
from diffing.report.facts import Facts
from tests.fakes import finding_study
from tests.pages.test_address import opened


def words(app: Any) -> str:
    return " ".join(part.value for part in (*app.caption, *app.markdown))


def test_the_status_each_page_and_the_report_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    stored = diff.load(study, "a", "b")
    said = Smallest.of_diff(stored.summary)
    assert status.power_in_words(status.of(study)["detectable"]) == said.sentence
    assert said.sentence in limits.smallest(cast(Facts, SimpleNamespace(diff=stored)))
    for page in ("prompts", "answer"):
        assert said.sentence in words(opened(page, study.name))
    tiles = {tile.label: tile for tile in opened("features", study.name).metric}
    tile = tiles["Smallest difference to be found"]
    assert tile.value == said.points and said.sentence in tile.proto.help


def test_another_test_says_of_what_it_is() -> None:
    feature = Smallest(0.123, 234, 4000, 0.1)
    gated = Power("behaviour", 234, 20, 0.1, 0.08, 500, True, families=3, unit="new prompt").sentence
    assert "one feature is 12 points" in feature.sentence and "234 prompts" in feature.sentence
    assert "a typical behaviour is 8 points" in gated and "234 new prompts" in gated
    # The gate's level is shared among its tables, which is a correction too.
    assert "4,000 tests" in feature.sentence and "60 tests" in gated


def test_where_nothing_could_be_found_no_figure_is_said() -> None:
    nothing = Smallest(math.inf, 6, 4000, 0.1)
    assert nothing.points == "none" and "no difference of any size" in nothing.sentence
