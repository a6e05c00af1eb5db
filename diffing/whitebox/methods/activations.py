"""How far the residual stream moves between the two models: at which depth, on which tokens and in which texts.

Per layer and token the norm of the difference, the same against the base's own norm, and 1 − cosine, worked out on
the device. Hidden states are kept of a bounded number of tokens alone, from which come how alike the two models
are (linear CKA) and the share along the mean difference. A text's first positions stand apart: their norms are
unlike all others'. Promises exact zeros where nothing moved, so below the first block that a change touches. Reads
a bounded number of tokens, of texts drawn at random. Says how far, not what: a large move may mean nothing.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from scipy.special import stdtrit
from torch import Tensor

from diffing.common.arrays import Array, Bools, Floats, Ints
from diffing.common.step import Settings
from diffing.whitebox.measures.apart import Rows, ratio
from diffing.whitebox.method import Check, Cost
from diffing.whitebox.pairs.pair import Batch, Chunk, Pair
from diffing.whitebox.results import Result
from diffing.whitebox.sight.evidence import COLUMNS
from diffing.whitebox.texts import Document

NAME = "activations"
TITLE = "Where representations move"
VERSION = 1
NEEDS = frozenset({"layers"})

STATISTICS = ("moved", "relative", "turned", "base_norm", "variant_norm")
"""‖Δ‖, ‖Δ‖ against the base's norm, 1 − cosine, and both norms."""
TOLD = STATISTICS[:3]


class Options(Settings):
    """How much is looked at and kept."""

    tokens: int = Field(default=200_000, ge=100)
    """That are looked at, at most: of whole texts drawn at random."""
    first: int = Field(default=4, ge=1)
    """Positions at a text's beginning that stand apart."""
    sampled: int = Field(default=2000, ge=10)
    """Tokens whose hidden states are kept until the end, for CKA and the share along the mean."""
    top: int = Field(default=10, ge=0)
    """Texts of a layer and statistic that are shown."""
    least: int = Field(default=10, ge=2)
    """Times that a token must stand in discovery documents to be told."""
    shown: int = Field(default=500, ge=1)
    """Tokens of the evidence: a null's as well, so that what it shows of them is known."""
    seed: int = Field(default=0, ge=0)


def layers(_options: Options, pair: Pair) -> tuple[int, ...]:
    """The layers that it reads: all."""
    return tuple(range(pair.layers))


class Accumulator:
    """Takes batch after batch, then tells what was in them."""

    def __init__(self, pair: Pair, documents: Sequence[Document], options: Options) -> None:
        self.pair = pair
        self.documents = documents
        self.options = options
        self._offsets = np.cumsum([0, *(len(document.ids) for document in documents)])
        self._looked, self._sampled = drawn(documents, self._offsets, options)
        self._held = np.array([document.held_out for document in documents])
        self._rows = Rows()
        self._sums: Tensor | None = None
        """ΣΔ of discovery documents behind their first positions, layer by layer."""
        self._kept: dict[str, list[Tensor]] = {"base": [], "variant": []}
        self._order: list[Array] = []

    def add(self, batch: Batch) -> None:
        """Both models' layers for some documents."""
        self._rows.settle()
        flat = self._offsets[batch.document] + batch.position.numpy()
        looked = self._looked[flat]
        if not looked.any():
            return
        place = torch.from_numpy(np.flatnonzero(looked))
        later = (batch.position[place] >= self.options.first).numpy()
        discovery = torch.from_numpy(later & ~self._held[batch.document[place]])
        device = next(iter(batch.base.hidden.values())).device
        here = place.to(device, non_blocking=True)
        weight = discovery.to(device, torch.float32, non_blocking=True)
        sampled = np.flatnonzero(self._sampled[flat[looked]])
        kept = torch.from_numpy(sampled).to(device, non_blocking=True)
        found, sums = [], []
        for layer in range(self.pair.layers):
            base, variant = (side.hidden[layer][here] for side in (batch.base, batch.variant))
            for name, side in (("base", base), ("variant", variant)):
                self._kept[name].append(side[kept])
            told, delta = statistics(base.float(), variant.float())
            found.append(told)
            sums.append(weight @ delta)
        self._order.append(flat[looked][sampled])
        total = torch.stack(sums).double()
        self._sums = total if self._sums is None else self._sums + total
        self._rows.add(
            document=batch.document[place],
            position=batch.position[place],
            token=batch.ids[place],
            found=torch.stack(found, dim=1),
        )

    def add_chunk(self, _batch: Batch, _chunk: Chunk) -> None:
        """Distributions are not looked at."""

    def result(self, check: Check) -> Result:
        rows = self._rows.columns()
        order = np.lexsort((rows["position"], rows["document"]))
        rows = {name: column[order] for name, column in rows.items()}
        held, first = self._held[rows["document"]], rows["position"] < self.options.first
        parts = {"discovery": ~held & ~first, "held_out": held & ~first, "first": ~held & first}
        check()
        table = pd.concat([by_layer(rows, where, name) for name, where in parts.items()], ignore_index=True)
        facts: dict[str, Any] = {name: int(where.sum()) for name, where in parts.items()}
        facts["documents"] = int(len(np.unique(rows["document"])))
        facts["sampled"] = sum(map(len, self._order))
        own = (table["part"] == "discovery").to_numpy()
        for name, values in self._shapes(int(parts["discovery"].sum()), rows, parts["discovery"]).items():
            table.loc[own, name] = values
        tokens = by_token(rows, parts, self.options.least)
        tokens.insert(1, "text", [self.pair.tokenizer.decode([token]) for token in tokens["token"]])
        texts = by_text(rows, parts["discovery"], self.options.top)
        return Result(facts, {"layers": table, "tokens": tokens, "texts": texts})

    def _shapes(self, count: int, rows: dict[str, Array], where: Bools) -> dict[str, Floats]:
        """Of each layer: how alike the two models are, and how much of Δ is one direction for all tokens."""
        if self._sums is None or not count:
            return {}
        energy = (rows["found"][where][:, :, 0].astype(np.float64) ** 2).sum(0)
        total = self._sums
        shift = (total**2).sum(1).cpu().numpy()
        # Without the tokens' own squares: those of a difference without a mean would add up to a share as well.
        with np.errstate(divide="ignore", invalid="ignore"):
            coherent = np.where(energy > 0, (shift - energy) / max(1, count - 1) / energy, 0.0)
        alike, along = [], []
        for layer in range(self.pair.layers):
            base, variant = (
                torch.cat(self._kept[side][layer :: self.pair.layers]).double() for side in ("base", "variant")
            )
            alike.append(cka(base, variant))
            along.append(share(variant - base, total[layer]))
        return {"coherent": coherent, "along_mean": np.array(along), "cka": np.array(alike)}


def statistics(base: Tensor, variant: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row `STATISTICS`, and the difference itself."""
    delta = variant - base
    moved, before, after = (torch.linalg.vector_norm(side, dim=-1) for side in (delta, base, variant))
    # From the difference of unit vectors: 1 less a cosine near 1 would be nothing but rounding, and the same
    # vectors would not give 0.
    apart = base / before[:, None] - variant / after[:, None]
    turned = apart.square().sum(-1) / 2
    found = torch.stack([moved, moved / before, turned, before, after], dim=-1)
    return found.nan_to_num_(0.0, 0.0, 0.0), delta


def cka(one: Tensor, other: Tensor) -> float:
    """Linear CKA of the same tokens' states in two models: 1 where they are alike up to a turn and a scale."""
    if len(one) < 2:
        return math.nan
    # Rows by rows where there are fewer of them than of dimensions: the figure is the same.
    one, other = one - one.mean(0), other - other.mean(0)
    if len(one) < one.shape[1]:
        grams = one @ one.T, other @ other.T
        return float((grams[0] * grams[1]).sum() / (grams[0].norm() * grams[1].norm()))
    return float((one.T @ other).square().sum() / ((one.T @ one).norm() * (other.T @ other).norm()))


def share(delta: Tensor, direction: Tensor) -> float:
    """Of the rows' squared length, how much lies along a direction; 0 where nothing moved."""
    whole, length = delta.square().sum(), direction.norm()
    if not float(whole) or not float(length):
        return 0.0
    return float((delta @ (direction / length)).square().sum() / whole)


def drawn(documents: Sequence[Document], offsets: Ints, options: Options) -> tuple[Bools, Bools]:
    """Of all documents' positions end to end those that are looked at, and those whose states are kept."""
    draws = np.random.default_rng(options.seed)
    looked, later = np.zeros(offsets[-1], bool), np.zeros(offsets[-1], bool)
    left = options.tokens
    for n in draws.permutation(len(documents)):
        document, offset = documents[n], offsets[n]
        where = slice(offset + document.start, offset + document.stop)
        if left < document.stop - document.start:
            continue
        left -= document.stop - document.start
        looked[where] = True
        # The first positions are looked at whether or not they count: they are no text's own.
        looked[offset : offset + min(options.first, len(document.ids))] = True
        if not document.held_out:
            later[offset + max(document.start, options.first) : offset + document.stop] = True
    places = np.flatnonzero(later)
    sampled: Bools = np.zeros(len(looked), bool)
    sampled[draws.choice(places, min(options.sampled, len(places)), replace=False)] = True
    return looked, sampled


def by_layer(rows: dict[str, Array], where: Bools, part: str) -> pd.DataFrame:
    """A row a layer: mean with its interval over documents, and median, of each statistic."""
    found = rows["found"][where].astype(np.float64)
    if not len(found):
        return pd.DataFrame({"part": [], "layer": []}).astype({"part": str, "layer": np.int64})
    _, layers, _ = found.shape
    table: dict[str, Any] = {"part": part, "layer": np.arange(layers), "tokens": len(found)}
    for n, name in enumerate(STATISTICS):
        table[name], table[f"{name}_low"], table[f"{name}_high"] = ratio(found[:, :, n], rows["document"][where])
        table[f"{name}_median"] = np.median(found[:, :, n], axis=0)
    return pd.DataFrame(table)


def by_token(rows: dict[str, Array], parts: dict[str, Bools], least: int) -> pd.DataFrame:
    """A row a token: how far the stream moves where it stands, beyond the average of all tokens."""
    found = {}
    for name in ("discovery", "held_out"):
        where = parts[name]
        relative = rows["found"][where][:, :, 1].astype(np.float64)
        mean = relative.mean(0) if len(relative) else np.zeros(rows["found"].shape[1])
        # Layer against layer, as a late one moves farther; those in which nothing moved say nothing.
        moving = mean > 0
        beyond = (relative[:, moving] / mean[moving]).mean(1) - 1 if moving.any() else np.zeros(len(relative))
        frame = pd.DataFrame(
            {"token": rows["token"][where], "document": rows["document"][where], "beyond": beyond}
        )
        found[name] = summed(frame, least)
    table = found["discovery"].merge(
        found["held_out"][["token", "beyond"]].rename(columns={"beyond": "beyond_held_out"}), "left", "token"
    )
    return table.sort_values("beyond", ascending=False, kind="stable").reset_index(drop=True)


def summed(frame: pd.DataFrame, least: int) -> pd.DataFrame:
    """Each token's mean with 95 % over documents: its own deviations, document by document, added up."""
    cells = frame.groupby(["token", "document"])["beyond"].agg(["sum", "size"]).reset_index()
    totals = cells.groupby("token").agg(sum=("sum", "sum"), seen=("size", "sum"), documents=("sum", "size"))
    totals = totals[totals["seen"] >= least]
    totals["beyond"] = totals["sum"] / totals["seen"]
    cells = cells.join(totals[["beyond"]], on="token", how="inner")
    squares = ((cells["sum"] - cells["beyond"] * cells["size"]) ** 2).groupby(cells["token"]).sum()
    count = totals["documents"].to_numpy(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (
            np.sqrt(squares.reindex(totals.index).to_numpy() * count / (count - 1)) / totals["seen"].to_numpy()
        )
        half = np.where(count > 1, stdtrit(count - 1, 0.975) * spread, np.inf)
    totals["low"], totals["high"] = totals["beyond"] - half, totals["beyond"] + half
    return totals.reset_index()[["token", "seen", "documents", "beyond", "low", "high"]]


def by_text(rows: dict[str, Array], where: Bools, top: int) -> pd.DataFrame:
    """The texts that moved most at a layer, by their mean and by their farthest token, token by token."""
    documents, begins = np.unique(rows["document"][where], return_index=True)
    found, positions = rows["found"][where], rows["position"][where]
    ends = np.append(begins[1:], len(found))
    table = []
    for layer in range(found.shape[1]):
        for n, name in enumerate(TOLD):
            values = found[:, layer, n]
            sizes = np.maximum(ends - begins, 1)
            scores = {
                "mean": np.add.reduceat(values, begins) / sizes if len(begins) else values,
                "farthest": np.maximum.reduceat(values, begins) if len(begins) else values,
            }
            for by, score in scores.items():
                for place in np.argsort(-score, kind="stable")[:top]:
                    own = slice(begins[place], ends[place])
                    told = (layer, name, by, int(documents[place]), float(score[place]), int(positions[own][0]))
                    table.append((*told, values[own].astype(np.float32)))
    return pd.DataFrame(table, columns=["layer", "statistic", "by", "document", "score", "position", "values"])


def cost(_pair: Pair, _documents: Sequence[Document], _options: Options) -> Cost:
    """Nothing beside the shared pass."""
    return Cost()


def figures(result: Result, options: Options) -> pd.DataFrame:
    """Tokens at which the stream moves farther than on average, as a share of that: 1 is twice as far."""
    table = result.tables["tokens"]
    table = table[table["beyond"] > 0].head(options.shown)
    told = {
        "kind": "place",
        "key": table["token"].astype(str),
        "text": table["text"],
        "figure": table["beyond"],
        "low": table["low"],
        "high": table["high"],
        "held_out": table["beyond_held_out"],
    }
    return pd.DataFrame(told)[list(COLUMNS)].reset_index(drop=True)
