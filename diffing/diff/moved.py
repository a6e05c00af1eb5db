"""What stands nearer to the end or to the beginning of answers than before, of prompts where both sides show it.

A thing's place is where its spans begin, as a share of the answer without the span: 0 at the very beginning and 1
at the very end, however long the answer is. Longer answers alone move places of what keeps its distance from one
end; so something has moved only where there is more text before it and less behind it, or the other way round.
Promises that what is looked for was chosen by discovery prompts. Whether more answers show it is another question.
"""

import dataclasses
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from diffing.common import stats
from diffing.common.arrays import Array, Bools, Floats
from diffing.diff.amounts import Amounts
from diffing.diff.measure import LEAST, LEVEL
from diffing.diff.pairing import Pairing
from diffing.probes import scan
from diffing.probes.scan import Scan
from diffing.reader.firing import Tokens


class Moved(NamedTuple):
    """Places of what moved on discovery prompts, documents down."""

    probes: list[str]
    places: Floats
    """NaN where a document does not show it."""

    def without(self, probes: Collection[str]) -> "Moved":
        """The others: of a habit it is said that it came or went, and not where to."""
        keep = [place for place, name in enumerate(self.probes) if name not in probes]
        return Moved([self.probes[place] for place in keep], self.places[:, keep])


class _Where(NamedTuple):
    """Documents × probes: means over the spans of each cell, NaN where there are none."""

    place: Floats
    before: Floats
    """Characters before a span."""
    behind: Floats


def of(scanned: Scan, pairs: Pairing, discovery: Bools) -> Moved:
    """What moved on discovery prompts; `pairs` number the scan's documents."""
    where = _where(scanned)
    chosen = pairs.only(discovery)
    shift, before, behind = (_by_prompt(values, chosen) for values in where)
    p = _p(shift)
    # More behind it and less before it, or the other way round, each by a test of its own. Lines taken out of an
    # answer or put into it never do both: they make either distance smaller, or either larger.
    way = np.where(np.nansum(shift, axis=0) > 0, 1, -1)
    apart = np.maximum(*(np.where(way > 0, _p(d, s), _p(d, -s)) for d, s in ((before, 1), (behind, -1))))
    moved = np.flatnonzero((stats.benjamini_hochberg(p) < LEVEL) & (apart < LEVEL))
    return Moved([scan.PLACED[place] for place in moved], where.place[:, moved])


def beside(scanned: Scan, tokens: Tokens, taken: Bools) -> Scan:
    """The spans that share no character with tokens of habits: what is in a new closing question did not move."""
    base = np.concatenate([[0], np.cumsum(scanned.lengths + 1)])
    offset = np.repeat(base[:-1], np.diff(tokens.begins))[taken]
    # Characters that a habit's token begins to cover, less those at which one ends: what is above 0 is covered.
    edges = np.zeros(base[-1] + 1, np.int64)
    np.add.at(edges, tokens.spans[taken, 0] + offset, 1)
    np.add.at(edges, tokens.spans[taken, 1] + offset, -1)
    covered = np.concatenate([[0], np.cumsum(np.cumsum(edges) > 0)])
    start, end = (place + base[scanned.document] for place in (scanned.start, scanned.end))
    keep = covered[end] == covered[start]
    return dataclasses.replace(
        scanned,
        document=scanned.document[keep],
        probe=scanned.probe[keep],
        start=scanned.start[keep],
        end=scanned.end[keep],
    )


def figures(moved: Moved, pairs: Pairing) -> pd.DataFrame:
    """Mean places on both sides, their difference with interval and exact p, over prompts where both show it."""
    rows: list[dict[str, Any]] = []
    shift = _by_prompt(moved.places, pairs)
    p = _p(shift)
    for column in range(len(moved.probes)):
        a, b = moved.places[pairs.a, column], moved.places[pairs.b, column]
        both = np.isfinite(a) & np.isfinite(b)
        own = shift[np.isfinite(shift[:, column]), column]
        mean, half = _interval(own)
        rows.append(
            {
                "prompts": len(own),
                "a": float(a[both].mean()) if both.any() else np.nan,
                "b": float(b[both].mean()) if both.any() else np.nan,
                "delta": mean,
                "ci_low": mean - half,
                "ci_high": mean + half,
                "more_a": int((own < 0).sum()),
                "more_b": int((own > 0).sum()),
                "p": p[column],
            }
        )
    names = ["prompts", "a", "b", "delta", "ci_low", "ci_high", "more_a", "more_b", "p"]
    return pd.DataFrame(rows, columns=names)


def _where(scanned: Scan) -> _Where:
    number = np.full(len(scan.NAMES), -1)
    number[[scan.NAMES.index(name) for name in scan.PLACED]] = np.arange(len(scan.PLACED))
    here = np.flatnonzero(number[scanned.probe] >= 0)
    document, column = scanned.document[here].astype(np.int64), number[scanned.probe[here]]
    start, end = scanned.start[here].astype(np.float64), scanned.end[here].astype(np.float64)
    length = scanned.lengths[document]
    # A span that is the whole answer is at its beginning.
    free = np.maximum(length - (end - start), 1.0)
    cell, size = document * len(scan.PLACED) + column, scanned.texts * len(scan.PLACED)
    count = np.bincount(cell, minlength=size)

    def averaged(values: Array) -> Floats:
        total = np.bincount(cell, values, size)
        mean = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
        return np.asarray(mean.reshape(scanned.texts, len(scan.PLACED)))

    return _Where(averaged(start / free), averaged(start), averaged(length - end))


def _by_prompt(values: Floats, pairs: Pairing) -> Floats:
    """Prompts × columns: B minus A, averaged over the pairs in which both show it; NaN where there are none."""
    difference = values[pairs.b] - values[pairs.a]
    known = np.isfinite(difference)
    total, count = (np.zeros((len(pairs.prompts), values.shape[1])) for _ in range(2))
    np.add.at(total, pairs.row, np.where(known, difference, 0.0))
    np.add.at(count, pairs.row, known.astype(np.float64))
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _p(difference: Floats, sign: int = 0) -> Floats:
    """Exact signed-rank p of each column; NaN where too few prompts differ. One-sided towards a `sign`."""
    amounts = Amounts.empty(len(difference), difference.shape[1])
    for row in difference.astype(np.float32):
        known = np.flatnonzero(np.isfinite(row) & (row != 0))
        amounts.add(known, known.astype(np.int16), row[known])
    coins = amounts.coins()
    p = coins.p(LEAST)
    if not sign:
        return p
    return np.asarray(np.where(np.isnan(p) | (np.sign(coins.lean) == sign), p / 2, 1.0))


def _interval(values: Floats) -> tuple[float, float]:
    """Mean, and half of its 95 % interval; NaN of fewer than two."""
    if len(values) < 2:
        return (float(values.mean()) if len(values) else np.nan), np.nan
    spread = float(values.std(ddof=1)) / len(values) ** 0.5
    return float(values.mean()), float(stdtrit(len(values) - 1, 0.975)) * spread
