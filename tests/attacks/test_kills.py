"""Jobs of every kind killed in their work, at random moments and at chosen steps on the disk: nothing is lost.

`bench/kill.py` does the same two hundred times, with whole reports and detached processes, and at every step.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import kills
from tests.fakes.killed import Ground, Tally, at_steps
from tests.fakes.warm import Warm

KILLS = 1
"""In the work, of each kind: `bench/kill.py` has the many, and its table stands in docs/security.md."""
MOST = 30
"""Kills until a kind is given up: on a machine that is busy at the wrong moments many come after the end."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    root: Path = tmp_path_factory.mktemp("kills")
    with Warm() as warm, kills.server() as server:
        yield Ground(root, warm, server)


@pytest.mark.attack("R7")
@pytest.mark.attack("R8")
@pytest.mark.attack("R21")
@pytest.mark.parametrize("kind", kills.KINDS)
def test_a_job_that_is_killed_again_and_again_loses_nothing(ground: Ground, kind: str) -> None:
    chance, tally = random.Random(kind), Tally()
    while tally.in_the_work < KILLS and tally.kills < MOST:
        ground.killed(kind, chance, tally)
    assert (tally.faults, tally.lost) == ([], 0)
    assert tally.in_the_work > 0


@pytest.mark.attack("R13")
@pytest.mark.attack("R21")
@pytest.mark.parametrize("kind", ["new", "import", "encode", "diff", "report", "repair"])
def test_a_job_that_ends_at_a_step_on_the_disk_is_made_good_by_the_next(ground: Ground, kind: str) -> None:
    """One in the middle, and the last two, which put things in their places; `bench/kill.py` has every one."""
    every = ground.steps(kind)
    chosen = sorted({every // 2, every - 1, every})
    assert at_steps(ground, kind, chosen) == []
