"""Where a study keeps what its readers saw: its own reader's files in its folder, those of others beside them.

A study names one reader, whose diff is the one that pages and reports show; any number of others may read the same
answers, so that what they see can be held against it, and each may read other channels of an answer than its text.
Promises that no reader's or channel's files take the place of another's, and that a reader that a study names no
more keeps what it has read.
"""

from pathlib import Path
from typing import Any

from diffing.common import damage, files
from diffing.common.damage import Damaged
from diffing.jobs.machines import seen
from diffing.reader import presets
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study

FOLDER = "readers"
"""Of a study: the tables of readers that are not its own, and of channels other than the text."""


def table_path(study: Study) -> Path:
    """The table that says where each of the study's answers lies in the cache."""
    return _beside(study, "parquet") if study.beside else study.folder / "encodings.parquet"


def checked_path(study: Study) -> Path:
    """What the reader's check found on the study's answers."""
    return _beside(study, "json") if study.beside else study.folder / "reader.json"


def _beside(study: Study, end: str) -> Path:
    # By the choice, as the own reader's place has no name: what it holds says whose it is.
    return study.folder / FOLDER / f"{_name(study.settings.reader)}{_channel(study)}.{end}"


def shares_path(study: Study) -> Path:
    """Where those who read a share of this view put what they have read, until it is joined."""
    return study.folder / seen.FOLDER / (_name(study.settings.reader) + _channel(study))


def _channel(study: Study) -> str:
    return f"-{study.channel}" if study.channel != "text" else ""


def _name(choice: ReaderChoice) -> str:
    return files.content_hash(choice.model_dump())


def remedy(study: Study) -> str:
    """What makes a study's encodings anew."""
    return f"run `python -m diffing encode {study.name}{as_options(study)}`"


def as_options(study: Study) -> str:
    """What a command is told of a view beside the study's own: its reader, its channel."""
    choice, told = study.settings.reader, ""
    if study.other_reader:
        told += f" --reader {presets.written(choice)}"
        usual = "prompt+answer" if presets.trained(choice) else "answer"
        told += f" --context {choice.context}" if choice.context != usual else ""
    return told + (f" --channel {study.channel}" if study.channel != "text" else "")


def for_step(study: Study) -> dict[str, Any]:
    """The same as a step's options."""
    told: dict[str, Any] = {"reader": study.settings.reader.model_dump()} if study.other_reader else {}
    return told | ({"channel": study.channel} if study.channel != "text" else {})


def set_aside(study: Study) -> None:
    """Before the own reader's table is written: what another one left in its place goes beside."""
    own = table_path(study)
    if study.beside or not own.exists():
        return
    try:
        choice = ReaderChoice.model_validate(files.read_parquet(own).attrs["reader"])
    except (Damaged, LookupError, ValueError):
        # What cannot be read is replaced, as it always was.
        return
    if choice == study.settings.reader:
        return
    (study.folder / FOLDER).mkdir(mode=files.PRIVATE_FOLDER, exist_ok=True)
    own.replace(study.folder / FOLDER / f"{_name(choice)}.parquet")
    for end in ("parquet", "json"):
        # It stands in the own one's place from now on.
        _beside(study, end).unlink(missing_ok=True)


def encoded(study: Study) -> bool:
    """Whether there are encodings by the reader that the study names."""
    path = table_path(study)
    if not path.exists():
        return False
    table = files.read_parquet(path, remedy(study))
    with damage.reading(path, remedy(study)):
        return bool(table.attrs["reader"] == study.settings.reader.model_dump())
