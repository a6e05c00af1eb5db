"""Batches as OpenAI's package writes them: outputs with the requests that they answer."""

import json
from pathlib import Path

import pytest

from diffing.common.errors import UserError
from tests.fakes.logs import BATCH, brought, reported, texts

BOTH = [BATCH / f"{name}-{kind}.jsonl" for name in ("before", "after") for kind in ("requests", "output")]


def test_outputs_with_their_requests_are_answers() -> None:
    answers = brought(*BOTH)
    said = reported(BATCH / "reported.json")
    assert answers.checkpoints == ["before-1", "after-1"]
    questions = ["Name a bird that swims.", "system: Be brief.\n\nuser: Name a bird that dives."]
    for model in answers.checkpoints:
        found = texts(answers, model)
        for identity, asked in zip(("q-1", "q-2"), questions, strict=True):
            assert [found[asked, draw] for draw in (0, 1)] == said[model][identity]
    assert set(answers.responses["reasoning"]) == {"thought 0", "thought 1", ""}


def test_a_request_that_failed_is_a_failed_answer_of_the_same_checkpoint() -> None:
    rows = brought(*BOTH).responses
    failed = rows[rows["flag"] == "failed"]
    assert failed[["checkpoint", "text", "error"]].to_numpy().tolist() == [
        ["before-1", "", "The model is overloaded."],
        ["after-1", "", "The model is overloaded."],
    ]
    assert sorted(rows.loc[rows["text"] == "", "flag"]) == ["empty", "failed", "failed"]


def test_responses_are_read_with_thoughts_and_tools() -> None:
    row = brought(BATCH / "responses-requests.jsonl", BATCH / "responses-output.jsonl").responses.iloc[0]
    assert row["text"] == reported(BATCH / "reported.json")["responses"] == "A puffin."
    assert row["reasoning"] == "A bird is wanted."
    assert json.loads(row["tools"]) == [{"name": "birds", "arguments": {"sea": True}}]


def test_outputs_without_their_requests_are_refused_and_requests_alone_too() -> None:
    with pytest.raises(UserError, match="answers without their questions; bring the batch's file of requests"):
        brought(BATCH / "before-output.jsonl")
    with pytest.raises(UserError, match="questions without their answers"):
        brought(BATCH / "before-requests.jsonl")


def test_requests_that_ask_something_else_under_one_name_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text((BATCH / "after-requests.jsonl").read_text().replace("swims", "sings"))
    with pytest.raises(UserError, match="asks something else under 'q-1'"):
        brought(BATCH / "before-requests.jsonl", other, BATCH / "before-output.jsonl")
