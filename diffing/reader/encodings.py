"""A study's encodings: which features each answer shows, how strongly, and on which tokens.

The study holds one small table that says where each answer's record lies in the shared cache; the records are
opened by memory map, so that a question reads only the columns it is about. Flat arrays over all (document,
feature) pairs are gathered from the records when first asked for. Promises that what is opened fits the reader the
study names now, that the tokens of an answer which changed since are refused, and that no damaged record becomes a
figure: opening compares the shards' sizes with the places; a record's checksum is verified before its first use,
those of all records before the first use of all, each once in a process as long as the shard's date stays
(`bench/store.py` has the cost). Does not keep up with such answers: `diffing.reader.unread` counts
them.
"""

import logging
import mmap
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from diffing.common import damage, files
from diffing.common.arrays import Array
from diffing.common.columns import mapped
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.reader import decoders
from diffing.reader.cache import VERIFIED, Cache, map_shard, sound
from diffing.reader.pieces import TokenTable
from diffing.reader.places import remedy, set_aside, table_path
from diffing.reader.records import NO_SUM, Encoding, Kinds, Place, columns, from_buffer
from diffing.study import responses
from diffing.study.study import Study

logger = logging.getLogger(__name__)

DOCUMENT = ["prompt_id", "checkpoint", "draw", "tokens", "error"]


class Group(NamedTuple):
    """Documents whose records lie in one shard and have one layout, to be searched at once."""

    rows: Array
    buffer: mmap.mmap | bytes
    places: Any
    """A `Place` whose fields are arrays."""
    n_features: int

    def words(self, column: str) -> tuple[Array, Array]:
        """The shard as an array of the column's type, and where in it each document's column begins."""
        kind, start, _ = columns(self.places, self.n_features)[column]
        size = np.dtype(kind).itemsize
        return np.frombuffer(self.buffer, kind, len(self.buffer) // size), (self.places.offset + start) // size


class Encodings:
    """One study's encodings by its reader, opened by memory map."""

    def __init__(self, study: Study, table: pd.DataFrame, reader_key: str, n_features: int) -> None:
        self.study, self.reader_key, self.n_features = study, reader_key, n_features
        self.documents = table[DOCUMENT]
        """A row a document, in the order of prompt, checkpoint, draw; `error` is empty where it was encoded."""
        if "sum" not in table:
            table = table.assign(sum=NO_SUM)
        self.table = table
        self._places = [Place(*row) for row in zip(*(table[name].tolist() for name in Place._fields), strict=True)]
        self._cache = Cache(reader_key, n_features)
        self._shards: dict[int, mmap.mmap | bytes] = {}
        self._sound: dict[int, set[int]] = {}
        used = sorted(set(table.loc[table["error"] == "", "shard"].tolist()))
        if bool((table.loc[table["error"] == "", "sum"] == NO_SUM).any()):
            self._compare_with_index(used)
        for shard in used:
            self._open_shard(shard)
        self.indptr: Array = np.concatenate([[0], np.cumsum(table["runs"].to_numpy(np.int64))])
        """Where each document's features begin in the flat arrays."""

    @classmethod
    def open(cls, study: Study) -> "Encodings":
        table = own_table(study)
        return cls(study, table, table.attrs["reader_key"], table.attrs["n_features"])

    # What is verified.

    def _open_shard(self, shard: int) -> None:
        """Map a shard, after comparing its size with the places in it."""
        path = self._cache.path(shard)
        again = remedy(self.study)
        try:
            with damage.reading(path, again):
                state = path.stat()
                buffer = map_shard(path)
        except Damaged as error:
            if isinstance(error.__cause__, FileNotFoundError):
                gone = f"The encodings of '{self.study.name}' are gone from the cache"
                raise UserError(f"{gone}; {again}.") from error
            raise
        places = self.table[(self.table["shard"] == shard) & (self.table["error"] == "")]
        if bool((places["offset"] + places["size"] > len(buffer)).any()) or bool((places["offset"] < 0).any()):
            raise Damaged(path, f"it has {len(buffer):,} bytes, and the study's records go on after them", again)
        self._shards[shard] = buffer
        self._sound[shard] = VERIFIED.setdefault((str(path), state.st_size, state.st_mtime_ns), set())

    def _compare_with_index(self, shards: Sequence[int]) -> None:
        """A table of an older version holds no checksums: its places must be those that the index still names."""
        known = self._cache.committed(shards)
        for row, (place, error) in enumerate(zip(self._places, self.table["error"], strict=True)):
            if error or place.sum != NO_SUM:
                continue
            now = known.get((place.shard, place.offset))
            # No index, or one that cannot be opened, is none of the records' fault.
            if known and (now is None or now._replace(sum=NO_SUM) != place):
                again = remedy(self.study)
                raise Damaged(table_path(self.study), "the cache has other records in its places by now", again)
            self._places[row] = now or place

    def _verify(self, places: Iterable[Place]) -> None:
        """Raise where a record is not the one that was written; each is looked at once."""
        for place in places:
            if place.shard in self._shards and place.offset not in self._sound[place.shard]:
                if not sound(self._shards[place.shard], place):
                    path, again = self._cache.path(place.shard), remedy(self.study)
                    raise Damaged(path, "a record is not what was written", again)
                self._sound[place.shard].add(place.offset)

    @cached_property
    def _all_sound(self) -> bool:
        """Asked before anything is read from all records at once."""
        self._verify(self._places)
        return True

    def __len__(self) -> int:
        return len(self._places)

    def encoding(self, document: int) -> Encoding:
        """Everything about one document."""
        place = self._places[document]
        buffer = b"" if place.shard < 0 else self._shards[place.shard]
        self._verify([place])
        return from_buffer(buffer, place, self.n_features)

    # Flat arrays: documents × features in CSR order, features ascending within a document.

    @cached_property
    def feature(self) -> Array:
        return self._gather("feature", Kinds.of(self.n_features, 0).feature)

    @cached_property
    def peak(self) -> Array:
        """Strongest activation in the document: of the largest magnitude, where values can be negative."""
        return self._gather("peak", "<f4")

    @cached_property
    def count(self) -> Array:
        """How many of the document's tokens the feature is active on."""
        return self._gather("count", "<u2")

    def _gather(self, column: str, kind: str) -> Array:
        assert self._all_sound
        parts = [np.empty(0, kind)]
        for place in self._places:
            if place.runs:
                dtype, start, length = columns(place, self.n_features)[column]
                parts.append(np.frombuffer(self._shards[place.shard], dtype, length, place.offset + start))
        return np.concatenate(parts)

    # One document, one feature.

    def tokens(self, document: int) -> TokenTable:
        record = self.encoding(document)
        text = self.texts[document]
        # Spans are places in the text that was read; in another one they would mark anything.
        if files.content_hash(text) != self._hashes[document]:
            raise UserError(
                f"An answer of study '{self.study.name}' changed after it was encoded; {remedy(self.study)}."
            )
        return TokenTable(record.ids, record.spans, text)

    @cached_property
    def _hashes(self) -> list[str]:
        return [str(answer) for answer in self.table["answer"]]

    @cached_property
    def texts(self) -> list[str]:
        """Every document's answer, as the study has it now."""
        return responses.texts(self.study.responses(), self.documents)

    def activations(self, document: int, feature: int) -> tuple[Array, Array]:
        """Positions and values of one feature in one document; both empty where it is not active."""
        record = self.encoding(document)
        run = int(np.searchsorted(record.feature, feature))
        if run == len(record.feature) or record.feature[run] != feature:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        starts = record.starts()
        entries = slice(starts[run], starts[run + 1])
        return record.position[entries].astype(np.int64), record.values()[entries]

    def dense(self, document: int, feature: int) -> Array:
        """The feature's activation on every token of the document."""
        values = np.zeros(self._places[document].tokens, np.float32)
        positions, active = self.activations(document, feature)
        values[positions] = active
        return values

    def of_feature(self, feature: int) -> tuple[Array, Array]:
        """Documents that show the feature, ascending, and where each stands in the flat arrays."""
        documents, runs = self._find(feature)
        return documents, self.indptr[documents] + runs

    def occurrences(self, feature: int) -> pd.DataFrame:
        """Documents that show the feature with `peak` and `count`, read from their records alone."""
        documents, runs = self._find(feature)
        peak, count = np.zeros(len(self), np.float32), np.zeros(len(self), np.int64)
        run_of = np.full(len(self), -1, np.int64)
        run_of[documents] = runs
        for group in self._groups:
            rows = np.flatnonzero(run_of[group.rows] >= 0)
            own = group.rows[rows]
            for name, values in (("peak", peak), ("count", count)):
                words, base = group.words(name)
                values[own] = words[base[rows] + run_of[own]]
        return pd.DataFrame({"document": documents, "peak": peak[documents], "count": count[documents]})

    def peaks(self, feature: int) -> Array:
        """The feature's strongest activation in each document, 0 where it shows none."""
        peaks = np.zeros(len(self), np.float32)
        rows = self.occurrences(feature)
        peaks[rows["document"].to_numpy(int)] = rows["peak"]
        return peaks

    @cached_property
    def _groups(self) -> list["Group"]:
        """The documents with active features, by shard and layout."""
        assert self._all_sound
        places = np.array(self._places, np.int64).reshape(-1, len(Place._fields))
        shard_of, tokens, runs = (places[:, Place._fields.index(name)] for name in ("shard", "tokens", "runs"))
        groups = []
        for shard, buffer in self._shards.items():
            # Long texts have positions and counts of four bytes (`cache.Kinds`), so their columns lie elsewhere.
            for wide in (False, True):
                rows = np.flatnonzero((shard_of == shard) & (runs > 0) & ((tokens >= 2**16) == wide))
                if len(rows):
                    groups.append(Group(rows, buffer, Place(*places[rows].T), self.n_features))
        return groups

    def _find(self, feature: int) -> tuple[Array, Array]:
        """Documents with the feature, and which of their runs it is: one binary search in all at once."""
        if not 0 <= feature < self.n_features:
            raise UserError(f"There is no feature {feature}; the reader has 0 to {self.n_features - 1}.")
        run_of = np.full(len(self), -1, np.int64)
        for group in self._groups:
            words, base = group.words("feature")
            low, high = np.zeros(len(base), np.int64), group.places.runs - 1
            while (low < high).any():
                middle = (low + high) // 2
                # Searches that have ended stay where they are.
                less = (low < high) & (words[base + middle] < feature)
                low, high = np.where(less, middle + 1, low), np.where(less, high, middle)
            hit = words[base + low] == feature
            run_of[group.rows[hit]] = low[hit]
        documents = np.flatnonzero(run_of >= 0)
        return documents, run_of[documents]

    def top(self, feature: int, checkpoint: str, k: int = 5, among: Array | None = None) -> pd.DataFrame:
        """The checkpoint's documents that show the feature most strongly; `among` narrows the choice."""
        table = self._of_side(feature, checkpoint, among)
        # Of equal peaks the earlier document first, so that a page shows the same ones every time.
        order = np.lexsort([table["document"], -table["peak"].abs()])
        return table.iloc[order[:k]].reset_index(drop=True)

    def quantiles(
        self, feature: int, checkpoint: str, k: int = 5, seed: int = 0, among: Array | None = None
    ) -> pd.DataFrame:
        """One document drawn from each of k equal shares of those that show the feature, strongest first."""
        table = self._of_side(feature, checkpoint, among)
        order = np.lexsort([table["document"], -table["peak"].abs()])
        # By feature, so that looking at one does not change what is drawn of the next.
        random = np.random.default_rng([seed, feature])
        chosen = [random.choice(share) for share in np.array_split(order, k) if len(share)]
        return table.iloc[chosen].reset_index(drop=True)

    def _of_side(self, feature: int, checkpoint: str, among: Array | None) -> pd.DataFrame:
        table = self.occurrences(feature).join(self.documents[responses.KEY], on="document")
        keep = table["checkpoint"] == checkpoint
        return table[keep if among is None else keep & table["document"].isin(among)]

    def decoder(self) -> Array | None:
        """The SAE's decoder [features, width] as float16 by memory map, or None where the reader gave none."""
        again = remedy(self.study)
        if self.table.attrs.get("decoder") and not decoders.path_of(self.reader_key).exists():
            raise Damaged(decoders.path_of(self.reader_key), "it is gone", again)
        return decoders.opened(self.reader_key, again)

    def matrix(self) -> sparse.csr_array:
        """Documents × features, each value the feature's peak in the document."""
        return sparse.csr_array((self.peak, self.feature, self.indptr), shape=(len(self), self.n_features))


def save_table(
    study: Study, documents: pd.DataFrame, places: Sequence[Place | None], key: str, n_features: int
) -> None:
    """Write the study's table: documents with `answer` (hash of the text) and `error`, and a place for each."""
    # No shard has the number -1, and a record of no tokens and no runs reads as empty.
    nowhere = Place(*([-1] + [0] * (len(Place._fields) - 1)))
    table = documents.reset_index(drop=True)
    for column, values in zip(Place._fields, zip(*(p or nowhere for p in places), strict=True), strict=True):
        table[column] = np.array(values, np.int64)
    table.attrs = {
        "reader": study.settings.reader.model_dump(),
        "reader_key": key,
        "n_features": n_features,
        "decoder": decoders.path_of(key).exists(),
    }
    set_aside(study)
    files.write_parquet(table_path(study), table)


def own_table(study: Study) -> pd.DataFrame:
    """The study's table, of the reader that it names now."""
    path = table_path(study)
    again = remedy(study)
    if not path.exists():
        raise UserError(f"Study '{study.name}' has no encodings yet; {again}.")
    table = files.read_parquet(path, again)
    with damage.reading(path, again):
        reader, *_ = (table.attrs[name] for name in ("reader", "reader_key", "n_features"))
        absent = {*DOCUMENT, "answer", *Place._fields} - {"sum"} - {*table.columns}
        if absent:
            raise ValueError(f"it has no column '{min(absent)}'")
    if reader != study.settings.reader.model_dump():
        raise UserError(f"Study '{study.name}' was encoded by another reader than it names now; {again}.")
    return table


def encodable(study: Study) -> pd.DataFrame:
    """The answers that a reader can be asked to read: key columns, `text` and its hash `answer`, in key order."""
    table = study.responses()
    # Without the columns that nobody asks for here: of a million answers they take as much as the texts.
    table = table.loc[~table["flag"].isin(responses.EXCLUDING), [*responses.KEY, "text"]]
    table = table.iloc[responses.in_order(table)].reset_index(drop=True)
    return table.assign(answer=mapped(files.content_hash, table["text"]))
