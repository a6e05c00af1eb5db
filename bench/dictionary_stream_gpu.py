"""What training a crosscoder adds to the passes that feed it, at Llama-3.1-8B's shape on one GPU and on two.

    python -m bench.dictionary_stream_gpu [--tokens N] [--batch N] [--out FILE.md] [--tiny]

Random weights and texts, since no figure here hangs on what a model says. In one process: both passes to the
middle layer, with their rows shuffled and thrown away; the same with a crosscoder of 65,536 latents that learns
from them; the crosscoder alone, on rows that lie there; and, where there are two GPUs, passes on both and the
crosscoder on the second. Each way is timed behind its first portions. `--tiny` runs everywhere, with two copies on
one CPU.
"""

import argparse
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from bench import dictionary_gpu, pair_gpu
from diffing.models.whole import Whole
from diffing.whitebox.activations.corpus import Corpus
from diffing.whitebox.activations.several import Several
from diffing.whitebox.activations.source import Passes, Source
from diffing.whitebox.activations.stream import Options as Flow
from diffing.whitebox.activations.stream import Stream
from diffing.whitebox.dictionaries.shape import scale_of
from diffing.whitebox.dictionaries.training import Options, Place, Training
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import Document


class Size(NamedTuple):
    layers: int
    vocabulary: int
    width: int
    latents: int
    k: int
    buffer: int
    longest: int


FULL = Size(32, 128_256, 4096, 65_536, 100, 131_072, 700)
TINY = Size(4, 512, 256, 512, 8, 2048, 40)


def texts(tokens: int, size: Size) -> list[Document]:
    """Random ids; lengths as those of answers spread, between a tenth of the longest and the longest."""
    draws = np.random.default_rng(0)
    found: list[Document] = []
    while tokens > 0:
        length = int(draws.integers(size.longest // 10, size.longest))
        ids = tuple(draws.integers(0, size.vocabulary, length).tolist())
        found.append(Document(f"text {len(found)}", ids, 1, length, "text", False))
        tokens -= length
    return found


class Timed(NamedTuple):
    rate: float
    """Tokens a second."""
    memory: dict[str, float]
    """GiB at most, by device."""


def wait(devices: Sequence[torch.device]) -> None:
    for device in devices:
        if device.type == "cuda":
            torch.cuda.synchronize(device)


def timed(source: Source, flow: Flow, devices: Sequence[torch.device], training: Training | None) -> Timed:
    """Tokens a second once the first two half buffers are through; until then nothing is in step yet."""
    for device in devices:
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
    stream = Stream(source, flow, devices[-1])
    begun, before = 0.0, 0
    for rows in stream:
        if training:
            training._step(rows, lambda _: None)
        if not begun and stream.given >= flow.buffer:
            wait(devices)
            begun, before = time.perf_counter(), stream.given
    wait(devices)
    rate = (stream.given - before) / (time.perf_counter() - begun)
    memory = {
        str(device): torch.cuda.max_memory_allocated(device) / 2**30 for device in devices if device.type == "cuda"
    }
    return Timed(rate, memory)


def learner(source: Source, flow: Flow, size: Size, device: torch.device) -> Training:
    """A training whose flow is handed to it batch by batch; nothing of it is kept."""
    stream = Stream(source, flow.model_copy(update={"buffer": 8 * flow.batch}), device)
    first = next(iter(stream))
    options = Options(latents=size.latents, k=size.k, minutes=1e9)
    scale = scale_of(first.float(), options.shape(source.width))
    made = Training(Stream(source, flow, device), 10**6, scale, options, Place(Path("/nonexistent")), device)
    # As behind the first two thousand steps, up to which more latents are active.
    made.learner = dictionary_gpu.learner(dictionary_gpu.Case(made.learner.shape, (), k=size.k), device)
    return made


def alone(training: Training, source: Source, flow: Flow, device: torch.device, times: int) -> float:
    """Tokens a second of the training by itself."""
    rows = next(iter(Stream(source, flow.model_copy(update={"buffer": 8 * flow.batch}), device)))
    for _ in range(3):
        training._step(rows, lambda _: None)
    wait([device])
    begun = time.perf_counter()
    for _ in range(times):
        training._step(rows, lambda _: None)
    wait([device])
    return times * len(rows) / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=1_500_000)
    parser.add_argument("--batch", type=int, default=8192)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    size = TINY if asked.tiny else FULL
    devices = [torch.device("cuda", n) for n in range(min(2, torch.cuda.device_count()))]
    if asked.tiny or not devices:
        devices = [torch.device("cpu")]
    flow = Flow(batch=64 if asked.tiny else asked.batch, buffer=size.buffer, normed=1)
    tokens = 6000 if asked.tiny else asked.tokens
    dtype = torch.float32 if asked.tiny else torch.bfloat16
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)
        # After each line: a run that is cut short has told what it found.
        if asked.out:
            asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def pair(device: torch.device) -> Pair:
        return pair_gpu.paired(Whole(pair_gpu.model(size.layers, size.vocabulary, dtype, device, size.width)))

    name = torch.cuda.get_device_name() if devices[0].type == "cuda" else platform.processor()
    say(f"device: {len(devices)} × {name}; torch {torch.__version__}, {time.strftime('%F')}")
    corpus = Corpus(texts(tokens, size))
    layer = (size.layers // 2,)
    shape = f"2 × {size.width:,} × {size.latents:,}"
    say(f"{shape}, layer {layer[0]}, batch {flow.batch:,}, {corpus.tokens:,} tokens\n")
    say("| way | tokens/s | against passes alone | GiB at most |\n|---|---|---|---|")
    one = Passes(pair(devices[0]), corpus, layer)
    passes = timed(one, flow, devices[:1], None)

    def row(way: str, found: Timed) -> None:
        held = ", ".join(f"{device} {gib:.0f}" for device, gib in found.memory.items())
        say(f"| {way} | {found.rate:,.0f} | {passes.rate / found.rate:.2f} × the time | {held} |")

    row("passes alone", passes)
    training = learner(one, flow, size, devices[0])
    say(f"| training alone | {alone(training, one, flow, devices[0], 20):,.0f} | | |")
    both = timed(one, flow, devices[:1], training)
    row("passes and training", both)
    del training
    second = devices[-1] if len(devices) > 1 else devices[0]
    if len(devices) == 1 and not asked.tiny:
        return
    torch.cuda.empty_cache()
    two = Several([one, Passes(pair(second), corpus, layer)])
    row("passes on two", timed(two, flow, [devices[0], second], None))
    spread = timed(two, flow, [devices[0], second], learner(two, flow, size, second))
    row("passes on two, training on the second", spread)
    say(f"\nTwo against one, end to end: {spread.rate / both.rate:.2f} ×")


if __name__ == "__main__":
    main()
