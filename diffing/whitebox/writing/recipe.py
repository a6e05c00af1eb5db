"""What a model is while it writes: how strong its change is, what it is held against, where it is pushed.

A recipe is small JSON, so that an address can carry it and a cache can be keyed by it; a direction is named in it
and never spelled out. Promises that one which nobody could follow is told in one sentence. Says nothing of how
long a text gets nor of what it goes on from: those are asked for beside it.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from diffing.common.errors import UserError
from diffing.common.step import Settings, first_fault
from diffing.whitebox.pairs.doses import Dose, Group

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 0.05
"""Share of the best token's probability that a token must have to be written under contrast: without such a floor
a contrast above 2 wanders into tokens that neither model would write."""
Where = Literal["all", "prompt", "answer"]


class Steering(Settings):
    """A direction that is added to a layer's output."""

    direction: str = Field(min_length=1, max_length=200)
    """Its name: among those that are given beside the recipe, or `FILE#TENSOR` for `directions`."""
    layer: int = Field(ge=0)
    strength: float = Field(default=1.0, ge=-1e6, le=1e6)
    """What the direction is multiplied by, as long as it is: it is not scaled to the layer's own numbers."""
    where: Where = "all"
    """At the prompt's tokens, at those that are written, or at both."""


class Recipe(Settings):
    """How a model writes."""

    alpha: float = Field(default=1.0, ge=-100, le=100)
    """Strength of the pair's change, of what no group holds: 1 is the pair's variant, 0 the base."""
    groups: tuple[Group, ...] = Field(default=(), max_length=32)
    """Modules with a strength of their own."""
    contrast: float = Field(default=0.0, ge=-100, le=100)
    """How far beyond itself, seen from the base: log p + contrast · (log p - log p of the base)."""
    floor: float = Field(default=FLOOR, ge=0, le=1)
    """Under contrast only: least share of the best token's probability, by the model's own."""
    steering: tuple[Steering, ...] = Field(default=(), max_length=16)
    temperature: float = Field(default=1.0, ge=0, le=100)
    """0 takes the likeliest token."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Two recipes of one seed draw by the same chances, so that they part where the models do."""

    @property
    def written(self) -> str:
        """As short as it goes: what is as usual is left out."""
        return self.model_dump_json(exclude_defaults=True)

    def dose(self, usual: Dose) -> Dose:
        """The strength of every module, in a pair that has strengths already."""
        held = [group._replace(alpha=group.alpha * self.alpha) for group in usual.groups]
        own = [group._replace(alpha=group.alpha * usual.alpha) for group in self.groups]
        return Dose(self.alpha * usual.alpha, (*held, *own))


def read(text: str) -> Recipe:
    """A recipe as `written` gives it."""
    try:
        found = Recipe.model_validate_json(text)
    except ValidationError as error:
        raise UserError(f"This is no recipe: {first_fault(error)}; write it anew.") from error
    if not all(math.isfinite(group.alpha) for group in found.groups):
        raise UserError("This is no recipe: the strength of a group is no finite number; write it anew.")
    return found


def directions(recipes: Sequence[Recipe], folder: Path) -> "dict[str, Tensor]":
    """The directions that recipes name, from safetensors files of a folder: `FILE#TENSOR`, without the ending."""
    from safetensors import SafetensorError, safe_open

    found = {}
    for name in {part.direction for recipe in recipes for part in recipe.steering}:
        file, _, tensor = name.partition("#")
        # By what lies there, so that no name leads out of the folder.
        there = {path.stem: path for path in folder.glob("*.safetensors")}
        if file not in there:
            raise UserError(f"There is no direction '{name}'; choose one that is kept there.")
        try:
            with safe_open(there[file], framework="pt") as opened:
                found[name] = opened.get_tensor(tensor or file)
        except SafetensorError as error:
            raise UserError(f"Direction '{name}' cannot be read ({error}); choose another one.") from error
    return found
