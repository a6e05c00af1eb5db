"""Documents whose activations are given, in the shape of a study's encodings, and pairings of them."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from diffing.common.arrays import Array, ranges
from diffing.diff import pairing
from diffing.diff.pairing import Pairing
from diffing.reader.records import Encoding
from diffing.reader.summaries import Whole


@dataclass(frozen=True, slots=True)
class Exact(Encoding):
    """A record of values as they were given, which codes would change by a little."""

    given: Array = field(default_factory=lambda: np.empty(0))

    def values(self) -> Array:
        return self.given

    def of(self, runs: Array) -> "Exact":
        entries = ranges(self.starts()[runs], self.count[runs].astype(np.int64))
        some = {name: getattr(self, name)[runs] for name in ("feature", "peak", "count")}
        return replace(self, **some, position=self.position[entries], given=self.given[entries])

    def over(self, bar: Array) -> Array:
        return np.abs(self.given) > np.repeat(bar, self.count)


class Documents:
    """One tokens × features array a document."""

    def __init__(self, dense: list[Array], decoder: Array | None = None) -> None:
        self.dense = dense
        self.n_features = dense[0].shape[1]
        self._decoder = decoder
        self.floor: Array | None = None

    def encoding(self, document: int) -> Encoding:
        one = self.dense[document]
        found = [(f, np.flatnonzero(one[:, f])) for f in range(one.shape[1])]
        runs = [(f, at, one[at, f]) for f, at in found if len(at)]
        return Exact(
            ids=np.zeros(len(one), np.uint32),
            spans=np.stack([np.arange(len(one)), np.arange(1, len(one) + 1)], axis=1).astype(np.int32),
            feature=np.array([f for f, _, _ in runs], np.uint16),
            peak=np.array([values.max() for _, _, values in runs], np.float32),
            count=np.array([len(at) for _, at, _ in runs], np.uint16),
            position=np.concatenate([np.empty(0, np.int64), *(at for _, at, _ in runs)]),
            code=np.empty(0, np.uint16),
            given=np.concatenate([np.empty(0), *(values for _, _, values in runs)]),
        )

    def summary(self, document: int) -> Whole:
        return Whole(self.encoding(document))

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
