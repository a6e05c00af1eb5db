"""Logs that the tools themselves made (`tools/make_logs.py`), and what they report of them."""

import json
from pathlib import Path
from typing import Any

from diffing.study import imports, prompts
from diffing.study.imports import Answers, How

FOLDER = Path(__file__).parents[1] / "fixtures" / "logs"
INSPECT, LM_EVAL, PROMPTFOO, BATCH, DATASETS = (
    next(FOLDER.glob(f"{tool}-*")) for tool in ("inspect", "lm-eval", "promptfoo", "openai", "datasets")
)


def brought(*given: Path, **how: Any) -> Answers:
    return imports.load_all(given, How(**how))


def reported(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def texts(answers: Answers, checkpoint: str = "") -> dict[tuple[str, int], str]:
    """Text by prompt and draw."""
    shown = _shown(answers)
    rows = answers.responses
    rows = rows[rows["checkpoint"] == checkpoint] if checkpoint else rows
    return {(shown[row.prompt_id], row.draw): row.text for row in rows.itertuples()}


def numbers(answers: Answers, name: str, checkpoint: str = "") -> dict[tuple[str, int], float]:
    """A measure by prompt and draw."""
    shown = _shown(answers)
    rows = answers.measures[answers.measures["name"] == name]
    rows = rows[rows["checkpoint"] == checkpoint] if checkpoint else rows
    return {(shown[row.prompt_id], row.draw): row.value for row in rows.itertuples()}


def _shown(answers: Answers) -> dict[str, str]:
    """What a person reads of each prompt, by its id."""
    table = prompts.normal(answers.prompts, 0.3)
    return {row["id"]: prompts.shown(row) for _, row in table.iterrows()}
