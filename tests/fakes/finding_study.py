"""A diffed study of known features, for findings and drafts: B numbers its items and drops double spaces."""

import numpy as np
import pytest

from diffing.diff import compute
from diffing.diff.stored import DiffSettings
from diffing.reader import encode
from diffing.study.study import Study
from tests.fakes import kept, label_study
from tests.fakes.label_study import RuleReader

FILLER = ["plain", "wood", "stone", "grey", "sand", "river", "cloud", "field"]
RULES: list[dict[str, float]] = [{"  ": 2.0}, {"1.": 1.0, "2.": 1.5}, {"cake": 3.0}, {"tea": 2.0}, {"wood": 1.0}]
SPACES, ITEMS, CAKE, TEA, WOOD = range(5)
CHANCES = {
    "a": {"spaces": 0.9, "items": 0.1, "cake": 0.1, "tea": 0.8},
    "b": {"spaces": 0.1, "items": 0.9, "cake": 0.9, "tea": 0.2},
}


def answer(random: np.random.Generator, side: str) -> str:
    """A dozen plain words, and what the side shows by chance."""
    words = list(random.choice(FILLER, 12))
    for name in ("cake", "tea"):
        if random.random() < CHANCES[side][name]:
            words[int(random.integers(12))] = name
    text = " ".join(words) + "."
    if random.random() < CHANCES[side]["spaces"]:
        text += "  More of it."
    if random.random() < CHANCES[side]["items"]:
        text += "\n1. one\n2. two"
    return text


def make(
    monkeypatch: pytest.MonkeyPatch,
    prompts: int = 120,
    name: str = "study",
    held_out: float = 0.4,
    alike: bool = False,
) -> Study:
    """With `alike` both sides give the same answers."""

    def made() -> None:
        random = np.random.default_rng(0)
        answers = {side: [answer(random, side) for _ in range(prompts)] for side in "ab"}
        if alike:
            answers["b"] = answers["a"]
        study, _ = label_study.make(monkeypatch, answers, RULES, name, held_out=held_out)
        compute.compute(study, "a", "b", DiffSettings())

    kept.copied(made, "findings", prompts, name, held_out, alike)
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: RuleReader(RULES))
    return Study.open(name)
