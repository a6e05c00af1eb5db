"""Where two models predict differently, and how much: KL both ways and Jensen–Shannon, position by position.

Promises figures in nats from float32 log-probabilities, over the tokens that both models know; what either gives
to others is told as a fact. The mean hangs on few positions, so the median and the share of the top hundredth
stand beside it. Which tokens moved is told by what each adds to KL(variant ‖ base), the largest few at each
position. Says nothing of why.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import Field

from diffing.common import resampling
from diffing.common.arrays import Array
from diffing.common.step import Settings
from diffing.whitebox.measures.apart import Rows, contributions, jensen_shannon, kl
from diffing.whitebox.method import Check, Cost
from diffing.whitebox.pairs.pair import Batch, Chunk, Pair
from diffing.whitebox.results import Result
from diffing.whitebox.sight.evidence import COLUMNS
from diffing.whitebox.texts import Document

NAME = "divergence"
TITLE = "Divergence by token"
VERSION = 2
NEEDS = frozenset({"logits"})
LEAST = 8
"""Positions of a text that is told: the mean of a shorter one is led by a single token."""


class Options(Settings):
    """How much is kept."""

    top: int = Field(default=5, ge=1, le=100)
    """Tokens of a position that are kept, by what they add to its KL."""
    resamples: int = Field(default=1000, ge=100)
    """Of documents, for the interval of a mean."""
    shown: int = Field(default=200, ge=1)
    """Tokens of the evidence: a null's as well, so that what it shows of them is known."""
    texts: int = Field(default=10, ge=0)
    """Discovery texts that are kept in words: those of the largest mean."""
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
        self._rows = Rows()

    def add(self, _batch: Batch) -> None:
        """Layers are not looked at; what the batch before left on the device is fetched."""
        self._rows.settle()

    def add_chunk(self, batch: Batch, chunk: Chunk) -> None:
        """Distributions after some rows of a batch."""
        base, variant = chunk.base, chunk.variant
        parts = contributions(variant, base)
        added, token = parts.topk(min(self.options.top, parts.shape[1]), dim=-1)
        # The token that stood there: the batch's next row.
        real = batch.ids[chunk.rows + 1]
        known = real < base.shape[1]
        at = torch.where(known, real, 0).to(base.device, non_blocking=True)[:, None]
        gained = (variant.gather(1, at) - base.gather(1, at))[:, 0]
        self._rows.add(
            document=batch.document[chunk.rows],
            position=batch.position[chunk.rows] + 1,
            token=real,
            kl=parts.sum(-1),
            reverse=kl(base, variant),
            js=jensen_shannon(base, variant),
            # How much likelier the variant finds what stands there; empty where it is not in both.
            gained=gained.where(known.to(base.device, non_blocking=True), math.nan),
            base_top=base.argmax(-1),
            variant_top=variant.argmax(-1),
            base_outside=chunk.base_outside,
            variant_outside=chunk.variant_outside,
            moved=token,
            moved_by=added,
        )

    def result(self, _check: Check) -> Result:
        columns = self._rows.columns()
        outside = {side: columns.pop(f"{side}_outside") for side in ("base", "variant")}
        columns |= {name: pd.Series(list(columns[name])) for name in ("moved", "moved_by")}
        table = pd.DataFrame(columns).sort_values(["document", "position"]).reset_index(drop=True)
        held = np.array([document.held_out for document in self.documents])[table["document"]]
        table["held_out"] = held
        facts: dict[str, Any] = {"positions": len(table), "documents": int(table["document"].nunique())}
        facts["outside"] = {side: float(part.mean(dtype=np.float64)) for side, part in outside.items()}
        for name, rows in {"discovery": ~held, "held_out": held}.items():
            facts[name] = self._figures(table[rows])
        tokens = pd.DataFrame(
            {name: self._tokens(table[rows]) for name, rows in {"discovery": ~held, "held_out": held}.items()}
        ).fillna(0.0)
        tokens = tokens.rename_axis("token").reset_index()
        tokens["text"] = [self.pair.tokenizer.decode([token]) for token in tokens["token"]]
        tables = {"positions": table, "tokens": tokens.sort_values("discovery", ascending=False)}
        return Result(facts, tables | {"texts": self._texts(table[~held])})

    def _texts(self, table: pd.DataFrame) -> pd.DataFrame:
        """The texts of the largest mean, token by token: what stands before, what was written, its KL."""
        found = table.groupby("document")["kl"].agg(["mean", "size"])
        found = found[found["size"] >= LEAST].sort_values("mean", ascending=False, kind="stable")
        decode = self.pair.tokenizer.decode
        rows = []
        for document in found.index[: self.options.texts]:
            of_it = table[table["document"] == document]
            ids, first = self.documents[document].ids, int(of_it["position"].iloc[0])
            told = {"document": document, "kl": float(found.loc[document, "mean"])}
            told["before"] = str(decode(list(ids[:first]), skip_special_tokens=True))
            told["text"] = str(decode(list(ids), skip_special_tokens=True))[len(told["before"]) :]
            # As arrays, which is how they come back from a file.
            told["pieces"] = np.array([str(decode([token])) for token in of_it["token"]], object)
            rows.append(told | {"values": of_it["kl"].to_numpy()})
        return pd.DataFrame(rows, columns=["document", "kl", "before", "text", "pieces", "values"])

    def _figures(self, table: pd.DataFrame) -> dict[str, Any] | None:
        if not len(table):
            return None
        values = np.sort(table["kl"].to_numpy(np.float64))
        top = values[-max(1, len(values) // 100) :].sum()
        low, high = interval(table["document"].to_numpy(), table["kl"].to_numpy(), self.options)
        return {
            "kl": float(values.mean()),
            "kl_low": low,
            "kl_high": high,
            "median": float(np.median(values)),
            # A mean of nothing has no part that is larger than the rest.
            "top_hundredth": float(top / values.sum()) if values.sum() > 0 else 0.0,
            "reverse": float(table["reverse"].mean()),
            "js": float(table["js"].mean()),
            "gained": float(table["gained"].mean()),
            "same_top": float((table["base_top"] == table["variant_top"]).mean()),
        }

    def _tokens(self, table: pd.DataFrame) -> "pd.Series[float]":
        """What each token adds to the mean KL, of what was kept at each position."""
        if not len(table):
            return pd.Series(dtype=float)
        ids, added = np.concatenate(table["moved"].to_list()), np.concatenate(table["moved_by"].to_list())
        return pd.Series(added, dtype=float).groupby(ids).sum() / len(table)


def interval(document: Array, values: Array, options: Options) -> tuple[float, float]:
    """95 % of a mean over positions, by drawing documents anew: positions of one text are not independent."""
    _, of = np.unique(document, return_inverse=True)
    sums, sizes = np.bincount(of, values).astype(np.float64), np.bincount(of).astype(np.float64)
    low, high = resampling.drawn(sums, sizes, options.resamples, options.seed)
    return float(low), float(high)


def cost(_pair: Pair, _documents: Sequence[Document], _options: Options) -> Cost:
    """Nothing beside the shared pass."""
    return Cost()


def figures(result: Result, options: Options) -> pd.DataFrame:
    """The tokens that add most to KL on discovery documents, in nats a position."""
    positions = result.tables["positions"]
    positions = positions[~positions["held_out"]]
    ids, by = np.stack(positions["moved"].to_list()), np.stack(positions["moved_by"].to_list())
    rows = []
    for row in result.tables["tokens"].head(options.shown).itertuples():
        added = np.where(ids == row.token, by, 0.0).sum(axis=1)
        low, high = interval(positions["document"].to_numpy(), added, options)
        held_out = float(row.held_out) if result.facts["held_out"] else math.nan
        rows.append(("token", str(row.token), str(row.text), float(added.mean()), low, high, held_out))
    return pd.DataFrame(rows, columns=list(COLUMNS))
