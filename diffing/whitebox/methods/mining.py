"""Tokens that the variant prefers, and those that it has lost, over all positions of the texts.

One pass keeps sums over the vocabulary and no distribution: the mean change of a token's probability, its
log-probability's change, and in which share of positions it is among those that rose or fell most. The first is
the main figure: a change of the log-probability is led by tokens of no chance at all, so shares beside it count a
token only where it has one. Intervals are over blocks of documents that lie next to each other, so that the
answers to one prompt mostly stay together. Promises memory that does not grow with the texts. What rises
together is told by `topics`, which word a piece stands for by `pieces`. Says nothing of why, nor whether a change
means more than that there was training: only nulls do.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from diffing.common.arrays import Bools, Floats, Ints
from diffing.common.step import Settings
from diffing.whitebox.measures import pieces, topics
from diffing.whitebox.measures.apart import Rows, jackknife
from diffing.whitebox.method import Check, Cost
from diffing.whitebox.pairs.pair import Batch, Chunk, Pair
from diffing.whitebox.results import Result
from diffing.whitebox.sight.evidence import COLUMNS
from diffing.whitebox.texts import Document

NAME = "mining"
TITLE = "Tokens that became likelier"
VERSION = 2
NEEDS = frozenset({"logits"})

FARTHEST = 50.0
"""Nats for a token to which one model gives no chance at all: more than float32 tells from none."""
KINDS = {"token": 1, "token less": -1}
KEPT = 10
"""Tokens of a drawn position whose probability rose most, and as many that fell most, from which contexts are."""
HALVES = (slice(0, None, 2), slice(1, None, 2))
"""Every other block."""


class Options(Settings):
    """How much is counted and kept."""

    top: int = Field(default=0, ge=0)
    """Tokens of a position that count as those that rose or fell most; 0 is 20, or a 1,280th of the vocabulary."""
    floor: float = Field(default=0.01, gt=0, le=1)
    """Chance, as a share of the position's likeliest token's, below which a token is not among them."""
    blocks: int = Field(default=20, ge=2, le=100)
    """Of documents, for the intervals."""
    positions: int = Field(default=4000, ge=0)
    """Drawn at random, of which what rose is kept, for topics and contexts."""
    topics: int = Field(default=6, ge=2, le=20)
    """At most."""
    words: int = Field(default=12, ge=0)
    """Tokens that are shown in contexts, from either end of the list."""
    contexts: int = Field(default=3, ge=1)
    """Of a token."""
    shown: int = Field(default=500, ge=1)
    """Tokens of the evidence: a null's as well, so that what it shows of them is known."""
    seed: int = Field(default=0, ge=0)


def layers(_options: Options, _pair: Pair) -> tuple[int, ...]:
    """The layers that it reads: none."""
    return ()


class Accumulator:
    """Takes batch after batch, then tells what was in them."""

    def __init__(self, pair: Pair, documents: Sequence[Document], options: Options) -> None:
        self.pair = pair
        self.documents = documents
        self.options = options
        self.groups = blocks(documents, options.blocks)
        """Of each document its block; the held-out ones share the last."""
        count = len(np.unique(self.groups[[not document.held_out for document in documents]]))
        self._positions = np.zeros(count + 1, np.int64)
        self._offsets = np.cumsum([0, *(len(document.ids) for document in documents)])
        self._drawn = drawn(documents, self._offsets, options)
        self._sums: dict[str, Tensor] = {}
        self._rows = Rows()

    def add(self, _batch: Batch) -> None:
        """Layers are not looked at; what the batch before left on the device is fetched."""
        self._rows.settle()

    def add_chunk(self, batch: Batch, chunk: Chunk) -> None:
        """Distributions after some rows of a batch."""
        document = batch.document[chunk.rows]
        group = torch.from_numpy(self.groups)[document]
        self._positions += np.bincount(group, minlength=len(self._positions))
        device = chunk.base.device
        if not self._sums:
            names = ("gained", "gap", "squared", "positive", "rose", "fell")
            shape = (len(self._positions), chunk.base.shape[1])
            self._sums = {name: torch.zeros(shape, dtype=torch.float64, device=device) for name in names}
        # A product adds up the rows of each block at once.
        member = F.one_hot(group, len(self._positions)).T.float().to(device, non_blocking=True)
        # Both may give no chance at all to a token, and nothing less nothing is no number.
        gap = (chunk.variant - chunk.base).nan_to_num_(0.0, FARTHEST, -FARTHEST)
        group = group.to(device, non_blocking=True)
        rose_by, rose = self._most(gap, chunk.variant, group, "rose")
        self._most(-gap, chunk.base, group, "fell")
        self._sums["positive"] += member @ (gap > 0).float()
        self._sums["gap"] += member @ gap
        self._sums["squared"] += member @ gap.square_()
        change = chunk.variant.exp().sub_(chunk.base.exp())
        self._sums["gained"] += member @ change
        kept = torch.from_numpy(self._drawn[self._offsets[document] + batch.position[chunk.rows].numpy()])
        if not kept.any():
            return
        here = kept.nonzero()[:, 0].to(device, non_blocking=True)
        few = min(KEPT, change.shape[1])
        (most_by, most), (least_by, least) = (change[here].topk(few, largest=up) for up in (True, False))
        self._rows.add(
            document=document[kept],
            position=batch.position[chunk.rows][kept],
            rose=rose[here],
            rose_by=rose_by[here],
            moved=torch.cat([most, least], dim=1),
            moved_by=torch.cat([most_by, least_by], dim=1),
        )

    def _most(self, gap: Tensor, likely: Tensor, group: Tensor, name: str) -> tuple[Tensor, Tensor]:
        """The tokens that moved most at each row among those with a chance; counted by block."""
        wide = gap.shape[1]
        count = min(self.options.top or max(20, wide // 1280), wide)
        floor = likely.amax(-1, keepdim=True) + math.log(self.options.floor)
        by, token = torch.where(likely >= floor, gap, 0.0).topk(count, dim=-1)
        by = by.clamp_(min=0)
        places = (group[:, None] * wide + token).flatten()
        self._sums[name].view(-1).index_add_(0, places, (by > 0).double().flatten())
        return by, token

    def result(self, check: Check) -> Result:
        table = vocabulary({name: each.cpu().numpy() for name, each in self._sums.items()}, self._positions)
        text = self.pair.tokenizer.batch_decode(table["token"].to_numpy()[:, None].tolist())
        table.insert(1, "text", text)
        table.insert(2, "seen", seen(self.documents, len(table)))
        rows = self._rows.columns()
        if rows:
            # In the texts' order, whatever the batches were.
            order = np.lexsort((rows["position"], rows["document"]))
            rows = {name: column[order] for name, column in rows.items()}
        by_gain = table.sort_values("gained", kind="stable")["token"].to_numpy()
        ends = np.unique(np.concatenate([by_gain[: self.options.words], by_gain[::-1][: self.options.words]]))
        contexts = pieces.contexts(rows, ends, self.options.contexts)
        # What it has lost it does not go on with.
        up = contexts["gained"] > 0
        contexts["word"] = ""
        contexts.loc[up, "word"] = pieces.completed(self.pair, self.documents, contexts[up], check)
        contexts = pieces.quoted(self.pair, self.documents, contexts)
        check()
        groups = topics.found(rows, self.groups, self.options.topics, self.options.seed)
        facts: dict[str, Any] = {
            "positions": int(self._positions[:-1].sum()),
            "held_out": int(self._positions[-1]),
            "blocks": int((self._positions[:-1] > 0).sum()),
            "drawn": len(rows["document"]) if rows else 0,
            "topics": groups.facts,
        }
        tokens = groups.tokens.assign(text=[text[token] for token in groups.tokens["token"]])
        return Result(facts, {"vocabulary": table, "contexts": contexts, "topics": tokens})


def blocks(documents: Sequence[Document], count: int) -> Ints:
    """Of each document its block: as many of each as can be, those that lie next to each other together."""
    held = np.array([document.held_out for document in documents])
    count = min(count, int((~held).sum()))
    place = np.cumsum(~held) - 1
    found: Ints = np.where(held, count, place * count // max(1, int((~held).sum())))
    return found


def drawn(documents: Sequence[Document], offsets: Ints, options: Options) -> Bools:
    """Of all documents' rows end to end those that were drawn: of discovery documents, where a token counts."""
    counts = np.zeros(offsets[-1], bool)
    for document, offset in zip(documents, offsets[:-1], strict=True):
        if not document.held_out:
            counts[offset + document.start - 1 : offset + document.stop - 1] = True
    places = np.flatnonzero(counts)
    number = min(options.positions, len(places))
    chosen = np.random.default_rng(options.seed).choice(places, number, replace=False)
    found: Bools = np.zeros(len(counts), bool)
    found[chosen] = True
    return found


def seen(documents: Sequence[Document], wide: int) -> Ints:
    """How often each token stands where it counts."""
    standing = [token for document in documents for token in document.ids[document.start : document.stop]]
    found: Ints = np.bincount(standing, minlength=wide)[:wide]
    return found


def vocabulary(sums: dict[str, Floats], positions: Ints) -> pd.DataFrame:
    """A row a token, out of the blocks' sums; the last block's documents are held out."""
    own, total = positions[:-1], positions[:-1].sum()
    mean = {name: each[:-1].sum(0) / total for name, each in sums.items()}
    halves = [each[part].sum(0) / max(1, own[part].sum()) for each in (sums["gained"][:-1],) for part in HALVES]
    held = {name: each[-1] / positions[-1] if positions[-1] else math.nan for name, each in sums.items()}
    low, high = jackknife(sums["gained"][:-1], own)
    table = {
        "token": np.arange(sums["gained"].shape[1]),
        "gained": mean["gained"],
        "gained_low": low,
        "gained_high": high,
        "gained_held_out": held["gained"],
        "gained_first": halves[0],
        "gained_second": halves[1],
        # Shares of positions at which it is among those that moved most.
        "rose": mean["rose"],
        "rose_held_out": held["rose"],
        "fell": mean["fell"],
        "fell_held_out": held["fell"],
        # Of the log-probability.
        "gap": mean["gap"],
        "gap_spread": np.sqrt(np.maximum(mean["squared"] - mean["gap"] ** 2, 0.0)),
        "positive": mean["positive"],
    }
    return pd.DataFrame(table)


def cost(_pair: Pair, _documents: Sequence[Document], options: Options) -> Cost:
    """Reading the contexts again, once for each piece that is put behind them."""
    return Cost(read=2 * options.words * options.contexts * (pieces.BEFORE + pieces.PIECES) * pieces.PIECES)


def figures(result: Result, options: Options) -> pd.DataFrame:
    """The tokens whose probability rose most, and those whose fell most, in the mean over positions."""
    table = result.tables["vocabulary"]
    parts = []
    for kind, sign in KINDS.items():
        ends = [table[name].to_numpy() * sign for name in ("gained_low", "gained_high")]
        own = pd.DataFrame(
            {
                "kind": kind,
                "key": table["token"].astype(str),
                "text": table["text"],
                "figure": sign * table["gained"],
                "low": np.minimum(*ends),
                "high": np.maximum(*ends),
                "held_out": sign * table["gained_held_out"],
            }
        )
        moved = own[own["figure"] > 0].sort_values("figure", ascending=False, kind="stable")
        parts.append(moved.head(options.shown))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]
