"""Forward passes over a batch of answers, and an answer that is longer than a batch, made sparse pass by pass.

Promises for such an answer the very encoding that it would have if all its tokens were held at once, in memory
that grows by what is active on its tokens and not by the width of the reader.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from diffing.common.arrays import Array
from diffing.reader.batches import Item, cut_windows, kept_ids, windows_of
from diffing.reader.compact import compact, encodings
from diffing.reader.records import Encoding

if TYPE_CHECKING:
    from diffing.models.tokens import Reading

ENTRIES = 2**18
"""Active pairs of feature and token that are sorted at once: they take about 100 bytes each, and 12 before."""


class ReaderLike(Protocol):
    """What encoding asks of a reader; `diffing.reader.reader.Reader` is the real one."""

    key: str
    n_features: int
    device: torch.device

    def read(self, messages: list[dict[str, str]], answer: str) -> "Reading": ...
    def hidden(self, ids: list[list[int]]) -> Tensor: ...
    def sparse(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]: ...
    def decoder(self) -> Tensor: ...


class Part(NamedTuple):
    """Hook activations of one forward pass: a row an answer token, with the token's text and position."""

    hidden: Tensor
    text: Tensor
    position: Tensor


def over(
    reader: ReaderLike, batch: list[Item], budget: int, to_device: Callable[[Array], Tensor]
) -> Iterator[Part]:
    """Hook activations of the batch's answer tokens, in passes of at most the budget."""
    windows = [(text, window) for text, item in enumerate(batch) for window in windows_of(item)]
    seen = np.zeros(len(batch), np.int64)
    for group in cut_windows(windows, budget):
        hidden = reader.hidden([window.ids for _, window in group])
        rows, texts, positions, start = [], [], [], 0
        for text, window in group:
            kept = window.stop - window.start
            rows.append(np.arange(start + window.start, start + window.stop))
            texts.append(np.full(kept, text))
            # A text's windows follow each other, perhaps in several passes: its positions go on from the last.
            positions.append(np.arange(seen[text], seen[text] + kept))
            seen[text] += kept
            start += len(window.ids)
        row, text_of, position = (to_device(np.concatenate(arrays)) for arrays in (rows, texts, positions))
        # Where every token counts, without BOS or template, there is nothing to copy.
        yield Part(hidden if len(row) == start else hidden[row], text_of, position)


def alone(
    reader: ReaderLike,
    item: Item,
    budget: int,
    to_device: Callable[[Array], Tensor],
    check: Callable[[], None] = lambda: None,
) -> Encoding | str:
    """The encoding of one answer, or what is wrong with it; `check` may raise between two passes."""
    found = []
    for part in over(reader, [item], budget, to_device):
        check()
        row, feature, value = reader.sparse(part.hidden)
        found.append((part.position[row].int().cpu(), feature.int().cpu(), value.float().cpu()))
    ids = kept_ids(item)
    spans = np.asarray(item.reading.spans, np.int32) if item.reading is not None else np.empty((0, 2), np.int32)
    text, places = torch.zeros(len(ids), dtype=torch.long), torch.arange(len(ids))
    counts = np.zeros(reader.n_features, np.int64)
    for _, feature, _ in found:
        counts += np.bincount(feature.numpy(), minlength=reader.n_features)
    parts = []
    for low, high in _ranges(counts):
        check()
        chosen = [torch.nonzero((feature >= low) & (feature < high)).squeeze(1) for _, feature, _ in found]
        position, feature, value = (
            torch.cat([triple[column][rows] for triple, rows in zip(found, chosen, strict=True)])
            for column in range(3)
        )
        block = compact(position.long(), feature.long(), value, text, places, 1, reader.n_features)
        (encoding,) = encodings(block, [ids], [spans])
        if isinstance(encoding, str):
            return encoding
        parts.append(encoding)
    return _joined(parts)


def _ranges(counts: Array) -> Iterator[tuple[int, int]]:
    """Features in runs with few active pairs, or of one feature that has many."""
    low, held = 0, 0
    for feature, count in enumerate(counts.tolist()):
        if held and held + count > ENTRIES:
            yield low, feature
            low, held = feature, 0
        held += count
    yield low, len(counts)


def _joined(parts: list[Encoding]) -> Encoding:
    """Encodings of the same text over runs of features that follow each other."""
    signs = [np.zeros(len(p.position), bool) if p.negative is None else p.negative for p in parts]
    names = ("feature", "peak", "count", "position", "code")
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    negative = np.concatenate(signs) if any(part.negative is not None for part in parts) else None
    return Encoding(parts[0].ids, parts[0].spans, **columns, negative=negative)
