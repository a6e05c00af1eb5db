"""Families: features that fire on the same tokens and point the same way in the model.

Average linkage over the overlap of the tokens they fire on, widened by one token each way, and, where asked for,
only of features whose decoder directions agree. Sides play no part. The overlap of features with many tokens is
estimated from a fixed sample of 48 to 96 positions (standard error about 0.05 at an overlap of 0.5); with fewer
it is exact. Pairs to look at are found by MinHash, which misses one in 1,000 pairs at that overlap, and more where
many features crowd on the same tokens: those mostly hang together through others (`docs/method.md` has figures).
"""

import logging
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy import sparse
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse.csgraph import connected_components

from diffing.common.arrays import Array, Floats
from diffing.diff import measure
from diffing.reader.firing import Encoded
from diffing.reader.records import Encoding

KEEP = 96
"""Positions kept of a feature's widened token set: this many or down to half as many.

An overlap of 0.5 is then known to about 0.05 (one standard error), from less than a kilobyte a feature.
"""
BANDS = 32
"""Pairs of minima that features are matched by: pairs of overlap J meet in a share J^2 of them.

At J = 0.5 that makes eight meetings on average, and fewer than two for one pair in 850.
"""
LARGEST = 3000
"""Features clustered at once, in arrays of 9 million overlaps; a larger clump is first cut at a higher overlap."""
LEAST = measure.LEAST
"""Documents that must show a feature before it can be of any family: it takes as many to be tested at all."""
PAIRS = 4096
"""Decoder rows compared at once: 64 MB of float32 at a width of 4,096."""

log = logging.getLogger(__name__)


class Directed(Encoded, Protocol):
    """Encodings with the directions that their features write in, or None where the reader gave none."""

    def decoder(self) -> Array | None: ...


class Sketch:
    """A sample of the widened token positions of some features, the same positions for all of them.

    Every position has a fixed random mark in [0, 1); a feature keeps those of its positions whose mark lies
    under its own bar, and two features are compared under the lower of their bars.
    """

    def __init__(self, kept: Any, bar: Array) -> None:
        self._kept = kept
        """Features x positions, sparse: the marks."""
        self.bar = bar

    @classmethod
    def gathered(cls, feature: Array, position: Array, mark: Array, bar: Array) -> "Sketch":
        """From the kept positions and marks of all features, in any order of the features."""
        shape = (len(bar), int(position.max(initial=-1)) + 1)
        # Sixteen bits sort by radix, in time that grows with their number alone.
        order = np.argsort(feature.astype(np.uint16) if len(bar) <= 2**16 else feature, kind="stable")
        ends = np.concatenate([[0], np.cumsum(np.bincount(feature, minlength=len(bar)))])
        return cls(sparse.csr_matrix((mark[order], position[order], ends), shape=shape), bar)

    def __len__(self) -> int:
        """How many positions are kept in all."""
        return int(self._kept.nnz)

    def of(self, features: Array) -> "Sketch":
        """The sketch of some features, renumbered in the order given."""
        return Sketch(self._kept[features], self.bar[features])

    def _under(self, features: Array, bar: Array) -> Any:
        """Incidence of some features, row by row only of the positions whose marks lie under a bar."""
        rows = self._kept[features]
        rows.data = (rows.data < np.repeat(bar, np.diff(rows.indptr))).astype(np.int32)
        rows.eliminate_zeros()
        return rows

    def overlap(self, left: Array, right: Array) -> Floats:
        """Estimated Jaccard overlap of pairs of features."""
        estimate = np.zeros(len(left))
        for start in range(0, len(left), PAIRS):
            part = slice(start, start + PAIRS)
            bar = np.minimum(self.bar[left[part]], self.bar[right[part]])
            lefts, rights = self._under(left[part], bar), self._under(right[part], bar)
            shared = np.asarray(lefts.multiply(rights).sum(axis=1)).ravel()
            union = np.diff(lefts.indptr) + np.diff(rights.indptr) - shared
            estimate[part] = shared / np.maximum(union, 1)
        return estimate

    def overlaps(self, members: Array) -> Floats:
        """The same of all pairs of some features, in the order of the upper triangle."""
        row, column = np.triu_indices(len(members), 1)
        estimate = np.zeros((len(members), len(members)))
        # Features of one bar are compared with all others whose bar is not lower.
        for bar in np.unique(self.bar[members]):
            lower = np.flatnonzero(self.bar[members] == bar)
            rest = np.flatnonzero(self.bar[members] >= bar)
            left = self._under(members[lower], np.full(len(lower), bar))
            right = self._under(members[rest], np.full(len(rest), bar))
            shared = (left @ right.T).toarray()
            union = np.diff(left.indptr)[:, None] + np.diff(right.indptr)[None, :] - shared
            estimate[np.ix_(lower, rest)] = shared / np.maximum(union, 1)
        # A pair of unlike bars stands on one side of the diagonal only.
        return np.asarray(np.maximum(estimate, estimate.T)[row, column])

    def candidates(self, overlap: float) -> tuple[Array, Array]:
        """Pairs of features that meet in a band: their positions of lowest mark agree in two parts of space.

        Pairs of much overlap meet in several bands, so that one meeting is taken for chance.
        """
        parts = 2 * BANDS
        row = np.repeat(np.arange(len(self.bar)), np.diff(self._kept.indptr))
        # A fixed multiplier, 2**16 by the golden ratio, scatters neighbouring positions over the parts. The lowest
        # four bits of the product repeat every 16 positions, and are dropped.
        part = (self._kept.indices.astype(np.int64) * 40503 >> 4) % parts
        lowest = np.full(len(self.bar) * parts, np.inf, dtype=np.float32)
        np.minimum.at(lowest, row * parts + part, self._kept.data)
        lowest = _filled(lowest.reshape(-1, parts))
        left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        # Two float32 side by side are compared as one whole number.
        for band in np.ascontiguousarray(lowest).view(np.uint64).T:
            order = np.argsort(band, kind="stable")
            # Each with the next two that agree, not all with all: a crowd on one token would give its square of
            # pairs, and hangs together all the same.
            for step in (1, 2):
                same = np.flatnonzero(band[order[step:]] == band[order[:-step]])
                left.append(order[same])
                right.append(order[same + step])
        lefts, rights = np.concatenate(left), np.concatenate(right)
        pair, meetings = np.unique(
            np.minimum(lefts, rights) * len(self.bar) + np.maximum(lefts, rights), return_counts=True
        )
        # At an overlap of 0.45 two meetings miss one pair in 150, and under it ever more: there one must do.
        pair = pair[meetings >= (2 if overlap >= 0.45 else 1)]
        return pair // len(self.bar), pair % len(self.bar)


def _filled(lowest: Array) -> Array:
    """Empty parts take the minimum of the next part that has one, and remember how far it was."""
    parts, full = lowest.shape[1], np.isfinite(lowest)
    column = np.arange(2 * parts, dtype=np.int16)
    # Behind the last part the first one follows again.
    following = np.where(np.tile(full, 2), column, column[-1])[:, ::-1]
    following = np.minimum.accumulate(following, axis=1)[:, : parts - 1 : -1]
    # Marks lie in [0, 1), so that the whole part of the sum is how far it was: only equals at one distance meet.
    far = (following - column[:parts]).astype(np.float32)
    filled = np.take_along_axis(lowest, following % parts, axis=1) + far
    # Features without any position meet nobody.
    nobody = np.arange(len(lowest), dtype=np.float32)[:, None] + parts + 1
    return np.where(full.any(axis=1, keepdims=True), filled, nobody)


class Ties(NamedTuple):
    """Which features overlap enough to be of one family, before anybody asks which of them were tested."""

    features: Array
    """Those with a tie, ascending."""
    sketch: Sketch
    left: Array
    """Places among `features` of one end of each tie."""
    right: Array


def families(
    store: Directed, documents: Array, features: Array, order: Array, overlap: float, cosine: float, seed: int
) -> Array:
    """The lead of each of `features`; of a family's members the first in `order` (a permutation) leads."""
    tied = ties(store, documents, overlap, cosine, seed)
    return leads(tied, store.decoder(), features, order, overlap, cosine)


def ties(store: Directed, documents: Array, overlap: float, cosine: float, seed: int) -> Ties:
    """All pairs of features, shown in at least `LEAST` documents, that overlap and align."""
    sketch, features = sketched(store, documents, seed)
    left, right = sketch.candidates(overlap)
    close = sketch.overlap(left, right) >= overlap
    left, right = left[close], right[close]
    aligned = _cosines(store.decoder(), features[left], features[right], cosine) >= cosine
    tied, place = np.unique(np.concatenate([left[aligned], right[aligned]]), return_inverse=True)
    left, right = np.split(place, 2)
    return Ties(features[tied], sketch.of(tied), left, right)


def leads(
    tied: Ties, decoder: Array | None, features: Array, order: Array, overlap: float, cosine: float
) -> Array:
    """The lead of each of `features` by ties among them alone."""
    rank = np.empty(len(features), dtype=np.int64)
    rank[order] = np.arange(len(features))
    lead = np.arange(len(features))
    among = np.isin(tied.features, features)
    kept = among[tied.left] & among[tied.right]
    edges = (np.ones(kept.sum()), (tied.left[kept], tied.right[kept]))
    _, clump = connected_components(sparse.coo_matrix(edges, shape=(len(among),) * 2), directed=False)
    # Linkage takes the square of what it is given; features that hang together by no tie need not meet there.
    by_clump = np.argsort(clump, kind="stable")
    for members in np.split(by_clump, np.flatnonzero(np.diff(clump[by_clump])) + 1):
        if len(members) > 1:
            for family in _linked(tied.sketch, decoder, tied.features, members, overlap, cosine):
                place = np.searchsorted(features, tied.features[family])
                lead[place] = place[np.argmin(rank[place])]
    return np.asarray(features[lead])


def sketched(store: Encoded, documents: Array, seed: int) -> tuple[Sketch, Array]:
    """A sketch of the features shown in enough documents, and which they are.

    Two passes over the documents, in order: how often each feature is active, then where.
    """
    documents = np.sort(documents)
    active, showing = np.zeros(store.n_features), np.zeros(store.n_features, np.int32)
    for document in documents.tolist():
        encoding = store.encoding(document)
        # Once: of a narrower index numpy would make this copy at each use.
        feature = encoding.feature.astype(np.intp)
        active[feature] += encoding.count
        showing[feature] += 1
    features = np.flatnonzero(showing >= LEAST)
    column = np.full(store.n_features, -1, dtype=np.int64)
    column[features] = np.arange(len(features))
    # A widened set has about two positions a token. Bars are powers of two, so that few are unlike.
    bar = np.exp2(np.floor(np.log2(np.minimum(1.0, KEEP / np.maximum(2 * active, 1))))).astype(np.float32)
    low = np.where(column >= 0, bar, np.float32(-1))
    parts: list[tuple[Array, Array, Array]] = []
    start = 0
    for document in documents.tolist():
        encoding = store.encoding(document)
        if len(encoding.position) == 0:
            continue
        # Marks hang on the document, so that its neighbours do not change them; one to spare on each side.
        mark = np.random.default_rng([seed, document]).random(int(encoding.position.max()) + 3, dtype=np.float32)
        owner, place = _widened(encoding, low, mark)
        parts.append((column[owner].astype(np.int32), (start + place).astype(np.int32), mark[place]))
        start += len(mark)
    owner, place, mark = (np.concatenate([np.empty(0, np.int32), *(part[i] for part in parts)]) for i in range(3))
    return Sketch.gathered(owner, place, mark.astype(np.float32), bar[features]), features


def _widened(encoding: Encoding, low: Array, mark: Array) -> tuple[Array, Array]:
    """Features and their positions, widened by one token each way, whose marks lie under the feature's bar.

    Each widened position comes from one token alone: itself if active, else the one before it, else the one
    behind it. Position p of the answer is place p + 1.
    """
    # Most tokens have all three of their places above the bar, and are dropped before anything is made of them.
    lowest = np.minimum(np.minimum(mark[:-2], mark[1:-1]), mark[2:])
    position, owner = encoding.position, np.repeat(encoding.feature, encoding.count)
    # By short numbers `take` is three times as quick as brackets.
    near = np.flatnonzero(lowest.take(position) < low.take(owner))
    before, behind = np.maximum(near - 1, 0), np.minimum(near + 1, len(position) - 1)
    feature, place = owner[near], position[near].astype(np.int64) + 1
    first, last = (before == near) | (owner[before] != feature), (behind == near) | (owner[behind] != feature)
    # A run's ends have no neighbour there: any gap will do that no rule below asks about.
    gap_before = np.where(first, 9, place - position[before] - 1)
    gap_behind = np.where(last, 9, position[behind] + 1 - place)
    # A silent token between two active ones is the earlier one's alone.
    left, right = gap_before > 2, gap_behind > 1
    owner = np.concatenate([feature, feature[right], feature[left]])
    place = np.concatenate([place, place[right] + 1, place[left] - 1])
    kept = mark[place] < low[owner]
    return owner[kept], place[kept]


def _cosines(decoder: Array | None, left: Array, right: Array, least: float = 0.0) -> Floats:
    """Cosine of each pair of decoder rows; 1 where there is no decoder or all would do."""
    cosine = np.ones(len(left))
    if decoder is not None and least > -1:
        for start in range(0, len(left), PAIRS):
            part = slice(start, start + PAIRS)
            # Stored in half precision, which is too coarse for sums over a long row.
            lefts, rights = (decoder[np.asarray(side[part])].astype(np.float32) for side in (left, right))
            length = np.linalg.norm(lefts, axis=1) * np.linalg.norm(rights, axis=1)
            cosine[part] = np.einsum("pd,pd->p", lefts, rights) / np.maximum(length, 1e-12)
    return cosine


def _linked(
    sketch: Sketch,
    decoder: Array | None,
    features: Array,
    members: Array,
    overlap: float,
    cosine: float,
    above: float = 0.0,
) -> list[Array]:
    """A clump's families, by average linkage on overlap, which is 0 where the directions disagree."""
    row, column = np.triu_indices(len(members), 1)
    likeness = sketch.overlaps(members)
    if len(members) > LARGEST:
        return _split(sketch, decoder, features, members, likeness, overlap, cosine, above)
    likely = np.flatnonzero(likeness > 0)
    lefts, rights = features[members[row[likely]]], features[members[column[likely]]]
    likeness[likely[_cosines(decoder, lefts, rights, cosine) < cosine]] = 0.0
    # An overlap of just the bar is joined, whatever 1 - overlap rounds to.
    number = fcluster(linkage(1 - likeness, "average"), 1 - overlap + 1e-9, "distance")
    return [members[number == family] for family in np.unique(number)]


def _split(
    sketch: Sketch,
    decoder: Array | None,
    features: Array,
    members: Array,
    likeness: Floats,
    overlap: float,
    cosine: float,
    above: float,
) -> list[Array]:
    """A clump too large for one linkage, cut where its ties are weakest."""
    # Half of the ties are cut, and half of those left where that parts nothing: `above` is where the last cut was.
    at = float(np.quantile(likeness[(likeness >= overlap) & (likeness > above)], 0.5))
    log.info("%d features hang together; they are split at an overlap of %.2f", len(members), at)
    row, column = np.triu_indices(len(members), 1)
    strong = likeness > at
    ties = sparse.coo_matrix((strong[strong], (row[strong], column[strong])), shape=(len(members),) * 2)
    _, part = connected_components(ties, directed=False)
    split: list[Array] = []
    for number in range(part.max() + 1):
        some = members[part == number]
        split += _linked(sketch, decoder, features, some, overlap, cosine, at) if len(some) > 1 else [some]
    return split
