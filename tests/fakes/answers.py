"""A study of answers that a test gives one by one; nothing is read or encoded."""

import pandas as pd

from diffing.models.providers import Checkpoint
from diffing.study.study import Study


def study_of(words: dict[str, list[list[str]]], name: str = "s", held_out: float = 0.999) -> Study:
    """Answers by checkpoint, prompt and draw."""
    checkpoints = [Checkpoint(key=key, name=key, source="import") for key in words]
    count = len(next(iter(words.values())))
    table = pd.DataFrame({"text": [f"Question {number}" for number in range(count)]})
    study = Study.create(name, checkpoints, table, held_out=held_out)
    rows = [
        {"prompt_id": prompt_id, "checkpoint": key, "draw": draw, "text": text}
        for key, answers in words.items()
        for prompt_id, draws in zip(study.prompts()["id"], answers, strict=True)
        for draw, text in enumerate(draws)
    ]
    study.add_responses(pd.DataFrame(rows))
    return study
