"""What a server sends: any reply and any bytes are read or refused, and no odd field costs an answer."""

import json
from collections.abc import Callable
from typing import Any

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
