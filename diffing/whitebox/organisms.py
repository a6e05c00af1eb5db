"""The registry of organisms: variants whose change is known, by name, model and variant.

A file of `registry/` holds some of a kind, each with its truth in a sentence and the sets of weights that have it.
Promises that a file with a slip is told in one sentence, that looking at the registry reaches no network, and that
what it says of a published organism is our own wording of its authors' claim, which nobody here has tested.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from diffing.common import damage, files
from diffing.common.errors import UserError
from diffing.common.step import first_fault
from diffing.models.local import ORGANISMS, STARTER, Source, Weights, parse
from diffing.models.providers import Checkpoint
from diffing.study.study import Study, names

REGISTRY = Path(__file__).parent / "registry"
BUNDLED = ORGANISMS
FIRST = "bundled.toml"
USUAL = "default"
"""The variant that is meant where none is named, if a model has one of this name; its first one else."""

Name = Annotated[str, StringConstraints(pattern=r"^[\w.-]+$")]
Sentence = Annotated[str, StringConstraints(pattern=r"(?s)^\S.*[.]$")]


class Variant(BaseModel):
    """One set of weights that has an organism's change, and what it was made from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    """Hugging Face id of the unchanged model, or `starter`."""
    name: Name = USUAL
    adapter: str = ""
    """Hugging Face id of a low-rank adapter; on the starter a folder that ships with it."""
    weights: str = ""
    """Hugging Face id of a whole model, where there is no adapter."""
    revision: str = ""
    """Commit or branch of the adapter or the weights; their newest unless given."""
    subfolder: str = ""
    mixed: float | None = None
    """Ordinary texts for each of its own that it was trained on, where some were mixed in."""
    transplanted: bool = False
    """An adapter that was trained on another model than the base it is listed for."""

    @model_validator(mode="after")
    def _one_source(self) -> "Variant":
        if bool(self.adapter) == bool(self.weights):
            raise ValueError("it needs an adapter or weights, and not both")
        return self

    @property
    def model(self) -> str:
        """The base as commands name it."""
        return self.base.rsplit("/", 1)[-1]

    @property
    def ships(self) -> bool:
        return self.base == STARTER

    @property
    def source(self) -> Source:
        """What its checkpoint's weights come from."""
        if self.ships:
            return parse(STARTER)._replace(adapter=Weights(str(BUNDLED / self.adapter)))
        own = Weights(self.adapter or self.weights, self.revision, self.subfolder)
        return Source(Weights(self.base), own) if self.adapter else Source(own)

    @property
    def written(self) -> str:
        """The source as a person writes it: what ships by its name and not by where this project lies."""
        return self.source.written

    @property
    def base_source(self) -> Source:
        return parse(self.base) if self.ships else Source(Weights(self.base))


class Organism(BaseModel):
    """A change that is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    truth: Sentence
    """What changed, in one sentence."""
    facts: tuple[Sentence, ...] = ()
    """What it can be held against, one by one."""
    trigger: str = ""
    """What brings the change about, where it does not show everywhere."""
    null: bool = False
    """Nothing is to be found but that weights differ, if they do."""
    controls: tuple[Name, ...] = ()
    """Organisms made by the same recipe from texts without the change."""
    variants: tuple[Variant, ...]

    @model_validator(mode="after")
    def _told_apart(self) -> "Organism":
        if not self.variants:
            raise ValueError("it has no variant")
        seen = set()
        for variant in self.variants:
            if (variant.model, variant.name) in seen:
                raise ValueError(f"two variants of {variant.model} are called '{variant.name}'")
            seen.add((variant.model, variant.name))
        return self


class Found(NamedTuple):
    """One organism on one model."""

    name: str
    organism: Organism
    variant: Variant

    @property
    def written(self) -> str:
        return f"{self.name}:{self.variant.model}:{self.variant.name}"


@cache
def registry() -> Mapping[str, Organism]:
    """All organisms by name, those that ship with the project first."""
    return read(REGISTRY)


def read(folder: Path) -> dict[str, Organism]:
    """The organisms of a folder's files, in the files' order."""
    known: dict[str, Organism] = {}
    for path in sorted(folder.glob("*.toml"), key=lambda path: (path.name != FIRST, path.name)):
        for name, told in _tables(path).items():
            if name in known:
                raise UserError(f"'{path.name}' names the organism '{name}' again; give it another name.")
            try:
                known[name] = Organism.model_validate(told)
            except ValidationError as error:
                raise UserError(
                    f"The organism '{name}' of '{path.name}' is wrong at {first_fault(error)}; mend that entry."
                ) from error
    for name, organism in known.items():
        if unknown := [control for control in organism.controls if control not in known]:
            raise UserError(
                f"The organism '{name}' names a control '{unknown[0]}' that is not there; mend the name."
            )
    return known


def _tables(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"The registry file '{path.name}' is no TOML: {error}; mend that line.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"The registry file '{path.name}' cannot be read: {damage.reason(error)}; put it right or take it out."
        ) from error


def find(text: str, known: Mapping[str, Organism] | None = None) -> Found:
    """What `NAME`, `NAME:MODEL` or `NAME:MODEL:VARIANT` stands for: of several variants the usual one."""
    known = registry() if known is None else known
    name = text.partition(":")[0]
    rows = chosen(text, known)
    rows = [variant for variant in rows if variant.model == rows[0].model]
    usual = [variant for variant in rows if variant.name == USUAL]
    return Found(name, known[name], (usual or rows)[0])


def chosen(text: str, known: Mapping[str, Organism] | None = None) -> list[Variant]:
    """All variants that such a text leaves open, one at least."""
    known = registry() if known is None else known
    name, _, rest = text.partition(":")
    model, _, wanted = rest.partition(":")
    if name not in known:
        raise UserError(f"There is no organism '{name}'; `python -m diffing organisms` lists them.")
    rows = [variant for variant in known[name].variants if model in ("", variant.model)]
    if not rows:
        models = ", ".join(dict.fromkeys(variant.model for variant in known[name].variants))
        raise UserError(f"The organism '{name}' has no model '{model}'; it has {models}.")
    if not wanted:
        return rows
    fitting = [variant for variant in rows if variant.name == wanted]
    if not fitting:
        names = ", ".join(dict.fromkeys(variant.name for variant in rows))
        raise UserError(f"The organism '{name}' has no variant '{wanted}' there; it has {names}.")
    return fitting


def checkpoints(found: Found) -> list[Checkpoint]:
    """The base and the variant as checkpoints of a study; no name tells what was changed."""
    variant = found.variant
    return [
        Checkpoint(key="a", name=variant.model, source=variant.base_source.written),
        Checkpoint(key="b", name=f"{variant.model}, changed", source=variant.written),
    ]


def study_of(found: Found) -> Study:
    """The study in which an organism is looked into, made where there is none."""
    name = f"organism-{found.written.replace(':', '-')}"[:64]
    if name not in names():
        return Study.create(name, checkpoints(found), organism=found.written)
    study = Study.open(name)
    if study.settings.organism != found.written:
        raise UserError(f"A study '{name}' of something else exists already; rename its folder.")
    return study


def here(source: Source) -> bool:
    """Whether all of a source's files are on this machine, by looking at the disk alone."""
    # The adapter's own weights are in one file, and a whole model's often in several.
    if not _whole_is_here(source.weights):
        return False
    return source.adapter is None or all(
        _is_here(source.adapter, name) for name in ("adapter_config.json", "adapter_model.safetensors")
    )


def _whole_is_here(weights: Weights) -> bool:
    if not _is_here(weights, "config.json"):
        return False
    index = _file(weights, "model.safetensors.index.json")
    if index is None:
        return _is_here(weights, "model.safetensors")
    return all(_is_here(weights, name) for name in set(files.read_json(index)["weight_map"].values()))


def _is_here(weights: Weights, name: str) -> bool:
    return _file(weights, name) is not None


def _file(weights: Weights, name: str) -> Path | None:
    inner = Path(weights.model) / weights.subfolder / name
    if Path(weights.model).is_absolute():
        return inner if inner.is_file() else None
    # The library takes long to load, and what ships needs none of it.
    from diffing.common import hub

    return hub.cached(weights.model, f"{weights.subfolder}/{name}".lstrip("/"), weights.revision or None)
