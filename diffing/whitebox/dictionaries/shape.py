"""What a dictionary is before it has learnt anything: its sizes, what it reads, and the scale of what it is given.

One form serves two kinds. A crosscoder is a sparse autoencoder on both models' activations side by side, whose
decoder falls into two halves; a difference SAE reads the variant's activations less the base's. Promises that a
form which cannot be trained is refused in one sentence. How latents are chosen and learnt is `step`.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from diffing.common.errors import UserError

BASE, VARIANT = 0, 1
"""Places of the two models wherever activations or decoders have one for each."""


class Shape(NamedTuple):
    """The form of a dictionary."""

    width: int
    """Numbers a token of one model."""
    latents: int
    sides: int = 2
    """2 reads both models (a crosscoder), 1 their difference."""
    base_only: int = 0
    """So many latents, the first ones, read and write the base alone."""
    variant_only: int = 0
    """So many after these read and write the variant alone."""
    groups: tuple[int, ...] = ()
    """Latents of each nested prefix that must reconstruct by itself (Matryoshka), all latents last; or none."""
    difference: float = 0.0
    """Clément Dumas's λ, from -1 to 0: weight between reconstructing both models (0) and their difference (-1).

    With errors e of the two models, u = (e_variant + e_base)/√2 and v = (e_variant - e_base)/√2, the loss is
    (1 + λ)|u|² + (1 - λ)|v|².
    """

    @property
    def inputs(self) -> int:
        """Numbers that a latent reads and writes."""
        return self.width * self.sides

    @property
    def prefixes(self) -> tuple[int, ...]:
        return self.groups or (self.latents,)

    def masked(self) -> list[tuple[slice, slice]]:
        """Latents and columns in which encoder and decoder stay zero."""
        both = self.base_only + self.variant_only
        found = [
            (slice(0, self.base_only), slice(self.width, self.inputs)),
            (slice(self.base_only, both), slice(0, self.width)),
        ]
        return [(rows, columns) for rows, columns in found if rows.stop > rows.start]

    def check(self) -> None:
        """Raise where such a dictionary cannot be."""
        faults = {
            "it needs a width and latents": self.width < 1 or self.latents < 1,
            "it reads one side or two": self.sides not in (1, 2),
            "latents of one model alone need a crosscoder": self.sides == 1
            and (self.base_only or self.variant_only),
            "latents of one model alone must leave some for both": min(self.base_only, self.variant_only) < 0
            or self.base_only + self.variant_only >= self.latents,
            "the weight of the difference lies between -1 and 0": not -1 <= self.difference <= 0,
            "the weight of the difference needs a crosscoder": self.sides == 1 and self.difference != 0,
            "nested groups grow, and end with all latents": bool(self.groups)
            and (self.groups[-1] != self.latents or sorted({0, *self.groups}) != [0, *self.groups]),
        }
        for said, true in faults.items():
            if true:
                raise UserError(f"There is no such dictionary: {said}; change its options.")


class Scale(NamedTuple):
    """What activations are brought to before a dictionary reads them: centred, one number for all of a side."""

    mean: Tensor
    """[sides, width]."""
    factor: Tensor
    """[sides]: 1 over the root mean square about the mean, so that numbers are about 1."""

    def apply(self, seen: Tensor) -> Tensor:
        """[tokens, sides, width] as a dictionary's input, [tokens, sides · width]."""
        return ((seen - self.mean) * self.factor[:, None]).flatten(1)

    def undo(self, inputs: Tensor) -> Tensor:
        """A dictionary's output, or its input, in the models' own units."""
        return inputs.view(len(inputs), *self.mean.shape) / self.factor[:, None] + self.mean

    def to(self, device: torch.device, dtype: torch.dtype) -> "Scale":
        return Scale(self.mean.to(device, dtype), self.factor.to(device, dtype))


def sides_of(pairs: Tensor, sides: int) -> Tensor:
    """What a dictionary of so many sides reads of paired activations [tokens, 2, width]."""
    return pairs if sides == 2 else (pairs[:, VARIANT] - pairs[:, BASE])[:, None]


def scale_of(pairs: Tensor, shape: Shape) -> Scale:
    """The scale by a sample of paired activations, in float64.

    Where the difference has a weight of its own both models get one factor: the difference of two numbers in
    different units is no difference.
    """
    seen = sides_of(pairs, shape.sides).double()
    if not bool(seen.isfinite().all()):
        raise UserError("The activations hold numbers that are none (NaN or infinite); check the two models.")
    mean = seen.mean(0)
    power = (seen - mean).square().mean((0, 2))
    if not bool((power > 0).all()):
        what = "The two models' activations differ by nothing" if shape.sides == 1 else "All activations are alike"
        raise UserError(f"{what}, so there is nothing to learn; check that the pair is the right one.")
    if shape.difference:
        power = power.mean().expand(shape.sides)
    return Scale(mean, power.rsqrt())
