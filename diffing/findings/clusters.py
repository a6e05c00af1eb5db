"""Listed differences put together by their wording: which pairs say the same, and of which side.

Texts are compared by the words, word pairs and letter groups they share (TF-IDF, cosine) and joined by average
linkage. That is weaker than sentence embeddings, which would need a model that does not ship with this project:
two phrasings without a word in common stay apart until a language model that names the clusters says that they
are one. Promises that sides play no part in the clustering and that a cluster's side is counted, not told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from diffing.common.arrays import Ints
from diffing.findings.listings import Item

APART = 0.84
"""Mean cosine distance from which two clusters are not joined. On 48 phrases written for seven properties and six
stray ones it gave an adjusted Rand index of 0.57 and clusters that were 99 % pure; larger values join more and mix
more, and what is left apart here a language model may still join."""
LARGEST = 4000
"""Distinct texts clustered together, whose distances take 128 MB; further ones join the cluster they lie nearest
to."""
LEAST = 3
"""Prompts that a cluster needs: what was seen on two may be one odd topic."""
TURNS = {"no", "not", "never", "none", "nor", "cannot", "without", "less", "more", "few", "most", "first", "last"}
"""Common words that change what a property says, and so stay."""


@dataclass(frozen=True)
class Cluster:
    """Items that say the same."""

    items: tuple[Item, ...]
    """The most central first."""

    @cached_property
    def prompts(self) -> dict[str, set[str]]:
        """Prompts by the side that shows it there."""
        return {side: {item.prompt_id for item in self.items if item.side == side} for side in ("a", "b")}

    @property
    def net(self) -> int:
        """Prompts where it was listed of B alone, minus those of A alone."""
        return len(self.prompts["b"] - self.prompts["a"]) - len(self.prompts["a"] - self.prompts["b"])

    @property
    def support(self) -> int:
        return len(self.prompts["a"] | self.prompts["b"])

    def joined(self, other: "Cluster") -> "Cluster":
        return Cluster(self.items + other.items)


def clusters(items: Sequence[Item]) -> list[Cluster]:
    """Clusters with enough prompts and a side, the largest net number of prompts first."""
    if not items:
        return []
    # Each text once: how often it was said is the clusters' size, and must not draw them together.
    texts = list(dict.fromkeys(item.text.lower() for item in items))
    vectors = vectorised(texts)
    number = grouped(vectors)
    place = {text: row for row, text in enumerate(texts)}
    members: dict[int, list[Item]] = {}
    for item in items:
        members.setdefault(int(number[place[item.text.lower()]]), []).append(item)
    ordered = []
    for group in members.values():
        rows = [place[item.text.lower()] for item in group]
        centre = np.asarray(vectors[rows].mean(axis=0)).ravel()
        near = vectors[rows] @ centre
        order = np.argsort(-near, kind="stable")
        ordered.append(Cluster(tuple(group[row] for row in order.tolist())))
    # A cluster listed of both sides equally often says nothing of either.
    kept = [cluster for cluster in ordered if cluster.support >= LEAST and cluster.net]
    return sorted(kept, key=strength)


def strength(cluster: Cluster) -> tuple[int, int, str]:
    """Sorts the strongest first."""
    return -abs(cluster.net), -cluster.support, cluster.items[0].text


def vectorised(texts: Sequence[str]) -> Any:
    """Rows of length 1, half of them by words and half by letters."""
    # Over a second to import, for one step of one rival.
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer
    from sklearn.preprocessing import normalize

    # "answer", "response" and "model" stand in every second phrase, and tell none apart.
    stop = sorted(ENGLISH_STOP_WORDS - TURNS | {"answer", "response", "model"})
    # Words and pairs of words for meaning; groups of 3 to 5 letters let "lists" and "listing" meet.
    ways = (
        TfidfVectorizer(ngram_range=(1, 2), stop_words=stop, sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True),
    )
    parts = []
    for way in ways:
        try:
            parts.append(way.fit_transform(texts))
        except ValueError:
            # Not one word in all the texts that the vectoriser counts as one.
            continue
    return normalize(sparse.hstack(parts).tocsr()) if parts else sparse.identity(len(texts), format="csr")


def grouped(vectors: Any) -> Ints:
    """The number of each row's cluster."""
    # As heavy as what makes the vectors.
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.preprocessing import normalize

    count = vectors.shape[0]
    if count == 1:
        return np.zeros(1, np.int64)
    first = vectors[:LARGEST]
    # A text's distance to its like may come out a little below 0, which the clustering refuses.
    distance = np.clip(1 - (first @ first.T).toarray(), 0, None)
    way = AgglomerativeClustering(None, metric="precomputed", linkage="average", distance_threshold=APART)
    number = np.asarray(way.fit_predict(distance), np.int64)
    if count <= LARGEST:
        return number
    members = sparse.csr_matrix((np.ones(len(number)), (number, np.arange(len(number)))))
    centres = normalize(members @ first)
    rest = (vectors[LARGEST:] @ centres.T).toarray()
    # What lies near no cluster stays alone.
    alone = number.max() + 1 + np.arange(len(rest))
    return np.concatenate([number, np.where(rest.max(axis=1) >= 1 - APART, rest.argmax(axis=1), alone)])
