"""Agreement of readers: what moves features of both on the same pairs, and nothing that only looks like it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from diffing import diff
from diffing.common.errors import UserError
from diffing.diff import agreement, compute
from diffing.diff.stored import Diff
from diffing.reader import encode, places
from diffing.reader.encodings import Encodings
from diffing.study.study import Study
from tests.fakes import wordless_study
from tests.fakes.watch import Watch


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    return wordless_study.make(monkeypatch)


def read_by_another(study: Study) -> None:
    encode.run(study, encode.Options(reader=wordless_study.CHOICE), Watch())
    compute.run(study, compute.Options(reader=wordless_study.CHOICE), Watch())


def held(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def number(stored: Diff, feature: int) -> int:
    """Of the behaviour that a feature counts."""
    table = stored.behaviours
    return int(table.loc[(table["by"] == "feature") & (table["source"] == str(feature)), "behaviour"].iloc[0])


def counted(stored: Diff, words: str) -> int:
    return int(stored.behaviours.loc[stored.behaviours["name"].str.contains(words), "behaviour"].iloc[0])


def test_a_second_readers_encodings_and_diff_lie_beside_the_first_ones(study: Study) -> None:
    before = held(study.folder)
    read_by_another(study)
    after = held(study.folder)
    assert {name: after[name] for name in before} == before
    fresh = {name.split("/")[0] for name in after.keys() - before.keys()}
    assert fresh == {"diffs", "readers"}
    other = study.read_by(wordless_study.CHOICE)
    assert (Encodings.open(study).reader_key, Encodings.open(other).reader_key) == ("rules", "second")
    assert diff.load(other, "a", "b").summary["reader"]["preset"] == "gpt2-small"
    with pytest.raises(ValueError, match="not for changing"):
        other.change_settings(note="mine")


def test_a_study_that_names_another_reader_keeps_what_the_first_one_saw(study: Study) -> None:
    first = study.settings.reader
    read_by_another(study)
    study.change_settings(reader=wordless_study.CHOICE)
    with pytest.raises(UserError, match="encoded by another reader"):
        Encodings.open(study)
    encode.run(study, encode.Options(), Watch())
    assert Encodings.open(study).reader_key == "second"
    assert Encodings.open(study.read_by(first)).reader_key == "rules"
    assert not places.table_path(study.read_by(first)).samefile(places.table_path(study))
    own = diff.load(study, "a", "b")
    assert agreement.of(study, "a", "b")[number(own, 2)] == ["gpt2-small", "rules"]


def test_readers_agree_on_what_moves_features_of_both_and_not_on_what_is_only_counted(study: Study) -> None:
    assert agreement.of(study, "a", "b") == {}
    read_by_another(study)
    own = diff.load(study, "a", "b")
    seen = agreement.of(study, "a", "b")
    assert seen[number(own, wordless_study.SEES_ODD)] == ["rules", "gpt2-small"]
    # The other one has no feature for these, though rare words change as much, and cake is counted for both.
    assert seen[number(own, wordless_study.SEES_RARE)] == ["rules"]
    assert seen[counted(own, "cake")] == ["rules"]
    assert seen[counted(own, "numbered")] == []
    assert counted(diff.load(study.read_by(wordless_study.CHOICE), "a", "b"), "cake") > 0


def test_on_pairs_that_are_mixed_up_nothing_agrees(study: Study) -> None:
    read_by_another(study)
    own = diff.load(study, "a", "b")
    (other,) = agreement.beside(study, own)
    random = np.random.default_rng(0)
    names = {name for readers in agreement.between(own, [other]).values() for name in readers}
    assert names == {"rules", "gpt2-small"}
    for _ in range(50):
        mixed = dataclasses.replace(other)
        rows = other.changes.copy()
        rows[["prompt_id", "draw"]] = rows[["prompt_id", "draw"]].to_numpy()[random.permutation(len(rows))]
        mixed.__dict__["changes"] = rows
        assert {name for readers in agreement.between(own, [mixed]).values() for name in readers} == {"rules"}


def test_a_diff_that_is_older_than_its_encodings_is_not_asked(study: Study) -> None:
    read_by_another(study)
    own = diff.load(study, "a", "b")
    assert len(agreement.beside(study, own)) == 1
    places.table_path(study.read_by(wordless_study.CHOICE)).unlink()
    assert agreement.beside(study, own) == []
