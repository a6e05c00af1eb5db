"""A study whose answers are alike in their text and differ in their reasoning: B's mostly begins with a check.

Its calls of tools are a null: each prompt's two are exchanged by a coin. A third of the prompts has no reasoning,
and one has some on A's side alone.
"""

import json

import numpy as np
import pandas as pd
import pytest

from diffing.models.providers import Checkpoint
from diffing.reader import encode
from diffing.study.study import Study
from tests.fakes.label_study import RuleReader

WORDS = ("tree", "river", "birds", "sing", "light", "falls", "green", "leaves", "old", "oak", "grows", "near")
HABIT = "Wait, let me check this again."
PROMPTS, THOUGHT = 150, 100


def make(monkeypatch: pytest.MonkeyPatch, alike: bool = False) -> Study:
    """With `alike` the reasoning is a null too: its sides are exchanged by a coin."""
    reader = RuleReader([{"Wait,": 2.0, "check": 1.0}, {"river": 1.0}, {"birds": 1.5}])
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: reader)
    random = np.random.default_rng(0)

    def said() -> str:
        return f"{' '.join(random.choice(WORDS, 20))}."

    asked = pd.DataFrame({"text": [f"Question {n}" for n in range(PROMPTS)]})
    sides = [Checkpoint(key=key, name=key.upper(), source="import") for key in "ab"]
    study = Study.create("thinking", sides, asked, held_out=0.4)
    rows = []
    for number, prompt in enumerate(study.prompts()["id"]):
        text, thought = said(), [said(), said()] if number < THOUGHT else ["", ""]
        if thought[1] and random.random() < 0.9:
            # In the place of as many words: what is longer shows more of everything.
            thought[1] = " ".join([HABIT, *thought[1].split()[len(HABIT.split()) :]])
        thought[0] = thought[0] or ("Hm." if number == THOUGHT else "")
        if alike and random.random() < 0.5:
            thought = thought[::-1]
        made = [json.dumps([{"name": name, "arguments": {"q": said()}}]) for name in ("look", "read")]
        made = made[::-1] if random.random() < 0.5 else made
        for key, reasoning, tools in zip("ab", thought, made, strict=True):
            told = {"prompt_id": prompt, "checkpoint": key, "draw": 0, "text": text, "flag": ""}
            rows.append(told | {"reasoning": reasoning, "tools": tools, "finish_reason": "stop"})
    study.add_responses(pd.DataFrame(rows))
    return study
