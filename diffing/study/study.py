"""A study on disk: its settings, checkpoints, prompts and answers.

A study is a folder `studies/<name>/` with `study.toml`, `prompts.csv` and `responses.parquet`; every later step
adds its own files beside them. Promises that names cannot leave `studies/`, that files are replaced whole, and
that folders written by older versions still open. Computes nothing: the steps do.
"""

import re
import shutil
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import pandas as pd
import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from diffing.common import files
from diffing.common.errors import UserError
from diffing.study import prompts, responses

FORMAT = 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Settings(BaseModel):
    """Base of all that stands in `study.toml`: unknown fields are an error, so that a typing slip is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Checkpoint(Settings):
    """A model under study."""

    key: str
    """Short name inside the study: a column value, a word in file names."""
    name: str
    """What people read."""
    source: str
    """`provider:model`, `hf:folder or id`, or `import`."""
    base_url: str = ""
    """Endpoint, where the provider is not a named one."""
    key_env: str = ""
    """Name of the environment variable that holds the key, where the provider is not a named one."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Sent with each request of this checkpoint only, over the study's own `extra_body`."""

    @field_validator("key")
    @classmethod
    def _plain_key(cls, key: str) -> str:
        if not NAME.fullmatch(key):
            raise ValueError(f"{key!r} is no checkpoint key; use letters, digits, '.', '_' and '-'")
        return key


class Sampling(Settings):
    """How each checkpoint is asked."""

    temperature: float | None = 1.0
    """None leaves it to the provider."""
    max_tokens: int | None = Field(default=2048, gt=0)
    """Longest answer in tokens; None leaves it to the provider."""
    system: str = ""
    """System prompt, sent before every prompt; nothing is sent when empty."""
    draws: int = Field(default=1, ge=1)
    """Answers sampled to each prompt."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request: reasoning effort, provider routing."""


class ReaderChoice(Settings):
    """Which reader encodes the answers; `diffing.reader` gives the names their meaning."""

    preset: str = "starter"
    """A named reader; empty when the fields below name one."""
    release: str = ""
    """SAELens release."""
    sae_id: str = ""
    """SAE id within the release."""
    model: str = ""
    """Hugging Face id or local folder of the language model; empty takes the one the SAE names."""
    sae: str = ""
    """Local folder of an SAE in SAELens's format, instead of release and id."""
    context: Literal["answer", "prompt+answer"] = "answer"
    """Whether the reader sees the prompt too; only the answer's tokens count either way."""


class StudySettings(Settings):
    """All that `study.toml` holds."""

    format: int = FORMAT
    name: str
    created: str
    note: str = ""
    held_out: float = Field(default=0.3, ge=0, lt=1)
    """Share of prompts kept out of discovery, by the hash of their content."""
    seed: int = 0
    """Seed of everything random in the study."""
    sampling: Sampling = Sampling()
    reader: ReaderChoice = ReaderChoice()
    checkpoints: list[Checkpoint]

    @model_validator(mode="after")
    def _two_or_more(self) -> Self:
        keys = [c.key for c in self.checkpoints]
        if len(keys) < 2:
            raise ValueError("a study compares at least two checkpoints; name another one")
        if len(set(keys)) < len(keys):
            raise ValueError(f"checkpoint keys must differ, got {', '.join(keys)}; rename one")
        return self


class Study:
    """One study's folder. Cheap to make; every call reads the files as they are now."""

    def __init__(self, folder: Path, settings: StudySettings) -> None:
        self.folder = folder
        self.settings = settings

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def checkpoints(self) -> Sequence[Checkpoint]:
        return self.settings.checkpoints

    @classmethod
    def create(
        cls,
        name: str,
        checkpoints: Sequence[Checkpoint],
        prompt_table: pd.DataFrame | None = None,
        **settings: Any,
    ) -> "Study":
        """Make the folder, whole or not at all; `settings` are fields of `StudySettings`."""
        folder = folder_of(name)
        if folder.exists():
            raise UserError(f"Study '{name}' exists already; choose another name or open it.")
        try:
            full = StudySettings(
                name=name,
                created=files.now(),
                checkpoints=list(checkpoints),
                **settings,
            )
        except ValidationError as error:
            raise UserError(f"Study '{name}' cannot be made: {first_fault(error)}.") from error
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
        try:
            study = cls(temporary, full)
            study.save_settings(full)
            study.save_prompts(prompts.empty() if prompt_table is None else prompt_table)
            temporary.chmod(0o755)
            temporary.rename(folder)
        except OSError as error:
            raise UserError(f"Study '{name}' cannot be written to '{folder}': {error.strerror}.") from error
        finally:
            # Gone already where the rename succeeded.
            shutil.rmtree(temporary, ignore_errors=True)
        return cls(folder, full)

    @classmethod
    def open(cls, name: str) -> "Study":
        folder = folder_of(name)
        path = folder / "study.toml"
        if not path.exists():
            known = ", ".join(names()) or "none yet"
            raise UserError(f"There is no study '{name}'; studies here: {known}.")
        return cls(folder, load_settings(path))

    @classmethod
    def list(cls) -> Sequence["Study"]:
        """All studies that open, by name; `names()` also has those that do not."""
        found = []
        for name in names():
            try:
                found.append(cls.open(name))
            except UserError:
                # The caller who wants the reason opens it by name.
                continue
        return found

    def checkpoint(self, key: str) -> Checkpoint:
        for checkpoint in self.checkpoints:
            if checkpoint.key == key:
                return checkpoint
        known = ", ".join(c.key for c in self.checkpoints)
        raise UserError(f"Study '{self.name}' has no checkpoint '{key}'; it has {known}.")

    def save_settings(self, settings: StudySettings) -> None:
        self.settings = settings
        files.write_text(
            self.folder / "study.toml", tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True))
        )

    def prompts(self) -> pd.DataFrame:
        return prompts.read(self.folder / "prompts.csv")

    def save_prompts(self, table: pd.DataFrame) -> None:
        """Replace the prompt table; ids and the discovery/held-out split follow from the content."""
        prompts.write(self.folder / "prompts.csv", prompts.normal(table, self.settings.held_out))

    def responses(self) -> pd.DataFrame:
        return responses.read(self.folder / "responses.parquet")

    def add_responses(self, rows: pd.DataFrame) -> None:
        """Store answers; a row takes the place of an earlier one of the same prompt, checkpoint and draw."""
        with files.locked(self.folder / "responses.lock"):
            table = responses.merge(self.responses(), rows)
            files.write_parquet(self.folder / "responses.parquet", table)

    def diff(self, a: str = "", b: str = "") -> pd.DataFrame:
        """Two checkpoints' features table with labels, computed where needed; the first two unless named."""
        # The diff stands on studies, so it cannot be imported above.
        from diffing.diff import compute as diff
        from diffing.labels import names as labels

        keys = [checkpoint.key for checkpoint in self.checkpoints]
        found = diff.current(self, a or keys[0], b or keys[1])
        return labels.named(self, found.features, found.a, found.b)

    def pairs(self, a: str, b: str) -> pd.DataFrame:
        """Both sides' answers by (prompt, draw), with the reason where a pair is excluded."""
        self.checkpoint(a), self.checkpoint(b)
        return responses.pairs(self.responses(), self.prompts(), a, b)


def folder_of(name: str) -> Path:
    if not NAME.fullmatch(name):
        raise UserError(
            f"'{name}' is no study name; use 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first."
        )
    return files.studies_dir() / name


def names() -> list[str]:
    """Names of all study folders, whether or not they open."""
    root = files.studies_dir()
    return sorted(p.parent.name for p in root.glob("[!.]*/study.toml")) if root.exists() else []


def load_settings(path: Path) -> StudySettings:
    """Settings from a file of this format or an older one."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"'{path.name}' of study '{path.parent.name}' is not TOML ({error}); mend it.") from error
    if raw.get("format", FORMAT) > FORMAT:
        raise UserError(
            f"Study '{path.parent.name}' was written in format {raw['format']}, this version reads up to "
            f"{FORMAT}; update Checkpoint Diffing."
        )
    sampling = raw.setdefault("sampling", {})
    # TOML has no null: an absent value was None when this file was written.
    for field in ("temperature", "max_tokens"):
        sampling.setdefault(field, None)
    try:
        return StudySettings.model_validate(raw)
    except ValidationError as error:
        raise UserError(
            f"'{path.name}' of study '{path.parent.name}' does not hold: {first_fault(error)}; mend it."
        ) from error


def first_fault(error: ValidationError) -> str:
    """The first thing that pydantic found wrong, as half a sentence."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
