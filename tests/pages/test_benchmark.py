"""The page Benchmark: nothing yet, a wrong link, and a run with its table, from what is kept of its logs."""

from pathlib import Path
from typing import Any

import pytest

from diffing.agents.benchmark import results, table
from diffing.common import files
from diffing.common.escape import md
from tests.pages.test_pages import opened

RUN: dict[str, Any] = {
    **{"framing": "neutral", "model": "made/up", "strength": "whole", "tier": 0, "epoch": 1, "handed": True},
    **{"why": "", "claims": 2, "asserted": True, "repeats": 0.0, "unjudged": 0, "brier": 0.2, "rating": 3.0},
    **{"prompts": 9, "tokens": 1000, "dollars": 0.25, "minutes": 1.5, "log": "x.eval"},
}
CLAIM: dict[str, Any] = {
    **{"framing": "neutral", "model": "made/up", "epoch": 1, "place": 0, "text": "uses em dashes", "more": "b"},
    **{"confidence": 0.9, "item": "dash", "grade": 4, "how": "count", "repeat": False, "unjudged": False},
    **{"true": True, "evidence": 1, "read": 1, "q": 0.001, "holds": True},
}


def run(arm: str, task: str, found: int) -> dict[str, Any]:
    null = task == "nothing"
    grades = {} if null else {"dash": 4 if found else 1, "bold": 4 if found > 1 else 1}
    told = {"recall": None if null else found / 2, "grade": None if null else 2.0, "best": None if null else 4.0}
    return (
        RUN
        | {"arm": arm, "task": task, "organism": task, "kind": "none" if null else "style"}
        | told
        | {
            "null": null,
            "false": float(null),
            "grades": grades,
        }
    )


@pytest.fixture
def kept(own_home: Path) -> None:
    """A run of two arms as it is kept, with a log that nobody has to read."""
    log = own_home / "bench" / "logs" / "first" / "x.eval"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"")
    runs = [
        run(arm, task, found)
        for arm, found in (("answers", 2), ("blackbox", 1))
        for task in ("dashes", "bolds", "nothing")
    ]
    claims = [CLAIM | {"arm": each["arm"], "task": each["task"], "organism": each["task"]} for each in runs]
    claims = [each | {"null": each["task"] == "nothing"} for each in claims]
    state = [results.VERSION, log.stat().st_mtime_ns]
    path = own_home / "bench" / "results" / "first.json"
    path.parent.mkdir()
    files.write_json(path, {"state": state, "runs": runs, "claims": claims})


def test_before_any_run_the_page_says_how_to_begin() -> None:
    app = opened("pages/benchmark.py")
    assert "was not run yet" in app.info[0].value and "--dry-run" in app.code[0].value


@pytest.mark.usefixtures("kept")
def test_a_run_that_is_not_there_is_told() -> None:
    assert "There is no run 'second'" in opened("pages/benchmark.py", run="second").warning[0].value


@pytest.mark.usefixtures("kept")
def test_the_table_is_the_engines_with_nulls_apart() -> None:
    app = opened("pages/benchmark.py")
    shown = app.dataframe[0].value.set_index("arm")
    told = table.arms(*results.of("first")).set_index("arm")
    assert shown["recall"].to_dict() == {"answers": 100.0, "blackbox": 50.0}
    assert (shown["invented"] == 100 * told["invented"]).all() and (shown["invented"] == 100.0).all()
    assert shown["runs"].tolist() == [2, 2] and shown["null runs"].tolist() == [1, 1]
    said = "\n".join(each.value for each in app.markdown)
    row = table.plain(table.comparisons(results.of("first").runs).iloc[0].to_dict())
    assert (row["delta"], row["p"], row["organisms"]) == (-0.5, 0.5, 2) and row["low"] < -0.5 < row["high"]
    assert md(table.compared_in_words(row)) in said
    assert len(app.dataframe[1].value) == 6
