"""The diff of a study from end to end: what is stored, when it is outdated, and every odd study."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffing import diff
from diffing.common import files
from diffing.common.errors import Cancelled, UserError
from diffing.diff import compute, summary
from diffing.diff.stored import Diff, DiffSettings
from diffing.reader import encode
from diffing.study.study import Study
from tests.fakes.diff_study import COLUMNS, computed, made, words
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    fake = FakeReader(window=64)
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: fake)
    return fake


def test_a_diff_has_a_row_for_each_feature_and_every_column() -> None:
    found = computed(made())
    assert len(found.features) == FakeReader.n_features
    assert set(found.features.columns) >= COLUMNS
    assert set(found.probes.columns) >= COLUMNS - {"feature", "family", "probes", "outside_noise"}


def test_a_planted_habit_leads_the_table_and_the_probes() -> None:
    # Of the fake reader's features the one that fires on bold words alone does so weakly.
    found = computed(made(), share_of_peak=0.0)
    leader = found.top(1).iloc[0]
    assert leader["delta"] > 0.4
    assert leader["probes"].startswith("bold:")
    bold = found.probes.set_index("probe").loc["bold"]
    assert bold[["frequency_a", "frequency_b", "discordant_b"]].tolist() == [0, 0.8, 32]
    assert bold["survives_equal_length"]


def test_a_stored_diff_loads_as_it_was_computed() -> None:
    study = made()
    fresh = computed(study)
    stored = diff.load(study, "a", "b")
    for name in compute.TABLES:
        pd.testing.assert_frame_equal(getattr(fresh, name), getattr(stored, name))
    assert stored.summary == fresh.summary
    assert sorted(p.name for p in stored.folder.parent.iterdir()) == [stored.folder.name]


def test_neither_a_second_run_nor_a_second_process_changes_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    study = made(draws=2)
    alone = computed(study)
    alone_features, alone_probes = alone.features, alone.probes
    monkeypatch.setattr(compute, "ASIDE", 1)
    helped = computed(study)
    pd.testing.assert_frame_equal(alone_features, helped.features)
    pd.testing.assert_frame_equal(alone_probes, helped.probes)


def test_a_diff_that_breaks_off_leaves_the_stored_one_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    study = made()
    before = computed(study)
    there = {path.name for path in before.folder.iterdir()}
    written: list[str] = []

    def full(path: Path, _frame: pd.DataFrame) -> None:
        written.append(path.name)
        if len(written) == 3:
            raise OSError("No space left on device")
        path.write_bytes(b"half a diff")

    monkeypatch.setattr(files, "write_parquet", full)
    with pytest.raises(OSError, match="No space left"):
        computed(study)
    assert [path.name for path in before.folder.parent.iterdir()] == [before.folder.name]
    assert {path.name for path in before.folder.iterdir()} == there
    pd.testing.assert_frame_equal(diff.load(study, "a", "b").features, before.features)


def test_settings_have_folders_of_their_own() -> None:
    study = made()
    assert computed(study).folder != computed(study, threshold=1.0).folder
    with pytest.raises(UserError, match="has no diff of 'a' and 'b' with these settings yet"):
        diff.load(study, "a", "b", DiffSettings(threshold=2.0))


def test_a_diff_is_outdated_once_an_answer_or_a_category_changes() -> None:
    study = made()
    found = computed(study)
    assert not found.outdated(study)
    table = study.prompts()
    study.save_prompts(table.assign(category="other"))
    assert found.outdated(study)
    study.save_prompts(table)
    study.add_responses(study.responses().head(1).assign(text="another answer"))
    assert found.outdated(study)


def test_the_job_reports_progress_and_stops_when_asked() -> None:
    study, watch = made(), Watch()
    result = compute.run(study, compute.Options(a="b", b="a", details=3), watch)
    assert result["prompts"] == 40
    assert [told["done"] for told in watch.told] == list(range(8))
    assert (study.folder / "diffs" / result["diff"] / "summary.json").exists()
    with pytest.raises(Cancelled):
        compute.run(study, compute.Options(), Watch(checks=2))


@pytest.mark.parametrize(("b", "said"), [("a", "cannot be compared with itself"), ("none", "no checkpoint")])
def test_sides_that_cannot_be_compared_are_named(b: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        compute.run(made(), compute.Options(b=b), Watch())


def test_several_draws_have_a_noise_column_and_whole_shares() -> None:
    found = computed(made(draws=2))
    assert found.summary["draws"] == 2
    assert (found.features["frequency_a"] * 80 % 1).round(6).isin([0, 1]).all()
    assert found.features["outside_noise"].isna().all()


def nothing(_prompt: int, _checkpoint: str, _draw: int) -> str:
    return ""


def only_a(prompt: int, checkpoint: str, draw: int) -> str:
    return words(prompt, checkpoint, draw) if checkpoint == "a" else ""


def same(prompt: int, _checkpoint: str, draw: int) -> str:
    return words(prompt, "a", draw)


def test_one_empty_checkpoint_excludes_every_pair_and_says_why() -> None:
    found = computed(made(only_a))
    assert found.summary["excluded"] == {"B empty": 40}
    assert (found.summary["prompts"], found.summary["tested"]) == (0, 0)
    assert found.features["delta"].isna().all()
    assert found.summary["smallest_detectable"] is None
    assert found.summary["separability"]["auc"] is None


def test_an_unreadable_answer_excludes_its_pair() -> None:
    def odd(prompt: int, checkpoint: str, draw: int) -> str:
        return "unreadable" if (prompt, checkpoint) == (3, "b") else words(prompt, checkpoint, draw)

    found = computed(made(odd))
    assert found.summary["excluded"] == {"B unreadable": 1}
    assert found.summary["prompts"] == 39


def test_answers_that_came_after_encoding_are_excluded_as_such() -> None:
    study = made()
    first = study.prompts()["id"].iloc[0]
    row = {"prompt_id": first, "draw": 1, "text": "later", "flag": ""}
    study.add_responses(pd.DataFrame([row | {"checkpoint": key} for key in "ab"]))
    assert computed(study).summary["excluded"] == {"A not encoded; B not encoded": 1}


def test_identical_answers_differ_in_nothing() -> None:
    found = computed(made(same))
    assert (found.features["delta"] == 0).all()
    assert (found.summary["tested"], found.summary["families"], found.summary["share_surviving"]) == (0, 0, None)
    apart = found.summary["separability"]
    assert {name: apart[name] for name in ("auc", "paired", "p", "prompts", "reason")} == {
        "auc": None,
        "paired": None,
        "p": None,
        "prompts": 0,
        "reason": "all answers are identical on both sides",
    }
    assert found.summary["identical"] == 40
    assert summary.identical(found.summary) == "The answers are identical on 40 of 40 prompts."


def test_identical_pairs_are_counted_by_draw_and_left_out_only_where_a_prompt_has_no_other() -> None:
    def mostly(prompt: int, checkpoint: str, draw: int) -> str:
        return words(prompt, "a" if draw == 0 or prompt < 10 else checkpoint, draw)

    found = computed(made(mostly, draws=2))
    assert (found.summary["identical"], found.summary["pairs"]) == (50, 80)
    assert summary.identical(found.summary) == "The answers are identical in 50 of 80 pairs."
    assert (found.summary["separability"]["prompts"], found.summary["separability"]["reason"]) == (30, "")


def test_one_prompt_is_enough_for_a_table() -> None:
    found = computed(made(prompts=1))
    assert found.summary["prompts"] == 1
    assert not found.features["testable"].any()


def test_a_study_without_encodings_says_what_to_run() -> None:
    with pytest.raises(UserError, match="has no encodings yet"):
        computed(made(encoded=False))


def test_truncated_pairs_stay_and_are_also_left_out() -> None:
    study = made()
    table = study.responses()
    study.add_responses(table[table["checkpoint"] == "b"].head(15).assign(flag="truncated"))
    found = computed(study)
    whole = table.assign(flag=table["flag"]).merge(
        table[table["checkpoint"] == "b"].head(15)[["prompt_id"]], on="prompt_id", how="left", indicator=True
    )
    rest = made_of(study, whole[whole["_merge"] == "left_only"].drop(columns="_merge"))
    assert (found.summary["pairs"], found.summary["pairs_truncated"]) == (40, 15)
    np.testing.assert_allclose(found.features["delta_untruncated"], rest.features["delta"])
    np.testing.assert_allclose(found.features["q_untruncated"], rest.features["q"])


def made_of(study: Study, rows: pd.DataFrame) -> Diff:
    """The diff of a study with the same prompts and only some of the answers."""
    other = Study.create("rest", study.checkpoints, study.prompts())
    other.add_responses(rows)
    encode.run(other, encode.Options(), Watch())
    return computed(other)
