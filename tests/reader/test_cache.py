"""The cache: a record gives back what went in, within its bound, and only what was committed exists."""

import sqlite3

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffing.reader.cache import Cache
from diffing.reader.compact import compact, encodings
from diffing.reader.records import Encoding, from_buffer, to_bytes

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
        data, place = to_bytes(one, matrix.shape[1])
        back = from_buffer(b"\0" * 8 + data, place._replace(offset=8), matrix.shape[1])
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
    data, place = to_bytes(one, n_features)
    back = from_buffer(data, place._replace(offset=0), n_features)
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
    monkeypatch.setattr("diffing.reader.cache.SHARD_LIMIT", 100)
    cache = Cache("reader", 3)
    with cache.writer() as writer:
        for number in range(6):
            writer.add([(str(number), 1, sample(number + 1.0))])
    assert [stored(cache, str(n)) for n in range(6)] == [[[n + 1.0] * 3] for n in range(6)]
    assert len({place.shard for place in cache.find(map(str, range(6))).values()}) == 2


def test_a_record_whose_row_was_not_committed_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache("reader", 3)
    with cache.writer() as writer, monkeypatch.context() as broken:
        broken.setattr("diffing.reader.cache.Kind.insert", "INSERT INTO no_such_table VALUES (?)")
        with pytest.raises(sqlite3.OperationalError):
            writer.add([("one", 1, sample(1.0))])
    assert cache.find(["one"]) == {}
