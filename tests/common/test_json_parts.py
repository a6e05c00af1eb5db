"""Parts of a JSON document: opened, passed over, and whole, wherever the pieces in which it comes are cut."""

import io
import json
from typing import Any

import pytest

from diffing.common import bounds
from diffing.common.errors import UserError
from diffing.common.json_rows import Document

VALUE: dict[str, Any] = {
    "first": 1,
    "over": {"a": ['"]}\\', {"b": '\\"'}], "c": "é\n"},
    "rows": [{"id": i, "gone": ["}" * i, {"x": "\\" * i}], "kept": "ok"} for i in range(20)],
    "deep": {"list": [1, [2], {"three": 3}], "end": None},
}


def document(text: str) -> Document:
    return Document(io.StringIO(text), "a.json", bounds.limits())


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("indent", [None, 2])
def test_parts_are_the_same_whatever_the_pieces(
    piece: int, indent: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "PIECE", piece)
    parts = document(json.dumps(VALUE, indent=indent)).parts(
        {"rows", "deep", "deep.list"}, {"over", "rows[].gone"}
    )
    assert list(parts) == [
        ("first", 1),
        *(("rows[]", {"id": i, "kept": "ok"}) for i in range(20)),
        ("deep.list[]", 1),
        ("deep.list[]", [2]),
        ("deep.list[]", {"three": 3}),
        ("deep.end", None),
    ]


def test_what_is_passed_over_may_be_longer_and_deeper_than_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LONGEST_ROW", 1_000)
    monkeypatch.setattr(bounds, "PIECE", 100)
    text = '{"over": ' + "[" * 100_000 + '"' + "x" * 5_000 + '"' + "]" * 100_000 + ', "kept": 1}'
    assert document(text).only_object({"over"}) == {"kept": 1}
    with pytest.raises(UserError, match="more than 1,000 characters"):
        document(json.dumps({str(i): "y" * 90 for i in range(20)})).only_object()


@pytest.mark.parametrize(
    "text", ['{"over": [1, 2', '{"over": "abc', '{"over": "abc\\', '{"over": [] "kept": 1}', '{"over": {}} x']
)
def test_a_cut_or_broken_document_is_said(text: str) -> None:
    with pytest.raises(UserError, match=r"'a\.json' is not JSON at line 1"):
        document(text).only_object({"over"})
