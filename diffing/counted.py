"""Surface probes in the shape of features: which documents show them, how often, and where in the answer.

Promises that a probe is cut as a feature is: it is in the first L tokens if a span begins there, and in the last
L if a span reaches there. Finds no spans itself; `diffing.surface` does.
"""

import numpy as np

from diffing import surface
from diffing.presence import Flat
from diffing.surface import Scan, Tokens


def shown(scanned: Scan, tokens: Tokens) -> Flat:
    """Documents x probes, in the order of `surface.NAMES`; `scanned` is the scan of just the tokens' documents."""
    count = np.diff(tokens.begins)
    base = np.concatenate([[0], np.cumsum(scanned.lengths + 1)])
    offset = np.repeat(base[:-1], count)
    starts = tokens.spans[:, 0] + offset
    # A token that shares a character with the next one may end behind it.
    ends = np.maximum.accumulate(tokens.spans[:, 1] + offset) if len(offset) else offset
    begin, behind = tokens.begins[scanned.document], tokens.begins[scanned.document + 1]
    first = np.searchsorted(ends, scanned.start + base[scanned.document], side="right")
    last = np.searchsorted(starts, scanned.end + base[scanned.document], side="left") - 1
    # Where the reader was fed only a beginning, the rest of the answer is not in it.
    read = np.flatnonzero((first < behind) & (last >= begin))
    amount = np.where(surface.BY_LENGTH[scanned.probe], scanned.end - scanned.start, 1)[read]
    width = len(surface.NAMES)
    cell = scanned.document[read].astype(np.int64) * width + scanned.probe[read]
    opens = np.flatnonzero(np.diff(cell, prepend=-1))
    low = np.maximum(first, begin)[read] - begin[read]
    high = np.minimum(last, behind - 1)[read] - begin[read]
    if len(opens) == 0:
        nothing = np.empty(0, np.int64)
        return Flat(width, np.zeros(len(count) + 1, np.int64), *[nothing] * 5)
    total = np.add.reduceat(amount, opens)
    indptr = np.searchsorted(cell[opens] // width, np.arange(len(count) + 1))
    return Flat(
        n_features=width,
        indptr=indptr,
        feature=cell[opens] % width,
        count=total,
        first=np.minimum.reduceat(low, opens),
        last=np.maximum.reduceat(high, opens),
        peak=total,
    )
