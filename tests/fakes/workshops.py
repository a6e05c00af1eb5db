"""A study with held-out answers, and a notebook of it whose kernel is real."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from diffing.agents.sight import Sight
from diffing.agents.workshop.notebook import Notebook
from diffing.agents.workshop.workspace import Workspace
from diffing.models.providers import Checkpoint
from diffing.study.study import Study

HELD = "Quince marmalade"
"""Stands in held-out answers and nowhere else."""
OPEN = "Plum jam"
"""Stands in discovery answers."""
PROMPTS = 40
PATIENT = 40.0
"""Seconds that a test waits for a cell: its end comes long before, also where the machine is busy."""


def study_of(name: str = "pantry") -> Study:
    checkpoints = [Checkpoint(key=key, name=key, source="import") for key in "ab"]
    table = pd.DataFrame({"text": [f"What is on shelf {number}?" for number in range(PROMPTS)]})
    study = Study.create(name, checkpoints, table, held_out=0.4)
    rows = [
        {
            "prompt_id": prompt.id,
            "checkpoint": key,
            "draw": 0,
            "text": f"{OPEN if prompt.split == 'discovery' else HELD} in jar {prompt.Index}, says {key}.",
        }
        for prompt in study.prompts().itertuples()
        for key in "ab"
    ]
    study.add_responses(pd.DataFrame(rows))
    return study


@contextmanager
def at_home(home: Path) -> Iterator[None]:
    """Another home folder for the block: a fixture of a module is older than the home of each test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home))
        yield


@contextmanager
def opened(study: Study, workspace: Workspace | None = None, held_out: bool = False) -> Iterator[Notebook]:
    """A notebook, closed after the block."""
    notebook = Notebook(study, Sight(held_out), workspace)
    try:
        yield notebook
    finally:
        notebook.close()
