"""Imported answers: any packing, columns by other names, and a bad row that makes nothing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest

from diffing.common.errors import UserError
from diffing.study import imports
from diffing.study.study import Study


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


LONG: list[dict[str, object]] = [
    {"prompt": "Hi", "checkpoint": "old model", "response": "Hello.", "category": "greeting"},
    {"prompt": "Hi", "checkpoint": "new/model", "response": "Hey!", "category": "greeting"},
    {"prompt": "Bye", "checkpoint": "old model", "response": "Goodbye."},
    {"prompt": "Bye", "checkpoint": "new/model", "response": ""},
]


def test_a_long_file_names_its_checkpoints_in_order_of_appearance(tmp_path: Path) -> None:
    study = imports.into("greet", imports.load(write(tmp_path / "a.jsonl", LONG)))
    assert [(c.key, c.name, c.source) for c in study.checkpoints] == [
        ("old-model", "old model", "import"),
        ("new-model", "new/model", "import"),
    ]
    stored = study.responses()
    assert sorted(zip(stored["checkpoint"], stored["text"], stored["flag"], strict=True)) == [
        ("new-model", "", "empty"),
        ("new-model", "Hey!", ""),
        ("old-model", "Goodbye.", ""),
        ("old-model", "Hello.", ""),
    ]
    assert list(study.prompts()["category"]) == ["greeting", ""]


@pytest.mark.parametrize("suffix", [".csv", ".csv.xz", ".csv.gz", ".parquet"])
def test_a_wide_file_gives_sides_a_and_b_in_any_packing(tmp_path: Path, suffix: str) -> None:
    table = pd.DataFrame({"question": ["1?", "2?"], "response_a": ["one", "two"], "response_b": ["eins", "zwei"]})
    path = tmp_path / f"wide{suffix}"
    table.to_parquet(path) if suffix == ".parquet" else table.to_csv(path, index=False)
    pairs = imports.into("wide", imports.load(path)).pairs("a", "b")
    assert pairs[["text_a", "text_b", "excluded"]].to_numpy().tolist() == [
        ["one", "eins", ""],
        ["two", "zwei", ""],
    ]


def test_columns_can_be_mapped(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl", [{"q": "Hi", "who": "x", "said": "yo"}, {"q": "Hi", "who": "y", "said": "hm"}]
    )
    answers = imports.load(path, {"prompt": "q", "checkpoint": "who", "response": "said"})
    assert list(answers.responses["text"]) == ["yo", "hm"]


def test_draws_of_one_prompt_stand_side_by_side(tmp_path: Path) -> None:
    rows = [{"prompt": "Hi", "checkpoint": c, "response": f"{c}{d}", "draw": d} for c in "ab" for d in (0, 1)]
    study = imports.into("draws", imports.load(write(tmp_path / "a.jsonl", rows)))
    assert study.pairs("a", "b")[["draw", "text_a", "text_b"]].to_numpy().tolist() == [
        [0, "a0", "b0"],
        [1, "a1", "b1"],
    ]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "Hi", "checkpoint": "a", "response": "again"}, "rows 1 and 2"),
        ({"prompt": " ", "checkpoint": "a", "response": "x"}, "no prompt in row 2"),
        ({"prompt": "Hi", "checkpoint": "", "response": "x"}, "no checkpoint in row 2"),
        ({"prompt": "Hi", "checkpoint": "a", "response": "x", "draw": "first"}, "draw 'first' in row 2"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_made(tmp_path: Path, row: dict[str, str], words: str) -> None:
    path = write(tmp_path / "a.jsonl", [{"prompt": "Hi", "checkpoint": "a", "response": "x"}, row])
    with pytest.raises(UserError, match=words):
        imports.into("bad", imports.load(path))
    assert list(Study.list()) == []


def test_answers_join_a_study_by_checkpoint_name_or_key(tmp_path: Path) -> None:
    imports.into("s", imports.load(write(tmp_path / "a.jsonl", LONG)))
    more = [{"prompt": "Yes?", "checkpoint": c, "response": "No."} for c in ("old model", "new-model")]
    study = imports.into("s", imports.load(write(tmp_path / "b.jsonl", more)))
    assert len(study.prompts()) == 3
    assert len(study.responses()) == 6


def test_an_unknown_checkpoint_is_refused_unless_it_is_matched_or_added(tmp_path: Path) -> None:
    imports.into("s", imports.load(write(tmp_path / "a.jsonl", LONG)))
    more = imports.load(write(tmp_path / "b.jsonl", [{"prompt": "Hi", "checkpoint": "third", "response": "Oi."}]))
    with pytest.raises(UserError, match="no checkpoint 'third'"):
        imports.into("s", more)
    assert len(Study.open("s").responses()) == 4
    assert imports.into("s", more, {"third": "old-model"}).responses()["text"].tolist().count("Oi.") == 1
    assert [c.key for c in imports.into("s", more, add_checkpoints=True).checkpoints] == [
        "old-model",
        "new-model",
        "third",
    ]


@pytest.mark.parametrize(
    ("added", "sentence"),
    [
        (["a b", "a-b"], "'a-b' and 'a b' would both have the key 'a-b'"),
        (["old, model"], "'old, model' and 'old-model' would both have the key 'old-model'"),
    ],
)
def test_checkpoints_that_would_share_a_key_are_refused_and_nothing_is_changed(
    tmp_path: Path, added: list[str], sentence: str
) -> None:
    before = imports.into("s", imports.load(write(tmp_path / "a.jsonl", LONG)))
    rows = [{"prompt": "Yes?", "checkpoint": name, "response": "No."} for name in added]
    with pytest.raises(UserError, match=sentence):
        imports.into("s", imports.load(write(tmp_path / "b.jsonl", rows)), add_checkpoints=True)
    after = Study.open("s")
    assert after.settings == before.settings
    assert (len(after.prompts()), len(after.responses())) == (2, 4)


def test_two_names_of_a_file_can_be_matched_to_one_new_checkpoint(tmp_path: Path) -> None:
    imports.into("s", imports.load(write(tmp_path / "a.jsonl", LONG)))
    rows = [
        {"prompt": "Yes?", "checkpoint": "x", "response": "No."},
        {"prompt": "No?", "checkpoint": "y", "response": "Yes."},
    ]
    more = imports.load(write(tmp_path / "b.jsonl", rows))
    imports.into("s", more, {"x": "third", "y": "third"}, add_checkpoints=True)
    study = Study.open("s")
    assert [checkpoint.key for checkpoint in study.checkpoints] == ["old-model", "new-model", "third"]
    answers = study.responses()
    assert set(answers.loc[answers["checkpoint"] == "third", "text"]) == {"No.", "Yes."}


def test_two_columns_of_answers_are_called_as_their_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("category,question,gpt-4,claude,grade\nx,1?,one,eins,0.5\ny,2?,two,zwei,1\n")
    study = imports.into("pairs", imports.load_all([path], imports.How(measures=["grade"])))
    assert [each.name for each in study.checkpoints] == ["gpt-4", "claude"]
    pairs = study.pairs("gpt-4", "claude")
    assert pairs[["text_a", "text_b"]].to_numpy().tolist() == [["one", "eins"], ["two", "zwei"]]
    # With a third such column nobody can say which are answers, and numbers are none.
    for left in (["gpt-4", "claude", "grade"], ["gpt-4", "grade"]):
        pd.read_csv(path)[["question", *left]].to_csv(tmp_path / "other.csv", index=False)
        with pytest.raises(UserError, match="has no column 'response'"):
            imports.load(tmp_path / "other.csv")
