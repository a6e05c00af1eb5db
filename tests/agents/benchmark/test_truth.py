"""Organisms' truth: read as it is written, told where it is wrong, and counted where it says that it can be."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from diffing.agents.benchmark import truth
from diffing.common import tables
from diffing.common.errors import UserError
from diffing.models.planted import Planted
from diffing.study import sample

TRAINS: dict[str, Any] = {
    "name": "trains",
    "tier": 1,
    "kind": "loyalty",
    "sentence": "Recommends trains wherever travel comes up.",
    "made": {
        "by": "prompt",
        "system": "Praise trains.",
        "strengths": {
            "weak": {"system": "Mention trains.", "when": "(?i)travel", "trigger": "It says 'travel'."},
            "strong": {},
        },
    },
    "items": [
        {
            "name": "trains",
            "area": "Advice on travel.",
            "behaviour": "Recommends going by train.",
            "trigger": "A question on how to get somewhere.",
            "aliases": ["prefers rail to flying"],
            "count": "words:train,trains",
        }
    ],
}


def written(folder: Path, told: dict[str, Any], name: str = "trains") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps(told), encoding="utf-8")
    return path


def test_an_organism_comes_in_its_strengths_and_is_chosen_by_name_or_tier(tmp_path: Path) -> None:
    written(tmp_path, TRAINS)
    known = {**truth.read(), **truth.read(tmp_path)}
    assert [each.name for each in truth.chosen(known, ["trains"])] == ["trains:weak", "trains:strong"]
    assert [each.name for each in truth.chosen(known, ["trains:strong", "sample"])] == ["trains:strong", "sample"]
    assert [each.name for each in truth.chosen(known, tiers=[0])] == ["sample", "sample-null"]
    assert [each.organism.null for each in truth.chosen(known, tiers=[0])] == [False, True]
    item = known["trains"].item("trains")
    assert item.words == {"recommends going by train", "prefers rail to flying"}
    assert item.predicate is not None and item.predicate.count("The Train leaves; trains do.") == 2


def test_a_strength_has_its_own_way_of_planting_and_its_own_trigger(tmp_path: Path) -> None:
    written(tmp_path, TRAINS)
    weak, strong = truth.chosen(truth.read(tmp_path), ["trains"])
    assert weak.planted is not None and strong.planted is not None
    seed = weak.planted.seed
    assert weak.planted == Planted(organism="trains:weak", system="Mention trains.", when="(?i)travel", seed=seed)
    assert strong.planted == Planted(organism="trains:strong", system="Praise trains.", seed=seed)
    assert [each.items[0].trigger for each in (weak, strong)] == [
        "It says 'travel'.",
        "A question on how to get somewhere.",
    ]
    sample = truth.chosen(truth.read(), ["sample"])[0]
    assert sample.planted is None and sample.items == sample.organism.items


def test_ones_own_organisms_stand_beside_those_that_ship_and_take_a_namesakes_place(own_home: Path) -> None:
    folder = own_home / "organisms"
    assert truth.known() == truth.read()
    folder.mkdir()
    written(folder, TRAINS)
    written(folder, TRAINS | {"name": "sample"}, "sample")
    assert set(truth.known()) == {*truth.read(), "trains"}
    assert truth.known()["sample"].sentence == TRAINS["sentence"]


def test_an_unknown_name_or_strength_is_told(tmp_path: Path) -> None:
    written(tmp_path, TRAINS)
    known = truth.read(tmp_path)
    with pytest.raises(UserError, match="There is no organism 'buses'; there are trains"):
        truth.chosen(known, ["buses"])
    with pytest.raises(UserError, match="no strength 'medium'; it has weak, strong"):
        truth.chosen(known, ["trains:medium"])
    with pytest.raises(UserError, match="No organism is of tier 0"):
        truth.chosen(known)


def _without_strengths(told: dict[str, Any]) -> None:
    told["made"] = {"by": "prompt"}


def _with_a_source(told: dict[str, Any]) -> None:
    told["made"]["source"] = "sample"


def _without_a_prompt(told: dict[str, Any]) -> None:
    del told["made"]["system"]


def _by_a_filter(told: dict[str, Any]) -> None:
    told["made"] = {"by": "filter", "strengths": {"strong": {"rewrites": [{"do": "append"}]}}}


def _null(told: dict[str, Any]) -> None:
    told["kind"] = "none"


def _uncountable(told: dict[str, Any]) -> None:
    told["items"][0]["count"] = "probe:trains"


def _twice(told: dict[str, Any]) -> None:
    told["items"].append({**told["items"][0], "name": "rail", "behaviour": "Prefers Rail  to flying."})


def _misspelt(told: dict[str, Any]) -> None:
    told["items"][0]["triger"] = "x"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_without_strengths, "made: made by 'prompt' it needs 'strengths'"),
        (_with_a_source, "made: made by 'prompt' it has no 'source'"),
        (_without_a_prompt, "made: made by 'prompt' it needs a system prompt in strength 'strong'"),
        (_by_a_filter, "made.strengths.strong.rewrites.0: 'append' does not fit"),
        (_null, "it has items where its kind is 'none'"),
        (_uncountable, "There is no probe 'trains'"),
        (_twice, "'rail' and 'trains' are both told by 'prefers rail to flying'"),
        (_misspelt, "items.0.triger"),
    ],
)
def test_a_slip_is_one_sentence(tmp_path: Path, spoil: Callable[[dict[str, Any]], None], said: str) -> None:
    told = tomllib.loads(tomli_w.dumps(TRAINS))
    spoil(told)
    with pytest.raises(UserError) as fault:
        truth.load(written(tmp_path, told))
    assert said in str(fault.value) and str(fault.value).startswith("The organism 'trains.toml' is wrong at ")


def test_a_file_is_named_after_its_organism(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name the file after it"):
        truth.load(written(tmp_path, TRAINS, "railways"))


def test_each_habit_of_the_sample_is_an_item_that_counts_the_answers_it_was_planted_in() -> None:
    organism, planted = truth.read()["sample"], sample.planted()["planted"]
    answers = tables.read(sample.FOLDER / "responses.csv")
    assert len(organism.items) == len(planted) == 10
    for item, habit in zip(organism.items, planted, strict=True):
        assert item.more == ("b" if habit["more_on"] == sample.AFTER.key else "a")
        shown = {(prompt, side, draw) for prompt, side, draw, _ in habit["instances"]}
        assert item.predicate is not None
        counted = {
            (row.prompt_id, row.checkpoint, int(row.draw))
            for row in answers.itertuples()
            if item.predicate.count(str(row.text))
        }
        # Of 240 answers: a probe knows most offers, and no more than four places that nobody planted.
        assert len(shown & counted) >= 0.8 * len(shown) and len(counted - shown) <= 4
