"""What files would bring, before anything is changed: a row a checkpoint, the first answer, and what stays out."""

from typing import Any

from diffing.study import prompts, responses
from diffing.study.channels import CHANNELS
from diffing.study.imports import Answers


def summary(answers: Answers) -> list[dict[str, Any]]:
    """What would come in, a row a checkpoint: prompts, answers, draws, measures and channels."""
    rows = []
    for name in answers.checkpoints:
        mine = answers.responses[answers.responses["checkpoint"] == name]
        numbers = answers.measures[answers.measures["checkpoint"] == name]
        rows.append(
            {
                "checkpoint": name,
                "prompts": int(mine["prompt_id"].nunique()),
                "answers": len(mine),
                "draws": responses.draws(mine),
                "failed": int((mine["flag"] == "failed").sum()),
                "measures": sorted(numbers["name"].unique()),
                "channels": [channel for channel in CHANNELS if bool((mine[channel] != "").any())],
            }
        )
    return rows


def first(answers: Answers) -> dict[str, str]:
    """The first answer in its channels, with what it answers."""
    row, asked = answers.responses.iloc[0], prompts.normal(answers.prompts.head(1), 0).iloc[0]
    return {
        "prompt": prompts.shown(asked),
        "checkpoint": row["checkpoint"],
        **{name: row[name] for name in (*CHANNELS, "error")},
    }


def left_out(answers: Answers) -> str:
    """What did not come in, as a sentence; empty where all did."""
    told = [f"{number:,} {what}" for what, number in answers.left_out.items()]
    return f"Left out: {', '.join(told)}." if told else ""
