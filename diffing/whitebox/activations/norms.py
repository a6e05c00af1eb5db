"""Mean and size of each model's activations, by which whatever learns from them is fed.

Promises float64 throughout (in 16 bits a running mean of a thousand batches is off by half), each model by itself
and their difference beside, and each role by itself: the first token's activations are several times as long and
belong in no mean of the text.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from diffing.common.errors import UserError
from diffing.whitebox.activations.corpus import ROLES, Role
from diffing.whitebox.activations.source import Check, Source

NORMED = 65_536
"""Tokens that the figures are made of: then a mean is known to 1/256 of the spread, and an rms far better."""


class Norms(NamedTuple):
    """Of one role: by layer and by side, the base first."""

    tokens: int
    mean: Tensor
    """[layers, sides, width], float64, on the host."""
    rms: Tensor
    """[layers, sides]: root mean square of a number once the mean is taken out."""
    difference: Tensor
    """[layers]: the same of variant less base."""


class Sums:
    """Sums of activations of one role, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.sum: Tensor | float = 0.0
        self.square: Tensor | float = 0.0
        self.apart: Tensor | float = 0.0

    def add(self, values: Tensor) -> None:
        values = values.double()
        self.count += len(values)
        self.sum = self.sum + values.sum(0).cpu()
        self.square = self.square + values.square().sum((0, -1)).cpu()
        self.apart = self.apart + (values[:, :, 1] - values[:, :, 0]).square().sum((0, -1)).cpu()

    def norms(self) -> Norms:
        assert isinstance(self.sum, Tensor)
        mean = self.sum / self.count
        width = mean.shape[-1]
        shift = mean[:, 1] - mean[:, 0]
        # Rounding may leave less than nothing where all rows are one and the same.
        rms = (self.square / self.count - mean.square().sum(-1)).clamp(min=0).div(width).sqrt()
        difference = (self.apart / self.count - shift.square().sum(-1)).clamp(min=0).div(width).sqrt()
        return Norms(self.count, mean, rms, difference)


def norms(
    source: Source, documents: Iterable[int], wanted: int = NORMED, check: Check = lambda: None
) -> dict[Role, Norms]:
    """Of the first documents, until they have so many tokens of text."""
    sums = {role: Sums() for role in ROLES}
    for block in source.read(first(source, documents, wanted), check):
        roles = torch.from_numpy(source.corpus.roles(block.document.numpy(), block.position.numpy()))
        for number, role in enumerate(ROLES):
            if (here := roles == number).any():
                sums[role].add(block.values[here.to(block.values.device)])
    if not sums["text"].count:
        raise UserError("None of the texts has a token that counts; choose others.")
    return {role: told.norms() for role, told in sums.items() if told.count}


def first(source: Source, documents: Iterable[int], wanted: int) -> list[int]:
    """As many of the documents as it takes for so many tokens of text."""
    text, offsets = source.corpus.wanted(["text"]), source.corpus.data.offsets
    chosen: list[int] = []
    for number in documents:
        if wanted <= 0:
            break
        chosen.append(int(number))
        wanted -= int(text[offsets[number] : offsets[number + 1]].sum())
    return chosen
