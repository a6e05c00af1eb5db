"""A study of answers alone, to be voted on: sixty prompts of two categories, nothing read and nothing compared."""

import pandas as pd

from diffing.findings import votes
from diffing.findings.votes import BETTER
from diffing.models.providers import Checkpoint
from diffing.study.study import Study

PROMPTS = 60


def make(name: str = "study", prompts: int = PROMPTS) -> Study:
    checkpoints = [Checkpoint(key=key, name=f"Model {key}", source="import") for key in "ab"]
    table = pd.DataFrame({"text": [f"Question {number}" for number in range(prompts)]})
    table["category"] = ["maths" if number % 2 else "advice" for number in range(prompts)]
    study = Study.create(name, checkpoints, table, held_out=0.4)
    study.add_responses(
        pd.DataFrame(
            {"prompt_id": prompt_id, "checkpoint": key, "draw": 0, "text": f"{key} to {prompt_id}", "flag": ""}
            for key in "ab"
            for prompt_id in study.prompts()["id"]
        )
    )
    return study


def vote(study: Study, for_b: int, for_a: int, voter: str = "Ada") -> None:
    """So many votes on the first pairs for B, then so many for A."""
    for at, pair in enumerate(votes.pairs(study)[: for_b + for_a]):
        votes.tell(study, "a", "b", pair, BETTER, "left" if pair.turned == (at < for_b) else "right", voter)
