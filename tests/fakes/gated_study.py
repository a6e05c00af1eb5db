"""What a gate looks at, made by hand: things with figures, and a study whose change is known."""

import math
from typing import Any

import pytest

from diffing.diff import compute
from diffing.diff.stored import DiffSettings
from diffing.gate.items import Item
from diffing.reader import encode
from diffing.study.study import Study
from tests.fakes.diff_study import made
from tests.fakes.reader import FakeReader


def item(**figures: Any) -> Item:
    """A surface probe that changed by 20 points, but for what is given."""
    usual: dict[str, Any] = {
        "what": "probe",
        "id": "probe:bold",
        "name": "uses bold",
        "kind": "share",
        "by": "probe",
        "source": "bold",
        "share_a": 0.1,
        "share_b": 0.3,
        "delta": 0.2,
        "ci_low": 0.1,
        "ci_high": 0.3,
        "q": 0.001,
        "q_gate": 0.002,
        "heldout_delta": 0.2,
        "heldout_q": math.nan,
        "prompts": 100,
        "family": "probe, share",
    }
    return Item(**(usual | figures))


def study(monkeypatch: pytest.MonkeyPatch, name: str = "study", bold: float = 0.8, prompts: int = 60) -> Study:
    """B ends its answers to this share of prompts in a bold word, and A none; all other words are the same."""
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: FakeReader(window=64))

    def answer(prompt: int, checkpoint: str, _draw: int) -> str:
        text = f"It is w{prompt % 7} and w{prompt % 5}."
        # Spread over the prompts, so that both splits have their share.
        return f"{text} **Bold**" if checkpoint == "b" and (prompt * 0.618034) % 1 < bold else text

    whole = made(answer, prompts)
    if whole.name != name:
        whole.folder.rename(whole.folder.with_name(name))
        whole = Study.open(name)
    compute.compute(whole, "a", "b", DiffSettings())
    return whole
