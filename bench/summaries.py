"""What a summary of an answer takes on disk beside its positions, and how long it takes to write and to read.

    python -m bench.summaries [--tiny]

Answers of 433 tokens, 90 of 65,536 features active on a token, at the frequencies of `bench.store`; activations
in bfloat16, as a GPU computes them, or in float32. The floor is that of 20,000 answers, the bar that of a million:
each feature's strongest activation is drawn from the distribution of the largest of so many.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy import stats

from bench.store import BLOCK, FEATURES, frequencies
from diffing.common.arrays import Array
from diffing.reader import floors
from diffing.reader.compact import compact, encodings
from diffing.reader.records import Encoding, Place, to_bytes
from diffing.reader.summaries import Summary, Whole, summed_up

TOKENS = 433
"""Of an answer of AlpacaEval, on average."""


def answers(kind: str, half: bool, number: int) -> list[Encoding]:
    """Random answers; ids and places of tokens as an English text's are."""
    random = np.random.default_rng(0)
    share, made = frequencies(kind, random), []
    rows = BLOCK * TOKENS
    text, position = torch.arange(BLOCK).repeat_interleave(TOKENS), torch.arange(TOKENS).repeat(BLOCK)
    for _ in range(number // BLOCK):
        active = [random.choice(rows, n, replace=False, shuffle=False) for n in random.binomial(rows, share)]
        row, feature = np.concatenate(active), np.repeat(np.arange(FEATURES), [len(a) for a in active])
        order = np.lexsort([feature, row])
        value = torch.from_numpy(random.gamma(1.5, 1.0, len(row)).astype(np.float32))
        value = value.bfloat16().float() if half else value
        # Zipf's law, roughly: a few tokens make most of a text.
        ids = [random.zipf(1.3, TOKENS).clip(max=128_000).astype(np.uint32) for _ in range(BLOCK)]
        ends = [np.cumsum(random.integers(1, 9, TOKENS)).astype(np.int32) for _ in range(BLOCK)]
        spans = [np.stack([np.concatenate([[0], end[:-1]]), end], axis=1).astype(np.int32) for end in ends]
        triples = torch.from_numpy(row[order]), torch.from_numpy(feature[order]), value
        found = encodings(compact(*triples, text, position, BLOCK, FEATURES), ids, spans)
        made += [one for one in found if isinstance(one, Encoding)]
    return made


def timed(step: Callable[[], object], number: int) -> float:
    """Milliseconds of processor time for each of so many."""
    began = time.process_time()
    step()
    return 1e3 * (time.process_time() - began) / number


def strongest(share: Array, answers: int, random: np.random.Generator) -> Array:
    """The largest of all activations that each feature has in so many answers."""
    number = np.maximum(share * answers * TOKENS, 1)
    # All of them lie under the largest with probability u where each does with u^(1/number).
    beyond = -np.expm1(np.log(random.random(len(share))) / number)
    return np.asarray(stats.gamma.isf(beyond, 1.5), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    number = 40 if parser.parse_args().tiny else 200
    print(f"{time.strftime('%F')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}; {number} answers\n")
    print(
        "| frequencies | activations | positions, bytes a token | summary | GB a million answers, positions |",
        end="",
    )
    print(" summaries | write ms | read ms | over a bar ms | the same of positions |\n" + "|---" * 10 + "|")
    for kind in ("1/rank", "log-normal"):
        for half in (True, False):
            report(kind, half, number)


def report(kind: str, half: bool, number: int) -> None:
    rest, random = answers(kind, half, number), np.random.default_rng(1)
    share = frequencies(kind, np.random.default_rng(0))
    floor = floors.chosen(np.stack([strongest(share, 20_000, random)] * 2))
    sizes = [len(to_bytes(one, FEATURES)[0]) for one in rest]
    packed: list[tuple[bytes, Place]] = []
    writing = timed(lambda: packed.extend(summed_up(one, FEATURES, floor) for one in rest), len(rest))
    opened = [Summary(data, place._replace(offset=0), FEATURES, floor) for data, place in packed]
    reading = timed(lambda: [(s.feature, s.counts, s.firsts, s.lasts, s.peaks) for s in opened], len(rest))
    bar = np.maximum(floor, np.float32(0.3) * strongest(share, 1_000_000, random))
    over = timed(lambda: [each.over(bar) for each in opened], len(rest))
    whole = timed(lambda: [Whole(one).over(bar) for one in rest], len(rest))
    with tempfile.TemporaryFile() as file:
        file.writelines(data for data, _ in packed)
        size = file.tell()
    tokens = TOKENS * len(rest)
    print(
        f"| {kind} | {'bfloat16' if half else 'float32'} | {sum(sizes) / tokens:.0f} | {size / tokens:.0f} "
        f"| {sum(sizes) / len(rest) / 1e3:.0f} | {size / len(rest) / 1e3:.1f} | {writing:.2f} | {reading:.2f} "
        f"| {over:.2f} | {whole:.2f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
