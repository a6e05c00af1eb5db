"""A diffed study in which features alone see two changes: words that are odd or rare, none of them often the same.

B has more of both, each on prompts of its own, and of cake; A has more numbered lists.
"""

from itertools import product

import numpy as np
import pytest

from diffing.diff import compute
from diffing.reader import encode
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
from tests.fakes import label_study
from tests.fakes.label_study import RuleReader

ODD = [f"{a}{b}{c}" for a, b, c in product(["za", "zo", "zu"], ["ko", "ma", "li", "ne"], ["ra", "ti", "vo", "wa"])]
RARE = [
    f"{a}{b}{c}" for a, b, c in product(["bri", "bro", "bru"], ["ka", "mo", "le", "ni"], ["ro", "ta", "vi", "wo"])
]
FILLER = ["plain", "wood", "stone", "grey", "sand", "river", "cloud", "field"]
OWN: list[dict[str, float]] = [dict.fromkeys(ODD, 2.0), dict.fromkeys(RARE, 2.0), {"cake": 3.0}, {"wood": 1.0}]
SEES_ODD, SEES_RARE = 0, 1
SECOND: list[dict[str, float]] = [{"river": 1.0}, {"stone": 1.0}, dict.fromkeys(ODD, 1.0)]
"""Another reader, whose features see the odd words, and neither the rare ones nor cake."""
CHOICE = ReaderChoice(preset="gpt2-small")
"""What names it; nothing of the real one is loaded."""
CHANCES = {
    "a": {"odd": 0.15, "rare": 0.15, "cake": 0.1, "list": 0.85},
    "b": {"odd": 0.8, "rare": 0.8, "cake": 0.9, "list": 0.15},
}


def answer(random: np.random.Generator, side: str) -> str:
    words = list(random.choice(FILLER, 14))
    for place, (name, some) in enumerate((("odd", ODD), ("rare", RARE), ("cake", ["cake"]))):
        if random.random() < CHANCES[side][name]:
            words[3 + 4 * place] = str(random.choice(some))
    text = " ".join(words) + "."
    return f"{text}\n1. one\n2. two" if random.random() < CHANCES[side]["list"] else text


def make(monkeypatch: pytest.MonkeyPatch, prompts: int = 160) -> Study:
    random = np.random.default_rng(0)
    answers = {side: [answer(random, side) for _ in range(prompts)] for side in "ab"}
    study, _ = label_study.make(monkeypatch, answers, OWN, held_out=0.4)
    compute.compute(study, "a", "b")
    monkeypatch.setattr(encode, "load_reader", load)
    return study


def load(choice: ReaderChoice, _device: str) -> RuleReader:
    """The reader of a choice."""
    reader = RuleReader(SECOND if choice == CHOICE else OWN)
    if choice == CHOICE:
        reader.key = "second"
    return reader
