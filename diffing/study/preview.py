"""What files would bring, before anything is changed: a row a checkpoint, the first answer, and what stays out."""

from typing import Any

from diffing.common import words
from diffing.study import prompts, responses, study
from diffing.study.channels import CHANNELS
from diffing.study.imports import Answers, Plan


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


def paired(name: str, plan: Plan) -> list[str]:
    """How many prompts would have answers of both, of the first checkpoint and each other one, a sentence each."""
    there = study.Study.open(name).responses() if name in study.names() else responses.empty()
    table = responses.merge(there, plan.responses)
    asked = prompts.normal(plan.prompts, 0)
    first, *others = plan.settings.checkpoints
    told = []
    for other in others:
        found = responses.pairs(table, asked, first.key, other.key)
        both = responses.kept(found)["prompt_id"].nunique()
        asks = words.count(len(asked), "prompt")
        told.append(f"{both:,} of {asks} would have answers of both '{first.name}' and '{other.name}'.")
    return told


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
