"""Texts to encode, and how they are cut into batches.

The cut depends on the texts and the budget alone, never on what is stored already: the same list gives the same
batches after any interruption. Takes no part in running them: `encoder` does.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from diffing.common.arrays import Array

if TYPE_CHECKING:
    from diffing.models.tokens import Reading, Window


READ_AT_ONCE = 64
"""Answers that are tokenised, and sorted by length, together.

They come ordered by characters already, so that few need to change places; with more of them the first batch would
wait longer.
"""
READ_SIZE = 1_000_000
"""Characters after which fewer are: what was read of them takes 100 bytes each, and three times as many wait."""


class Task(NamedTuple):
    """One text to encode."""

    key: str
    """Hash of all that the reader sees."""
    messages: list[dict[str, str]]
    """The conversation before the answer."""
    text: str


class Item(NamedTuple):
    """A task with its length in tokens, and its reading unless it is stored already."""

    task: Task
    fed: int
    """Tokens that go through the reader, template and overlaps included."""
    reading: "Reading | None"


def by_length(item: Item) -> tuple[int, str]:
    """Sort key: longest first, and the same order for the same answers."""
    return -item.fed, item.task.key


def windows_of(item: Item) -> "list[Window]":
    return [] if item.reading is None else item.reading.windows


def kept_ids(item: Item) -> Array:
    """Token ids of the answer alone."""
    kept = [window.ids[window.start : window.stop] for window in windows_of(item)]
    return np.array([token for ids in kept for token in ids], np.uint32)


def cut(chunks: "Iterator[list[Item]] | list[list[Item]]", budget: int) -> Iterator[list[Item]]:
    """Batches of at most the budget, or of one answer that is longer than it; each chunk longest first."""
    batch: list[Item] = []
    fed = 0
    for chunk in chunks:
        for item in sorted(chunk, key=by_length):
            if batch and fed + item.fed > budget:
                yield batch
                batch, fed = [], 0
            batch.append(item)
            fed += item.fed
    if batch:
        yield batch


def cut_windows(windows: "list[tuple[int, Window]]", budget: int) -> "Iterator[list[tuple[int, Window]]]":
    """Windows in order, each with its text's number, in passes of at most the budget or of one window."""
    group: list[tuple[int, Window]] = []
    fed = 0
    for text, window in windows:
        if group and fed + len(window.ids) > budget:
            yield group
            group, fed = [], 0
        group.append((text, window))
        fed += len(window.ids)
    yield group


def halves(batch: list[Item]) -> tuple[list[Item], list[Item]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


def together(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """Tasks that are read together: so many, or fewer where they are long."""
    chunk: list[Task] = []
    size = 0
    for task in tasks:
        if chunk and (len(chunk) == READ_AT_ONCE or size + len(task.text) > READ_SIZE):
            yield chunk
            chunk, size = [], 0
        chunk.append(task)
        size += len(task.text)
    if chunk:
        yield chunk
