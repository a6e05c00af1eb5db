"""Sums of both models' residual streams at places of a document, and of their difference.

A document is one sample at each of its places: its first positions one by one, its later ones together, and where
an answer begins. Promises sums in float64 of differences taken in float32, so that the order of batches does not
matter and the same weights twice give zeros. Documents are kept in blocks, for intervals; those that are held out
are a part of their own. Waits for no device before it is asked what it has.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from diffing.whitebox.pairs.pair import Batch
from diffing.whitebox.texts import Document

EARLY = 8
"""First positions that are places of their own. Nothing stands before position 0, so it is one vector whatever the
text; what training left behind without any text shows at the next few."""
LATE = 20
"""Positions from EARLY to here are one place: a change that needs context shows no sooner."""
BEGUN = 8
"""Positions of an answer's beginning, from the one that predicts its first token."""
PLACES = (*(str(position) for position in range(EARLY)), "later", "answer")
BLOCKS = 20
"""Of discovery documents, in their order: neighbours answer the same prompt and are no independent samples."""


class Stream(NamedTuple):
    """What was summed at some layers. Blocks are those of discovery, and one more of held-out documents."""

    base: Tensor
    """[layers, 2 (discovery, held out), places, width]"""
    variant: Tensor
    delta: Tensor
    """[layers, blocks, places, width]"""
    squares: Tensor
    """Of each document's difference: [layers, blocks, places]"""
    counts: Tensor
    """Documents that have the place: [blocks, places]"""

    def mean(self, layer: int, held_out: bool = False) -> Tensor:
        """The base's mean at each place; zeros where no document has it."""
        return self.base[layer, int(held_out)] / self._documents(held_out)

    def after(self, layer: int) -> Tensor:
        """The variant's, over discovery documents."""
        return self.variant[layer, 0] / self._documents(False)

    def shift(self, layer: int, held_out: bool = False) -> Tensor:
        """The mean difference at each place."""
        part = self.delta[layer, -1] if held_out else self.delta[layer, :-1].sum(0)
        return part / self._documents(held_out)

    def without(self, layer: int, block: int) -> Tensor:
        """The mean difference over discovery documents but for one block."""
        kept = [n for n in range(len(self.counts) - 1) if n != block]
        return self.delta[layer, kept].sum(0) / self.counts[kept].sum(0).clamp(min=1)[:, None]

    def _documents(self, held_out: bool) -> Tensor:
        counts = self.counts[-1] if held_out else self.counts[:-1].sum(0)
        return counts.clamp(min=1)[:, None]


class Sums:
    """Takes batch after batch."""

    def __init__(
        self, documents: Sequence[Document], layers: Sequence[int], width: int, device: torch.device
    ) -> None:
        self.layers = layers
        self.starts = torch.tensor([document.start for document in documents])
        self.answers = torch.tensor([document.kind == "answer" for document in documents])
        self.blocks = blocks_of([document.held_out for document in documents])
        shape = (BLOCKS + 1, len(PLACES))
        self.counts = torch.zeros(shape, dtype=torch.float64)
        self.squares = [torch.zeros(shape, dtype=torch.float64, device=device) for _ in layers]
        self.deltas, self.bases, self.variants = (
            [torch.zeros((rows, len(PLACES), width), dtype=torch.float64, device=device) for _ in layers]
            for rows in (BLOCKS + 1, 2, 2)
        )

    def add(self, batch: Batch) -> None:
        row, place = self._rows(batch)
        # A document's rows at one place are one sample: their mean.
        sample, of, size = torch.unique(
            batch.document[row] * len(PLACES) + place, return_inverse=True, return_counts=True
        )
        place, block = sample % len(PLACES), self.blocks[sample // len(PLACES)]
        cell, side = block * len(PLACES) + place, (block == BLOCKS) * len(PLACES) + place
        self.counts.view(-1).index_add_(0, cell, torch.ones(len(cell), dtype=torch.float64))
        device = self.squares[0].device
        row, of, cell, side, size = (each.to(device, non_blocking=True) for each in (row, of, cell, side, size))
        for n, layer in enumerate(self.layers):
            base, variant = (seen.hidden[layer].to(device)[row].float() for seen in (batch.base, batch.variant))
            means = [
                values.new_zeros((len(size), values.shape[-1])).index_add_(0, of, values) / size[:, None]
                for values in (base.double(), variant.double(), (variant - base).double())
            ]
            self.bases[n].view(-1, base.shape[-1]).index_add_(0, side, means[0])
            self.variants[n].view(-1, base.shape[-1]).index_add_(0, side, means[1])
            self.deltas[n].view(-1, base.shape[-1]).index_add_(0, cell, means[2])
            self.squares[n].view(-1).index_add_(0, cell, means[2].square().sum(-1))

    def _rows(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Rows that have a place, and which; a row may have two."""
        position = batch.position
        begun = position - self.starts[batch.document] + 1
        early = position < EARLY
        later = (position >= EARLY) & (position < LATE)
        answer = self.answers[batch.document] & (begun >= 0) & (begun < BEGUN)
        row = torch.cat([mask.nonzero()[:, 0] for mask in (early, later, answer)])
        place = torch.cat(
            [position[early], torch.full((int(later.sum()),), EARLY), torch.full((int(answer.sum()),), EARLY + 1)]
        )
        return row, place

    def stream(self) -> Stream:
        base, variant, delta, squares = (
            torch.stack(parts).cpu() for parts in (self.bases, self.variants, self.deltas, self.squares)
        )
        return Stream(base, variant, delta, squares, self.counts)


def blocks_of(held_out: Sequence[bool]) -> Tensor:
    """Each document's block."""
    held = np.array(held_out, dtype=bool)
    block = np.full(len(held), BLOCKS)
    count = int((~held).sum())
    block[~held] = np.arange(count) * BLOCKS // max(1, count)
    return torch.from_numpy(block)


def sizes(stream: Stream, layers: Sequence[int]) -> pd.DataFrame:
    """How large the mean difference is at each place, and how far documents agree on it; discovery documents."""
    rows = []
    half = BLOCKS // 2
    count = stream.counts[:-1].sum(0)
    for n, layer in enumerate(layers):
        shift, base = stream.shift(n), stream.mean(n)
        total, squares = stream.delta[n, :-1].sum(0), stream.squares[n, :-1].sum(0)
        first, second = stream.delta[n, :half].sum(0), stream.delta[n, half:-1].sum(0)
        # Of two different documents' differences: the mean of their product, against that of one with itself.
        between = (total.square().sum(-1) - squares) / (count * (count - 1))
        rows.append(
            pd.DataFrame(
                {
                    "layer": layer,
                    "place": PLACES,
                    "documents": count.long().numpy(),
                    "norm": shift.norm(dim=-1).numpy(),
                    "of_base": (shift.norm(dim=-1) / base.norm(dim=-1)).numpy(),
                    "coherent": (between / (squares / count)).numpy(),
                    "halves": torch.cosine_similarity(first, second, dim=-1).numpy(),
                }
            )
        )
    return pd.concat(rows, ignore_index=True)
