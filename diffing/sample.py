"""The sample study: 240 hand-made answers with ten planted differences, for a first look and for tests.

Reads the files in `starter/sample/`, which `tools/make_sample.py` writes. Promises that the study is whole or
gets completed on the next call. No model wrote these answers, so no figure about a model follows from them.
"""

from pathlib import Path
from typing import Any

from diffing import files, jobs, responses, status, tables
from diffing.errors import UserError
from diffing.study import Checkpoint, Sampling, Study, names

FOLDER = Path(__file__).parent / "starter" / "sample"
NAME = "sample"
BEFORE = Checkpoint(key="before", name="Sample model, before", source="import")
AFTER = Checkpoint(key="after", name="Sample model, after", source="import")
DRAWS = 2
HELD_OUT = 0.5
STEPS = ("encode", "diff")
"""What opening it does where it is missing: neither needs a key."""
NOTE = (
    "Hand-made sample data: people's questions with answers written for this project, in which ten differences "
    "were planted. There is no such model."
)


def ensure() -> Study:
    """The sample study, made or completed where needed; another study of that name is left alone."""
    # Two pages may ask at once; the second finds what the first made.
    with files.locked(files.studies_dir() / ".sample.lock"):
        if NAME not in names():
            return create()
        study = Study.open(NAME)
        if study.settings.note != NOTE:
            raise UserError(f"A study '{NAME}' that is not the sample exists already; rename its folder.")
        if len(study.responses()) < len(tables.read(FOLDER / "responses.csv")):
            _fill(study)
        return study


def begin(study: Study) -> None:
    """Start what its encoding and diff still lack, as jobs, once however many ask at the same time."""
    with files.locked(files.studies_dir() / ".sample.lock"):
        # Asked before the status is read: a step that ends in between would be missing there and running no more.
        if any(jobs.running(study, kind) for kind in STEPS):
            return
        missing = [step["job"] for step in status.of(study)["steps"] if step["state"] != "done"]
        first, *rest = [kind for kind in STEPS if kind in missing] or [""]
        if first:
            jobs.start(study, first, then=rest)


def create(name: str = NAME) -> Study:
    """A new study with the sample's prompts and answers."""
    study = Study.create(
        name,
        [BEFORE, AFTER],
        tables.read(FOLDER / "prompts.csv"),
        note=NOTE,
        held_out=HELD_OUT,
        sampling=Sampling(temperature=None, max_tokens=None, draws=DRAWS),
    )
    _fill(study)
    return study


def planted() -> dict[str, Any]:
    """What was planted and what was not: rates, and character spans in each answer (`planted.json`)."""
    found: dict[str, Any] = files.read_json(FOLDER / "planted.json")
    return found


def _fill(study: Study) -> None:
    rows = tables.read(FOLDER / "responses.csv")
    rows["finish_reason"] = "stop"
    rows["flag"] = [responses.flag(text, "stop", "") for text in rows["text"]]
    study.add_responses(rows)
