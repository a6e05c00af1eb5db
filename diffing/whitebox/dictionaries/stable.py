"""Which latents a second training finds again: by what they write, and by where they fire.

Two dictionaries of one pair, trained with two seeds. A latent and its likeness in the other choose each other by
the cosine of what they write; then their activations on texts that neither was trained on must go together.
Promises that both are held against what chance gives, by simulation: rows whose numbers were exchanged among
latents, which keeps what all rows share, and firings of latents drawn at random. Says nothing of whether a latent
means anything: two trainings find the same in one and the same noise.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import sparse as sparse_arrays
from torch import Tensor
from torch.nn.functional import normalize

from diffing.common.arrays import Floats, Ints
from diffing.common.errors import UserError
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.latents import Seen

COSINE = 0.7
"""Of two rows that count as one latent, as published for two seeds."""
TOGETHER = 0.5
"""Correlation of two activations that count as one latent's. Chosen by eye: thresholds cut off weak firings in one
training that are kept in the other, so that two seeds of one latent do not go together wholly."""
CHANCE = 0.95
"""Share of the shuffled latents whose likeness a matched one must exceed."""
ROWS = 2048
"""Rows that are held against all others at once."""


class Match(NamedTuple):
    """Of each row of one table its likest row of another."""

    other: Ints
    cosine: Floats
    mutual: Ints
    """1 where the other's likest row is this one, else 0."""


def stable(
    one: Dictionary, other: Dictionary, batches: Iterable[Seen], seed: int = 0, least: float = COSINE
) -> pd.DataFrame:
    """A row a latent of `one`: its `match` in `other`, `cosine` and `together` beside chance, and `stable`."""
    if one.shape != other.shape:
        raise UserError(
            "The two dictionaries are of unlike form; train the second like the first, with another seed."
        )
    rows, theirs = one.decoder, other.decoder.to(one.decoder)
    found = match(rows, theirs)
    draws = torch.Generator().manual_seed(seed)
    chance = match(rows, shuffled(theirs, draws)).cosine
    together, apart = firing(one, other, batches, found.other, draws)
    bars = [_bar(values) for values in (chance, apart)]
    table = pd.DataFrame(
        {
            "latent": np.arange(len(rows)),
            "match": found.other,
            "mutual": found.mutual.astype(bool),
            "cosine": found.cosine,
            "cosine_chance": bars[0],
            "together": together,
            "together_chance": bars[1],
        }
    )
    alike = (table["cosine"] > max(least, bars[0])) & (table["together"] > max(TOGETHER, bars[1]))
    table["stable"] = table["mutual"] & alike
    return table


def _bar(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.quantile(known, CHANCE)) if len(known) else 1.0


def match(rows: Tensor, others: Tensor) -> Match:
    """Which rows choose each other; a row that writes nothing chooses as it comes, with a cosine of 0."""
    rows, others = normalize(rows.double(), dim=1), normalize(others.double(), dim=1)
    best = torch.full((len(others),), -torch.inf, dtype=torch.float64, device=rows.device)
    back = torch.zeros(len(others), dtype=torch.long, device=rows.device)
    parts = []
    for begin in range(0, len(rows), ROWS):
        cosines = rows[begin : begin + ROWS] @ others.T
        parts.append(cosines.max(1))
        top = cosines.max(0)
        closer = top.values > best
        best, back = torch.where(closer, top.values, best), torch.where(closer, top.indices + begin, back)
    cosine = torch.cat([part.values for part in parts])
    choice = torch.cat([part.indices for part in parts])
    mutual = back[choice] == torch.arange(len(rows), device=rows.device)
    return Match(choice.cpu().numpy(), cosine.cpu().numpy(), mutual.long().cpu().numpy())


def shuffled(rows: Tensor, draws: torch.Generator) -> Tensor:
    """Every number of a row from another latent's row: what all rows share is kept, what a latent is is not."""
    orders = torch.rand(rows.shape, generator=draws).argsort(0).to(rows.device)
    return normalize(rows, dim=1).gather(0, orders)


def firing(
    one: Dictionary, other: Dictionary, batches: Iterable[Seen], matched: Ints, draws: torch.Generator
) -> tuple[Floats, Floats]:
    """Correlation over tokens of each latent's activation with its match's, and with a random latent's.

    NaN where either is silent. By chance a latent goes together with one that was drawn, of those that fire.
    """
    first: list[sparse_arrays.csr_array] = []
    second: list[sparse_arrays.csr_array] = []
    for seen in batches:
        for dictionary, kept in ((one, first), (other, second)):
            found = dictionary.encode(seen.pairs)
            place = (found.row.cpu().numpy(), found.latent.cpu().numpy())
            shape = (len(seen.pairs), dictionary.shape.latents)
            kept.append(sparse_arrays.csr_array((found.value.double().cpu().numpy(), place), shape))
    if not first:
        raise UserError("There are no activations to hold two dictionaries' firings against; give some texts.")
    mine, theirs = (sparse_arrays.vstack(kept).tocsc() for kept in (first, second))
    fires = np.flatnonzero(np.diff(theirs.indptr))
    if not len(fires):
        nothing = np.full(len(matched), np.nan)
        return nothing, nothing
    drawn = fires[torch.randint(len(fires), (len(matched),), generator=draws).numpy()]
    return _together(mine, theirs[:, matched]), _together(mine, theirs[:, drawn])


def _together(one: sparse_arrays.csc_array, other: sparse_arrays.csc_array) -> Floats:
    """Pearson's correlation of the columns of two tables, pair by pair."""
    tokens = one.shape[0]
    means = [np.asarray(each.sum(0)).ravel() / tokens for each in (one, other)]
    squares = [np.asarray(each.multiply(each).sum(0)).ravel() / tokens for each in (one, other)]
    shared = np.asarray(one.multiply(other).sum(0)).ravel() / tokens - means[0] * means[1]
    spread = [square - mean**2 for square, mean in zip(squares, means, strict=True)]
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = shared / np.sqrt(spread[0] * spread[1])
    return found
