"""Jobs of every kind killed at random moments, again and again until they end by themselves, and what is left.

    python -m bench.kill [--kills 200] [--seed N] [--every-step] [KIND ...]

Studies are tiny, and a server on this machine gives the answers and knows what it billed. Most jobs run in a child
of a process that has imported everything (`tests.fakes.warm`), so that the kills fall into the work and not into
seconds of imports; there the reader is a fake one. One kill in ten goes to a detached job as the dashboard starts
it, once it has begun to work. `--every-step` ends a job before each of its changes on the disk in turn instead.
Exits with 1 where anything was lost.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.fakes import kills
from tests.fakes.killed import Ground, Tally, at_steps
from tests.fakes.warm import Warm

DETACHED = 10
"""One kill in so many is of a detached job, whose process takes seconds to start."""
STEPPED = ("new", "import", "encode", "diff", "report", "repair", "label", "draft")
"""Kinds that are ended at every step: those that put more than a line at a time on the disk."""


@contextmanager
def ground() -> Iterator[Ground]:
    # A short name: the sockets of a report's notebook lie below it, and theirs are limited.
    with tempfile.TemporaryDirectory(prefix="k") as root, Warm() as warm, kills.server() as server:
        yield Ground(Path(root), warm, server, whole=True)


def randomly(kinds: Sequence[str], total: int, seed: int) -> int:
    """Kill each kind its share of the total, in the work; how many kills were lost."""
    share = -(-total // len(kinds))
    columns = ("kills", "in the work", "survived", "lost")
    print(f"| kind | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    whole = Tally()
    with ground() as ready:
        for kind in kinds:
            chance, tally = random.Random(f"{seed} {kind}"), Tally()
            while tally.in_the_work < share and tally.kills < 4 * share:
                detached = kills.KINDS[kind].options is not None and kind != "encode"
                ready.killed(kind, chance, tally, detached and chance.randrange(DETACHED) == 0)
            line(kind, tally)
            whole.join(tally)
    line("all", whole)
    return whole.lost


def line(kind: str, tally: Tally) -> None:
    print(f"| {kind} | {tally.kills} | {tally.in_the_work} | {tally.survived} | {tally.lost} |", flush=True)
    for fault in tally.faults if kind != "all" else []:
        print(f"    {fault}", flush=True)


def stepwise(kinds: Sequence[str]) -> int:
    lost = 0
    print("| kind | steps | lost |\n|---|---:|---:|")
    with ground() as ready:
        ready.whole = False
        for kind in kinds:
            steps = ready.steps(kind)
            faults = at_steps(ready, kind, range(1, steps + 1))
            lost += len(faults)
            print(
                f"| {kind} | {steps} | {len(faults)} |",
                *[f"    {fault}" for fault in faults],
                sep="\n",
                flush=True,
            )
    return lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"all, unless named: {', '.join(kills.KINDS)}")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every-step", action="store_true")
    told = parser.parse_args()
    if unknown := {*told.kinds} - {*kills.KINDS}:
        parser.error(f"there is no kind '{min(unknown)}'")
    if told.every_step:
        lost = stepwise(told.kinds or STEPPED)
    else:
        lost = randomly(told.kinds or [*kills.KINDS], told.kills, told.seed)
    sys.exit(lost > 0)


if __name__ == "__main__":
    main()
