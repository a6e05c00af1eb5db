"""Measures: numbers by answer, of which the later one stands, and which follow their answers into a study."""

from pathlib import Path

import pandas as pd
import pytest

from diffing.common.damage import Damaged
from diffing.study import imports, measures
from diffing.study.study import Study


def row(name: str, value: float, draw: int = 0, key: str = "a") -> dict[str, object]:
    return {"prompt_id": "p", "checkpoint": key, "draw": draw, "name": name, "value": value}


def study(tmp_path: Path) -> Study:
    path = tmp_path / "wide.csv"
    path.write_text("prompt,response_a,response_b\nHi,Hello.,Yo.\n")
    return imports.into("s", imports.load(path))


def test_a_study_without_measures_has_none(tmp_path: Path) -> None:
    found = study(tmp_path).measures()
    assert len(found) == 0 and list(found.columns) == list(measures.COLUMNS)
    assert not (study(tmp_path).folder / measures.FILE).exists()


def test_the_later_number_stands_and_kinds_follow_from_all(tmp_path: Path) -> None:
    target = study(tmp_path)
    target.add_measures(pd.DataFrame([row("match", 1), row("length", 3.5), row("match", 0, draw=1)]))
    assert target.measures()["kind"].to_list() == ["number", "yes/no", "yes/no"]
    target.add_measures(pd.DataFrame([row("match", 0.5), row("void", float("nan")), row("void", float("inf"))]))
    found = target.measures()
    assert found[["draw", "name", "value", "kind"]].to_numpy().tolist() == [
        [0, "length", 3.5, "number"],
        [0, "match", 0.5, "number"],
        [1, "match", 0.0, "number"],
    ]
    assert {name: str(kind) for name, kind in found.dtypes.items()} == measures.COLUMNS


def test_measures_that_are_gone_or_cut_are_said(tmp_path: Path) -> None:
    target = study(tmp_path)
    target.add_measures(pd.DataFrame([row("match", 1)]))
    path = target.folder / measures.FILE
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(Damaged, match=r"measures\.parquet"):
        target.measures()
    path.unlink()
    with pytest.raises(Damaged, match=r"measures\.parquet"):
        target.measures()
