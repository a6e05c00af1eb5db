"""What two models write to one prompt while somebody watches: what was asked, what came, and where it is kept.

One side is the pair's base, the other whatever a recipe makes of the pair; both go on from the same text and draw
by the same chances, so that they part where the models do. Promises that what was written once is found again by
all that it hangs on, without a model: the weights' marks, the prompt, the recipe. One such text is one sample and
no finding. Who writes, and when, is told in `held`.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diffing.common import files
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.common.step import Settings, first_fault
from diffing.study.study import Study
from diffing.whitebox.sight import seen
from diffing.whitebox.writing import directions
from diffing.whitebox.writing.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from diffing.whitebox.pairs.pair import Pair
    from diffing.whitebox.writing.writer import Ranking, Step

VERSION = 1
"""Part of the key: raised when the same asking would be answered otherwise."""
FOLDER = "live"
PROMPT, START, MOST = 2000, 4000, 400
"""Characters of a prompt and of a beginning, which an address carries; tokens that are written, which a person
reads and two cores write within a minute."""
KEPT = 200
"""Texts of a pair that are kept, the ones written last: some afternoons' work. A token has the likeliest ones of
both models with it, so that a text of the usual length takes tens of kilobytes."""


class Asked(Settings):
    """A prompt, and how the two go on."""

    prompt: str = Field(max_length=PROMPT)
    start: str = Field(default="", max_length=START)
    """What both answers begin with."""
    raw: bool = False
    """The prompt as a text that is gone on with, whatever template the model has."""
    length: int = Field(default=60, ge=1, le=MOST)
    recipe: Recipe = Recipe(temperature=0.7)
    """Of B; A is the base at the same temperature, by the same chances."""

    @property
    def base(self) -> Recipe:
        return Recipe(alpha=0, temperature=self.recipe.temperature, seed=self.recipe.seed)


class Kept(BaseModel):
    """What is read back from a file."""

    model_config = ConfigDict(frozen=True)


class Said(Kept):
    """A model's likeliest next tokens with their probabilities, and that of the one that was written."""

    top: list[tuple[str, float]]
    chosen: float


class Token(Kept):
    """One token of an answer."""

    id: int
    text: str
    """What it adds; nothing where it ends within a character, which comes with the token that completes it."""
    word: str
    """The token by itself, as the lists of likeliest ones spell it."""
    own: Said
    """By the model that wrote it, contrast taken in and temperature not."""
    base: Said
    variant: Said
    ended: bool = False


class Written(Kept):
    """Both answers."""

    asked: Asked
    a: list[Token]
    b: list[Token]
    whole: bool
    """Not stopped before its end."""
    numbers: str
    """The weights' number format and device, which change last digits and so, now and then, a token."""
    date: str
    by: str = ""

    @property
    def parts(self) -> int | None:
        return parting(self.a, self.b)


def parting(a: Sequence[Token], b: Sequence[Token]) -> int | None:
    """The first place where the two have another token; None where they have none."""
    return next((n for n, (one, other) in enumerate(zip(a, b, strict=False)) if one.id != other.id), None)


def text_of(tokens: Sequence[Token]) -> str:
    return "".join(token.text for token in tokens)


# Where it is kept.


def folder(study: Study, base: str, variant: str) -> Path:
    return seen.folder_of(study, base, variant) / FOLDER


def path_of(study: Study, base: str, variant: str, asked: Asked) -> Path:
    """By all that changes a token: prompt, recipe, and marks of both weights."""
    # No texts of the study are read.
    marks = seen.state(study, base, variant, "own")["weights"]
    key = files.content_hash([VERSION, marks, asked.model_dump(mode="json")])
    return folder(study, base, variant) / f"{key}.json"


def load(path: Path) -> Written | None:
    """What was written; None where nothing was yet."""
    if not path.exists():
        return None
    try:
        return Written.model_validate(files.read_json(path, "write it again"))
    except ValidationError as error:
        raise Damaged(path, first_fault(error), "write it again") from error


def save(path: Path, written: Written) -> None:
    """Keep it, and of all that is there the `KEPT` that were written last."""
    files.write_json(path, written.model_dump(mode="json"), seal=True)
    for old in _newest(path.parent)[KEPT:]:
        old.unlink(missing_ok=True)


def latest(study: Study, base: str, variant: str, most: int) -> list[Written]:
    """The last ones, newest first."""
    found = _newest(folder(study, base, variant))
    return [each for each in map(load, found[:most]) if each is not None]


def _newest(place: Path) -> list[Path]:
    """What lies there, the one written last first."""
    return sorted(place.glob("*.json"), key=lambda path: -path.stat().st_mtime_ns)


# How it is written.


def framed(pair: "Pair", asked: Asked) -> list[int]:
    """The ids that both go on from."""
    from diffing.models import generate
    from diffing.models.replies import Request
    from diffing.whitebox.pairs.pair import encode

    if not (asked.prompt + asked.start).strip():
        raise UserError("There is nothing to go on from; write a prompt.")
    if asked.raw:
        return encode(pair.tokenizer, asked.prompt + asked.start)
    told = Request("", "", [{"role": "user", "content": asked.prompt}], {})
    text, fault = generate.rendered(pair.whole.config, pair.tokenizer, told)
    if fault:
        raise UserError(f"This prompt cannot be asked: {fault}; change it, or give it as plain text.")
    # A template has written the special tokens already.
    special = not pair.tokenizer.chat_template
    ids: list[int] = pair.tokenizer(text + asked.start, add_special_tokens=special)["input_ids"]
    return ids


class Pieces:
    """A text's pieces token by token, characters whole."""

    def __init__(self, tokenizer: Any, ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._ids = list(ids)
        self._done = len(self._said())

    def add(self, token: int) -> str:
        self._ids.append(token)
        whole = self._said()
        # The first bytes of a character.
        if whole.endswith("\ufffd"):
            return ""
        piece, self._done = whole[self._done :], max(self._done, len(whole))
        return piece

    def token(self, step: "Step") -> Token:
        """A step as it is kept."""
        return Token(
            id=step.id,
            text=self.add(step.id),
            word=self._word(step.id),
            own=self._ranked(step.own),
            base=self._ranked(step.base),
            variant=self._ranked(step.variant),
            ended=step.ended,
        )

    def _said(self) -> str:
        return str(self._tokenizer.decode(self._ids, skip_special_tokens=True))

    def _word(self, token: int) -> str:
        return str(self._tokenizer.decode([token]))

    def _ranked(self, ranking: "Ranking") -> Said:
        words = map(self._word, ranking.ids)
        chances = [math.exp(log) for log in ranking.logs]
        return Said(top=list(zip(words, chances, strict=True)), chosen=math.exp(ranking.chosen))


def pushed(study: Study, base: str, variant: str, asked: Asked) -> "Mapping[str, Tensor]":
    """The directions that the recipe names."""
    from diffing.whitebox.writing import recipe

    there = folder(study, base, variant)
    for part in asked.recipe.steering:
        directions.file(study, base, variant, part.direction, there)
    return recipe.directions([asked.recipe], there)
