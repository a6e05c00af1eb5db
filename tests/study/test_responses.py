"""The table of answers: flags, excluded pairs, and trouble that one side has more of."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from diffing.common import files
from diffing.study import prompts, responses


def rows(*found: tuple[str, str, int, str]) -> pd.DataFrame:
    """Answers as (prompt, checkpoint, draw, flag)."""
    frame = pd.DataFrame(found, columns=["prompt_id", "checkpoint", "draw", "flag"])
    return responses.normal(frame.assign(text="text"))


def asked(*ids: str, off: str = "") -> pd.DataFrame:
    table = pd.concat([prompts.empty(), pd.DataFrame({"id": ids})])
    return table.assign(active=[i != off for i in ids])


@pytest.mark.parametrize(
    ("text", "finish_reason", "error", "flag"),
    [
        ("An answer.", "stop", "", ""),
        ("An answer.", "", "", ""),
        ("", "stop", "HTTP 500", "failed"),
        ("Part", "content_filter", "", "blocked"),
        ("", "length", "", "empty"),
        (" \n", "stop", "", "empty"),
        ("An ans", "length", "", "truncated"),
        ("I'm sorry, but I can't help with that.", "stop", "", "refusal"),
        ("I’m unable to do so.", "stop", "", "refusal"),
        ("I cannot help", "length", "", "truncated"),
        ("You can't divide by zero; I can show why.", "stop", "", ""),
        ("x" * 300 + " I can't.", "stop", "", ""),
    ],
)
def test_an_answer_has_the_gravest_flag(text: str, finish_reason: str, error: str, flag: str) -> None:
    assert responses.flag(text, finish_reason, error) == flag


def test_a_pair_with_an_unusable_side_is_excluded_whole() -> None:
    table = rows(
        *[("p1", "a", 0, ""), ("p1", "b", 0, "refusal")],
        *[("p2", "a", 0, "failed"), ("p2", "b", 0, "")],
        *[("p3", "a", 0, "truncated"), ("p3", "b", 0, "blocked")],
        *[("p4", "b", 0, "empty")],
        *[("p5", "a", 0, ""), ("p5", "b", 0, "")],
        *[("p1", "a", 1, ""), ("p2", "c", 0, "failed")],
    )
    pairs = responses.pairs(table, asked("p1", "p2", "p3", "p4", "p5", "p6", off="p5"), "a", "b")
    assert pairs[["prompt_id", "draw", "flag_a", "flag_b", "excluded"]].to_numpy().tolist() == [
        ["p1", 0, "", "refusal", ""],
        ["p1", 1, "", "missing", "B missing"],
        ["p2", 0, "failed", "", "A failed"],
        ["p3", 0, "truncated", "blocked", "B blocked"],
        ["p4", 0, "missing", "empty", "A missing; B empty"],
        ["p6", 0, "missing", "missing", "A missing; B missing"],
    ]


def test_the_later_row_of_a_key_wins() -> None:
    old, new = rows(("p1", "a", 0, "failed"), ("p2", "a", 0, "")), rows(("p1", "a", 0, ""), ("p1", "a", 1, ""))
    merged = responses.merge(old, new)
    assert merged[[*responses.KEY, "flag"]].to_numpy().tolist() == [
        ["p1", "a", 0, ""],
        ["p1", "a", 1, ""],
        ["p2", "a", 0, ""],
    ]


def test_the_table_keeps_its_types_on_disk(tmp_path: Path) -> None:
    told: dict[str, Any] = {"prompt_id": "p", "checkpoint": "a", "text": "nan", "tokens_in": 3, "cost": None}
    made = responses.normal(pd.DataFrame([told, {"prompt_id": "q", "checkpoint": "a", "draw": 2}]))
    assert made["text"].tolist() == ["nan", ""]
    assert made["draw"].tolist() == [0, 2]
    assert made["tokens_in"].isna().tolist() == [False, True]
    made.to_parquet(tmp_path / "r.parquet", index=False)
    pd.testing.assert_frame_equal(responses.read(tmp_path / "r.parquet"), made)
    pd.testing.assert_frame_equal(responses.read(tmp_path / "none.parquet"), responses.empty())


def test_counts_tell_stored_troubled_and_missing() -> None:
    table = rows(("p1", "a", 0, ""), ("p2", "a", 0, "failed"), ("p3", "a", 0, "truncated"), ("p1", "b", 0, ""))
    assert responses.counts(table, "a", 5) == dict(
        stored=2, failed=1, blocked=0, empty=0, truncated=1, refusal=0, missing=2
    )


def test_more_trouble_on_one_side_is_tested_by_prompts() -> None:
    ids = [f"p{i}" for i in range(8)]
    table = rows(
        *((i, "a", draw, "") for i in ids for draw in (0, 1)),
        *((i, "b", draw, "truncated") for i in ids[:6] for draw in (0, 1)),
        *((i, "b", draw, "") for i in ids[6:] for draw in (0, 1)),
    )
    compared = responses.compare_flags(responses.pairs(table, asked(*ids), "a", "b")).set_index("flag")
    # Six prompts of six go one way: twice a half to the sixth.
    assert compared.loc["truncated"].to_dict() == {"a": 0, "b": 12, "p": pytest.approx(2 / 2**6)}
    assert compared.loc["failed"].to_dict() == {"a": 0, "b": 0, "p": 1.0}


def test_a_table_from_before_there_were_channels_has_empty_ones(tmp_path: Path) -> None:
    old = responses.normal(rows(("p", "a", 0, ""))).drop(columns=["reasoning", "tools"])
    files.write_parquet(tmp_path / "r.parquet", old)
    found = responses.read(tmp_path / "r.parquet")
    assert found[["text", "reasoning", "tools"]].to_numpy().tolist() == [["text", "", ""]]
    assert list(found.columns) == list(responses.COLUMNS)
