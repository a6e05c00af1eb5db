"""Data sets as Hugging Face's `datasets` saves them, and what a table's columns of scores become."""

from pathlib import Path

import pandas as pd
import pytest

from diffing.common import hub
from diffing.common.errors import UserError
from diffing.study import imports
from tests.fakes.logs import DATASETS, brought, numbers, texts

SAID = {("Say one.", 0): "Here: one.", ("Say two.", 0): "Here: two.", ("Say three.", 0): "Here: three."}


@pytest.mark.parametrize("where", ["saved", "parquet"])
def test_a_saved_data_set_is_its_rows(where: str) -> None:
    answers = brought(DATASETS / where, measures=("score",))
    assert answers.checkpoints == ["before", "after"]
    assert texts(answers, "before") == SAID
    assert numbers(answers, "score", "before") == dict.fromkeys(SAID, 0.25)


def test_a_folder_of_splits_asks_for_one_of_them() -> None:
    with pytest.raises(UserError, match=r"the splits test, train; bring one of them as FOLDER/SPLIT"):
        brought(DATASETS / "splits")


def test_a_folder_of_unlike_tables_is_refused(tmp_path: Path) -> None:
    for name, column in (("a", "response"), ("b", "note")):
        pd.DataFrame({"prompt": ["Hi"], column: ["Hello."]}).to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(UserError, match=r"tables of different columns, as a\.parquet and b\.parquet"):
        brought(tmp_path)


def test_beside_a_prompt_a_text_is_the_answer(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,checkpoint,text\nHi,m,Hello.\n")
    assert texts(brought(path)) == {("Hi", 0): "Hello."}


def test_a_folder_with_nothing_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no logs and no data set"):
        brought(tmp_path)


def test_a_name_on_the_hub_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def snapshot(repo: str, **how: object) -> str:
        asked.append((repo, how))
        return str(DATASETS / "parquet")

    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    assert texts(brought(Path("hf:somebody/chats")), "before") == SAID
    assert asked == [("somebody/chats", {"repo_type": "dataset", "allow_patterns": "*.parquet"})]


def test_columns_of_scores_become_measures(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(
        "prompt,response_a,response_b,good_a,good_b\nHi,Hello.,Yo.,yes,0.5\nBye,Ciao.,So long.,no,what\n"
    )
    answers = brought(path, measures=("good",))
    assert numbers(answers, "good", "a") == {("Hi", 0): 1.0, ("Bye", 0): 0.0}
    assert numbers(answers, "good", "b") == {("Hi", 0): 0.5}
    assert answers.left_out == {"scores that are no number": 1}
    assert len(imports.into("s", answers).measures()) == 3
    with pytest.raises(UserError, match="no column 'bad'"):
        brought(path, measures=("bad",))
