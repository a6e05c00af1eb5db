"""Which readers see a behaviour: those whose own features move on the same pairs of answers.

A study's own reader has the diff that is shown; the diffs that other readers made of the same answers stand beside
it. What is counted in the text, as a probe or a phrase, is in both whatever they read, and so proves nothing: a
reader sees a behaviour only where features of its own move with it, named or not. Two readers' features are of two
dictionaries and cannot be compared, but the pairs of answers on which they differ can. Promises that nothing of
either diff changes, and that a diff older than its answers or encodings is not asked. That two readers agree says
that no one reader's quirk made a behaviour; it says nothing of what it means.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common import files
from diffing.common.arrays import Floats
from diffing.common.errors import UserError
from diffing.diff import changes
from diffing.diff.stored import Diff, load
from diffing.reader import presets
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study

AGREES = 0.5
"""Correlation over pairs from which two readers see one thing.

Habits that one diff tells apart are two things, and show how much two may have in common: of 551 couples of them
in the sample and between two GPT-4s the most alike correlate by 0.44, and 99 in 100 by less than 0.31
(`docs/method.md`).
"""
CHANCE = 4.0
"""Standard errors of a correlation under which it may be chance: dozens of behaviours of one reader are held
against dozens of another's, and 1 of 30,000 unrelated couples lies above. From 64 pairs on `AGREES` is higher."""
OF_FEATURES = ("habit", "content")
"""Kinds of behaviour that features can show; length and places are counted in the text alone."""


class _Seen(NamedTuple):
    """What a reader's features see."""

    pairs: pd.MultiIndex
    """(prompt, draw)."""
    length: Floats
    """By how much B's answer of each pair is longer, as a logarithm."""
    moves: Floats
    """Pairs × behaviours: 1 where B alone shows one, -1 where A alone does."""
    numbers: list[int]


def of(study: Study, a: str, b: str) -> dict[int, list[str]]:
    """By number of the own diff's behaviours, the readers that see it, the study's own first.

    Empty where no other reader has compared the two; a behaviour that is none of features is absent.
    """
    own = load(study, a, b)
    return between(own, beside(study, own))


def beside(study: Study, own: Diff) -> list[Diff]:
    """The diffs of the same checkpoints and settings by other readers, as far as they are up to date."""
    found = []
    for path in sorted(own.folder.parent.glob("*/summary.json")):
        try:
            told = files.read_json(path)
            choice = ReaderChoice.model_validate(told["reader"])
            if choice == study.settings.reader or (told["a"], told["b"]) != (own.a, own.b):
                continue
            seen = study.read_by(choice)
            other = load(seen, own.a, own.b, own.settings)
            if other.folder == path.parent and not other.older and not other.outdated(seen):
                found.append(other)
        except (UserError, LookupError, TypeError, ValueError):
            # Damaged, of other settings, or of a reader whose encodings are gone: nothing to hold against.
            continue
    return found


def between(own: Diff, others: Sequence[Diff]) -> dict[int, list[str]]:
    """The same of diffs that are there already."""
    if not others or not len(own.changes):
        return {}
    mine = _seen(own, own.behaviours["kind"].isin(OF_FEATURES))
    named = {number: [name(own)] if number in _by_features(own) else [] for number in mine.numbers}
    for other in others:
        if len(other.changes):
            for number in _agreeing(mine, _seen(other, other.behaviours["behaviour"].isin(_by_features(other)))):
                named[number].append(name(other))
    return named


def name(stored: Diff) -> str:
    """Of the reader whose diff it is."""
    return presets.named(ReaderChoice.model_validate(stored.summary["reader"]))


def _by_features(stored: Diff) -> set[int]:
    """Behaviours that features of the diff's reader count, or move with."""
    habits = stored.habits[stored.habits["kind"] == "feature"]
    moving = habits.loc[habits["lead"] | (habits["correlation"] >= AGREES), "habit"]
    table = stored.behaviours[stored.behaviours["kind"].isin(OF_FEATURES)]
    shown = table["habit"].isin(moving) | (table["by"] == "feature")
    return set(table.loc[shown, "behaviour"].astype(int))


def _seen(stored: Diff, which: "pd.Series[bool]") -> _Seen:
    numbers = stored.behaviours.loc[which, "behaviour"].astype(int).tolist()
    rows = stored.changes
    moves = [changes.alone(rows, number) for number in numbers]
    return _Seen(
        pd.MultiIndex.from_frame(rows[["prompt_id", "draw"]]),
        # The first behaviour of every diff is the length in words.
        changes.lead(rows, 1, "amount"),
        np.column_stack(moves) if moves else np.empty((len(rows), 0)),
        numbers,
    )


def _agreeing(mine: _Seen, theirs: _Seen) -> list[int]:
    """The numbers of mine with which one of theirs moves, over all pairs that both have."""
    places = theirs.pairs.get_indexer(mine.pairs)
    both = places >= 0
    if not theirs.numbers or both.sum() <= CHANCE**2:
        # So few pairs would agree only if they were the same, and that may be chance.
        return []
    length = mine.length[both]
    alike = _correlations(mine.moves[both], theirs.moves[places[both]], length)
    bar = max(AGREES, CHANCE / float(both.sum()) ** 0.5)
    return [number for number, row in zip(mine.numbers, alike, strict=True) if row.max() >= bar]


def _correlations(mine: Floats, theirs: Floats, length: Floats) -> Floats:
    """Of each of mine with each of theirs, apart from what both owe to length; 0 where one never varies."""
    left, right = (_unit(each, length) for each in (mine, theirs))
    return np.asarray(left.T @ right)


def _unit(moves: Floats, length: Floats) -> Floats:
    """Columns without their mean and what follows from length, at length 1."""
    design = np.column_stack([np.ones(len(length)), length])
    rest = moves - design @ np.linalg.lstsq(design, moves)[0]
    size = np.linalg.norm(rest, axis=0)
    return np.asarray(np.divide(rest, size, out=np.zeros_like(rest), where=size > 1e-9))
