"""Summaries: over every bar that is not under their floor they say what positions say, number by number."""

import os
import signal
from typing import IO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffing.common.errors import UserError
from diffing.reader import cache, floors
from diffing.reader.cache import Cache
from diffing.reader.records import Encoding, from_buffer, to_bytes
from diffing.reader.summaries import Entries, Shows, Summary, Whole, summed_up
from tests.reader.test_cache import POSITIVE, VALUES, compacted, sample, texts

FEATURES = 300


def answers(number: int = 6, tokens: int = 50, seed: int = 0) -> list[Encoding]:
    """Random answers in half precision, some activations below zero; feature 0 is never active."""
    random = np.random.default_rng(seed)
    dense = []
    for _ in range(number):
        values = random.gamma(1.5, 1.0, (tokens, FEATURES)) * random.choice([1, -1], (tokens, FEATURES))
        values[random.random((tokens, FEATURES)) > np.linspace(0, 0.5, FEATURES)] = 0
        dense.append(np.round(values, 1).astype(np.float32))
    found = compacted(dense)
    assert not any(isinstance(one, str) for one in found)
    return [stored(one, FEATURES) for one in found if isinstance(one, Encoding)]


def stored(one: Encoding, n_features: int) -> Encoding:
    """With its positions, as the cache gives it back."""
    data, place = to_bytes(one, n_features)
    return from_buffer(data, place._replace(offset=0), n_features)


def opened(one: Encoding, floor: np.ndarray) -> Summary:
    data, place = summed_up(one, len(floor), floor)
    return Summary(b"before" + data, place._replace(offset=6), len(floor), floor)


def columns(found: Shows | Entries) -> list[tuple[str, list[float]]]:
    arrays = (found.feature, found.counts, found.firsts, found.lasts, found.peaks)
    return [(str(array.dtype), array.tolist()) for array in arrays]


@settings(max_examples=40)
@given(texts(POSITIVE) | texts(VALUES), st.floats(0, 0.9), st.floats(0.01, 1.2))
def test_a_summary_gives_what_positions_give_over_every_bar_from_its_floor_up(
    dense: list[np.ndarray], low: float, share: float
) -> None:
    found = [stored(one, 5) for one in compacted(dense) if isinstance(one, Encoding)]
    strongest = np.zeros(5, np.float32)
    for one in found:
        strongest[one.feature] = np.maximum(strongest[one.feature], np.abs(one.peak))
    floor = np.float32(low) * strongest
    for one in found:
        summary = opened(one, floor)
        assert columns(summary) == columns(Whole(one))
        np.testing.assert_array_equal(summary.peak, one.peak)
        for bar in (floor, np.maximum(floor, np.float32(share) * strongest)):
            assert columns(summary.over(bar)) == columns(Whole(one).over(bar))


def test_what_lies_under_the_floor_is_not_guessed() -> None:
    one = answers(1)[0]
    floor = np.full(FEATURES, 2, np.float32)
    summary = opened(one, floor)
    assert columns(summary.over(floor)) == columns(Whole(one).over(floor))
    with pytest.raises(UserError, match="under their floor"):
        summary.over(floor / 2)


def test_tokens_and_their_places_in_the_text_come_back_as_they_were() -> None:
    one = answers(1)[0]
    # Tokens that share characters, and a gap.
    spans = np.array([[0, 3], [2, 3], [3, 300], [301, 301], *([[400, 401]] * 46)], np.int32)
    ids = np.random.default_rng(0).integers(0, 2**32, 50, dtype=np.uint32)
    summary = opened(Encoding(ids, spans, one.feature, one.peak, one.count, one.position, one.code), floor_of(9))
    np.testing.assert_array_equal(summary.ids, ids)
    np.testing.assert_array_equal(summary.spans, spans)


def floor_of(value: float) -> np.ndarray:
    return np.full(FEATURES, value, np.float32)


def test_a_summary_of_a_long_answer_takes_a_part_of_its_positions() -> None:
    made = answers(20, 400)
    cache = Cache("reader", FEATURES)
    with cache.writer() as whole, cache.summaries.writer(floor_of(4)) as short:
        for writer in (whole, short):
            writer.add([(str(number), 400, one) for number, one in enumerate(made)])
    places, summed = (each.find(map(str, range(20))) for each in (cache, cache.summaries))
    assert sum(p.size for p in summed.values()) < 0.2 * sum(p.size for p in places.values())
    assert [p.entries for p in summed.values()] == [p.entries for p in places.values()]


# Files.


def test_a_floor_comes_back_from_its_head_and_a_damaged_head_is_noticed() -> None:
    floor = np.random.default_rng(0).random(1000).astype(np.float32)
    head = floors.head(floor)
    assert floors.length(head) == len(head)
    np.testing.assert_array_equal(floors.read(head + b"records"), floor)
    with pytest.raises(ValueError, match="not what was written"):
        floors.read(head[:-5] + bytes([head[-5] ^ 1]) + head[-4:])
    with pytest.raises(ValueError, match="does not begin"):
        floors.read(b"records")


def test_a_floor_is_under_the_bar_of_every_two_checkpoints() -> None:
    strongest = np.array([[1, 5, 0], [2, 1, 3], [3, 0, 0]], np.float32)
    floor = floors.chosen(strongest)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (floor <= np.float32(0.3) * np.maximum(strongest[a], strongest[b])).all()
    np.testing.assert_array_equal(floor, np.float32(0.3) * np.array([2, 1, 0], np.float32))


def test_summaries_under_two_floors_lie_in_two_files_and_a_killed_writers_head_is_written_anew() -> None:
    cache = Cache("reader", 3).summaries
    cache._prepare()
    low, high = np.ones(3, np.float32), np.full(3, 2, np.float32)
    # Killed in the middle of the head.
    cache.path(0).write_bytes(floors.head(low)[:9])
    for key, floor in (("one", low), ("two", high), ("three", low)):
        with cache.writer(floor) as writer:
            writer.add([(key, 1, sample(3.0))])
    found = cache.find(["one", "two", "three"])
    assert {key: place.shard for key, place in found.items()} == {"one": 0, "two": 1, "three": 0}
    for key, floor in (("one", low), ("two", high)):
        buffer = cache.path(found[key].shard).read_bytes()
        np.testing.assert_array_equal(floors.read(buffer), floor)
        assert Summary(buffer, found[key], 3, floor).peaks.tolist() == [3.0] * 3
    assert cache.drop_damaged(found) == 0
    data = bytearray(cache.path(0).read_bytes())
    data[20] ^= 1
    cache.path(0).write_bytes(bytes(data))
    assert cache.drop_damaged(found) == 2


@pytest.mark.parametrize("share", [0.1, 0.6, 1.0])
@pytest.mark.parametrize("write", [1, 2, 4])
def test_a_writer_killed_in_any_write_leaves_what_was_committed_and_nothing_else(write: int, share: float) -> None:
    """The first write is the head's; after one that is whole the rows are still to come."""
    summaries, floor = Cache("reader", 3).summaries, np.ones(3, np.float32)
    child = os.fork()
    if not child:
        left, whole = write, cache.write_all

        def dying(file: IO[bytes], data: bytes) -> None:
            nonlocal left
            left -= 1
            whole(file, data if left else data[: int(share * len(data))])
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        cache.write_all = dying
        with summaries.writer(floor) as writer:
            for number in range(9):
                writer.add([(str(number), 1, sample(2.0 + number))])
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    keys = [str(number) for number in range(9)]
    assert sorted(summaries.find(keys)) == keys[: max(write - 2, 0)]
    with summaries.writer(floor) as writer:
        writer.add([(key, 1, sample(2.0 + int(key))) for key in keys])
        assert writer.shard == 0
    found = summaries.find(keys)
    assert summaries.drop_damaged(keys) == 0
    buffer = summaries.path(0).read_bytes()
    np.testing.assert_array_equal(floors.read(buffer), floor)
    assert [Summary(buffer, found[key], 3, floor).peaks[0] for key in keys] == [2.0 + n for n in range(9)]
    assert len(buffer) == max(place.offset + place.size for place in found.values())
