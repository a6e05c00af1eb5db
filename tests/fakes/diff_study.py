"""A study that a diff can be computed of at once: imported answers with a planted habit, encoded.

The test sets the reader that encodes them: `encode.load_reader` gives a `FakeReader`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from diffing.diff import compute
from diffing.diff.stored import Diff, DiffSettings
from diffing.models.providers import Checkpoint
from diffing.reader import encode
from diffing.study import responses
from diffing.study.study import Study
from tests.fakes.watch import Watch

Answer = Callable[[int, str, int], str]
COLUMNS = {
    *("feature", "frequency_a", "frequency_b", "delta", "ci_low", "ci_high", "p", "q"),
    *("discordant_a", "discordant_b", "rate_a", "rate_b", "q_rate", "delta_equal_length", "q_equal_length"),
    *("delta_equal_length_tail", "q_equal_length_tail", "survives_equal_length", "outside_noise"),
    *("replicated", "delta_heldout", "family", "probes"),
}
"""What every table of features has."""


def words(prompt: int, checkpoint: str, draw: int) -> str:
    """Random words; B's answers to most prompts end in a bold one."""
    random = np.random.default_rng([prompt, ord(checkpoint), draw])
    text = " ".join(f"w{n}" for n in random.integers(0, 50, int(random.integers(4, 12))))
    return f"{text} **Bold**" if checkpoint == "b" and prompt % 5 else text


def made(
    answer: Answer = words, prompts: int = 40, draws: int = 1, keys: str = "ab", encoded: bool = True
) -> Study:
    table = pd.DataFrame(
        {"text": [f"Question {n}" for n in range(prompts)], "category": np.where(np.arange(prompts) % 2, "x", "y")}
    )
    study = Study.create("study", [Checkpoint(key=k, name=k, source="import") for k in keys], table)
    rows = []
    for number, prompt_id in enumerate(study.prompts()["id"]):
        for key in keys:
            for draw in range(draws):
                text = answer(number, key, draw)
                row = {"prompt_id": prompt_id, "checkpoint": key, "draw": draw, "text": text}
                rows.append(row | {"flag": responses.flag(text, "stop", "")})
    study.add_responses(pd.DataFrame(rows))
    if encoded:
        encode.run(study, encode.Options(), Watch())
    return study


def computed(study: Study, **settings: Any) -> Diff:
    return compute.compute(study, "a", "b", DiffSettings(**settings))
