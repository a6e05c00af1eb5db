"""On which tokens features fire, and what a rule can say of a feature from that.

Holds what counting asks of encodings (`Encoded`, which a study's `Encodings` are), active tokens as one sparse
matrix, and lexical descriptions: the tokens a feature is active on most, in words. No label comes from here, and
what fires somewhere is not thereby about it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from scipy import sparse

from diffing.common.arrays import Array, Bools, ranges
from diffing.reader.pieces import TokenTable
from diffing.reader.records import Encoding
from diffing.study import prompts
from diffing.study.study import Study


class Tokens(NamedTuple):
    """The tokens of several documents in one row."""

    documents: Array
    """Their numbers in the encodings."""
    begins: Array
    """Where each document's tokens begin, and where the last one's end."""
    spans: Array
    """int [tokens, 2], in characters of the token's own document."""
    ids: Array

    def of(self, token: int) -> tuple[int, int]:
        """The number of the document that a token belongs to, and its position there."""
        place = int(np.searchsorted(self.begins, token, side="right")) - 1
        return int(self.documents[place]), token - int(self.begins[place])


class Encoded(Protocol):
    """Encodings by document, which is all that counting asks for: here, of probes and in the diff."""

    @property
    def n_features(self) -> int: ...
    def encoding(self, document: int) -> Encoding: ...


class Placed(Protocol):
    """Documents of which it is known where their tokens stand."""

    def places(self, document: int) -> tuple[Array, Array]: ...


class Store(Encoded, Protocol):
    """A study's encodings with the texts that they were read from."""

    documents: pd.DataFrame

    @property
    def held(self) -> Bools:
        """Documents of which it is known on which tokens features fire."""

    def tokens(self, document: int) -> TokenTable: ...


class Active(NamedTuple):
    """Where some features are active in some documents, run after run: a run is one feature in one document."""

    tokens: Tokens
    row: Array
    """Which of the features, by its place among them, each run belongs to."""
    runs: Any
    """Sparse runs × tokens, of ones."""

    def of(self, runs: Array) -> "Active":
        """Some of the runs alone."""
        return self._replace(row=self.row[runs], runs=self.runs[runs])

    def by_feature(self, features: int) -> Any:
        """Sparse features × runs, of ones."""
        n = len(self.row)
        return sparse.csr_array((np.ones(n, np.int32), (self.row, np.arange(n))), shape=(features, n))


def tokens(store: Placed, documents: Sequence[int]) -> Tokens:
    """Where the documents' tokens stand, of which no feature is asked."""
    begins, spans, ids = [0], [np.empty((0, 2), np.int32)], [np.empty(0, np.uint32)]
    for document in documents:
        own, places = store.places(document)
        spans.append(places)
        ids.append(own)
        begins.append(begins[-1] + len(own))
    return Tokens(np.asarray(documents, np.int64), np.array(begins), np.concatenate(spans), np.concatenate(ids))


def active(store: Encoded, features: Sequence[int], documents: Sequence[int], bar: Array | None = None) -> Active:
    """Read the features' active tokens from the documents' records; above a bar by feature, if one is given."""
    row_of = np.full(store.n_features, -1, np.int64)
    row_of[np.asarray(features, np.int64)] = np.arange(len(features))
    # Each list begins with what no document adds, so that none at all can be joined up too.
    begins, spans, ids = [0], [np.empty((0, 2), np.int32)], [np.empty(0, np.uint32)]
    rows, counts, columns = [np.empty(0, np.int64)], [np.zeros(1, np.int64)], [np.empty(0, np.int32)]
    for document in documents:
        record = store.encoding(document)
        row = row_of.take(record.feature)
        # Only the wanted runs are read: of a record they are a small part.
        runs = np.flatnonzero(row >= 0)
        if bar is not None:
            # A run whose peak is not above the bar has nothing that is.
            runs = runs[np.abs(record.peak[runs]) > bar[record.feature[runs]]]
        row, count = row[runs], record.count[runs].astype(np.int64)
        position = record.position[ranges(record.starts()[runs], count)]
        if bar is not None:
            over = record.of(runs).over(bar[record.feature[runs]])
            count = np.bincount(np.repeat(np.arange(len(runs)), count)[over], minlength=len(runs))
            row, count, position = row[count > 0], count[count > 0], position[over]
        rows.append(row)
        counts.append(count)
        columns.append(position.astype(np.int32) + begins[-1])
        spans.append(record.spans)
        ids.append(record.ids)
        begins.append(begins[-1] + len(record.spans))
    column, ends = np.concatenate(columns), np.cumsum(np.concatenate(counts))
    matrix = sparse.csr_array((np.ones(len(column), np.int32), column, ends), shape=(len(ends) - 1, begins[-1]))
    tokens = Tokens(np.asarray(documents, np.int64), np.array(begins), np.concatenate(spans), np.concatenate(ids))
    return Active(tokens, np.concatenate(rows), matrix)


TOP_TOKENS = 5
"""Tokens named of a feature: more do not fit a table's cell."""


def readable(study: Study, store: Store) -> Array:
    """Documents that descriptions may be made from: answers to discovery prompts whose positions are kept."""
    open_ones = study.prompts().loc[prompts.discovery, "id"]
    table = store.documents
    return np.flatnonzero(table["prompt_id"].isin(open_ones) & (table["error"] == "") & store.held)


class Lexical(NamedTuple):
    """What a rule says of a feature."""

    tokens: int
    """Tokens that it is active on, in the answers read."""
    answers: int
    top: list[tuple[str, int]]
    """The commonest of these tokens as people read them, with their numbers."""

    def in_words(self) -> str:
        """As it stands where a feature has no label."""
        if not self.tokens:
            return "not active in these answers"
        return f"fires on {self.listed()}"

    def listed(self) -> str:
        return ", ".join(f"“{piece}” ×{count}" for piece, count in self.top)


def describe(store: Store, features: Sequence[int], documents: Sequence[int] | Array) -> dict[int, Lexical]:
    """Lexical descriptions of features: the tokens they fire on most.

    `documents`: those that may be read, `readable` ones as a rule.
    """
    return described(store, features, active(store, features, list(documents)), documents)


def described(
    store: Store, features: Sequence[int], firing: Active, documents: Sequence[int] | Array
) -> dict[int, Lexical]:
    """The same from what `active` found in these documents, or in more of them."""
    # Of each run the first token tells the document.
    place = np.searchsorted(firing.tokens.begins, firing.runs.indices[firing.runs.indptr[:-1]], side="right") - 1
    firing = firing.of(np.flatnonzero(np.isin(firing.tokens.documents[place], documents)))
    own = firing.by_feature(len(features))
    # Many features' examples lie in few texts, and each asks the store for a hash of the whole text.
    text = cache(lambda document: store.tokens(document).text)
    described = {}
    for place, feature in enumerate(features):
        runs = firing.runs[own.indices[own.indptr[place] : own.indptr[place + 1]]]
        top = top_tokens(text, firing.tokens, runs.indices)
        described[feature] = Lexical(len(runs.indices), runs.shape[0], top)
    return described


def top_tokens(text: Callable[[int], str], tokens: Tokens, active: Array) -> list[tuple[str, int]]:
    """The commonest of some tokens as people read them, with their numbers; `text` gives a document's."""
    _, examples, counts = np.unique(tokens.ids[active], return_index=True, return_counts=True)
    # Several tokens may read the same (with and without a space, parts of one character), so that four times as
    # many are looked at as named: enough for any word's few spellings.
    common = np.argsort(-counts, kind="stable")[: 4 * TOP_TOKENS]
    sums: Counter[str] = Counter()
    for i in common.tolist():
        token = int(active[examples[i]])
        start, end = tokens.spans[token].tolist()
        sums[shown(text(tokens.of(token)[0])[start:end])] += int(counts[i])
    return sums.most_common(TOP_TOKENS)


def shown(piece: str) -> str:
    """A token as it can be read in a line: signs for white space, codes for what cannot be printed."""
    # Most words bring the space before them; only a token that is nothing but spaces shows them.
    if piece[1:].strip() and piece[0] == " ":
        piece = piece[1:]
    signs = {" ": "␣", "\n": "↵", "\t": "⇥"}
    return "".join(signs.get(c) or (c if c.isprintable() else c.encode("unicode_escape").decode()) for c in piece)
