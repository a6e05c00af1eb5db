"""The store: what goes in comes out, whatever the numbers, and the questions that pages ask of it."""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from diffing.common.errors import UserError
from diffing.models.providers import Checkpoint
from diffing.reader import cache as shards
from diffing.reader import encode
from diffing.reader.cache import Cache, Encoding
from diffing.reader.compact import compact, encodings
from diffing.reader.encodings import Encodings, encodable, unread
from diffing.report import exports
from diffing.study import responses
from diffing.study.study import Study
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch

PROMPTS = pd.DataFrame({"text": [f"Question {n}" for n in range(12)], "category": "plain"})


def make_study(name: str = "study", words: int = 40) -> Study:
    """Two checkpoints, twelve prompts, answers of random words; one answer failed, one is empty."""
    study = Study.create(name, [Checkpoint(key=k, name=k, source="import") for k in "ab"], PROMPTS)
    random, rows = np.random.default_rng(0), []
    for number, prompt_id in enumerate(study.prompts()["id"]):
        for checkpoint in "ab":
            length = int(random.integers(1, words))
            text = " ".join(f"w{w}" for w in random.integers(0, 60, length))
            rows.append({"prompt_id": prompt_id, "checkpoint": checkpoint, "draw": 0, "text": text, "flag": ""})
            if (number, checkpoint) == (3, "a"):
                rows[-1] |= {"text": "", "flag": "failed", "error": "HTTP 500"}
            if (number, checkpoint) == (4, "b"):
                rows[-1] |= {"text": " ", "flag": "empty"}
    study.add_responses(pd.DataFrame(rows))
    return study


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    fake = FakeReader()
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: fake)
    return fake


def encoded(study: Study) -> Encodings:
    encode.run(study, encode.Options(), Watch())
    return Encodings.open(study)


def reference(study: Study, reader: FakeReader) -> list[np.ndarray]:
    return [reader.expected(text).numpy() for text in encodable(study)["text"]]


def test_the_fake_reader_computes_without_rounding() -> None:
    reader = FakeReader()
    exact = torch.relu(reader.embedding.double() @ reader.encoder.double() - 2.0)
    assert torch.equal(reader.dense(reader.embedding).double(), exact)
    assert torch.equal(exact * 2**16, (exact * 2**16).round())


def test_flat_arrays_are_those_of_the_dense_matrices(reader: FakeReader) -> None:
    study = make_study()
    found, dense = encoded(study), reference(study, reader)
    peaks = np.stack([d.max(0) for d in dense])
    active = sparse.csr_array(peaks)
    assert found.indptr.tolist() == active.indptr.tolist()
    assert found.feature.tolist() == active.indices.tolist()
    np.testing.assert_array_equal(found.peak, active.data)
    rows = np.repeat(np.arange(len(dense)), np.diff(found.indptr))
    columns = [dense[r][:, f] for r, f in zip(rows, found.feature, strict=True)]
    assert found.count.tolist() == [np.count_nonzero(c) for c in columns]
    assert found.documents["tokens"].tolist() == [len(d) for d in dense]
    assert [str(array.dtype) for array in (found.feature, found.peak)] == ["uint16", "float32"]


def test_token_activations_are_those_of_the_dense_matrices(reader: FakeReader) -> None:
    study = make_study()
    found = encoded(study)
    for document, dense in enumerate(reference(study, reader)):
        record = found.encoding(document)
        starts, position, value = record.starts(), record.position, record.values()
        rebuilt = np.zeros_like(dense)
        features = found.feature[found.indptr[document] : found.indptr[document + 1]]
        rebuilt[position, np.repeat(features, np.diff(starts))] = value
        assert (rebuilt != 0).tolist() == (dense != 0).tolist()
        np.testing.assert_allclose(rebuilt, dense, rtol=1e-4)
        for feature in range(reader.n_features):
            np.testing.assert_array_equal(found.dense(document, feature), rebuilt[:, feature])


def test_a_feature_is_found_in_exactly_the_documents_that_show_it(reader: FakeReader) -> None:
    study = make_study()
    found = encoded(study)
    peaks = np.stack([d.max(0) for d in reference(study, reader)])
    for feature in range(reader.n_features):
        documents, at = found.of_feature(feature)
        assert documents.tolist() == np.flatnonzero(peaks[:, feature]).tolist()
        np.testing.assert_array_equal(found.peak[at], peaks[documents, feature])
        table = found.occurrences(feature)
        np.testing.assert_array_equal(table["peak"], peaks[documents, feature])
        assert table["count"].tolist() == found.count[at].tolist()


def test_top_documents_of_a_side_come_strongest_first(reader: FakeReader) -> None:
    study = make_study()
    found = encoded(study)
    peaks = np.stack([d.max(0) for d in reference(study, reader)])
    feature = int((peaks > 0).sum(0).argmax())
    own = (found.documents["checkpoint"] == "b").to_numpy() & (peaks[:, feature] > 0)
    best = sorted(np.flatnonzero(own), key=lambda d: -peaks[d, feature])
    assert found.top(feature, "b", 3)["document"].tolist() == best[:3]
    drawn = found.quantiles(feature, "b", 3, seed=1)["document"].tolist()
    shares = np.array_split(np.array(best), 3)
    assert [d in share for d, share in zip(drawn, shares, strict=True)] == [True] * 3
    assert found.quantiles(feature, "b", 3, seed=1)["document"].tolist() == drawn
    assert found.top(feature, "b", 9, among=np.array(best[1:3]))["document"].tolist() == best[1:3]


@pytest.mark.usefixtures("reader")
def test_pieces_join_to_the_answer_with_the_values_of_their_tokens() -> None:
    study = make_study()
    found = encoded(study)
    table = found.tokens(0)
    pieces = table.pieces(np.arange(len(table.ids), dtype=np.float32))
    assert "".join(text for text, _ in pieces) == encodable(study)["text"][0]
    assert [value for _, value in pieces] == list(range(len(table.ids)))


@pytest.mark.usefixtures("reader")
def test_tokens_of_an_answer_that_changed_are_refused() -> None:
    study = make_study()
    found = encoded(study)
    study.add_responses(found.documents[responses.KEY].iloc[[0]].assign(text="another answer"))
    with pytest.raises(UserError, match="changed after it was encoded"):
        found.tokens(0)
    assert unread(study) == 1


@pytest.mark.usefixtures("reader")
def test_opening_says_what_is_missing() -> None:
    study = make_study()
    with pytest.raises(UserError, match="no encodings yet"):
        Encodings.open(study)
    assert unread(study) == 22
    encoded(study)
    assert unread(study) == 0
    other = study.settings.reader.model_copy(update={"context": "prompt+answer"})
    study.save_settings(study.settings.model_copy(update={"reader": other}))
    with pytest.raises(UserError, match="another reader"):
        Encodings.open(study)


def test_a_cache_that_was_deleted_is_told(reader: FakeReader) -> None:
    study = make_study()
    encoded(study)
    Cache(reader.key, reader.n_features).path(0).unlink()
    with pytest.raises(UserError, match="gone from the cache"):
        Encodings.open(study)


@pytest.mark.usefixtures("reader")
def test_exports_hold_the_matrix_and_the_documents(tmp_path: Path) -> None:
    found = encoded(make_study())
    for name in ("out.npz", "out.pkl", "out.parquet"):
        exports.write_encodings(found, tmp_path / name)
    matrix = found.matrix().toarray()
    np.testing.assert_array_equal(sparse.load_npz(tmp_path / "out.npz").toarray(), matrix)
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["prompt_id"].tolist() == found.documents["prompt_id"].tolist()
    pickled = pd.read_pickle(tmp_path / "out.pkl")
    np.testing.assert_array_equal(pickled["matrix"].toarray(), matrix)
    pd.testing.assert_frame_equal(pickled["documents"], found.documents)
    long = pd.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_array_equal(long["peak"], found.peak)
    with pytest.raises(UserError, match=r"use \.npz, \.pkl or \.parquet"):
        exports.write_encodings(found, tmp_path / "out.csv")


# Records.

POSITIVE = st.floats(2**-20, 2**20, width=32)
VALUES = POSITIVE | POSITIVE.map(lambda v: -v)


@st.composite
def texts(draw: st.DrawFn, values: st.SearchStrategy[float]) -> list[np.ndarray]:
    """Some small texts as dense matrices tokens × features."""
    n_features = 5
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    cells = st.just(0.0) | values
    return [
        np.array(draw(st.lists(cells, min_size=n * n_features, max_size=n * n_features)), np.float32).reshape(
            n, -1
        )
        for n in lengths
    ]


def compacted(dense: list[np.ndarray]) -> list[Encoding | str]:
    whole = torch.from_numpy(np.concatenate(dense))
    row, feature = whole.nonzero(as_tuple=True)
    lengths = [len(d) for d in dense]
    text = torch.from_numpy(np.repeat(np.arange(len(dense)), lengths))
    position = torch.from_numpy(np.concatenate([np.arange(n) for n in lengths]))
    batch = compact(row, feature, whole[row, feature], text, position, len(dense), whole.shape[1])
    ids = [np.arange(n, dtype=np.uint32) for n in lengths]
    return encodings(batch, ids, [np.zeros((n, 2), np.int32) for n in lengths])


def rebuilt(encoding: Encoding, n_features: int) -> np.ndarray:
    dense = np.zeros((len(encoding.ids), n_features), np.float32)
    dense[encoding.position, np.repeat(encoding.feature, encoding.count)] = encoding.values()
    return dense


@given(texts(POSITIVE) | texts(VALUES))
def test_a_record_gives_back_positions_exactly_and_values_within_its_bound(dense: list[np.ndarray]) -> None:
    for matrix, one in zip(dense, compacted(dense), strict=True):
        assert isinstance(one, Encoding)
        data, place = shards.to_bytes(one, matrix.shape[1])
        back = shards.from_buffer(b"\0" * 8 + data, place._replace(offset=8), matrix.shape[1])
        found = rebuilt(back, matrix.shape[1])
        assert (found != 0).tolist() == (matrix != 0).tolist()
        peaks = np.abs(matrix).max(0)
        assert (np.abs(found - matrix) <= 8.6e-5 * np.abs(matrix) + 1.6e-5 * peaks).all()
        np.testing.assert_array_equal(np.abs(found).max(0), peaks)


def test_a_text_of_100000_tokens_and_a_dictionary_of_100000_features_keep_their_numbers() -> None:
    tokens, n_features = 100_000, 100_000
    row = torch.arange(tokens)
    feature = torch.where(row < 99_000, 99_999, 7)
    batch = compact(row, feature, row + 1.0, torch.zeros_like(row), row, 1, n_features)
    one = encodings(batch, [np.arange(tokens, dtype=np.uint32)], [np.zeros((tokens, 2), np.int32)])[0]
    assert isinstance(one, Encoding)
    data, place = shards.to_bytes(one, n_features)
    back = shards.from_buffer(data, place._replace(offset=0), n_features)
    assert back.feature.tolist() == [7, 99_999]
    assert back.count.tolist() == [1_000, 99_000]
    assert back.peak.tolist() == [100_000, 99_000]
    np.testing.assert_array_equal(back.position, [*range(99_000, 100_000), *range(99_000)])


def test_an_activation_that_is_no_number_costs_its_own_text() -> None:
    fine, broken = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)
    broken[1, 1] = np.nan
    first, second, third = compacted([fine, broken, fine])
    assert isinstance(first, Encoding)
    assert isinstance(third, Encoding)
    assert isinstance(second, str)
    assert "not finite" in second
    np.testing.assert_array_equal(rebuilt(third, 3), fine)


def test_texts_without_any_active_feature_have_empty_records() -> None:
    nothing, something = np.zeros((2, 3), np.float32), np.eye(3, dtype=np.float32)
    for dense in ([nothing], [nothing, something, nothing]):
        for matrix, one in zip(dense, compacted(dense), strict=True):
            assert isinstance(one, Encoding)
            np.testing.assert_array_equal(rebuilt(one, 3), matrix)


# Shards.


def stored(cache: Cache, key: str) -> list[list[float]]:
    found: list[list[float]] = rebuilt(cache.read(cache.find([key])[key]), 3).tolist()
    return found


def sample(value: float) -> Encoding:
    one = compacted([np.full((1, 3), value, np.float32)])[0]
    assert isinstance(one, Encoding)
    return one


def test_a_tail_that_no_row_names_is_cut_off_and_earlier_records_stay() -> None:
    cache = Cache("reader", 3)
    with cache.writer() as writer:
        writer.add([("one", 1, sample(1.0))])
    whole = cache.path(0).stat().st_size
    with cache.path(0).open("ab") as file:
        file.write(b"what a killed writer left")
    with cache.writer() as writer:
        assert cache.path(0).stat().st_size == whole
        writer.add([("two", 1, sample(2.0))])
    assert [stored(cache, "one"), stored(cache, "two")] == [[[1.0] * 3], [[2.0] * 3]]


def test_two_writers_at_once_have_a_shard_each() -> None:
    cache = Cache("reader", 3)
    with cache.writer() as first, cache.writer() as second:
        first.add([("one", 1, sample(1.0))])
        second.add([("two", 1, sample(2.0)), ("one", 1, sample(9.0))])
        assert (first.shard, second.shard) == (0, 1)
    assert [stored(cache, "one"), stored(cache, "two")] == [[[1.0] * 3], [[2.0] * 3]]


def test_a_full_shard_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_LIMIT", 100)
    cache = Cache("reader", 3)
    with cache.writer() as writer:
        for number in range(6):
            writer.add([(str(number), 1, sample(number + 1.0))])
    assert [stored(cache, str(n)) for n in range(6)] == [[[n + 1.0] * 3] for n in range(6)]
    assert len({place.shard for place in cache.find(map(str, range(6))).values()}) == 2


def test_a_record_whose_row_was_not_committed_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache("reader", 3)
    with cache.writer() as writer, monkeypatch.context() as broken:
        broken.setattr(shards, "INSERT", "INSERT INTO no_such_table VALUES (?)")
        with pytest.raises(sqlite3.OperationalError):
            writer.add([("one", 1, sample(1.0))])
    assert cache.find(["one"]) == {}
