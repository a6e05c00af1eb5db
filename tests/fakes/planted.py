"""Pairs of activations of which it is known what they are made of: directions of both models, and of one alone."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


class Planted:
    """A flow of pairs: sparse sums of directions, the base's and the variant's own ones among them."""

    def __init__(
        self, width: int, shared: int, own: int, batch: int, batches: int, often: float = 0.03, seed: int = 0
    ) -> None:
        draws = torch.Generator().manual_seed(seed)
        drawn = torch.randn(shared + 2 * own, width, generator=draws)
        rows = torch.nn.functional.normalize(drawn, dim=1)
        self.shared, self.base, self.variant = torch.split(rows, [shared, own, own])
        self.batch, self.batches, self.often, self.seed = batch, batches, often, seed
        self.given = 0

    @property
    def rows(self) -> int:
        return self.batch * self.batches

    def pairs(self, number: int, count: int) -> Tensor:
        """A batch by its number, [count, 2, width]."""
        draws = torch.Generator().manual_seed(self.seed * 10**6 + number + 1)

        def codes(directions: Tensor) -> Tensor:
            fires = torch.rand(count, len(directions), generator=draws) < self.often
            return (fires * (3 + 3 * torch.rand(count, len(directions), generator=draws))) @ directions

        both = codes(self.shared)
        sides = torch.stack([both + codes(self.base), both + codes(self.variant)], 1)
        return sides + 0.05 * torch.randn(sides.shape, generator=draws)

    def __iter__(self) -> Iterator[Tensor]:
        while self.given < self.batches:
            self.given += 1
            yield self.pairs(self.given, self.batch)

    def state(self) -> dict[str, Any]:
        return {"given": self.given}

    def restore(self, state: dict[str, Any]) -> None:
        self.given = state["given"]


def matched(found: Tensor, planted: Tensor, least: float = 0.9) -> tuple[float, float]:
    """Share of planted directions that are among the found ones, and of found ones that are none of them."""
    if not len(found):
        return 0.0, 0.0
    likeness = torch.nn.functional.normalize(found, dim=1) @ planted.T > least
    return float(likeness.any(0).float().mean()), float((~likeness.any(1)).float().mean())
