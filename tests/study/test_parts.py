"""A part of a large study read by itself: the rows and columns that the whole has, and no group of others."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from diffing.common import files, outfile, tables
from diffing.common.damage import Damaged
from diffing.models.providers import Checkpoint
from diffing.study import prompts
from diffing.study.study import Study


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setattr(files, "GROUP", 16)
    texts = [f'Question {n}: "which, of\nthese"?' if n % 3 else f"Question {n}, “ß”?" for n in range(100)]
    sides = [Checkpoint(key=key, name=key, source="import") for key in "ab"]
    made = Study.create("large", sides, pd.DataFrame({"text": texts, "category": "x"}))
    rows = [(prompt, side, draw) for prompt in made.prompts()["id"] for side in "ab" for draw in range(2)]
    table = pd.DataFrame(rows, columns=["prompt_id", "checkpoint", "draw"])
    made.add_responses(table.assign(text=[f"answer {n}" for n in range(len(table))], cost=0.5))
    return made


def test_answers_to_some_prompts_are_read_without_the_others(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = sorted(study.prompts()["id"])
    wanted = [ids[3], ids[90]]
    whole = study.responses()
    asked: list[int] = []
    group = pq.ParquetFile.read_row_group

    def counted(file: pq.ParquetFile, number: int, *rest: object) -> object:
        asked.append(number)
        return group(file, number, *rest)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    found = study.responses_to(wanted)
    pd.testing.assert_frame_equal(found, whole[whole["prompt_id"].isin(wanted)].reset_index(drop=True))
    # Each prompt's four answers lie in one or two of the 25 groups.
    assert 2 <= len(asked) <= 4
    assert study.responses_to(["nowhere"]).empty
    pd.testing.assert_frame_equal(study.told_of_responses("flag", "cost"), whole[["flag", "cost"]])
    # What has come in since is among them.
    study.append_responses(found.head(1).assign(text="newer"))
    assert "newer" in study.responses_to(wanted)["text"].tolist()


def test_an_export_has_every_answer_once_under_one_header(study: Study, tmp_path: Path) -> None:
    parts = [len(part) for part in study.responses_in_parts()]
    assert len(parts) == 25 and sum(parts) == 400
    whole, apart = tmp_path / "whole.csv", tmp_path / "apart.csv"
    tables.write_csv(whole, outfile.harmless_cells(study.responses()))
    outfile.write_parts(apart, study.responses_in_parts())
    assert apart.read_bytes() == whole.read_bytes()


def test_a_damaged_page_is_no_answer(study: Study) -> None:
    path = study.folder / "responses.parquet"
    data = bytearray(path.read_bytes())
    at = data.find(b"answer 37")
    data[at if at > 0 else len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(Damaged):
        study.told_of_responses("text")


def test_some_prompts_are_those_of_the_whole_table(study: Study) -> None:
    whole = study.prompts()
    for places in ([0], [99, 5, 6]):
        ids = whole["id"].iloc[places].tolist()
        found = study.prompts_of(ids).set_index("id").loc[ids].reset_index()
        pd.testing.assert_frame_equal(found, whole.iloc[places].reset_index(drop=True), check_dtype=False)
    # A row that a person has moved into another one's text is not taken for a prompt.
    path = study.folder / "prompts.csv"
    first, second = whole["id"].iloc[[0, 1]]
    path.write_bytes(path.read_bytes().replace(f"\n{second},".encode(), f"\n{second} ,".encode()))
    with pytest.raises(ValueError, match="not in list"):
        prompts.part(path, [first, second])["id"].tolist().index(second)


def test_a_column_that_an_older_table_lacks_is_left_out(tmp_path: Path) -> None:
    files.write_parquet(tmp_path / "t.parquet", pd.DataFrame({"a": ["x", "y"], "b": np.arange(2)}))
    assert list(files.read_part(tmp_path / "t.parquet", ["a", "c"])) == ["a"]
    assert files.read_part(tmp_path / "t.parquet", ["b"], ("a", ["y"]))["b"].tolist() == [1]


def test_a_table_is_checked_in_pieces_as_it_is_whole(study: Study) -> None:
    path = study.folder / "responses.parquet"
    assert files.sealed(path)
    data = path.read_bytes()
    for at in (5, len(data) // 2, len(data) - 12):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(Damaged):
            files.sealed(path)
