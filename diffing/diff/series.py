"""More than two checkpoints at once: one against all others, and a trend along an ordered series.

Only prompts and draws that every named checkpoint answered count. Promises exact p-values for presence under
permutation of the checkpoints within each prompt, down to 1e-12. Stored by the content they were computed from,
so that a stored table is never out of date. Looks at presence alone: rates, lengths and families are the diff's.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from diffing.common import files, nulls, stats
from diffing.common.arrays import Array, Ints
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.diff import measure, pairing, presence
from diffing.diff.presence import Shown
from diffing.diff.stored import DiffSettings, inputs_of
from diffing.reader.encodings import Encodings
from diffing.study import responses
from diffing.study.study import Study

logger = logging.getLogger(__name__)

MOST = 7
"""Checkpoints in a series at most: the null goes through all their orders, 5,040 of seven."""
CELLS = 4_000_000
"""Cells of one block, checkpoints times prompts times features: 8 MB of 16 bits."""


@dataclass(frozen=True)
class Counts:
    """How many draws of each checkpoint show each feature, prompt by prompt, in whole units."""

    patterns: list[tuple[int, ...]]
    """The unlike values that the checkpoints of one prompt had, in ascending order."""
    numbers: Ints
    """Features x patterns: prompts of each pattern."""
    sums: Ints
    """Checkpoints x features: units over all prompts."""
    prompts: int
    unit: int


def against_rest(study: Study, key: str, settings: DiffSettings | None = None) -> pd.DataFrame:
    """Each feature's frequency on one checkpoint against the mean of all others.

    At one draw the null is exactly Poisson-binomial: where s of c checkpoints show a feature, this one is among
    them with probability s/c.
    """
    study.checkpoint(key)
    others = [c.key for c in study.checkpoints if c.key != key]
    if len(others) < 2:
        raise UserError(f"Study '{study.name}' has two checkpoints only; compare them with `diff`.")
    return _stored(study, "against rest", [key, *others], settings or DiffSettings())


def trend(study: Study, keys: Sequence[str], settings: DiffSettings | None = None) -> pd.DataFrame:
    """Each feature's linear trend along checkpoints in the given order."""
    for key in keys:
        study.checkpoint(key)
    if not 3 <= len(keys) <= MOST or len(set(keys)) < len(keys):
        raise UserError(f"A series is three to {MOST} different checkpoints in their order; got {len(keys)}.")
    return _stored(study, "trend", list(keys), settings or DiffSettings())


def _stored(study: Study, kind: str, keys: list[str], settings: DiffSettings) -> pd.DataFrame:
    encodings = Encodings.open(study)
    name = files.content_hash([kind, keys, settings.told(), inputs_of(study, encodings)])
    path = study.folder / "diffs" / f"several-{name}.parquet"
    try:
        return files.read_parquet(path)
    except Damaged as error:
        # Absent or damaged: computed either way.
        if path.exists():
            logger.warning("The series is computed anew: %s", error)
        documents, row = _documents(study, encodings.documents, keys)
        shown = presence.shown(encodings, documents.ravel(), settings.threshold, settings.share_of_peak)
        counts = count(shown, documents, row)
        files.write_parquet(path, table(counts, keys, kind))
    return files.read_parquet(path)


def _documents(study: Study, documents: pd.DataFrame, keys: list[str]) -> tuple[Array, Array]:
    """Checkpoints x (prompt, draw): document numbers where all have one; and each column's prompt, ascending."""
    usable = None
    for other in keys[1:]:
        pairs = pairing.table(study, documents, keys[0], other)
        pairs = responses.kept(pairs).set_index(["prompt_id", "draw"])
        here = pairs[["doc_of_b"]].rename(columns={"doc_of_b": other})
        usable = here.assign(**{keys[0]: pairs["doc_of_a"]}) if usable is None else usable.join(here, how="inner")
    assert usable is not None
    usable = usable.sort_index()
    row = pd.factorize(usable.index.get_level_values("prompt_id"))[0]
    return usable[keys].to_numpy(dtype=np.int64).T, row


def count(shown: Shown, documents: Array, row: Array) -> Counts:
    """Go through the prompts in blocks and count patterns of unlike values."""
    checkpoints, n = len(documents), shown.n_features
    draws = np.bincount(row)
    unit = int(np.lcm.reduce(draws)) if len(draws) else 1
    if unit > pairing.UNIT:
        raise UserError(
            "The prompts have too many different numbers of draws to compare at once; drop some draws."
        )
    weights = _weights(unit, np.unique(draws), checkpoints)
    sums = np.zeros((checkpoints, n), dtype=np.int64)
    patterns: dict[tuple[int, ...], Ints] = {}
    step = max(1, CELLS // (n * checkpoints))
    for start in range(0, len(draws), step):
        height = min(step, len(draws) - start)
        columns = np.flatnonzero((row >= start) & (row < start + height))
        values = np.zeros((checkpoints, height, n), dtype=np.int16)
        for grid, numbers in zip(values, documents, strict=True):
            for column in columns.tolist():
                here = row[column]
                grid[here - start, shown.document(int(numbers[column])).feature] += unit // draws[here]
        sums += values.sum(axis=1)
        _add_patterns(patterns, values, weights)
    ordered = sorted(patterns)
    numbers = np.stack([patterns[p] for p in ordered], axis=1) if ordered else np.zeros((n, 0), np.int64)
    return Counts(ordered, numbers, sums, len(draws), unit)


def _weights(unit: int, draws: Array, checkpoints: int) -> Ints | None:
    """A weight for each value: the sum over a prompt's checkpoints tells its values, whatever their order.

    None where the sums would not fit 64 bits, as with over 21 draws of seven checkpoints.
    """
    possible = np.unique([unit * k // r for r in draws.tolist() for k in range(r + 1)])
    # Digits of a number to the base of one more than the checkpoints, so that none runs over; 0 needs no digit.
    if (checkpoints + 1) ** (len(possible) - 1) > 2**63:
        return None
    weights = np.zeros(unit + 1, dtype=np.int64)
    weights[possible[1:]] = (checkpoints + 1) ** np.arange(len(possible) - 1)
    return weights


def _add_patterns(patterns: dict[tuple[int, ...], Ints], values: Array, weights: Ints | None) -> None:
    """Count the unlike patterns of a block of checkpoints x prompts x features."""
    differing = (values != values[0]).any(axis=0)
    place = np.flatnonzero(differing)
    own = values.reshape(len(values), -1)[:, place]
    if weights is not None:
        _, first, which = np.unique(weights[own].sum(axis=0), return_index=True, return_inverse=True)
    else:
        # The values themselves, in order: more to compare than one number for each.
        _, first, which = np.unique(np.sort(own, axis=0), axis=1, return_index=True, return_inverse=True)
    n = values.shape[2]
    for number, example in enumerate(first.tolist()):
        pattern = tuple(sorted(own[:, example].tolist()))
        here = np.bincount(place[which == number] % n, minlength=n)
        patterns[pattern] = patterns.get(pattern, np.zeros(n, np.int64)) + here


def table(counts: Counts, keys: Sequence[str], kind: str) -> pd.DataFrame:
    """A row for each feature: every checkpoint's frequency, the contrast, its p and q."""
    frequency = counts.sums / (counts.unit * counts.prompts) if counts.prompts else counts.sums * np.nan
    # Twice the distance from the middle: whole numbers, whose sum is 0.
    score = 2 * np.arange(len(keys)) - (len(keys) - 1)
    contrast: dict[str, Any]
    if kind == "trend":
        # A prompt on which all agree adds nothing, as scores sum to 0.
        observed = score @ counts.sums
        outcomes = [np.array([int(np.dot(score, order)) for order in permutations(p)]) for p in counts.patterns]
        # Least squares: distances are half the scores, so their squares are a quarter, over the half above.
        contrast = {"slope": (score @ frequency) / (score @ score / 2)}
    else:
        # What a prompt adds on which all agree is certain, and is left out on both sides.
        certain = counts.sums.sum(axis=0) - counts.numbers @ np.array([sum(p) for p in counts.patterns], np.int64)
        observed = counts.sums[0] - certain // len(keys)
        outcomes = [np.array(pattern) for pattern in counts.patterns]
        contrast = {"delta": frequency[0] - frequency[1:].mean(axis=0)}
    differing = counts.numbers.sum(axis=1)
    tested = np.flatnonzero(differing >= measure.LEAST)
    p = np.full(len(differing), np.nan)
    if len(tested):
        lower, upper = nulls.step_tails(outcomes, counts.numbers[tested], observed[tested])
        p[tested] = np.minimum(1.0, 2 * np.minimum(lower, upper))
    shares = {f"frequency_{key}": share for key, share in zip(keys, frequency, strict=True)}
    columns = {"feature": np.arange(len(differing)), "n_prompts": counts.prompts} | shares | contrast
    columns |= {"differing": differing, "testable": ~np.isnan(p), "p": p, "q": stats.benjamini_hochberg(p)}
    return pd.DataFrame(columns)
