"""Along which directions the variant's activations differ from the base's, how many there are, what they write.

Of one layer, every token behind the first few. Promises sums in float64, directions of discovery documents alone,
and for each: its share of the difference with an interval over documents, its share on held-out ones, whether it
stands above chance, whether both halves of the documents have it, and whether it is but a direction along which
the base's own activations spread most. The mean difference is told first and is no direction of the list: most of
it is that training took place at all. Shares, intervals and passages come from a bounded sample of documents.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from diffing.common.arrays import Array, Floats
from diffing.common.resampling import draws, within
from diffing.common.step import Settings
from diffing.whitebox.measures import spectra, unembed
from diffing.whitebox.measures.sampled import FIRST, HALVES, HELD, SECOND, Sample, chosen, grouped
from diffing.whitebox.measures.spectra import Above, Moments
from diffing.whitebox.method import Check, Cost
from diffing.whitebox.pairs.pair import Batch, Chunk, Pair
from diffing.whitebox.results import Result
from diffing.whitebox.sight.evidence import COLUMNS
from diffing.whitebox.texts import Document

NAME = "pca"
TITLE = "Principal directions of the difference"
VERSION = 2
NEEDS = frozenset({"layers"})

STABLE = 0.8
"""Cosine between two halves of the documents from which on a direction is the pair's and not the texts'."""
USUAL = 0.7
"""Cosine with one of the base's own main directions from which on a direction says nothing of the change."""
OWN = 50
"""Main directions of the base that are looked at."""
ENDS = {"more": 1.0, "less": -1.0}
"""A direction, and its opposite."""
WRITTEN = ("kind", "token", "direction", "figure", "low", "high", "held_out", "text")
AROUND = 12
"""Tokens of a passage on either side of the one that it is about."""


class Options(Settings):
    """Which tokens are read, and how much is kept."""

    layer: float = Field(default=1.0, ge=0, le=1)
    """Depth, from the first layer to the last: there, what directions write is nearest to what the model says."""
    skip: int = Field(default=3, ge=1)
    """First positions of a document that are left out: the first token's activations drown all others."""
    most: int = Field(default=20, ge=1, le=200)
    """Directions that are kept."""
    sample: int = Field(default=4096, ge=64)
    """Rows of each half, and of the held-out documents, from which all but the sums is computed."""
    tokens: int = Field(default=20, ge=1)
    """Tokens that are told of what a direction writes, and of its opposite."""
    passages: int = Field(default=10, ge=1)
    """Passages at either end of a direction."""
    seen: int = Field(default=3, ge=1)
    """Times that texts show a token that a direction is told to write: rarer ones have scores at random."""
    shown: int = Field(default=1000, ge=1)
    """Tokens of the evidence of a kind: a null's as well, so that what it shows of them is known."""
    resamples: int = Field(default=200, ge=100)
    """Of documents, for intervals."""
    seed: int = Field(default=0, ge=0)


def layer(options: Options, pair: Pair) -> int:
    """The layer that is read."""
    return round(options.layer * (pair.layers - 1))


def layers(options: Options, pair: Pair) -> tuple[int, ...]:
    return (layer(options, pair),)


class Shares(NamedTuple):
    """Of the mean squared difference: the mean's first, then the directions'; all together are 1."""

    found: Tensor
    drawn: Tensor
    """In draws of documents: [draws, 1 + directions]."""
    held_out: Tensor
    """NaN where no documents confirm."""


class Accumulator:
    """Takes batch after batch, then tells what was in them."""

    def __init__(self, pair: Pair, documents: Sequence[Document], options: Options) -> None:
        self.pair, self.documents, self.options = pair, documents, options
        self.layer = layer(options, pair)
        self.group = grouped(documents, options.seed)
        self.start = torch.tensor([max(document.start, options.skip) for document in documents])
        self.stop = torch.tensor([document.stop for document in documents])
        rows = (self.stop - self.start).clamp(min=0).numpy()
        self.chosen = torch.from_numpy(chosen(self.group, rows, options.sample, options.seed))
        self._moments: list[Moments] = []
        self._base: Moments | None = None
        self._rows: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, batch: Batch) -> None:
        """Both models' layers for some documents."""
        base = batch.base.hidden[self.layer].float()
        difference = batch.variant.hidden[self.layer].float() - base
        if self._base is None:
            self._base = Moments(base.shape[1], base.device)
            self._moments = [Moments(base.shape[1], base.device) for _ in (FIRST, SECOND, HELD)]
        counted = (batch.position >= self.start[batch.document]) & (batch.position < self.stop[batch.document])
        group = torch.from_numpy(self.group)[batch.document]
        for number, moments in enumerate(self._moments):
            here = (counted & (group == number)).nonzero()[:, 0].to(base.device)
            moments.add(difference[here])
            if number != HELD:
                self._base.add(base[here])
        kept = (counted & self.chosen[batch.document]).nonzero()[:, 0]
        self._rows.append((batch.document[kept], batch.position[kept], difference[kept.to(base.device)].cpu()))

    def add_chunk(self, _batch: Batch, _chunk: Chunk) -> None:
        """Distributions are not looked at."""

    def result(self, check: Check) -> Result:
        assert self._base is not None
        whole = self._moments[FIRST].with_(self._moments[SECOND])
        facts: dict[str, Any] = {
            "layer": self.layer,
            "rows": whole.count,
            "held_out_rows": self._moments[HELD].count,
            "differs": whole.square > 0,
        }
        if not facts["differs"]:
            # The same weights twice: nothing has no directions.
            return Result(facts | {"above": 0, "told": 0}, {"written": pd.DataFrame(columns=list(WRITTEN))})
        found = spectra.directions(whole.covariance, self.options.most)
        sample = self._sample()
        mean, vectors = whole.mean.cpu(), found.vectors.cpu()
        centred = sample.rows - mean
        along = sample._replace(rows=centred @ vectors.T)
        # Of a direction's two ends the one of the rarer and larger values is its own.
        signs = torch.where(along.of(*HALVES).rows.pow(3).mean(0) < 0, -1.0, 1.0).double()
        vectors, along = vectors * signs[:, None], along._replace(rows=along.rows * signs)
        values, discovery = found.values.cpu(), along.of(*HALVES)
        # The mean stands first, as direction 0.
        everything = torch.cat([mean[None], vectors])
        shares = self._shares(mean, vectors, values, sample.of(*HALVES), discovery)
        table = self._directions(values, vectors, shares, sample, check)
        low, high = within(shares.drawn.numpy())
        facts |= {
            "size": whole.square**0.5,
            "base_size": self._base.square**0.5,
            # What all tokens have alike; the directions are of what differs between tokens.
            "mean_share": float(shares.found[0]),
            "mean_low": float(low[0]),
            "mean_high": float(high[0]),
            "participation": spectra.participation(found.values),
            "above": int(table["above"].sum()),
            "told": int(table["told"].sum()),
        }
        with self.pair.change.on(self.pair.dose) as variant:
            scores = unembed.scores(variant, everything)
        common = unembed.common((d.ids for d in self.documents), scores.shape[1], self.options.seen)
        tables = {
            "directions": table,
            "tokens": read(self.pair, everything, common, self.options.tokens),
            "written": self._written(scores, table["told"].to_numpy(), shares, common),
            "passages": self._passages(discovery),
        }
        return Result(facts, tables, {"mean": mean, "directions": vectors, "values": values})

    def _sample(self) -> Sample:
        """The rows that were kept, in the order of the documents whatever that of the batches was."""
        document, position, rows = (torch.cat(parts) for parts in zip(*self._rows, strict=True))
        order = torch.argsort(document * (int(self.stop.max()) + 1) + position)
        document, position = document[order], position[order]
        return Sample(document, position, rows[order].double(), torch.from_numpy(self.group)[document])

    def _directions(
        self,
        values: Tensor,
        vectors: Tensor,
        shares: Shares,
        sample: Sample,
        check: Check,
    ) -> pd.DataFrame:
        """A row a direction: how much of the difference it is, and what speaks for it."""
        assert self._base is not None
        most, count = self.options.most, len(vectors)
        halves = [spectra.directions(self._moments[half].covariance, most).vectors.cpu() for half in HALVES]
        lots = [
            spectra.above(part.rows.float(), part.document, most, self.options.seed, check)
            for part in (sample.of(half) for half in HALVES)
        ]
        own = spectra.directions(self._base.covariance, OWN).vectors.cpu()
        low, high = within(shares.drawn.numpy())
        table = pd.DataFrame(
            {
                "direction": np.arange(1, count + 1),
                "variance": values[:count].numpy(),
                "share": shares.found[1:].numpy(),
                "low": low[1:],
                "high": high[1:],
                "held_out": shares.held_out[1:].numpy(),
                "chance": self._chance(lots)[:count],
                "above": np.arange(count) < min(lot.standing for lot in lots),
                "stable": spectra.lasting(vectors, *halves).numpy(),
                "usual": spectra.matched(vectors, own)[1].numpy(),
            }
        )
        table["told"] = table["above"] & (table["stable"] > STABLE) & (table["usual"] <= USUAL)
        return table

    def _chance(self, lots: Sequence[Above]) -> Floats:
        """What chance gives each direction, of both halves' the larger: as a share of the whole difference."""
        found = np.full((len(lots), self.options.most), np.nan)
        for row, lot in zip(found, lots, strict=True):
            # A half of too few documents has no chance that could be told.
            row[: len(lot.chance)] = lot.chance.cpu().numpy()
        larger: Floats = np.fmax.reduce(found) / self._moments[FIRST].with_(self._moments[SECOND]).square
        return larger

    def _shares(self, mean: Tensor, vectors: Tensor, values: Tensor, sample: Sample, along: Sample) -> "Shares":
        """How much of the difference the mean and each direction are, with the directions as they are."""
        whole = sample.sums(sample.rows.square().sum(1))
        drawn = torch.from_numpy(draws(len(whole), self.options.resamples, self.options.seed))
        size, counts = drawn @ whole, drawn @ sample.counts
        line = mean / mean.norm()
        shift = ((drawn @ sample.sums(sample.rows)) @ line / counts).square() * counts
        spread = drawn @ along.sums(along.rows.square())
        held, square = self._moments[HELD], self._moments[FIRST].with_(self._moments[SECOND]).square
        others = (vectors @ held.covariance.cpu() * vectors).sum(1)
        parts = torch.cat([(held.mean.cpu() @ line).square()[None], others])
        return Shares(
            torch.cat([mean.square().sum()[None], values[: len(vectors)]]) / square,
            torch.cat([shift[:, None], spread], 1) / size[:, None],
            parts / held.square if held.count else torch.full_like(parts, torch.nan),
        )

    def _written(self, scores: Tensor, told: Array, shares: "Shares", common: Tensor) -> pd.DataFrame:
        """Tokens that the mean speaks for, and those that the directions told do, by the one that does most."""
        # Pieces that texts hardly show have scores at random along directions of little share; along the mean the
        # nulls show the same, and words that only the variant writes are among them.
        every = torch.ones_like(common)
        directions = torch.from_numpy(told).nonzero()[:, 0] + 1
        parts = [
            self._spoken("token", scores, directions, shares, common),
            self._spoken("token of the mean", scores, torch.tensor([0]), shares, every),
        ]
        table = pd.concat(parts, ignore_index=True)
        return table.assign(text=[self.pair.tokenizer.decode([token]) for token in table["token"]])

    def _spoken(self, kind: str, scores: Tensor, kept: Tensor, shares: "Shares", ranked: Tensor) -> pd.DataFrame:
        """How far each token stands out along a direction, times the direction's share."""
        ids = ranked.nonzero()[:, 0]
        if not len(kept) or not len(ids):
            return pd.DataFrame(columns=list(WRITTEN))
        rows = scores[kept][:, ids].double()
        spread = ((rows - rows.mean(1, keepdim=True)) / rows.std(1, keepdim=True)).clamp(min=0)
        best = (shares.found[kept, None] * spread).max(0)
        top = best.values.topk(min(self.options.shown, len(ids))).indices
        spread = spread[:, top]
        low, high = within(torch.stack([(one[kept, None] * spread).amax(0) for one in shares.drawn]).numpy())
        return pd.DataFrame(
            {
                "kind": kind,
                "token": ids[top].numpy(),
                "direction": kept[best.indices[top]].numpy(),
                "figure": best.values[top].numpy(),
                "low": low,
                "high": high,
                "held_out": (shares.held_out[kept, None] * spread).amax(0).numpy(),
            }
        )

    def _passages(self, along: Sample) -> pd.DataFrame:
        """Where a direction is strongest at either end, each document once."""
        rows = []
        for number in range(along.rows.shape[1]):
            for end, sign in ENDS.items():
                order = torch.argsort(sign * along.rows[:, number], descending=True).numpy()
                # The first place of each document in that order.
                _, first = np.unique(along.document.numpy()[order], return_index=True)
                for place in order[np.sort(first)[: self.options.passages]].tolist():
                    value = float(along.rows[place, number])
                    rows.append((number + 1, end, int(along.document[place]), int(along.position[place]), value))
        table = pd.DataFrame(rows, columns=["direction", "end", "document", "position", "value"])
        for column, (begin, stop) in {"before": (-AROUND, 0), "text": (0, 1), "after": (1, AROUND + 1)}.items():
            table[column] = [
                self.pair.tokenizer.decode(self.documents[document].ids[max(0, place + begin) : place + stop])
                for document, place in zip(table["document"], table["position"], strict=True)
            ]
        return table


def read(pair: Pair, vectors: Tensor, common: Tensor, count: int) -> pd.DataFrame:
    """Which tokens directions write, and which their opposites do, by the variant's own norm and head."""
    ids = common.nonzero()[:, 0]
    parts = []
    with pair.change.on(pair.dose) as variant:
        for end, sign in ENDS.items():
            top = unembed.scores(variant, sign * vectors)[:, ids].topk(min(count, len(ids)), dim=1)
            told = {"direction": np.repeat(np.arange(len(vectors)), top.indices.shape[1]), "end": end}
            token = ids[top.indices.flatten()].numpy()
            parts.append(pd.DataFrame(told | {"token": token, "score": top.values.flatten().numpy()}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(text=[pair.tokenizer.decode([token]) for token in table["token"]])


def project(
    pair: Pair, result: Result, rows: Sequence[Sequence[int]], check: Check = lambda: None
) -> pd.DataFrame:
    """Where the tokens of any texts lie along the directions: a row a token, a column a direction."""
    number = int(result.facts["layer"])
    mean, vectors = result.arrays["mean"], result.arrays["directions"]
    parts = []
    for batch in pair.run(rows, (number,), check=check):
        difference = (batch.variant.hidden[number].float() - batch.base.hidden[number].float()).cpu().double()
        along = ((difference - mean) @ vectors.T).numpy()
        told = {"document": batch.document.numpy(), "position": batch.position.numpy(), "token": batch.ids.numpy()}
        parts.append(pd.DataFrame(told | {str(n + 1): along[:, n] for n in range(along.shape[1])}))
    return pd.concat(parts).sort_values(["document", "position"]).reset_index(drop=True)


def without(result: Result, nulls: Sequence[Result]) -> tuple[Tensor, Tensor]:
    """The directions with all that stands above chance in nulls taken out, their means too: what is left of each.

    Of unit length again, and the share of each that is left; where that is little, a direction is the nulls' own.
    """
    taken = [
        torch.cat([null.arrays["mean"][None], null.arrays["directions"][: null.facts["above"]]])
        for null in nulls
        if null.facts["differs"]
    ]
    vectors = result.arrays["directions"]
    return spectra.outside(vectors, torch.cat(taken)) if taken else (vectors, torch.ones(len(vectors)))


def cost(_pair: Pair, _documents: Sequence[Document], _options: Options) -> Cost:
    """Nothing beside the shared pass."""
    return Cost()


def figures(result: Result, _options: Options) -> pd.DataFrame:
    """What the mean writes, and those directions that stand above chance, last, and are not the base's own."""
    table = result.tables["written"]
    return table.assign(key=table["token"].astype(str))[list(COLUMNS)]
