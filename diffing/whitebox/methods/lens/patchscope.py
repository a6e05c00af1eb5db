"""A direction put in a word's place, in prompts where the model repeats words: what it then says.

The place's output at one layer becomes the direction, at one of several sizes. Which size is read is not chosen by
how well the words hang together, or a theme would be found in anything: the reading of both halves of the
documents must agree, in tokens that the base's own mean does not give. Promises nothing where the model cannot
name its own activations of ordinary words this way: `able` tells.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from diffing.models.whole import Whole
from diffing.whitebox.methods.lens.patching import logits

PROMPTS = (
    "cup cup\n47 47\ngreen green\n?",
    "walk walk\nriver river\n9 9\n?",
    "stone stone\nTuesday Tuesday\nfar far\n?",
)
"""The word in the last place is not the same as any before, so that nothing is copied but what is put there."""
SCALES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.7, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0)
"""Lengths tried, in the variant's mean length at the place."""
TOP = 20
"""Tokens of a reading."""
AGREED = 10
"""Of these, so many more that the halves share with each other than with the base's mean; half of the list."""
NAMED = 0.5
"""Share of ordinary tokens that a model must have among the first five, or its readings mean nothing."""


class Reading(NamedTuple):
    """What was read at the chosen size; nothing where none was readable."""

    scale: float | None
    agreed: int
    """Tokens that the halves share, less those that they share with the base's mean."""
    tokens: tuple[int, ...]


def said(whole: Whole, tokenizer: Any, layer: int, vectors: Tensor) -> Tensor:
    """Mean next-token probabilities over the prompts for each vector: [vectors, vocabulary]."""
    first = [] if tokenizer.bos_token_id is None else [int(tokenizer.bos_token_id)]
    told = []
    for prompt in PROMPTS:
        ids = [*first, *tokenizer(prompt, add_special_tokens=False)["input_ids"]]
        ends = torch.arange(1, len(vectors) + 1, device=whole.device) * len(ids) - 1

        def put(hidden: Tensor, ends: Tensor = ends) -> Tensor:
            return hidden.index_copy(0, ends, vectors.to(hidden))

        told.append(logits(whole, [ids] * len(vectors), layer, put)[ends].softmax(-1).cpu())
    return torch.stack(told).mean(0)


def able(whole: Whole, tokenizer: Any, layer: int, tokens: Sequence[int]) -> float:
    """Share of tokens that are named when the model's own activation of them is put there."""
    first = [] if tokenizer.bos_token_id is None else [int(tokenizer.bos_token_id)]
    seen = whole([[*first, token] for token in tokens], (layer,)).hidden[layer]
    own = seen[torch.arange(1, len(tokens) + 1, device=seen.device) * (len(first) + 1) - 1]
    best = said(whole, tokenizer, layer, own).topk(5).indices
    return float((best == torch.tensor(tokens)[:, None]).any(-1).double().mean())


def read(
    whole: Whole, tokenizer: Any, layer: int, halves: tuple[Tensor, Tensor], mean: Tensor, tokens: Tensor
) -> Reading:
    """The reading of a shift at the size on which its halves agree most, among some tokens."""
    length = mean.norm()
    lists = []
    for vector in (*halves, mean, halves[0] + halves[1]):
        sized = torch.stack([scale * length * vector / vector.norm() for scale in SCALES])
        best = said(whole, tokenizer, layer, sized)[:, tokens].topk(min(TOP, len(tokens))).indices
        lists.append([set(row.tolist()) for row in best])
        order = best
    agreed = [
        len(one & two) - max(len(one & usual), len(two & usual))
        for one, two, usual in zip(lists[0], lists[1], lists[2], strict=True)
    ]
    best_scale = max(range(len(SCALES)), key=lambda n: agreed[n])
    if agreed[best_scale] < min(AGREED, len(tokens) // 2 + 1):
        return Reading(None, agreed[best_scale], ())
    return Reading(SCALES[best_scale], agreed[best_scale], tuple(tokens[order[best_scale]].tolist()))
