"""A pile of texts as a study of one side: what becomes a text, and what needs a second side says so."""

from pathlib import Path

import pandas as pd
import pytest

from diffing import overview, status
from diffing.common.errors import UserError
from diffing.labels import plan
from diffing.reader import encode
from diffing.study import collection, imports
from diffing.study.study import Study
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch


def told(study: Study) -> list[tuple[str, str, str]]:
    """Prompt, category and text of each answer, by prompt."""
    asked = study.prompts().rename(columns={"text": "asked", "id": "prompt_id"})
    table = study.responses().merge(asked, on="prompt_id")
    return sorted(zip(table["asked"], table["category"], table["text"], strict=True))


def test_each_file_of_a_folder_is_a_text(tmp_path: Path) -> None:
    pile = tmp_path / "My notes"
    for place, text in {
        "a.txt": "One.\r\n",
        "deep/er/b.md": "# Two",
        ".hidden/c.txt": "No",
        "d.png": "No",
    }.items():
        (pile / place).parent.mkdir(parents=True, exist_ok=True)
        (pile / place).write_bytes(text.encode())
    (pile / "empty.txt").write_text(" ")
    made = collection.read(pile)
    assert (made.name, made.settings.collection, made.one_sided) == ("My-notes", True, True)
    assert told(made) == [("a.txt", "", "One."), ("deep/er/b.md", "deep/er", "# Two")]
    with pytest.raises(UserError, match="'My-notes' exists already"):
        collection.read(pile)


def test_each_paragraph_of_a_file_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "essay.txt"
    path.write_text("First,\nstill first.\n \n\n  Second.\n\n")
    assert told(collection.read(path, "essay")) == [
        ("essay.txt, paragraph 1", "", "First,\nstill first."),
        ("essay.txt, paragraph 2", "", "Second."),
    ]
    path.write_text("\n")
    with pytest.raises(UserError, match="'essay.txt' holds no text"):
        collection.read(path, "again")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_each_row_of_a_table_is_a_text(tmp_path: Path, ending: str) -> None:
    table = pd.DataFrame({"question": ["Why?", "Why?", ""], "text": ["a", "b", "c"], "category": ["x", "y", "z"]})
    path = tmp_path / f"t.{ending}"
    if ending == "csv":
        table.to_csv(path, index=False)
    elif ending == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_parquet(path)
    made = collection.read(path)
    assert [row[::2] for row in told(made)] == [("Why?", "a"), ("Why?", "b"), (f"t.{ending}, row 3", "c")]
    assert made.responses()["draw"].tolist().count(1) == 1
    renamed = tmp_path / f"other.{ending}"
    path.rename(renamed)
    other = collection.read(renamed, "o", {"text": "question"})
    # An empty text stays, as a row that nothing is made of.
    assert other.responses()["flag"].tolist().count("empty") == 1


def test_texts_of_several_models_are_a_study(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"text": ["a", "b"], "model": ["m", "n"]}).to_csv(path, index=False)
    with pytest.raises(UserError, match="'t.csv' holds answers of 2 models, as m and n; bring it as a study"):
        collection.read(path)
    pd.DataFrame({"words": ["a", "b"]}).to_csv(path, index=False)
    with pytest.raises(UserError, match=r"no column of texts \(it has: words\); .* --column text=NAME"):
        collection.read(path)


def test_what_looks_like_a_path_has_to_be_there(tmp_path: Path) -> None:
    assert collection.is_there(str(tmp_path))
    assert not collection.is_there("In short, it depends.")
    assert not collection.is_there("and/or")
    for missing in ("nots/", "answers.jsonl", "~/x/answers.csv.gz"):
        with pytest.raises(UserError, match="There is no file or folder"):
            collection.is_there(missing)


@pytest.fixture
def read_pile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: FakeReader())
    path = tmp_path / "pile.txt"
    path.write_text("\n\n".join(f"w{n} w{n % 7} w{n % 3} end" for n in range(30)))
    made = collection.read(path)
    encode.run(made, encode.Options(), Watch())
    return made


def test_a_collection_says_what_comes_next_and_what_takes_two_sides(read_pile: Study) -> None:
    found = status.of(read_pile)
    assert [step["step"] for step in found["steps"]] == ["prompts", "answers", "encoding", "labels"]
    assert (found["detectable"], found["next"], found["inside"]) == (None, None, "")
    seen = overview.of("pile")
    assert (seen.fault, seen.sentence, seen.next) == ("", "", "Next: search it.")
    with pytest.raises(UserError, match="'pile' is a collection, texts without a second side, and comparing"):
        read_pile.sides()
    with pytest.raises(UserError, match="is a collection"):
        read_pile.sides("texts", "")


def test_labels_of_a_collection_are_of_what_tells_its_texts_apart(read_pile: Study) -> None:
    made = plan.Plan(read_pile, plan.Options(top=5))
    shown = pd.Series(made.encodings.feature).value_counts()
    parts = [min(shown[feature], 30 - shown[feature]) for feature in made.features]
    assert len(parts) == 5
    assert parts == sorted(parts, reverse=True)
    assert made.questions(made.features)


def test_a_second_side_makes_a_study_of_it(read_pile: Study) -> None:
    rows = read_pile.responses().merge(read_pile.prompts().rename(columns={"text": "prompt", "id": "prompt_id"}))
    table = pd.DataFrame({"prompt": rows["prompt"], "response": "other", "checkpoint": "new"})
    imports.into("pile", imports.of_table(table, Path("t.csv")), add_checkpoints=True)
    assert Study.open("pile").sides() == ("texts", "new")


def test_a_study_of_one_checkpoint_is_still_refused() -> None:
    table = pd.DataFrame({"prompt": ["a"], "response": ["b"], "checkpoint": ["one"]})
    with pytest.raises(UserError, match="A study compares two checkpoints, and there are answers of 'one' alone"):
        imports.into("s", imports.of_table(table, Path("t.csv")))
