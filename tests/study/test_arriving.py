"""Answers stored beside the table while a run goes on: one table to whoever reads, and none lost or undone."""

import shutil

import pandas as pd
import pytest

from diffing.common import files
from diffing.models.providers import Checkpoint
from diffing.study import arriving, repair, responses
from diffing.study.study import Study

SIDES = [Checkpoint(key=key, name=key, source="import") for key in "ab"]


def rows(first: int, end: int, text: str = "answer") -> pd.DataFrame:
    """Answers of one checkpoint to some prompts; every third failed, and so lacks what only an answer has."""
    table = pd.DataFrame({"prompt_id": [f"p{n:03}" for n in range(first, end)], "checkpoint": "a", "draw": 0})
    failed = table.index % 3 == 0
    table["text"] = [f"{text} {n} “ß”" if n % 3 else "" for n in range(len(table))]
    return table.assign(
        flag="",
        error=["it broke" if each else "" for each in failed],
        tokens_out=pd.Series([None if each else 7 for each in failed], dtype="Int64"),
        cost=[float("nan") if each else 0.25 for each in failed],
    )


@pytest.fixture
def study() -> Study:
    made = Study.create("came", SIDES, pd.DataFrame({"text": [f"Question {n}?" for n in range(4)]}))
    made.append_responses(rows(0, 10))
    return made


def test_what_comes_in_is_read_with_the_table_and_written_into_it_at_the_end(study: Study) -> None:
    table = study.folder / responses.TABLE
    before = files.identity(table)
    study.append_responses(rows(8, 20))
    study.append_responses(rows(15, 30, "newer"))
    assert files.identity(table) == before
    seen = study.responses()
    whole = responses.merge(responses.merge(responses.normal(rows(0, 10)), rows(8, 20)), rows(15, 30, "newer"))
    pd.testing.assert_frame_equal(seen, whole)
    study.settle_responses()
    assert not arriving.beside(table).exists()
    pd.testing.assert_frame_equal(study.responses(), whole)


def test_what_a_killed_process_left_beside_the_table_takes_no_newer_answers_place(study: Study) -> None:
    table = study.folder / responses.TABLE
    study.append_responses(rows(10, 20))
    left, aside = arriving.beside(table), study.folder / "aside"
    shutil.copy(left, aside)
    for write in (study.settle_responses, lambda: study.add_responses(rows(10, 20, "newer"))):
        write()
        assert not left.exists()
        # As if it had been killed between writing the table and taking the file away.
        shutil.copy(aside, left)
        assert len(study.responses()) == 20
    study.append_responses(rows(20, 25, "newest"))
    texts = study.responses().set_index("prompt_id")["text"]
    assert (texts["p011"], texts["p021"], len(texts)) == ("newer 1 “ß”", "newest 1 “ß”", 25)


def test_a_line_that_was_cut_costs_only_itself(study: Study) -> None:
    study.append_responses(rows(10, 20))
    left = arriving.beside(study.folder / responses.TABLE)
    left.write_bytes(left.read_bytes()[:-20])
    repair.repair(study.name, {})
    assert sorted(study.responses()["prompt_id"]) == [f"p{n:03}" for n in range(19)]


def test_a_repaired_table_keeps_what_came_in(study: Study) -> None:
    study.append_responses(rows(10, 20))
    table = study.folder / responses.TABLE
    data = bytearray(table.read_bytes())
    data[len(data) // 3] ^= 1
    table.write_bytes(bytes(data))
    repair.repair(study.name, {})
    assert {f"p{n:03}" for n in range(10, 20)} <= {*study.responses()["prompt_id"]}


def test_much_that_came_in_is_written_into_the_table_in_between(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "LARGE", 1)
    study.append_responses(rows(10, 400))
    assert not arriving.beside(study.folder / responses.TABLE).exists()
    assert len(study.responses()) == 400
