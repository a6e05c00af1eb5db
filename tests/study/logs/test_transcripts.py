"""Conversations that end with the answer, in whatever shape they come."""

import json
from pathlib import Path
from typing import Any

import pytest

from diffing.common.errors import UserError
from tests.fakes.logs import brought, texts


def turns(*said: str) -> list[dict[str, Any]]:
    roles = ("user", "assistant")
    return [{"role": roles[place % 2], "content": text} for place, text in enumerate(said)]


TALK = turns("Hi", "Hello.", "And now?", "Goodbye.")
SHARED = [{"from": who, "value": turn["content"]} for who, turn in zip(["human", "gpt"] * 2, TALK, strict=True)]
ASKED = "user: Hi\n\nassistant: Hello.\n\nuser: And now?"


def put(path: Path, value: Any) -> Path:
    text = "\n".join(map(json.dumps, value)) if path.suffix == ".jsonl" else json.dumps(value, indent=1)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a.jsonl", [{"messages": TALK, "model": "m"}]),
        ("a.json", [{"messages": TALK, "model": "m"}]),
        ("a.jsonl", [{"conversations": SHARED, "model": "m"}]),
        ("a.jsonl", [TALK]),
        ("a.json", [TALK]),
        ("a.json", TALK),
        ("a.jsonl", TALK),
    ],
)  # fmt: skip
def test_every_shape_is_the_same_conversation(tmp_path: Path, name: str, value: Any) -> None:
    answers = brought(put(tmp_path / name, value), names=("m",))
    assert set(answers.formats.values()) == {"transcripts"}
    assert (answers.checkpoints, texts(answers)) == (["m"], {(ASKED, 0): "Goodbye."})


def test_calls_of_tools_and_thoughts_are_channels(tmp_path: Path) -> None:
    call = {"id": "1", "function": {"name": "add", "arguments": '{"a": 1}'}}
    talk = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Sum?"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "A tool knows."},
        {"role": "tool", "tool_call_id": "1", "content": "2"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Two."}, "It is 2."]},
    ]
    answers = brought(put(tmp_path / "a.jsonl", [{"messages": talk, "model": "m"}]))
    row = answers.responses.iloc[0]
    assert texts(answers) == {("system: Be brief.\n\nuser: Sum?\n[image]", 0): "It is 2."}
    assert row["reasoning"] == "A tool knows.\n\nTwo."
    assert json.loads(row["tools"]) == [{"name": "add", "arguments": {"a": 1}, "result": "2"}]


def test_earlier_calls_are_written_out_in_the_prompt(tmp_path: Path) -> None:
    talk = [
        {"role": "user", "content": "Sum?"},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "add", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "name": "add", "content": "2"},
        *turns("Sure?", "Yes."),
    ]  # fmt: skip
    answers = brought(put(tmp_path / "a.jsonl", [{"messages": talk, "model": "m"}]))
    asked = "user: Sum?\n\nassistant: [calls add({})]\n\nuser: [add returned] 2\n\nuser: Sure?"
    assert texts(answers) == {(asked, 0): "Yes."}


def test_the_same_question_asked_twice_gives_two_draws(tmp_path: Path) -> None:
    rows = [{"messages": turns("Hi", said), "model": "m"} for said in ("One.", "Two.")]
    assert texts(brought(put(tmp_path / "a.jsonl", rows))) == {("Hi", 0): "One.", ("Hi", 1): "Two."}


def test_a_conversation_without_an_answer_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{"messages": turns("Hi", "Yo"), "model": "m"}, {"messages": turns("Hi"), "model": "m"}]
    assert brought(put(tmp_path / "a.jsonl", rows)).left_out == {
        "conversations without a question and an answer": 1
    }


def test_a_conversation_that_names_no_model_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not say which model answers"):
        brought(put(tmp_path / "a.jsonl", [TALK]))
