"""The dictionaries of a study: each has a name, a folder `dictionaries/NAME/`, and facts of how it came to be.

A folder is what `files.save` writes, with tables beside that say what its latents do: a name here is a file there.
Beside the folders lie the states of trainings that are under way, and the rows of their curves so far. Promises
that a name cannot leave the folder, that looking takes none of the libraries that weights need and changes
nothing, and that a dictionary is called outdated where its texts, answers or weights are known to have changed, as
any result seen from inside is. Trains nothing: `job` does.
"""

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from diffing.common import damage, files
from diffing.common.errors import Busy, UserError
from diffing.common.step import first_fault
from diffing.jobs import job as jobs
from diffing.study.study import Study, held
from diffing.whitebox.dictionaries import about
from diffing.whitebox.sight import seen

if TYPE_CHECKING:
    from diffing.whitebox.dictionaries.dictionary import Dictionary

FOLDER, STEP, JUDGES = "dictionaries", "dictionary", "latents"
"""Where they lie, and the steps that train one and judge one."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""No dot: what lies beside a dictionary's folder has one behind its name."""
TRAINING, CURVES = ".training", ".curves.jsonl"
"""Behind a name: where a training stands, and its curves so far."""
JUDGING = ".judging"
"""And dictionaries that it is judged beside, while that lasts."""
TABLES = ("latents", "passages", "tokens", "explained")
"""What is told of latents: a row each, their passages, what they write, and what all together explain."""
DIRECTIONS = "directions.safetensors"
AGAIN = "remove the dictionary and train it again"


class Facts(BaseModel):
    """How a dictionary came to be."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    base: str
    """Key of the checkpoint before."""
    variant: str
    sources: tuple[str, str]
    """What the two were, as `opening.open_pair` takes them."""
    pair: str
    """`Pair.key`: all of the pair that changes a number, number format and kind of device too."""
    identity: tuple[Any, Any]
    """Of the base's weights and of the change, whatever they run on."""
    layer: int
    """Whose output it reads, from 0."""
    layers: int
    """How many the models have."""
    texts: dict[str, Any]
    """A `texts.Choice`."""
    kind: Literal["crosscoder", "difference"]
    width: int
    latents: int
    k: float
    """Latents a token, in training."""
    options: dict[str, Any]
    """`training.Options`."""
    stream: dict[str, Any]
    """`stream.Options`."""
    tokens: int
    """That it was trained on, each as often as it was read."""
    documents: int
    held_out: int
    """Documents that it was not trained on, of which the tables tell."""
    rounds: int
    """How often the documents were read."""
    state: dict[str, Any]
    """What `seen.state` told of weights and texts before they were read."""
    date: str
    key: str
    """A hash of all that changes a number."""


class Shelved(NamedTuple):
    """A study's dictionary."""

    study: Study
    name: str

    @property
    def written(self) -> str:
        return f"{self.study.name}/{self.name}"

    @property
    def folder(self) -> Path:
        return folder(self.study, self.name)

    @property
    def facts(self) -> Facts:
        return facts(self.study, self.name)

    @property
    def outdated(self) -> str:
        return outdated(self.study, self.name)

    @property
    def curves(self) -> pd.DataFrame:
        return curves(self.study, self.name)

    def table(self, which: str) -> pd.DataFrame:
        return table(self.study, self.name, which)

    def load(self) -> "Dictionary":
        return load(self.study, self.name)


def checked(name: str) -> str:
    """A name that a dictionary can have."""
    if not NAME.fullmatch(name):
        raise UserError(
            f"'{name}' is no name of a dictionary; use 1 to 64 letters, digits, '_' or '-', a letter or digit "
            "first."
        )
    return name


def folder(study: Study, name: str) -> Path:
    """Where a dictionary lies, or will."""
    return study.folder / FOLDER / checked(name)


def state_of(study: Study, name: str) -> Path:
    """Where its training stands, while it lasts."""
    return study.folder / FOLDER / f"{checked(name)}{TRAINING}"


def judging_of(study: Study, name: str) -> Path:
    """Where dictionaries lie that it is judged beside, while that lasts."""
    return study.folder / FOLDER / f"{checked(name)}{JUDGING}"


def names(study: Study) -> list[str]:
    """Of all that are trained."""
    found = (study.folder / FOLDER).glob(f"*/{about.TOLD}")
    return sorted(path.parent.name for path in found if NAME.fullmatch(path.parent.name))


def begun(study: Study) -> list[str]:
    """Of trainings that are under way, or were stopped and can go on."""
    root = study.folder / FOLDER
    found = {path.name.removesuffix(end) for end in (TRAINING, CURVES) for path in root.glob(f"*{end}")}
    return sorted(name for name in found if NAME.fullmatch(name) and not about.exists(root / name))


def exists(study: Study, name: str) -> bool:
    return about.exists(folder(study, name))


def facts(study: Study, name: str) -> Facts:
    """How a dictionary came to be."""
    path = _there(study, name)
    told = about.facts(path)
    try:
        return Facts.model_validate(told)
    except ValidationError as error:
        raise damage.Damaged(path / about.TOLD, first_fault(error), AGAIN) from error


def mark(facts: Facts) -> str:
    """Which training it is."""
    return files.content_hash([facts.key, facts.date], 8)


def load(study: Study, name: str) -> "Dictionary":
    """Its weights, in float32 on the CPU."""
    from diffing.whitebox.dictionaries import files as weights

    return weights.load(_there(study, name))


def table(study: Study, name: str, which: str) -> pd.DataFrame:
    """One of `TABLES`."""
    path = _there(study, name) / f"{which}.parquet"
    if not path.is_file():
        raise UserError(
            f"Dictionary '{name}' of study '{study.name}' has no table of {which} yet; run 'dictionary' again "
            "with its settings, which only makes what is missing."
        )
    return files.read_parquet(path, AGAIN)


def curves(study: Study, name: str) -> pd.DataFrame:
    """How it learnt, or learns: the rows so far, whoever trains it; empty where nothing was learnt yet."""
    path = folder(study, name)
    if about.exists(path):
        return about.curves(path)
    live = path.parent / f"{name}{CURVES}"
    if not live.is_file():
        return pd.DataFrame()
    # Whoever writes it may be in the midst of the last line.
    whole, _, _ = live.read_text(encoding="utf-8").rpartition("\n")
    with damage.reading(live, "it is written anew when the training goes on"):
        return pd.DataFrame([json.loads(line) for line in whole.splitlines()])


def outdated(study: Study, name: str) -> str:
    """Why a dictionary is no longer that of these checkpoints and texts, as a sentence; empty where it is."""
    told = facts(study, name)
    keys = {checkpoint.key for checkpoint in study.checkpoints}
    if not {told.base, told.variant} <= keys:
        return "The study has other checkpoints since then."
    return seen.changed(study, told.base, told.variant, told.texts.get("source", "auto"), told.state)


def remove(study: Study, name: str) -> None:
    """Take away a dictionary, and where its training stands."""
    path = folder(study, name)
    state, live = state_of(study, name), path.parent / f"{name}{CURVES}"
    with held(study.folder):
        if not (path.exists() or state.exists() or live.exists()):
            raise _none(study, name)
        for step, doing in ((STEP, "trained"), (JUDGES, "judged")):
            if jobs.running(study, step) is not None:
                raise Busy(
                    f"A dictionary of study '{study.name}' is being {doing}; wait for it or cancel it "
                    f"('jobs {study.name}' shows it)."
                )
        # What tells that it is there goes first: killed in between, nobody takes the rest for a dictionary.
        (path / about.TOLD).unlink(missing_ok=True)
        for each in (path, state, judging_of(study, name)):
            shutil.rmtree(each, ignore_errors=True)
        live.unlink(missing_ok=True)


def find(word: str, study: Study | None = None) -> Shelved:
    """The dictionary that `NAME`, of this study, or `STUDY/NAME` stands for."""
    owner, slash, name = word.rpartition("/")
    if not slash and study is None:
        raise UserError(f"'{word}' does not say which study's dictionary it is; write STUDY/NAME.")
    of = Study.open(owner) if slash or study is None else study
    _there(of, name)
    return Shelved(of, name)


def _there(study: Study, name: str) -> Path:
    path = folder(study, name)
    if not about.exists(path):
        raise _none(study, name)
    return path


def _none(study: Study, name: str) -> UserError:
    there = ", ".join(names(study)) or "none yet"
    return UserError(
        f"Study '{study.name}' has no dictionary '{name}' (there: {there}); train it, or name another."
    )
