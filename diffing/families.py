"""Families: features that fire on the same tokens and point the same way in the model.

Average linkage over the overlap of the tokens they fire on, widened by one token each way, where the decoder's
directions agree too. Sides play no part. Promises the same families whatever the order of documents. The overlap
of features with many tokens is estimated from a fixed sample of about `KEEP` positions (standard error about
0.03 at an overlap of 0.5); below that it is exact.
"""

import logging
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse.csgraph import connected_components

KEEP = 200
"""Positions kept of a feature's widened token set."""
LARGEST = 3000
"""Features clustered at once; a larger clump is first split at a higher overlap."""

PAIRS = 4096
"""Decoder rows compared at once."""

log = logging.getLogger(__name__)
Array = NDArray[Any]
Floats = NDArray[np.float64]


class Positions(Protocol):
    """One document's token positions, feature after feature."""

    @property
    def position(self) -> Array: ...


class Tokens(Protocol):
    """What is needed of `diffing.activations.Encodings`."""

    n_features: int
    indptr: Array

    @property
    def feature(self) -> Array: ...
    @property
    def count(self) -> Array: ...
    def encoding(self, document: int) -> "Positions": ...
    def decoder(self) -> Array | None: ...


class Sketch:
    """A sample of the widened token positions of some features, the same positions for all of them.

    Every position has a fixed random mark in [0, 1); a feature keeps those of its positions whose mark lies
    under its own bar, and two features are compared under the lower of their bars.
    """

    def __init__(self, feature: Array, position: Array, mark: Array, bar: Array) -> None:
        key = feature + mark.astype(np.float64)
        order = np.argsort(key)
        self.bar = bar.astype(np.float64)
        self.feature, self.position, self._key = feature[order], position[order], key[order]
        self._start = np.searchsorted(self._key, np.arange(len(bar)))
        self._position_count = int(position.max(initial=-1)) + 1

    def under(self, feature: Array, bar: Floats) -> Array:
        """How many of a feature's kept positions lie under a bar."""
        return np.asarray(np.searchsorted(self._key, feature + bar) - self._start[feature])

    def shared(self, left: Array, right: Array) -> Any:
        """Sparse matrix of how many kept positions the features of two lists share."""
        return self._incidence(left).T @ self._incidence(right)

    def _incidence(self, features: Array) -> Any:
        column = np.full(len(self.bar), -1)
        column[features] = np.arange(len(features))
        kept = np.flatnonzero(column[self.feature] >= 0)
        place = (self.position[kept], column[self.feature[kept]])
        shape = (self._position_count, len(features))
        return sparse.csr_matrix((np.ones(len(kept), np.int32), place), shape=shape)

    def overlap(self, left: Array, right: Array, shared: Array) -> Floats:
        """Estimated Jaccard overlap of pairs of features that share so many kept positions."""
        bar = np.minimum(self.bar[left], self.bar[right])
        union = self.under(left, bar) + self.under(right, bar) - shared
        return np.asarray(np.divide(shared, union, out=np.zeros(len(union)), where=union > 0))


def families(
    tokens: Tokens, documents: Array, features: Array, order: Array, overlap: float, cosine: float, seed: int
) -> Array:
    """The lead of each of `features`; of a family's members the first in `order` (a permutation) leads."""
    sketch = sketched(tokens, documents, features, seed)
    left, right = _close_pairs(sketch, overlap)
    decoder = tokens.decoder()
    aligned = _cosines(decoder, features[left], features[right]) >= cosine
    left, right = left[aligned], right[aligned]
    rank = np.empty(len(features), dtype=np.int64)
    rank[order] = np.arange(len(features))
    lead = np.arange(len(features))
    ties = sparse.coo_matrix((np.ones(len(left)), (left, right)), shape=(len(features),) * 2)
    _, clump = connected_components(ties, directed=False)
    by_clump = np.argsort(clump, kind="stable")
    for members in np.split(by_clump, np.flatnonzero(np.diff(clump[by_clump])) + 1):
        if len(members) > 1:
            for family in _linked(sketch, decoder, features, members, overlap, cosine):
                lead[family] = family[np.argmin(rank[family])]
    return np.asarray(features[lead])


def sketched(tokens: Tokens, documents: Array, features: Array, seed: int) -> Sketch:
    """One pass over every activation of the documents, in order."""
    documents = np.sort(documents)
    column = np.full(tokens.n_features, -1, dtype=np.int64)
    column[features] = np.arange(len(features))
    active = np.zeros(tokens.n_features)
    for document in documents.tolist():
        entries = slice(tokens.indptr[document], tokens.indptr[document + 1])
        active[tokens.feature[entries]] += tokens.count[entries]
    # A widened set has at most three positions a token, and commonly about two.
    bar = np.minimum(1.0, KEEP / np.maximum(2 * active, 1)).astype(np.float32)
    low = np.where(column >= 0, bar, np.float32(-1))
    found: list[tuple[Array, Array, Array]] = []
    start = 0
    for document in documents.tolist():
        entries = slice(tokens.indptr[document], tokens.indptr[document + 1])
        position = tokens.encoding(document).position
        if len(position) == 0:
            continue
        # Marks hang on the document, so that its neighbours do not change them; one to spare on each side.
        mark = np.random.default_rng([seed, document]).random(int(position.max()) + 3, dtype=np.float32)
        lowest = np.minimum(np.minimum(mark[:-2], mark[1:-1]), mark[2:])
        names, count = tokens.feature[entries], tokens.count[entries]
        near = np.flatnonzero(lowest[position] < np.repeat(low[names], count))
        owner = np.repeat(names, count)[near].astype(np.int64)
        wide = (position[near].astype(np.int64)[:, None] + np.arange(3)).ravel()
        owner = np.repeat(owner, 3)
        kept = mark[wide] < low[owner]
        # Neighbouring tokens widen onto the same position: it counts once.
        unique = np.unique(owner[kept] * len(mark) + wide[kept])
        names, place = unique // len(mark), unique % len(mark)
        found.append((column[names].astype(np.int32), (start + place).astype(np.int32), mark[place]))
        start += len(mark)
    owner, place, mark = (np.concatenate([np.empty(0, np.int32), *(part[i] for part in found)]) for i in range(3))
    return Sketch(owner, place, mark, bar[features])


def _close_pairs(sketch: Sketch, overlap: float) -> tuple[Array, Array]:
    """Pairs of features that overlap enough; only sets of like size can, which keeps the products small."""
    size = sketch.under(np.arange(len(sketch.bar)), sketch.bar) / sketch.bar
    octave = np.floor(np.log(np.maximum(size, 1)) / -np.log(max(min(overlap, 0.9), 0.1))).astype(np.int64)
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for step in np.unique(octave).tolist():
        here, next_to = np.flatnonzero(octave == step), np.flatnonzero((octave == step) | (octave == step + 1))
        shared = sketch.shared(here, next_to).tocoo()
        one, other = here[shared.row], next_to[shared.col]
        # Each pair once: within an octave from the lower number only.
        once = (one < other) | (octave[other] > step)
        one, other, common = one[once], other[once], shared.data[once]
        close = sketch.overlap(one, other, common) >= overlap
        left.append(one[close])
        right.append(other[close])
    return np.concatenate(left), np.concatenate(right)


def _cosines(decoder: Array | None, left: Array, right: Array) -> Floats:
    """Cosine of each pair of decoder rows; 1 where the reader gave no decoder, so that overlap decides."""
    found = np.ones(len(left))
    if decoder is not None:
        for start in range(0, len(left), PAIRS):
            part = slice(start, start + PAIRS)
            one, other = (decoder[np.asarray(side[part])].astype(np.float32) for side in (left, right))
            length = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
            found[part] = np.einsum("pd,pd->p", one, other) / np.maximum(length, 1e-12)
    return found


def _linked(
    sketch: Sketch, decoder: Array | None, features: Array, members: Array, overlap: float, cosine: float
) -> list[Array]:
    """A clump's families, by average linkage on overlap, which is 0 where the directions disagree."""
    shared = sketch.shared(members, members).toarray()
    row, column = np.triu_indices(len(members), 1)
    likeness = sketch.overlap(members[row], members[column], shared[row, column])
    if len(members) > LARGEST:
        return _split(sketch, decoder, features, members, likeness, overlap, cosine)
    likely = np.flatnonzero(likeness > 0)
    aligned = _cosines(decoder, features[members[row[likely]]], features[members[column[likely]]]) >= cosine
    likeness[likely[~aligned]] = 0.0
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
) -> list[Array]:
    """A clump too large for one linkage, cut where its ties are weakest."""
    at = float(np.quantile(likeness[likeness >= overlap], 0.5))
    log.info("%d features hang together; they are split at an overlap of %.2f", len(members), at)
    row, column = np.triu_indices(len(members), 1)
    strong = likeness > at
    ties = sparse.coo_matrix((strong[strong], (row[strong], column[strong])), shape=(len(members),) * 2)
    _, part = connected_components(ties, directed=False)
    found: list[Array] = []
    for number in range(part.max() + 1):
        some = members[part == number]
        found += _linked(sketch, decoder, features, some, overlap, cosine) if len(some) > 1 else [some]
    return found
