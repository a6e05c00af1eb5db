"""The sample study: 240 hand-made answers with ten planted differences, for a first look and for tests.

Reads the files in `starter/sample/`, which `tools/make_sample.py` writes. Promises that the study is whole or
gets completed on the next call. No model wrote these answers, so no figure about a model follows from them.
"""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from diffing.common import files, tables
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.models.providers import Checkpoint
from diffing.study import repair, responses
from diffing.study.settings import Sampling
from diffing.study.study import Study, names

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parents[1] / "starter" / "sample"
NAME = "sample"
BEFORE = Checkpoint(key="before", name="Sample model, before", source="import")
AFTER = Checkpoint(key="after", name="Sample model, after", source="import")
DRAWS = 2
HELD_OUT = 0.5
"""Of sixty prompts the usual 30 % would leave too few to see a difference again."""
NOTE = (
    "Hand-made sample data: people's questions with answers written for this project, in which ten differences "
    "were planted. There is no such model."
)


def ensure() -> Study:
    """The sample study, made or completed where needed; another study of that name is left alone."""
    # Two pages may ask at once; the second finds what the first made.
    with files.locked(lock()):
        if NAME not in names():
            return create()
        study = Study.open(NAME)
        if study.settings.note != NOTE:
            raise UserError(f"A study '{NAME}' that is not the sample exists already; rename its folder.")
        if _stored(study) < len(tables.read(FOLDER / "responses.csv")):
            study.add_responses(_answers())
        return study


def lock() -> Path:
    """Held by whoever makes the sample or starts its steps."""
    return files.studies_dir() / ".sample.lock"


def create(name: str = NAME) -> Study:
    """A new study with the sample's prompts and answers."""
    return Study.create(
        name,
        [BEFORE, AFTER],
        tables.read(FOLDER / "prompts.csv"),
        _answers(),
        note=NOTE,
        held_out=HELD_OUT,
        # Nobody sampled these answers.
        sampling=Sampling(temperature=None, max_tokens=None, draws=DRAWS),
    )


def planted() -> dict[str, Any]:
    """What was planted and what was not: rates, and character spans in each answer (`planted.json`)."""
    record: dict[str, Any] = files.read_json(FOLDER / "planted.json")
    return record


def _stored(study: Study) -> int:
    """How many answers are there; damaged ones are set aside, as this program has them all."""
    try:
        return len(study.responses())
    except Damaged as error:
        logger.warning("The sample's answers are written anew: %s", error)
        repair.repair(NAME, {})
        return len(study.responses())


def _answers() -> pd.DataFrame:
    rows = tables.read(FOLDER / "responses.csv")
    rows["finish_reason"] = "stop"
    rows["flag"] = [responses.flag(text, "stop", "") for text in rows["text"]]
    return rows
