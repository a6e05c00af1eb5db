"""Paired activations from several devices: the same rows as from one, in one order, and no fault gets lost."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from diffing.common.errors import Cancelled, UserError
from diffing.whitebox.activations.corpus import Corpus
from diffing.whitebox.activations.several import Several, Turns
from diffing.whitebox.activations.source import Block, Check, Passes
from diffing.whitebox.activations.stream import Options, Stream
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import Document
from tests.fakes import pairs as fakes

DRAWS = np.random.default_rng(5)
DOCUMENTS = [
    Document(f"text {n}", (0, *DRAWS.integers(20, 390, length).tolist()), 1, length + 1, "text", n % 4 == 0)
    for n, length in enumerate(DRAWS.integers(3, 30, 60).tolist())
]
SMALL = Options(batch=32, buffer=256, seed=1)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    """Two copies of one pair, as two devices have them."""
    folder = fakes.make(tmp_path_factory.mktemp("pairs"), "llama")
    return [open_pair(folder.low_rank) for _ in range(2)]


def several(pairs: Sequence[Pair], share: int = 64) -> Several:
    source = Several([Passes(pair, Corpus(DOCUMENTS), (3,)) for pair in pairs])
    source.share = share
    return source


def rows(source: Several, options: Options = SMALL) -> list[torch.Tensor]:
    return [batch.values for batch in Stream(source, options).batches()]


def test_two_give_the_bits_of_one_whichever_takes_what(pairs: list[Pair]) -> None:
    one, two = rows(several(pairs[:1])), rows(several(pairs))
    assert len(one) == len(two) and all(map(torch.equal, one, two))


def test_rows_are_those_of_a_plain_pass(pairs: list[Pair]) -> None:
    plain = [batch.values for batch in Stream(Passes(pairs[0], Corpus(DOCUMENTS), (3,)), SMALL).batches()]
    torch.testing.assert_close(torch.cat(rows(several(pairs))), torch.cat(plain), rtol=1e-5, atol=1e-5)


def test_killed_it_goes_on_with_the_same_rows(pairs: list[Pair]) -> None:
    whole = rows(several(pairs))
    first = Stream(several(pairs), SMALL)
    flow = first.batches()
    before = [next(flow).values for _ in range(7)]
    flow.close()
    again = Stream(several(pairs), SMALL)
    again.restore(first.state())
    assert torch.equal(torch.cat([*before, *(batch.values for batch in again.batches())]), torch.cat(whole))
    with pytest.raises(UserError, match="read other activations"):
        # Shares of another size are other company for a text.
        Stream(several(pairs, 32), SMALL).restore(first.state())


def test_both_read_at_once_and_go_on_while_somebody_trains(
    pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, by = Passes.read, list[str]()
    both = threading.Barrier(2)

    def watched(self: Passes, documents: Sequence[int], check: Check) -> Iterator[Block]:
        by.append(threading.current_thread().name)
        if len(by) <= 2:
            # Neither goes on before the other is here: were there one reader, this would break.
            both.wait(30)
        return plain(self, documents, check)

    monkeypatch.setattr(Passes, "read", watched)
    source = several(pairs)
    # As on two devices, of which neither is the trainer's.
    monkeypatch.setattr(Turns, "reads", lambda _: nullcontext())
    stream = Stream(source, SMALL)
    flow = stream.batches()
    next(flow)
    # The first rows come from one portion; by then the one behind it is asked for, and read though nobody fetches.
    begun = sum(len(source._cut(stream.plan.portions[n].documents.tolist())) for n in range(2))
    for _ in range(300):
        if len(by) == begun:
            break
        time.sleep(0.1)
    assert len(by) == begun
    flow.close()


def test_a_device_is_its_trainers_until_it_is_let_go() -> None:
    turns, told = Turns(), list[str]()

    def reads() -> None:
        with turns.reads():
            told.append("reads")

    with turns.trains():
        thread = threading.Thread(target=reads)
        thread.start()
        time.sleep(0.05)
        told.append("trained")
    thread.join(30)
    assert told == ["trained", "reads"]


def test_a_fault_of_any_device_is_raised_where_rows_are_fetched(
    pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, calls = Passes.read, list[int]()

    def breaks(self: Passes, documents: Sequence[int], check: Check) -> Iterator[Block]:
        calls.append(1)
        if len(calls) == 3:
            raise UserError("The device fell off the table.")
        return plain(self, documents, check)

    monkeypatch.setattr(Passes, "read", breaks)
    source = several(pairs)
    with pytest.raises(UserError, match="fell off"):
        rows(source)
    # The threads live on: the next who asks is served.
    assert len(torch.cat(rows(source))) == Stream(source, SMALL).rows


def test_stopped_while_it_waits_it_leaves_the_pair_free(
    pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = set[str]()

    def slow(*_: object) -> Iterator[Block]:
        name = threading.current_thread().name
        reading.add(name)
        time.sleep(0.3)
        reading.remove(name)
        return iter(())

    def cancelled() -> None:
        # Whenever somebody reads: on a busy machine nobody may have begun yet.
        if reading:
            raise Cancelled

    monkeypatch.setattr(Passes, "read", slow)
    with pytest.raises(Cancelled):
        list(Stream(several(pairs), SMALL, check=cancelled).batches())
    assert not reading
