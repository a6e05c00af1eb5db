"""What a server sends: any reply and any bytes are read or refused, and no odd field costs an answer."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffing.models import completions

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_reply_is_read_or_refused(value: Any) -> None:
    for body in (value, {"choices": value}, {"choices": [value]}, {"choices": [{"message": value}]}):
        for read in (completions.read_completion, completions.read_models):
            read_or_refuse(read, json.dumps(body).encode())


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read_or_refuse(completions.read_completion, data)
    assert isinstance(completions.read_models(data), dict)


@given(JSON, JSON, st.text())
def test_odd_fields_beside_it_never_cost_an_answer(usage: Any, model: Any, text: str) -> None:
    body = {"choices": [{"message": {"content": text}, "finish_reason": usage}], "usage": usage, "model": model}
    if usage != "error":
        read = completions.read_completion(json.dumps(body).encode())
        assert read.choices[0].message.content == text


def test_text_in_parts_and_half_characters_are_mended() -> None:
    body = {"choices": [{"message": {"content": [{"text": "a\ud83d"}, {"text": "b"}, {"image": 1}]}}]}
    read = completions.read_completion(json.dumps(body).encode())
    assert read.choices[0].message.content == "a\ufffdb"


def read_or_refuse(read: Callable[[bytes], object], data: bytes) -> None:
    try:
        assert read(data) is not None
    except ValueError as error:
        assert str(error)


THOUGHT = [
    {"reasoning_content": "Hm."},
    {"reasoning": "Hm."},
    {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
    {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm."}, {"type": "reasoning.encrypted"}]},
    {"thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "x"}]},
    {
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
            {"type": "text", "text": "Oak."},
        ]
    },
    {"content": [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "Oak."}]},
]


@pytest.mark.parametrize("beside", THOUGHT)
def test_reasoning_is_read_wherever_a_server_puts_it_and_never_as_text(beside: dict[str, Any]) -> None:
    body = {"choices": [{"message": {"content": "Oak."} | beside}]}
    message = completions.read_completion(json.dumps(body).encode()).choices[0].message
    assert (message.content, message.reasoning, message.tools) == ("Oak.", "Hm.", "")


def test_calls_of_tools_are_read_from_a_reply_without_text() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": "oak"}'}}
    body = {"choices": [{"message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    message = completions.read_completion(json.dumps(body).encode()).choices[0].message
    assert message.content is None and json.loads(message.tools) == [{"name": "find", "arguments": {"q": "oak"}}]


@pytest.mark.parametrize(
    ("prompt", "completion", "thought", "total", "written"),
    [
        # OpenAI counts reasoning in the completion; xAI and Google beside it.
        (10, 50, 40, 60, 50),
        (32, 9, 94, 135, 103),
        (21, 0, 60, 81, 60),
        (10, 50, 40, 100, 90),
        (10, 5, 40, None, 45),
        (10, 50, None, 60, 50),
        (10, None, 40, 60, None),
    ],
)
def test_tokens_of_reasoning_are_billed_once(
    prompt: int, completion: int | None, thought: int | None, total: int | None, written: int | None
) -> None:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    usage |= {"completion_tokens_details": {"reasoning_tokens": thought}}  # type: ignore[dict-item]
    body = {"choices": [{"message": {"content": "Oak."}}], "usage": usage}
    read = completions.read_completion(json.dumps(body).encode()).usage
    assert read is not None and read.written == written
