"""What a labelling run will ask: foreseen without asking, and without leaving anything behind."""

from pathlib import Path

import pytest

from diffing.labels import expected, plan
from tests.fakes import label_study
from tests.fakes.openai_server import OpenAIServer


def held(home: Path) -> dict[str, bytes]:
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_an_estimate_asks_nobody_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer, own_home: Path
) -> None:
    texts = [f"Some tea {number}, and then milk with more of the tea, or rum." for number in range(40)]
    study, _ = label_study.make(monkeypatch, {"a": texts, "b": texts}, [{"milk": 1.0}, {"rum.": 1.0}])
    before = held(own_home)
    options = plan.Options(model=f"{server.url}#before", judge=f"{server.url}#after", score=True, features=[0, 1])
    assert expected.estimate(study, options).labels == 2
    assert (held(own_home), server.calls) == (before, [])
