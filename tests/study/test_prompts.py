"""Prompts: what makes one itself, the split that follows from it, and files that a person edited."""

import json
from pathlib import Path

import pandas as pd
import pytest

from diffing.common.errors import UserError
from diffing.study import prompts


def table(*texts: str) -> pd.DataFrame:
    return prompts.normal(pd.DataFrame({"text": list(texts)}), 0.3)


def talk(*turns: str) -> str:
    """A conversation that the user begins and the two take in turns."""
    return json.dumps([{"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(turns)])


def test_the_bundled_set_is_large_varied_and_without_near_duplicates() -> None:
    bundled = prompts.normal(prompts.bundled(), 0.3)
    assert len(bundled) >= 240
    assert bundled["category"].nunique() >= 12
    assert bundled["category"].value_counts().min() >= 15
    assert (bundled["messages"] != "").sum() >= 20
    assert prompts.near_duplicates(bundled, prompts.empty()) == []
    assert 0.25 < (bundled["split"] == "held-out").mean() < 0.35


def test_an_id_depends_on_what_is_sent_and_on_nothing_else() -> None:
    frame = pd.DataFrame(
        {
            "text": ["Hi", "Hi", "", "", "ignored"],
            "messages": ["", "", talk("Hi"), talk("Hi", "Hello.", "Bye"), talk("Hi", "Hello.", "Bye")],
            "category": ["one", "two", "three", "four", "five"],
        }
    )
    made = prompts.normal(frame, 0.3)
    assert made[["text", "category"]].to_numpy().tolist() == [["Hi", "one"], ["", "four"]]
    assert list(made.columns) == prompts.COLUMNS
    assert prompts.conversation("Hi", "") == [{"role": "user", "content": "Hi"}]
    assert prompts.conversation("", made.loc[1, "messages"])[2] == {"role": "user", "content": "Bye"}


def test_the_split_follows_the_id_and_grows_with_the_share() -> None:
    ids = [f"{i:012x}" for i in range(10_000)]
    held = {share: {i for i in ids if prompts.split_of(i, share) == "held-out"} for share in (0.0, 0.3, 0.5)}
    assert len(held[0.0]) == 0
    assert 2_850 < len(held[0.3]) < 3_150
    assert held[0.3] < held[0.5]
    write = {i for i in ids if prompts.half_of(i) == "write"}
    assert 4_850 < len(write) < 5_150
    assert 0.45 < len(write & held[0.3]) / len(held[0.3]) < 0.55


def test_an_import_names_duplicates_and_near_duplicates() -> None:
    old = table("What is the capital of France?", "Write a poem.")
    almost, fresh = "What is the capital of france?!", "Why is the sky blue?"
    found = prompts.compare(pd.DataFrame({"text": ["Write a poem.", fresh, fresh, almost]}), old, 0.3)
    assert list(found.table["text"]) == [fresh, almost]
    assert found.duplicates == ["Write a poem.", fresh]
    assert found.near == [(almost, "What is the capital of France?", 98)]


def test_a_table_reads_back_as_it_was_written(tmp_path: Path) -> None:
    made = prompts.normal(
        pd.DataFrame(
            {
                "text": ["Hi", 'Say "x",\r\nthen y', ""],
                "messages": ["", "", talk("a", "b", "c")],
                "tags": ["t", "", ""],
                "active": [True, False, True],
            }
        ),
        0.3,
    )
    prompts.write(tmp_path / "prompts.csv", made)
    pd.testing.assert_frame_equal(prompts.read(tmp_path / "prompts.csv"), made)
    prompts.write(tmp_path / "prompts.csv", prompts.empty())
    assert prompts.read(tmp_path / "prompts.csv").equals(prompts.empty())


def test_a_table_that_a_spreadsheet_rewrote_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    prompts.write(path, table("One", "Two"))
    path.write_text(path.read_text().replace("True", "TRUE", 1).replace("True", "FALSE", 1))
    assert list(prompts.read(path)["active"]) == [True, False]
    path.write_text("id,text\n1,One\n")
    with pytest.raises(UserError, match="prompts.csv' is damaged .*has no column 'category'"):
        prompts.read(path)


@pytest.mark.parametrize("name", prompts.TEXT_NAMES)
def test_the_prompt_column_is_guessed_by_its_usual_names(tmp_path: Path, name: str) -> None:
    pd.DataFrame({"n": ["1"], name: ["Hi"]}).to_csv(tmp_path / "t.csv", index=False)
    assert list(prompts.load(tmp_path / "t.csv")["text"]) == ["Hi"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a,b\n1,2\n", r"'t.csv' has no column 'text' or 'messages' \(it has: a, b\); say which"),
        ('text\nx\n" "\n', "'t.csv' has an empty prompt in row 2; fill or drop it."),
    ],
)
def test_a_file_without_prompts_is_named(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(UserError, match=sentence):
        prompts.load(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ("[{", "Prompt 1: the conversation is not JSON"),
        ("[]", "Prompt 1: a conversation is a list"),
        ('{"role": "user"}', "Prompt 1: a conversation is a list"),
        (talk("Hi", "Hello."), "Prompt 1: a conversation is a list of {role, content} that ends with the user's"),
        (talk(" "), "Prompt 1: a conversation is a list"),
        ('[{"role": "robot", "content": "x"}]', "Prompt 1: a conversation is a list"),
        ("", "Prompt 1 is empty; give it a text or a conversation."),
    ],
)
def test_a_bad_conversation_is_named(messages: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        prompts.normal(pd.DataFrame({"messages": [messages]}), 0.3)
    assert str(caught.value).startswith(sentence)
