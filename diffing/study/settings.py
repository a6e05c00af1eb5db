"""What `study.toml` holds: sampling, reader, checkpoints, split and seed.

Promises that files of older formats still open and that a typing slip is an error rather than a default.
"""

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

import tomli_w
from pydantic import Field, ValidationError, field_validator, model_validator

from diffing.common import damage
from diffing.common.errors import UserError
from diffing.common.step import Settings, first_fault
from diffing.models import body, made
from diffing.models.providers import Checkpoint

FORMAT = 1
LAST = "# end"
FIRST = f"# This file ends with the line '{LAST}'; edit what stands between."
MOST_DRAWS = 1000
"""Answers to each prompt: a share is then known to 1.6 points on every single prompt, and each draw is a paid
call."""
MOST_TOKENS = 2**31 - 1
"""Of an answer: servers keep the number in 32 bits."""
MOST_SEED = 2**63 - 1
"""What TOML and the generators of random numbers hold; these take no negative one."""
TRAINED = "whitebox:"
"""What stands before a reader that is a dictionary trained on a pair: `whitebox:NAME` of the study itself,
`whitebox:STUDY/NAME` of another one."""


class Sampling(Settings):
    """How each checkpoint is asked."""

    temperature: float | None = Field(default=1.0, ge=0, allow_inf_nan=False)
    """None leaves it to the provider; 1 samples a model as it was trained."""
    max_tokens: int | None = Field(default=2048, gt=0, le=MOST_TOKENS)
    """Longest answer in tokens; None leaves it to the provider. A bound on cost that cuts few answers."""
    system: str = ""
    """System prompt, sent before every prompt; nothing is sent when empty."""
    reasoning_tag: str = Field(default="", pattern=r"^([A-Za-z][A-Za-z0-9_-]{0,31})?$")
    """The tag in which a model writes its reasoning before its text, such as `think`: what stands in it is kept as
    the answer's reasoning. Empty takes all as text. No part of a request: it parts answers as they are stored."""
    draws: int = Field(default=1, ge=1, le=MOST_DRAWS)
    """Answers sampled to each prompt."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request: reasoning effort, provider routing. `diffing.models.body` says which cannot
    be."""

    @field_validator("extra_body")
    @classmethod
    def _plain_body(cls, extra_body: dict[str, Any]) -> dict[str, Any]:
        return body.checked(extra_body)


class ReaderChoice(Settings):
    """Which reader encodes the answers; `diffing.reader` gives the names their meaning."""

    preset: str = "starter"
    """A named reader or a trained dictionary; empty when the fields below name one."""
    release: str = ""
    """SAELens release."""
    sae_id: str = ""
    """SAE id within the release; of a trained dictionary, which training of that name."""
    model: str = ""
    """Hugging Face id or local folder of the language model; empty takes the one the SAE names."""
    sae: str = ""
    """Local folder of an SAE in SAELens's format, instead of release and id."""
    context: Literal["answer", "prompt+answer"] = "answer"
    """Whether the reader sees the prompt too; only the answer's tokens count either way. Where nothing is said, a
    trained dictionary does: it learnt from answers as the pair gives them."""

    @model_validator(mode="before")
    @classmethod
    def _as_trained(cls, told: Any) -> Any:
        if isinstance(told, dict) and str(told.get("preset", "")).startswith(TRAINED):
            return {"context": "prompt+answer"} | told
        return told


class StudySettings(Settings):
    """All that `study.toml` holds."""

    format: int = Field(default=FORMAT, ge=1)
    name: str
    created: str
    note: str = ""
    collection: bool = False
    """Whether it may stand on one checkpoint: texts without a second side, which are looked through and not
    compared."""
    organism: str = ""
    """What the registry of organisms calls the first two checkpoints' change, as `NAME:MODEL:VARIANT`; empty for
    changes that nobody has written down. Nothing that looks for the change may read it but to find controls."""
    held_out: float = Field(default=0.3, ge=0, lt=1)
    """Share of prompts kept out of discovery, by a hash of their content: most prompts find, the rest confirm."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Seed of everything random in the study."""
    sampling: Sampling = Sampling()
    reader: ReaderChoice = ReaderChoice()
    checkpoints: list[Checkpoint]

    @model_validator(mode="after")
    def _two_or_more(self) -> Self:
        keys = [c.key for c in self.checkpoints]
        if not keys:
            raise ValueError("a collection has the checkpoint that wrote its texts; name one")
        if len(keys) < 2 and not self.collection:
            raise ValueError("a study compares at least two checkpoints; name another one")
        if len(set(keys)) < len(keys):
            raise ValueError(f"checkpoint keys must differ, got {', '.join(keys)}; rename one")
        planted = {c.key for c in self.checkpoints if c.planted and (c.planted.system or c.planted.rewrites)}
        try:
            for checkpoint in self.checkpoints:
                made.resolved(checkpoint.source, self.sources)
                parts = made.parse(checkpoint.source).parts if made.is_made(checkpoint.source) else ()
                if lost := planted.intersection(parts):
                    raise ValueError(
                        f"'{checkpoint.key}' is made of the weights of '{min(lost)}', which do not hold what is "
                        "planted in it; make it of others"
                    )
        except UserError as error:
            raise ValueError(str(error).rstrip(".")) from error
        return self

    @property
    def sources(self) -> dict[str, str]:
        """Where each checkpoint answers, by key."""
        return {checkpoint.key: checkpoint.source for checkpoint in self.checkpoints}


def text_of(settings: StudySettings) -> str:
    """What `study.toml` holds, between two lines by which a cut file is known."""
    content = tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True))
    return f"{FIRST}\n{content}{LAST}\n"


def load_settings(path: Path) -> StudySettings:
    """Settings from a file of this format or an older one."""
    where = f"'{path.name}' of study '{path.parent.name}'"
    with damage.reading(path):
        content = path.read_text(encoding="utf-8")
        if content.startswith(FIRST) and not content.rstrip().endswith(LAST):
            raise ValueError("its end is missing")
        try:
            raw = tomllib.loads(content)
        except (ValueError, RecursionError) as error:
            # Of every kind: TOML's own, numbers too long to read, and nesting without end.
            raise ValueError(f"it is not TOML: {' '.join(str(error).split())[:200]}") from error
    written = raw.get("format", FORMAT)
    if isinstance(written, int) and written > FORMAT:
        raise UserError(
            f"Study '{path.parent.name}' was written in format {written}, this version reads up to "
            f"{FORMAT}; update Checkpoint Diffing."
        )
    sampling = raw.setdefault("sampling", {})
    # TOML has no null: an absent value was None when this file was written.
    for field in ("temperature", "max_tokens") if isinstance(sampling, dict) else ():
        sampling.setdefault(field, None)
    try:
        return StudySettings.model_validate(raw)
    except ValidationError as error:
        raise UserError(f"{where} does not hold: {first_fault(error)}; mend it.") from error
