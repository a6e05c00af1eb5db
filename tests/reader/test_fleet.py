"""Encoding on several workers: what one would give, a stop while they load, and a worker that dies."""

import os
import time

import numpy as np
import pytest
import torch

from diffing.common.errors import Cancelled, UserError
from diffing.reader.batches import Task
from diffing.reader.cache import Cache
from diffing.reader.fleet import Fleet
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch


def load_fake(_device: str) -> FakeReader:
    torch.set_num_threads(1)
    return FakeReader()


def test_several_workers_encode_what_one_would() -> None:
    tasks = [Task(f"key {n}", [], " ".join(f"w{n}x{m}" for m in range(n % 7 + 1))) for n in range(30)]
    tasks.append(Task("bad", [], "unreadable"))
    watch = Watch()
    with Fleet(load_fake, ["cpu", "cpu"]) as fleet:
        ready = fleet.ready()
        cache = Cache(ready.key, ready.n_features)
        told: list[tuple[int, int, int]] = []
        errors = fleet.run(tasks, lambda *figures: told.append(figures), watch.check)
    assert errors == {"bad": "This text is not for reading; write another."}
    alone = FakeReader()
    for task in tasks[:-1]:
        one = cache.read(cache.find([task.key])[task.key])
        expected = alone.expected(task.text).numpy()
        assert one.feature.tolist() == np.flatnonzero(expected.max(0)).tolist()
        np.testing.assert_array_equal(one.peak, expected.max(0)[one.feature])
    tokens = sum(len(alone.expected(task.text)) for task in tasks[:-1])
    characters = sum(len(task.text) for task in tasks)
    assert told[-1] == (characters, characters, tokens)
    assert {total for _, total, _ in told} == {characters}


def load_missing(_device: str) -> FakeReader:
    raise UserError("There is no such model; choose another.")


def load_and_die(_device: str) -> FakeReader:
    os._exit(3)


def load_slowly(_device: str) -> FakeReader:
    time.sleep(2)
    return FakeReader()


def test_workers_can_be_stopped_while_they_load() -> None:
    with Fleet(load_slowly, ["cpu"]) as fleet, pytest.raises(Cancelled):
        fleet.ready(Watch(checks=1).check)


def test_a_worker_that_cannot_load_or_dies_is_told() -> None:
    with Fleet(load_missing, ["cpu"]) as missing, Fleet(load_and_die, ["cpu"]) as dying:
        with pytest.raises(UserError, match="no such model"):
            missing.ready()
        with pytest.raises(RuntimeError, match=r"died \(exit code 3\)"):
            dying.ready()
