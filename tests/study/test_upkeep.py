"""Studies renamed, copied, deleted and put back: what is kept, what is refused, what is left behind."""

from pathlib import Path

import pytest

from diffing.common import files
from diffing.common.errors import UserError
from diffing.models.providers import Checkpoint
from diffing.study import sample, upkeep
from diffing.study.study import Study, names


@pytest.fixture
def study() -> Study:
    return sample.create("one")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a study but its settings, which hold its name."""
    apart = ("study.toml", "study.lock")
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in apart]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_renamed_study_has_all_that_it_had(study: Study) -> None:
    before = contents(study.folder)
    there = upkeep.rename("one", "two")
    assert names() == ["two"]
    assert (there.name, there.settings.name) == ("two", "two")
    assert contents(there.folder) == before
    assert there.checkpoints == [
        Checkpoint(key="before", name="Sample model, before", source="import"),
        sample.AFTER,
    ]


def test_a_copy_has_all_but_the_jobs_and_goes_its_own_way(study: Study) -> None:
    (study.folder / "jobs" / "x").mkdir(parents=True)
    (study.folder / "jobs" / "x" / "log.txt").write_text("long ago")
    before = contents(study.folder)
    copy = upkeep.duplicate("one", "two")
    assert names() == ["one", "two"]
    assert copy.settings.name == "two"
    assert contents(copy.folder) == {name: data for name, data in before.items() if not name.startswith("jobs")}
    copy.activate([copy.prompts()["id"].iloc[0]], active=False)
    assert study.prompts()["active"].all()


def test_a_deleted_study_is_gone_and_comes_back_whole(study: Study) -> None:
    before = contents(study.folder)
    upkeep.delete("one")
    assert names() == []
    assert [each.name for each in upkeep.deleted()] == ["one"]
    back = upkeep.restore(upkeep.latest("one"))
    assert contents(back.folder) == before
    assert upkeep.deleted() == []


@pytest.mark.usefixtures("study")
def test_of_two_of_one_name_the_one_deleted_last_comes_back_first() -> None:
    upkeep.delete("one")
    sides = [Checkpoint(key=k, name=k, source=f"openai:{k}") for k in "ab"]
    Study.create("one", sides)
    upkeep.delete("one")
    assert len(upkeep.restore(upkeep.latest("one")).prompts()) == 0
    with pytest.raises(UserError, match="Study 'one' exists already"):
        upkeep.restore(upkeep.latest("one"))
    assert len(upkeep.restore(upkeep.latest("one"), "other").prompts()) == 60
    assert names() == ["one", "other"]


@pytest.mark.parametrize("verb", ["rename", "duplicate", "delete"])
def test_nothing_is_touched_while_a_job_runs(study: Study, verb: str) -> None:
    before = contents(study.folder)
    with files.locked(study.folder / "jobs" / "20261129-120000-encode-n1" / "lock"):
        with pytest.raises(UserError, match="A job of study 'one' is running; wait for it or cancel it"):
            getattr(upkeep, verb)(*["one", "two"][: 1 if verb == "delete" else 2])
        assert names() == ["one"]
    assert contents(study.folder).keys() - before.keys() == {"jobs/20261129-120000-encode-n1/lock"}
    assert upkeep.deleted() == []


@pytest.mark.parametrize("verb", ["rename", "duplicate"])
@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("absent", "two", "There is no study 'absent'; studies here: one"),
        ("one", "one", "Study 'one' exists already"),
        ("one", "../two", "'../two' is no study name"),
        ("../one", "two", "'../one' is no study name"),
    ],
)
def test_a_slip_gets_a_sentence_and_changes_nothing(
    study: Study, verb: str, old: str, new: str, sentence: str
) -> None:
    before = contents(study.folder)
    with pytest.raises(UserError, match=sentence.replace(".", r"\.")):
        getattr(upkeep, verb)(old, new)
    assert names() == ["one"]
    assert contents(study.folder) == before


def test_what_is_not_in_the_trash_is_named() -> None:
    with pytest.raises(UserError, match="No study 'one' was deleted; in the trash there is nothing"):
        upkeep.latest("one")


def test_a_study_with_damaged_settings_can_be_renamed_and_deleted(study: Study) -> None:
    (study.folder / "study.toml").write_text("name = [")
    with pytest.raises(UserError, match="is not TOML"):
        upkeep.rename("one", "two")
    assert names() == ["two"]
    upkeep.delete("two")
    assert names() == []
