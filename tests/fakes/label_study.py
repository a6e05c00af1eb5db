"""A study whose features are known: each one fires on words that the test names."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from diffing.models.providers import Checkpoint
from diffing.models.tokens import Reading
from diffing.reader import encode
from diffing.reader.encodings import Encodings
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
from tests.fakes import kept
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch


class RuleReader(FakeReader):
    """Words and runs of spaces are tokens; feature f fires on the words of `rules[f]`, as strongly as they say."""

    def __init__(self, rules: Sequence[Mapping[str, float]], context: int = 1000) -> None:
        super().__init__(context)
        self.key = "rules"
        self.n_features = len(rules)
        words = sorted({word for rule in rules for word in rule})
        self.numbers = {word: number for number, word in enumerate(words)}
        self.width = len(words) + 1
        self.encoder = torch.zeros(self.width, self.n_features)
        for feature, rule in enumerate(rules):
            for word, value in rule.items():
                self.encoder[self.numbers[word], feature] = value

    def read(self, messages: list[dict[str, str]], answer: str) -> Reading:
        reading = super().read(messages, answer)
        for window in reading.windows:
            spans = reading.spans[: len(window.ids)]
            window.ids[:] = [self.numbers.get(answer[a:b], self.width - 1) for a, b in spans]
        return reading

    def hidden(self, ids: list[list[int]]) -> Tensor:
        flat = [token for sequence in ids for token in sequence]
        return torch.nn.functional.one_hot(torch.tensor(flat), self.width).float()

    def dense(self, hidden: Tensor) -> Tensor:
        return hidden @ self.encoder


def make(
    monkeypatch: pytest.MonkeyPatch,
    answers: Mapping[str, Sequence[str]],
    rules: Sequence[Mapping[str, float]],
    name: str = "study",
    held_out: float = 0.3,
    seed: int = 0,
) -> tuple[Study, Encodings]:
    """A study of one answer a prompt on each checkpoint, encoded."""

    def made() -> None:
        checkpoints = [Checkpoint(key=key, name=key, source="import") for key in answers]
        count = len(next(iter(answers.values())))
        table = pd.DataFrame({"text": [f"Question {number}" for number in range(count)], "category": "plain"})
        # A reader of its own: the starter's features have names already.
        reader = ReaderChoice(preset="", model="rules", sae="rules")
        study = Study.create(name, checkpoints, table, held_out=held_out, seed=seed, reader=reader)
        rows = [
            {"prompt_id": prompt_id, "checkpoint": key, "draw": 0, "text": text, "flag": ""}
            for key, texts in answers.items()
            for prompt_id, text in zip(study.prompts()["id"], texts, strict=True)
        ]
        study.add_responses(pd.DataFrame(rows))
        encode.run(study, encode.Options(), Watch())

    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: RuleReader(rules))
    kept.copied(made, "labels", answers, rules, name, held_out, seed)
    study = Study.open(name)
    return study, Encodings.open(study)


def babble(random: np.random.Generator, words: Sequence[str], chances: Sequence[float], length: int) -> str:
    return " ".join(random.choice(words, length, p=np.array(chances) / sum(chances)))
