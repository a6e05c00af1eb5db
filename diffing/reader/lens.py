"""Tokens that a feature makes likelier and less likely: its decoder row through final norm and unembedding.

Holds that product for a few features or for all of a reader, and the table kept beside the cache for pages that
have no reader loaded. Promises to read no tensors but the unembedding's. Does not promise that the model would
say these tokens: layers between the hook and the end are passed over, and so are biases.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffing.common import files
from diffing.common.damage import Damaged

if TYPE_CHECKING:
    import torch

    from diffing.models.tokens import Framing

logger = logging.getLogger(__name__)

KEPT = 10
"""Tokens kept of each end: as many as fit a line of a page."""
CHEAP_FLOP = 2e12
"""About what a CPU does in half a minute; past this, tables of all features are for GPUs."""
DENSE = 2**27
"""Most logits held at once: half a gigabyte of float32, as all features by all tokens would fill any memory."""


class Writing(Protocol):
    """A reader whose features write into a model."""

    key: str
    n_features: int
    device: "torch.device"
    framing: "Framing"

    def written(self, features: Sequence[int]) -> "torch.Tensor": ...
    def unembedding(self) -> "torch.Tensor": ...


class Promoted(NamedTuple):
    """The two ends of a feature's effect on the next token, strongest first."""

    promoted: list[tuple[str, float]]
    suppressed: list[tuple[str, float]]


class Ends(NamedTuple):
    """Token ids and logits at both ends, a row a feature: [features, k]."""

    top: NDArray[np.int32]
    top_logits: NDArray[np.float32]
    bottom: NDArray[np.int32]
    bottom_logits: NDArray[np.float32]


def ends(reader: Writing, features: Sequence[int], k: int = KEPT) -> Ends:
    """Both ends for many features; rows are scaled to one length, so logits compare between features."""
    # Pages read what is stored and need no torch.
    import torch

    with torch.inference_mode():
        unembedding = reader.unembedding()
        k = min(k, len(unembedding))
        parts: list[list[NDArray[np.generic]]] = []
        step = max(1, DENSE // len(unembedding))
        for start in range(0, len(features), step):
            rows = reader.written(features[start : start + step])
            logits = rows.to(unembedding.dtype) @ unembedding.T
            top, bottom = logits.topk(k), logits.topk(k, largest=False)
            parts.append(
                [
                    t.float().cpu().numpy()
                    for t in (top.indices.int(), top.values, bottom.indices.int(), bottom.values)
                ]
            )
    top_ids, top_logits, bottom_ids, bottom_logits = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return Ends(top_ids.astype(np.int32), top_logits, bottom_ids.astype(np.int32), bottom_logits)


def spelled(reader: Writing, ids: Sequence[int] | NDArray[np.int32]) -> list[str]:
    """Tokens as text; one that is part of a character only keeps the tokenizer's own spelling."""
    tokenizer = reader.framing.tokenizer
    # One by one: decoded together, they would run into one text without borders.
    texts = [str(tokenizer.decode([int(token)])) for token in ids]
    names = tokenizer.convert_ids_to_tokens([int(token) for token in ids])
    return [str(name) if "\ufffd" in text else text for text, name in zip(texts, names, strict=True)]


def path(key: str) -> Path:
    return files.cache_dir("promoted") / f"{key}.parquet"


def store(reader: Writing, k: int = KEPT) -> Path | None:
    """Keep the tokens of all features beside the cache; None where that would take a CPU too long."""
    kept = path(reader.key)
    if kept.exists() and _read(kept) is not None:
        return kept
    frame = table(reader, k)
    if frame is None:
        return None
    files.write_parquet(kept, frame)
    return kept


def keep(key: str, frame: pd.DataFrame) -> None:
    """The same of a table that another machine has sent."""
    kept = path(key)
    if not kept.exists() or _read(kept) is None:
        files.write_parquet(kept, frame)


def table(reader: Writing, k: int = KEPT) -> pd.DataFrame | None:
    """The tokens at both ends of all features; None where that would take a CPU too long."""
    flop = 2.0 * reader.n_features * reader.unembedding().numel()
    if reader.device.type == "cpu" and flop > CHEAP_FLOP:
        return None
    both = ends(reader, range(reader.n_features), k)
    # Each token is spelled once: the same few hundred stand at the ends of thousands of features.
    used = np.unique(np.concatenate([both.top, both.bottom]))
    spelling = dict(zip(used.tolist(), spelled(reader, used), strict=True))
    # Small vocabularies have fewer than k.
    width = both.top.shape[1]
    return pd.DataFrame(
        {
            "feature": np.repeat(np.arange(reader.n_features, dtype=np.int32), 2 * width),
            "logit": np.concatenate([both.top_logits, both.bottom_logits], axis=1).ravel(),
            "token": [spelling[i] for i in np.concatenate([both.top, both.bottom], axis=1).ravel().tolist()],
        }
    )


def _read(kept: Path, **how: Any) -> pd.DataFrame | None:
    """What was kept; None where the file is damaged, until the next `encode` makes it anew."""
    try:
        return files.read_parquet(kept, "it is made anew when answers are encoded", **how)
    except Damaged as error:
        logger.warning("%s", error)
        return None


def stored(key: str, features: Sequence[int]) -> dict[int, Promoted]:
    """What `store` kept of some features; empty where nothing was kept for this reader."""
    kept = path(key)
    if not kept.exists() or not len(features):
        return {}
    frame = _read(kept, filters=[("feature", "in", [int(feature) for feature in features])])
    if frame is None:
        return {}
    kept_of = {}
    for feature, rows in frame.groupby("feature"):
        pairs = list(zip(rows["token"], rows["logit"].tolist(), strict=True))
        # The file holds both ends in one column, the promoted ones first.
        half = len(pairs) // 2
        kept_of[int(feature)] = Promoted(pairs[:half], pairs[half:])
    return kept_of
