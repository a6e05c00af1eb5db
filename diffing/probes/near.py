"""Probes over many answers: counts in whole and cut answers, and which probes a feature's active tokens fall on.

Spans are found once in the whole answer and kept in flat arrays; a cut of the answer counts the spans that reach
into it, as an encoding of the whole answer would. Promises that a cut never shows what the whole does not. What
is near a span says where a feature fires, not what makes it fire.
"""

import dataclasses
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from scipy import sparse

from diffing.diff.presence import Flat
from diffing.probes.probes import PROBES, Probe, probe_spans
from diffing.probes.rules import Answer, Span
from diffing.reader.cache import Array, Encoding

__all__ = ["PRESENCE", "PROBES", "Probe", "Scan", "near_tokens", "nearest", "probe_spans", "scan", "table"]

NAMES = tuple(sorted(PROBES, key=lambda name: PROBES[name].counted_only))
"""All probes; those that only have an amount stand last."""

PRESENCE = tuple(name for name in NAMES if not PROBES[name].counted_only)
"""Probes that an answer shows or does not."""

AROUND = 2
"""Tokens on either side of a span that still count as near it."""


@dataclass(frozen=True)
class Scan:
    """Where every probe fires in every text, by text, then probe, then place."""

    texts: int
    lengths: Array
    """Characters of each text."""
    document: Array
    probe: Array
    """Place of the span's probe in `NAMES`."""
    start: Array
    end: Array

    def counts(self, start: Array | None = None, end: Array | None = None) -> pd.DataFrame:
        """A row a text and a column a probe; given bounds, only of what stands between them in each text."""
        low = np.zeros(self.texts, np.int64) if start is None else np.maximum(start, 0)
        high = self.lengths if end is None else np.minimum(end, self.lengths)
        inside = np.minimum(self.end, high[self.document]) - np.maximum(self.start, low[self.document])
        cells = self.document.astype(np.int64) * len(NAMES) + self.probe
        amount = np.where(BY_LENGTH[self.probe], np.maximum(inside, 0), inside > 0)
        sums = np.bincount(cells, amount, minlength=self.texts * len(NAMES)).astype(np.int64)
        return pd.DataFrame(sums.reshape(self.texts, len(NAMES)), columns=list(NAMES))

    def then(self, other: "Scan") -> "Scan":
        """The scan of these texts followed by other ones."""
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        joined = {name: np.concatenate([mine[name], theirs[name]]) for name in mine if name != "texts"}
        joined["document"][len(self.document) :] += self.texts
        return Scan(texts=self.texts + other.texts, **joined)

    def of(self, documents: Array) -> "Scan":
        """The scan of some of the texts, renumbered in the order given."""
        number = np.full(self.texts, -1, np.int64)
        number[documents] = np.arange(len(documents))
        keep = np.flatnonzero(number[self.document] >= 0)
        keep = keep[np.argsort(number[self.document[keep]], kind="stable")]
        return Scan(
            len(documents),
            self.lengths[documents],
            number[self.document[keep]].astype(np.int32),
            self.probe[keep],
            self.start[keep],
            self.end[keep],
        )


BY_LENGTH = np.array([PROBES[name].by_length for name in NAMES])


def scan(texts: Sequence[str]) -> Scan:
    """Run every probe over every text."""
    # As objects, spans would take over 100 bytes each.
    flat = array("i")
    found = np.zeros((len(texts), len(NAMES)), np.int64)
    for row, text in enumerate(texts):
        answer = Answer(text)
        for column, probe in enumerate(PROBES[name] for name in NAMES):
            here = probe.find(answer)
            flat.extend(chain.from_iterable(here))
            found[row, column] = len(here)
    borders = np.array(flat, np.int32).reshape(-1, 2)
    cells = np.repeat(np.arange(found.size), found.ravel())
    return Scan(
        texts=len(texts),
        lengths=np.array([len(text) for text in texts], np.int64),
        document=(cells // len(NAMES)).astype(np.int32),
        probe=(cells % len(NAMES)).astype(np.int16),
        start=borders[:, 0],
        end=borders[:, 1],
    )


def table(texts: Sequence[str]) -> pd.DataFrame:
    """How often each probe fires: a row a text, a column a probe. For cuts, keep the `scan` and ask it."""
    return scan(texts).counts()


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


def as_features(scanned: Scan, tokens: Tokens) -> Flat:
    """Documents × probes in the shape of features; `scanned` is the scan of just the tokens' documents.

    A probe is cut as a feature is: it is in the first L tokens if a span begins there, and in the last L if a span
    reaches there.
    """
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
    amount = np.where(BY_LENGTH[scanned.probe], scanned.end - scanned.start, 1)[read]
    width = len(NAMES)
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


def near(tokens: Tokens, scanned: Scan, n: int) -> Any:
    """Tokens × the first n probes, sparse, of ones: where a token lies within `AROUND` tokens of a span.

    `scanned` is the scan of just the tokens' documents, in their order.
    """
    counts = np.diff(tokens.begins)
    base = np.concatenate([[0], np.cumsum(scanned.lengths + 1)])
    offset = np.repeat(base[:-1], counts)
    starts, ends = tokens.spans[:, 0] + offset, tokens.spans[:, 1] + offset
    # A token that shares a character with the next one may end behind it.
    ends = np.maximum.accumulate(ends) if len(ends) else ends
    order = np.argsort(scanned.probe, kind="stable")
    order = order[scanned.probe[order] < n]
    document, probe = scanned.document[order], scanned.probe[order].astype(np.int64)
    start, end = scanned.start[order] + base[document], scanned.end[order] + base[document]
    first, last = tokens.begins[document], tokens.begins[document + 1]
    low = np.searchsorted(ends, start, side="right")
    high = np.searchsorted(starts, end, side="left")
    # Where the reader was fed only a beginning, the rest of the answer lies near no token.
    read = low < last
    low = np.maximum(low - AROUND, first)[read]
    high = np.minimum(high + AROUND, last)[read]
    total = int(tokens.begins[-1])
    low, high = low + probe[read] * total, high + probe[read] * total
    # What the span before has covered already is left to it.
    low[1:] = np.maximum(low[1:], np.maximum.accumulate(high)[:-1])
    widths = np.maximum(high - low, 0)
    cells = ranges(low, widths)
    return sparse.csc_array(
        (
            np.ones(len(cells), np.int32),
            cells % total if total else cells,
            np.searchsorted(cells, np.arange(n + 1) * total),
        ),
        shape=(total, n),
    ).tocsr()


def ranges(starts: Array, widths: Array) -> Array:
    """All numbers of several ranges, one range after another."""
    behind = np.cumsum(widths)
    numbers: Array = np.arange(behind[-1] if len(behind) else 0)
    numbers += np.repeat(starts - behind + widths, widths)
    return numbers


def near_tokens(token_spans: Array, spans: Mapping[str, Sequence[Span]]) -> Array:
    """For one document: bool [tokens, probes], true within `AROUND` tokens of a span; spans in ascending order."""
    borders = np.asarray(token_spans, np.int64).reshape(-1, 2)
    tokens = Tokens(np.zeros(1), np.array([0, len(borders)]), borders, np.zeros(len(borders)))
    flat = np.array([span for one in spans.values() for span in one], np.int64).reshape(-1, 2)
    probe = np.repeat(np.arange(len(spans)), [len(one) for one in spans.values()])
    length = np.array([max([0, *flat[:, 1], *tokens.spans[:, 1]])])
    one = Scan(1, length, np.zeros(len(flat), np.int32), probe, flat[:, 0], flat[:, 1])
    found: Array = near(tokens, one, len(spans)).toarray() > 0
    return found


class Store(Protocol):
    """What is needed of a study's encodings."""

    n_features: int

    def encoding(self, document: int) -> Encoding: ...


class Active(NamedTuple):
    """Where some features are active in some documents, run after run: a run is one feature in one document."""

    tokens: Tokens
    row: Array
    """Which of the features, by its place among them, each run belongs to."""
    runs: Any
    """Sparse runs × tokens, of ones."""

    def by_feature(self, features: int) -> Any:
        """Sparse features × runs, of ones."""
        n = len(self.row)
        return sparse.csr_array((np.ones(n, np.int32), (self.row, np.arange(n))), shape=(features, n))


def active(store: Store, features: Sequence[int], documents: Sequence[int]) -> Active:
    """Read the features' active tokens from the documents' records."""
    row_of = np.full(store.n_features, -1, np.int64)
    row_of[np.asarray(features, np.int64)] = np.arange(len(features))
    begins, spans, ids = [0], [np.empty((0, 2), np.int32)], [np.empty(0, np.uint32)]
    rows, counts, columns = [np.empty(0, np.int64)], [np.zeros(1, np.int64)], [np.empty(0, np.int32)]
    for document in documents:
        one = store.encoding(document)
        row = row_of.take(one.feature)
        runs = np.flatnonzero(row >= 0)
        rows.append(row[runs])
        counts.append(one.count[runs].astype(np.int64))
        columns.append(one.position[ranges(one.starts()[runs], counts[-1])].astype(np.int32) + begins[-1])
        spans.append(one.spans)
        ids.append(one.ids)
        begins.append(begins[-1] + len(one.spans))
    column, ends = np.concatenate(columns), np.cumsum(np.concatenate(counts))
    matrix = sparse.csr_array((np.ones(len(column), np.int32), column, ends), shape=(len(ends) - 1, begins[-1]))
    tokens = Tokens(np.asarray(documents, np.int64), np.array(begins), np.concatenate(spans), np.concatenate(ids))
    return Active(tokens, np.concatenate(rows), matrix)


@dataclass(frozen=True)
class Nearest:
    """How much of features' activity lies near each probe."""

    share: pd.DataFrame
    """Features × probes: of the feature's active tokens, the share within two tokens of a span."""
    chance: pd.Series
    """By probe: of all tokens, the share within two tokens of a span."""
    tokens: pd.Series
    """By feature: its active tokens."""

    def telling(self, feature: int, least: float = 0.1, times: float = 2.0, hits: int = 3) -> dict[str, float]:
        """Shares of the feature's probes that chance does not explain, by what they have above it, best first.

        Shown are shares of at least `least` and `times` the chance, from at least `hits` active tokens.
        """
        row = self.share.index.get_loc(feature)
        share, chance = self.share.to_numpy()[row], self.chance.to_numpy()
        count = np.rint(share * self.tokens.to_numpy()[row])
        shown = np.flatnonzero((share >= least) & (share >= times * chance) & (count >= hits) & (chance < 1))
        above = (share[shown] - chance[shown]) / (1 - chance[shown])
        return {PRESENCE[i]: float(share[i]) for i in shown[np.argsort(-above, kind="stable")]}

    def words(self, feature: int, most: int = 3) -> str:
        """As the diff's column has it: `double spaces:0.96; bold:0.10`."""
        return "; ".join(f"{name}:{share:.2f}" for name, share in [*self.telling(feature).items()][:most])


def nearest(store: Store, features: Sequence[int], documents: Sequence[int], scanned: Scan) -> Nearest:
    """The nearest probes of features over some documents; `scanned` is the scan of just these documents' texts."""
    return compare(active(store, features, documents), features, scanned)


def compare(firing: Active, features: Sequence[int], scanned: Scan) -> Nearest:
    """`nearest`, from what `active` found."""
    here = near(firing.tokens, scanned, len(PRESENCE))
    groups = firing.by_feature(len(features))
    tokens = groups @ np.diff(firing.runs.indptr)
    hits = (groups @ (firing.runs @ here)).toarray()
    return Nearest(
        pd.DataFrame(hits / np.maximum(tokens, 1)[:, None], index=list(features), columns=list(PRESENCE)),
        pd.Series(here.sum(axis=0) / max(1, here.shape[0]), index=list(PRESENCE)),
        pd.Series(tokens, index=list(features)),
    )
