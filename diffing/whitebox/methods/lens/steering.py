"""What a direction has the base write: how often its own words come once it is added at every token.

The base goes on from the same beginnings, by the same chances, as it is, with the direction added at one layer,
and with random directions as long as it. The words that are counted are those which the direction itself writes
through the head, and they are the same for all. How strongly it is added is not chosen by what it brings: it is
the largest step of `STRENGTHS` up to which three in four texts stay coherent, else the first. Does not promise
that the variant writes so: it adds the direction where it has learned to, and other things beside.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from diffing.whitebox.measures import unembed
from diffing.whitebox.measures.recurring import FRESH
from diffing.whitebox.measures.samples import fresh
from diffing.whitebox.method import Check
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.writing.recipe import Recipe, Steering
from diffing.whitebox.writing.writer import Written, write

STRENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Tried in turn, until texts fall apart: 1 is the mean difference as long as it is."""
COHERENT = 0.75
"""Share of texts that must stay coherent."""
STRANGE = 99.0
"""Percentile of the unsteered texts, by what the base makes of them, above which one is incoherent."""
COUNTED = 20
"""The direction's own first tokens, whose share of what is written is told."""
NONE, OWN = "none", "own"


class Asked(NamedTuple):
    """How much is written, and from what."""

    prefixes: Sequence[Sequence[int]]
    length: int
    """Tokens of a text."""
    controls: int
    """Random directions."""


class Steered(NamedTuple):
    """What came of it."""

    counts: pd.DataFrame
    """A row a direction, `none` first: its strength, how many texts stay coherent, how often the words come."""
    texts: pd.DataFrame


def steered(pair: Pair, layer: int, direction: Tensor, tokens: Tensor, asked: Asked, check: Check) -> Steered:
    """Texts of the base with and without the direction; `tokens` are those that may be its words."""
    with pair.base() as whole:
        scores = unembed.scores(whole, direction[None])[0, tokens]
    words = tokens[scores.topk(min(COUNTED, len(tokens))).indices]
    plain = _written(pair, asked, None, check)
    usual = float(np.percentile([_loss(text) for text in plain], STRANGE))
    strength, own = STRENGTHS[0], _written(pair, asked, (layer, direction, STRENGTHS[0]), check)
    for more in STRENGTHS[1:]:
        if _coherent(own, usual) < COHERENT:
            break
        further = _written(pair, asked, (layer, direction, more), check)
        if _coherent(further, usual) < COHERENT:
            break
        strength, own = more, further
    draws = torch.randn(asked.controls, len(direction), generator=torch.Generator().manual_seed(0))
    lines = draws / draws.norm(dim=-1, keepdim=True) * direction.float().norm()
    found = {NONE: plain, OWN: own}
    for n, line in enumerate(lines, 1):
        found[f"random {n}"] = _written(pair, asked, (layer, line, strength), check)
    counts = [
        (layer, name, 0.0 if name == NONE else strength, _coherent(texts, usual), *_counted(texts, words))
        for name, texts in found.items()
    ]
    rows = [
        (layer, name, _said(pair, text.ids[: text.start]), _said(pair, text.ids[text.start :]))
        for name, texts in found.items()
        for text in texts
    ]
    columns = ["layer", "direction", "strength", "coherent", "written", "counted", "share"]
    table = pd.DataFrame(counts, columns=columns)
    table["words"] = [[_said(pair, [word]) for word in words.tolist()]] * len(table)
    return Steered(table, pd.DataFrame(rows, columns=["layer", "direction", "prefix", "text"]))


def _written(pair: Pair, asked: Asked, pushed: tuple[int, Tensor, float] | None, check: Check) -> list[Written]:
    """By the base, which is the variant with nothing of its change."""
    if pushed is None:
        return write(pair, asked.prefixes, Recipe(alpha=0.0), asked.length, check)
    layer, direction, strength = pushed
    recipe = Recipe(alpha=0.0, steering=(Steering(direction="pushed", layer=layer, strength=strength),))
    return write(pair, asked.prefixes, recipe, asked.length, check, {"pushed": direction.float()})


def _loss(text: Written) -> float:
    """How strange the base, as it is, finds what was written."""
    return float(-text.base.mean()) if len(text.base) else 0.0


def _coherent(texts: Sequence[Written], usual: float) -> float:
    """Share of texts that the base finds no stranger than its own, and that do not go round in circles."""
    kept = [_loss(text) <= usual and fresh(text.ids[text.start :]) >= FRESH for text in texts]
    return float(np.mean(kept))


def _counted(texts: Sequence[Written], words: Tensor) -> tuple[int, int, float]:
    """Tokens written, those of them that are counted, and their share."""
    ids = torch.tensor([token for text in texts for token in text.ids[text.start :]])
    count = int(torch.isin(ids, words).sum())
    return len(ids), count, count / max(1, len(ids))


def _said(pair: Pair, ids: Sequence[int]) -> str:
    return str(pair.tokenizer.decode(list(ids), skip_special_tokens=True))
