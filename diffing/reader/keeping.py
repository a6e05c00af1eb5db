"""Of which answers the positions of features are kept, and of which a summary alone.

All answers of a study up to a number keep theirs; of a larger study whole prompts drawn by its seed do, so that
what is shown of single tokens has both sides. They are read first: what they show sets the floor under which the
others are summed up (`summaries`). Promises that positions which are stored are never given up for a summary,
and that a run which was stopped goes on under the floor that it began with.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import pandas as pd

from diffing.common import files
from diffing.common.arrays import Array, Bools
from diffing.reader import floors
from diffing.reader.batches import Task
from diffing.reader.cache import Cache, Writer
from diffing.reader.encoder import Told
from diffing.reader.records import Place
from diffing.study.study import Study

ALL = 20_000
"""Answers up to which all positions are kept: some five gigabytes of a dictionary of 65,536 features. Beyond, as
many are a sample in which one answer in a thousand still shows itself twenty times."""


class Through(Protocol):
    """Reads tasks: with positions where there is no floor, else their summaries under it."""

    def __call__(
        self, tasks: Sequence[Task], tell: Told, check: Callable[[], None], floor: Array | None, /
    ) -> dict[str, str]: ...


class Summing:
    """Where summaries go; what is kept with its positions need not be read again."""

    def __init__(self, cache: Cache, floor: Array) -> None:
        self.cache, self.floor = cache, floor

    def find(self, keys: Iterable[str]) -> dict[str, Place]:
        return found(self.cache, keys)

    def writer(self) -> AbstractContextManager[Writer]:
        return self.cache.summaries.writer(self.floor)


def store(cache: Cache, floor: Array | None) -> Cache | Summing:
    """Where a run that is to keep positions, or under a floor summaries, puts what it reads."""
    return cache if floor is None else Summing(cache, floor)


def found(cache: Cache, keys: Iterable[str]) -> dict[str, Place]:
    """Places of the keys that are stored, either way."""
    keys = list(keys)
    whole = cache.find(keys)
    return whole | cache.summaries.find(key for key in keys if key not in whole)


def sampled(study: Study, answers: pd.DataFrame, most: int) -> Bools:
    """Which answers are to keep their positions: all, or those to prompts in an order drawn by the study's
    seed."""
    if len(answers) <= most:
        return np.ones(len(answers), bool)
    sizes = answers.groupby("prompt_id").size()
    order = sorted(sizes.index, key=lambda prompt: files.content_hash([study.settings.seed, "positions", prompt]))
    fits = np.cumsum(sizes.loc[order].to_numpy()) <= most
    # One at least: without any, everything would be above the floor.
    fits[0] = True
    return np.asarray(answers["prompt_id"].isin(np.array(order)[fits]), bool)


def read(
    cache: Cache,
    answers: pd.DataFrame,
    tasks: Sequence[Task],
    kept: Bools,
    through: Through,
    tell: Told,
    check: Callable[[], None],
) -> dict[str, str]:
    """Read what is missing: first the answers that keep positions, then the others under the floor of these."""
    whole = [task for task, mine in zip(tasks, kept, strict=True) if mine]
    rest = [task for task, mine in zip(tasks, kept, strict=True) if not mine]
    if not rest:
        return through(whole, tell, check, None)
    there = found(cache, (task.key for task in rest))
    behind = sum(len(text) for text in {task.key: task.text for task in rest if task.key not in there}.values())
    seen = stored = 0

    def first(done: int, total: int, tokens: int) -> None:
        nonlocal seen, stored
        seen, stored = done, tokens
        tell(done, total + behind, tokens)

    errors = through(whole, first, check, None)
    floor = floor_of(cache, answers, tasks, kept, check)
    return errors | through(rest, lambda d, t, n: tell(seen + d, seen + t, stored + n), check, floor)


def floor_of(
    cache: Cache, answers: pd.DataFrame, tasks: Sequence[Task], kept: Bools, check: Callable[[], None]
) -> Array:
    """The floor by what the answers with positions show, each checkpoint's apart."""
    sides = sorted(set(answers["checkpoint"]))
    strongest = np.zeros((len(sides), cache.n_features), np.float32)
    rows = np.flatnonzero(kept)
    places = cache.find(tasks[row].key for row in rows.tolist())
    own = answers["checkpoint"].to_numpy()[rows]
    for side, row in zip(own, rows.tolist(), strict=True):
        place = places.get(tasks[row].key)
        if place is None:
            continue
        check()
        record = cache.read(place)
        line = strongest[sides.index(side)]
        line[record.feature] = np.maximum(line[record.feature], np.abs(record.peak))
    return floors.chosen(strongest)


def stored(cache: Cache, tasks: Sequence[Task], kept: Bools) -> tuple[int, int]:
    """How many answers need not be read, and how many records were damaged, are dropped and so read again."""
    keys = [task.key for task in tasks]
    dropped = cache.drop_damaged(keys) + cache.summaries.drop_damaged(keys)
    whole = cache.find(keys)
    summed = cache.summaries.find(k for k, mine in zip(keys, kept, strict=True) if not mine and k not in whole)
    return len(whole) + len(summed), dropped


def places(cache: Cache, tasks: Sequence[Task]) -> tuple[list[Place | None], list[bool]]:
    """Where each answer lies, and of which there is a summary alone."""
    whole, either = cache.find(t.key for t in tasks), found(cache, (t.key for t in tasks))
    return [either.get(t.key) for t in tasks], [t.key in either and t.key not in whole for t in tasks]
