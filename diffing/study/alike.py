"""Which of many texts read almost alike: near-duplicates among prompts.

Small sets are compared pair by pair. Among many, a text is compared with those that share pieces of it, which for
50,000 takes seconds instead of minutes; then a pair may be missed, and another than the most alike be named.
Promises the same pairs for the same texts, whatever the machine.
"""

from collections.abc import Iterator

import numpy as np
from rapidfuzz import fuzz, process

from diffing.common.arrays import Array

NEAR = 92
"""Similarity in percent (rapidfuzz ratio of the lower-case texts) from which two prompts are near-duplicates.
Chosen by eye: a mark or a word more stays above it; no two bundled prompts reach it."""
ALL_PAIRS = 25_000_000
"""Pairs up to which each is looked at, as of 5,000 prompts: a second or two where they have 100 characters."""
BLOCK = 4_000_000
"""Pairs whose scores stand in memory at once, a byte each."""
LONGEST = 20_000
"""Characters of a text that are compared: two texts of a million each would take minutes."""
PIECE = 4
"""Characters of the pieces that a text is known by: an edit changes four of them."""
MARKS = 16
"""Pieces that each text is filed under. Two texts that are 92 % alike share half of their pieces at least; by one
of sixteen drawn ones they meet all but once in 65,000 cases."""
NEIGHBOURS = {"alphabet": 6, "file": 2}
"""How many others a text is compared with where many are filed under one piece, as of prompts made by a template:
those around it in the order of the alphabet, where the most alike stand together, and the last ones before it."""
PIECES_AT_ONCE = 2_000_000
"""Pieces whose marks are computed at once: 16 MB a mark."""


def pairs(fresh: list[str], others: list[str]) -> list[tuple[str, str, int]]:
    """For each new text the most alike of the others and of the new ones before it, with the similarity."""
    pool = others + fresh
    lower = [text.lower()[:LONGEST] for text in pool]
    if len(fresh) * len(pool) <= ALL_PAIRS:
        best = _among_all(lower, len(others))
    else:
        best = _among_candidates(lower, len(others))
    return [(pool[new], pool[old], score) for new, old, score in best]


def _among_all(lower: list[str], first: int) -> Iterator[tuple[int, int, int]]:
    step = max(1, BLOCK // max(len(lower), 1))
    for start in range(first, len(lower), step):
        rows = lower[start : start + step]
        # On all processors, and whole percents in a byte each.
        scores = process.cdist(rows, lower, scorer=fuzz.ratio, score_cutoff=NEAR, dtype=np.uint8, workers=-1)
        for row in range(len(rows)):
            # A prompt is compared with the older ones and the ones before it, not with itself.
            scores[row, start + row :] = 0
        best = scores.argmax(axis=1)
        for row, column in enumerate(best.tolist()):
            if scores[row, column] >= NEAR:
                yield start + row, column, int(scores[row, column])


def _among_candidates(lower: list[str], first: int) -> Iterator[tuple[int, int, int]]:
    new, old = _candidates(lower, first)
    best: dict[int, tuple[int, int]] = {}
    for start in range(0, len(new), BLOCK):
        block = slice(start, start + BLOCK)
        left, right = new[block].tolist(), old[block].tolist()
        scores = process.cpdist(
            [lower[i] for i in left],
            [lower[i] for i in right],
            scorer=fuzz.ratio,
            score_cutoff=NEAR,
            dtype=np.uint8,
            workers=-1,
        )
        for at in np.flatnonzero(scores >= NEAR).tolist():
            score, other = best.get(left[at], (0, 0))
            # Of equally alike ones the first, as among all.
            best[left[at]] = max((score, other), (int(scores[at]), -right[at]))
    for row in sorted(best):
        yield row, -best[row][1], best[row][0]


def _candidates(lower: list[str], first: int) -> tuple[Array, Array]:
    """Pairs of places worth a look, each once: a new text's and an earlier one's."""
    # By the alphabet, so that neighbours in a crowded file are alike.
    rank = np.empty(len(lower), np.int64)
    order = np.array(sorted(range(len(lower)), key=lower.__getitem__), np.int64)
    rank[order] = np.arange(len(lower))
    found = []
    for marks in _marks(lower).T:
        for by, most in ((rank, NEIGHBOURS["alphabet"]), (np.arange(len(lower)), NEIGHBOURS["file"])):
            filed = np.lexsort([by, marks])
            for distance in range(1, most + 1):
                left, right = filed[distance:], filed[:-distance]
                met = marks[left] == marks[right]
                new, old = np.maximum(left[met], right[met]), np.minimum(left[met], right[met])
                wanted = new >= first
                found.append(new[wanted] * len(lower) + old[wanted])
        found = [np.unique(np.concatenate(found))]
    return np.divmod(found[0], len(lower))


def _marks(lower: list[str]) -> Array:
    """Texts x marks: of each text the smallest of its pieces in as many shuffled orders."""
    # Odd factors shuffle 64-bit numbers without losing any; drawn once for all by a seed.
    chance = np.random.default_rng(0)
    factors = chance.integers(2**62, size=MARKS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    signs = chance.integers(2**62, size=PIECE, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    marks = np.empty((len(lower), MARKS), np.uint64)
    start = 0
    while start < len(lower):
        stop, size = start, 0
        while stop < len(lower) and (stop == start or size + len(lower[stop]) <= PIECES_AT_ONCE):
            size += len(lower[stop]) + PIECE
            stop += 1
        # Filled up behind each text, so that the shortest has a piece too.
        filled = "".join(text + "\0" * PIECE for text in lower[start:stop])
        signs_of = np.frombuffer(filled.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        lengths = np.array([len(text) + PIECE for text in lower[start:stop]])
        begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        last = len(signs_of) - PIECE + 1
        pieces = np.zeros(last, np.uint64)
        for place in range(PIECE):
            pieces += signs_of[place : place + last] * signs[place]
        pieces ^= pieces >> np.uint64(29)
        for number, factor in enumerate(factors):
            shuffled = pieces * factor
            shuffled ^= shuffled >> np.uint64(32)
            marks[start:stop, number] = np.minimum.reduceat(shuffled, begins)
        start = stop
    return marks
