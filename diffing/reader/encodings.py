"""A study's encodings: which features each answer shows, how strongly, and on which tokens.

The study holds one small table that says where each answer's record lies in the shared cache; the records are
opened by memory map, so that a question reads only the columns it is about. Flat arrays over all (document,
feature) pairs are gathered from the records when first asked for. Of some answers a study may hold a summary alone
(`summaries`): whatever asks on which tokens a feature fires is then asked of the others (`held`), and refused of
these. Promises that what is opened fits the reader the study names now, that the tokens of an answer which changed
since are refused, and that no damaged record becomes a figure: those of all records are verified before the first
use of all, one before its own (`bench/store.py` has the cost). Does not keep up with such answers:
`diffing.reader.unread` counts them.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from diffing.common import damage, files
from diffing.common.arrays import Array, Bools
from diffing.common.columns import mapped
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.reader import decoders
from diffing.reader.cache import Cache
from diffing.reader.held import Group, Held
from diffing.reader.pieces import TokenTable
from diffing.reader.places import remedy, set_aside, table_path
from diffing.reader.records import NO_SUM, Encoding, Kinds, Place, columns
from diffing.reader.summaries import Shows, Whole
from diffing.study import responses
from diffing.study.study import Study

DOCUMENT = ["prompt_id", "checkpoint", "draw", "tokens", "error"]


class Encodings:
    """One study's encodings by its reader, opened by memory map."""

    def __init__(self, study: Study, table: pd.DataFrame, reader_key: str, n_features: int) -> None:
        self.study, self.reader_key, self.n_features = study, reader_key, n_features
        self.prompt = ""
        """The only prompt whose answers are here; empty where all are."""
        self.documents = table[DOCUMENT]
        """A row a document, in the order of prompt, checkpoint, draw; `error` is empty where it was encoded."""
        for column, none in (("sum", NO_SUM), ("summary", False)):
            # A table of an older version.
            table = table if column in table else table.assign(**{column: none})
        self.table = table
        self.cache = Cache(reader_key, n_features)
        self._records = Held(study, table, self.cache)
        self._again: dict[int, Encoding] = {}
        """Documents of a summary whose positions were read once more."""
        self._places = self._records.places
        self.held: Bools = ~self._records.summed
        """Documents whose positions are kept: of the others there is a summary."""
        self.indptr: Array = np.concatenate([[0], np.cumsum(table["runs"].to_numpy(np.int64))])
        """Where each document's features begin in the flat arrays."""

    @classmethod
    def open(cls, study: Study) -> "Encodings":
        table = own_table(study)
        return cls(study, table, table.attrs["reader_key"], table.attrs["n_features"])

    @classmethod
    def of_prompt(cls, study: Study, prompt_id: str) -> "Encodings":
        """Of the answers to one prompt alone, numbered from 0: of a large study no others are looked at."""
        table = own_table(study, prompt_id)
        own = cls(study, table, table.attrs["reader_key"], table.attrs["n_features"])
        own.prompt = prompt_id
        return own

    @cached_property
    def _all_sound(self) -> bool:
        """Asked before anything is read from all records at once."""
        self._records.verify(range(len(self)))
        return True

    def __len__(self) -> int:
        return len(self._places)

    def positions(self, document: int) -> bool:
        """Whether it is known on which of a document's tokens features fire."""
        return bool(self.held[document]) or document in self._again

    def take(self, document: int, encoding: Encoding) -> None:
        """Take a document's positions from who has read it again (`again`)."""
        self._again[document] = encoding

    def encoding(self, document: int) -> Encoding:
        """Everything about one document whose positions are kept."""
        if document in self._again:
            return self._again[document]
        if not self.held[document]:
            raise UserError(
                f"Of this answer of study '{self.study.name}' a summary is kept, which says nothing of single "
                "tokens; choose an answer whose positions are kept, or have it read again on its page."
            )
        return self._records.encoding(document)

    def summary(self, document: int) -> Shows:
        """Which features a document shows, how often, how strongly, and its first and last token with each."""
        if self.held[document]:
            return Whole(self._records.encoding(document))
        return self._records.summary(document)

    def summaries(self, documents: Sequence[int] | Array) -> Iterator[Shows]:
        """The same of many documents, in their order and one at a time: memory does not grow with their number."""
        for document in np.asarray(documents, np.int64).tolist():
            yield self.summary(document)

    def places(self, document: int) -> tuple[Array, Array]:
        """The ids of a document's tokens, and where they stand in its text; of every document there is."""
        record = self._records.encoding(document) if self.held[document] else self._records.summary(document)
        return record.ids, record.spans

    @property
    def floor(self) -> Array | None:
        """The lowest bar of each feature over which every document can be counted; None where any bar is."""
        return self._records.floor()

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
        for document, place in enumerate(self._places):
            if not place.runs:
                continue
            if self._records.packed[document]:
                parts.append(_of_summary(self.summary(document), column))
                continue
            dtype, start, length = columns(place, self.n_features)[column]
            parts.append(np.frombuffer(self._records.buffers[place.shard], dtype, length, place.offset + start))
        return np.concatenate(parts)

    # One document, one feature.

    def tokens(self, document: int) -> TokenTable:
        ids, spans = self.places(document)
        text = self.texts[document]
        # Spans are places in the text that was read; in another one they would mark anything.
        if files.content_hash(text) != self._hashes[document]:
            raise UserError(
                f"An answer of study '{self.study.name}' changed after it was encoded; {remedy(self.study)}."
            )
        return TokenTable(ids, spans, text)

    @cached_property
    def _hashes(self) -> list[str]:
        return [str(answer) for answer in self.table["answer"]]

    @cached_property
    def texts(self) -> list[str]:
        """Every document's answer, as the study has it now."""
        answers = self.study.responses_to([self.prompt]) if self.prompt else self.study.responses()
        return responses.texts(answers, self.documents)

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

    def occurrences(self, feature: int, held: bool = False) -> pd.DataFrame:
        """Documents that show the feature with `peak` and `count`, read from their records alone.

        `held` asks those alone whose positions are kept: a question of milliseconds in a study of any size.
        """
        documents, runs = self._find(feature, held)
        peak, count = np.zeros(len(self), np.float32), np.zeros(len(self), np.int64)
        run_of = np.full(len(self), -1, np.int64)
        run_of[documents] = runs
        for group in self._groups:
            rows = np.flatnonzero(run_of[group.rows] >= 0)
            own = group.rows[rows]
            for name, values in (("peak", peak), ("count", count)):
                words, base = group.words(name)
                values[own] = words[base[rows] + run_of[own]]
        for document in documents[self._records.packed[documents]].tolist():
            found = self.summary(document)
            peak[document], count[document] = (column[run_of[document]] for column in (found.peak, found.counts))
        return pd.DataFrame({"document": documents, "peak": peak[documents], "count": count[documents]})

    def peaks(self, feature: int, held: bool = False) -> Array:
        """The feature's strongest activation in each document, 0 where it shows none or was not asked (`held`)."""
        peaks = np.zeros(len(self), np.float32)
        rows = self.occurrences(feature, held)
        peaks[rows["document"].to_numpy(int)] = rows["peak"]
        return peaks

    @cached_property
    def _groups(self) -> list[Group]:
        assert self._all_sound
        return self._records.groups()

    def _find(self, feature: int, held: bool = False) -> tuple[Array, Array]:
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
        packed = self._records.packed & self.held if held else self._records.packed
        for document in np.flatnonzero(packed).tolist():
            own = self.summary(document).feature
            run = int(np.searchsorted(own, feature))
            if run < len(own) and own[run] == feature:
                run_of[document] = run
        documents = np.flatnonzero(run_of >= 0)
        return documents, run_of[documents]

    def top(self, feature: int, checkpoint: str, k: int = 5, among: Array | None = None) -> pd.DataFrame:
        """The checkpoint's documents that show the feature most strongly, of those whose positions are kept.

        `among` narrows the choice.
        """
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
        table = self.occurrences(feature, held=True).join(self.documents[responses.KEY], on="document")
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


def _of_summary(summary: Shows, column: str) -> Array:
    return {"feature": summary.feature, "peak": summary.peak, "count": summary.counts}[column]


def save_table(
    study: Study,
    documents: pd.DataFrame,
    places: Sequence[Place | None],
    key: str,
    n_features: int,
    summed: Sequence[bool] | None = None,
) -> None:
    """Write the study's table: documents with `answer` (hash of the text) and `error`, and a place for each.

    `summed`: those whose place is that of a summary.
    """
    # No shard has the number -1, and a record of no tokens and no runs reads as empty.
    nowhere = Place(*([-1] + [0] * (len(Place._fields) - 1)))
    table = documents.reset_index(drop=True)
    for column, values in zip(Place._fields, zip(*(p or nowhere for p in places), strict=True), strict=True):
        table[column] = np.array(values, np.int64)
    table["summary"] = np.zeros(len(table), bool) if summed is None else np.array(summed, bool)
    table.attrs = {
        "reader": study.settings.reader.model_dump(),
        "reader_key": key,
        "n_features": n_features,
        "decoder": decoders.path_of(key).exists(),
    }
    set_aside(study)
    files.write_parquet(table_path(study), table)


def own_table(study: Study, prompt_id: str = "") -> pd.DataFrame:
    """The study's table, of the reader that it names now; of one prompt where it is named."""
    path = table_path(study)
    again = remedy(study)
    if not path.exists():
        raise UserError(f"Study '{study.name}' has no encodings yet; {again}.")
    if prompt_id:
        table = files.read_part(path, [*DOCUMENT, "answer", *Place._fields, "summary"], ("prompt_id", [prompt_id]))
    else:
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
