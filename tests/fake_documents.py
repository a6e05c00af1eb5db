"""Documents whose activations are given, in the shape of a study's encodings, and pairings of them."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from diffing import pairing
from diffing.pairing import Pairing

Array = np.ndarray[Any, np.dtype[Any]]


class Documents:
    """One tokens × features array a document."""

    def __init__(self, dense: list[Array], decoder: Array | None = None) -> None:
        self.dense = dense
        self.n_features = dense[0].shape[1]
        self._decoder = decoder
        runs = [self._runs(one) for one in dense]
        self.indptr = np.concatenate([[0], np.cumsum([len(r) for r in runs])])
        flat = [run for document in runs for run in document]
        self.feature = np.array([f for f, _, _ in flat], np.uint16)
        self.count = np.array([len(at) for _, at, _ in flat], np.uint16)
        self.first = np.array([at[0] for _, at, _ in flat], np.uint16)
        self.last = np.array([at[-1] for _, at, _ in flat], np.uint16)
        self.total = np.array([values.sum() for _, _, values in flat], np.float32)
        self.peak = np.array([values.max() for _, _, values in flat], np.float32)

    @staticmethod
    def _runs(one: Array) -> list[tuple[int, Array, Array]]:
        found = [(f, np.flatnonzero(one[:, f])) for f in range(one.shape[1])]
        return [(f, at, one[at, f]) for f, at in found if len(at)]

    def token_rows(self, document: int) -> tuple[Array, Array, Array]:
        runs = self._runs(self.dense[document])
        starts = np.concatenate([[0], np.cumsum([len(at) for _, at, _ in runs])]).astype(np.int64)
        position = np.concatenate([np.empty(0, np.int64), *(at for _, at, _ in runs)])
        return starts, position, np.concatenate([np.empty(0), *(values for _, _, values in runs)])

    def encoding(self, document: int) -> SimpleNamespace:
        starts, position, _ = self.token_rows(document)
        return SimpleNamespace(position=position, starts=lambda: starts)

    def decoder(self) -> Array | None:
        return self._decoder


def paired(
    lengths: Array,
    prompts: int,
    draws: int = 1,
    categories: list[str] | None = None,
    tags: list[str] | None = None,
) -> Pairing:
    """Documents in the order prompt, side, draw; every third prompt is held out."""
    ids = [f"p{number:04}" for number in range(prompts)]
    table = pd.DataFrame(
        {
            "id": ids,
            "split": np.where(np.arange(prompts) % 3 == 2, "held-out", "discovery"),
            "category": categories or [""] * prompts,
            "tags": tags or [""] * prompts,
        }
    )
    number, draw = np.divmod(np.arange(prompts * draws), draws)
    a, b = 2 * draws * number + draw, 2 * draws * number + draws + draw
    pairs = pd.DataFrame(
        {
            "prompt_id": np.array(ids)[number],
            "draw": draw,
            "excluded": "",
            "flag_a": "",
            "flag_b": "",
            "doc_of_a": a,
            "doc_of_b": b,
            "tokens_of_a": np.asarray(lengths)[a],
            "tokens_of_b": np.asarray(lengths)[b],
        }
    )
    return pairing.from_table(pairs, table)


def random_documents(seed: int, prompts: int, draws: int = 1, features: int = 12, longest: int = 12) -> Documents:
    """Random activations, sparse in some features and dense in others."""
    random = np.random.default_rng(seed)
    share = random.uniform(0.01, 0.4, features)
    lengths = random.integers(1, longest + 1, 2 * prompts * draws)
    return Documents(
        [np.where(random.random((n, features)) < share, random.integers(1, 9, (n, features)), 0) for n in lengths]
    )
