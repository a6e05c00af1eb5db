"""How much encoding loses per CPU second where other work keeps the cores busy, and what waiting threads cost.

    python -m bench.encode_busy [--rounds N] [--others N]

Each way of waiting gets a process of its own, as it is read when torch is loaded; the ways take turns, idle and
beside `--others` processes that only count, so that whatever else the machine does meets all of them. What is read
are the sample's answers. `as started` is the product: what `diffing` sets before torch is there.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diffing.common import files

WAYS: dict[str, dict[str, str]] = {
    "as started": {},
    "threads spin": {"GOMP_SPINCOUNT": "300000"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
"""The second is what libgomp does where it is told nothing."""

SECONDS = 20.0
"""How long a process reads: long beside the first batches, which are slower."""

OTHERS = "while True: pass"


def measure() -> None:
    """In a process of its own: read the sample's answers until the time is over, and print what that took."""
    from bench.encode_gpu import ignore, tasks_of
    from diffing.reader.cache import Cache
    from diffing.reader.encoder import Encoder
    from diffing.reader.reader import Reader
    from diffing.study.settings import ReaderChoice
    from diffing.study.study import Study

    texts = [str(text) for text in Study.open("sample").responses()["text"] if text]
    with tempfile.TemporaryDirectory(prefix="bench-busy-") as folder:
        os.environ["DIFFING_HOME"] = folder
        reader = Reader.load(ReaderChoice(), "cpu")
        encoder = Encoder(reader, Cache(reader.key, reader.n_features))
        encoder.run(tasks_of(texts[:100], -1), ignore, ignore)
        tokens, turn = 0, 0
        wall, cpu = time.perf_counter(), time.process_time()
        while time.perf_counter() - wall < SECONDS:
            encoder.run(tasks_of(texts[:400], turn), ignore, ignore)
            tokens, turn = tokens + encoder.tokens, turn + 1
        print(json.dumps([tokens, time.perf_counter() - wall, time.process_time() - cpu]))


def child(way: str) -> tuple[float, float]:
    """Tokens a second by the clock and by CPU time."""
    ran = subprocess.run(
        [sys.executable, "-m", "bench.encode_busy", "--measure"],
        cwd=files.PROJECT,
        env={**os.environ, **WAYS[way]},
        check=True,
        capture_output=True,
        text=True,
    )
    tokens, wall, cpu = json.loads(ran.stdout.splitlines()[-1])
    return tokens / wall, tokens / cpu


@contextmanager
def beside(count: int) -> Iterator[None]:
    """So many processes that do nothing but take a core."""
    running = [subprocess.Popen([sys.executable, "-c", OTHERS]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--others", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        measure()
        return
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for _ in range(asked.rounds):
        for others in (0, asked.others):
            for way in WAYS:
                with beside(others):
                    found.setdefault((way, others), []).append(child(way))
    _show(found, asked.others)


def _show(found: dict[tuple[str, int], list[tuple[float, float]]], others: int) -> None:
    def middle(way: str, beside: int) -> Any:
        return [statistics.median(column) for column in zip(*found[way, beside], strict=True)]

    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%F')}; medians")
    print(f"| way | tokens/s idle | beside {others} | tokens a CPU second idle | beside {others} | kept |")
    print("|---|---|---|---|---|---|")
    for way in WAYS:
        (wall, cpu), (wall_busy, cpu_busy) = middle(way, 0), middle(way, others)
        print(f"| {way} | {wall:,.0f} | {wall_busy:,.0f} | {cpu:,.0f} | {cpu_busy:,.0f} | {cpu_busy / cpu:.0%} |")


if __name__ == "__main__":
    main()
