"""How fast the starter encodes answers on a CPU, against a plain loop of `transformers` and SAELens.

    python -m bench.encode_cpu TEXTS.jsonl.xz [--threads N] [--every N]

Both ways take the same answers in the same process, turn about in slices, so that whatever else the machine does
meets both. Ours is end to end: tokenising, batching, forward pass, SAE, sparse, written to disk. The plain loop
takes the answers by eights, padded, through the whole causal model, and keeps a CSR matrix an answer in memory;
one answer at a time is measured too, and the faster of the two is what counts.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sae_lens
import torch
import transformers
from sae_lens import SAE
from scipy import sparse
from transformers import AutoModelForCausalLM

from bench.encode_gpu import ignore, read_texts, tasks_of
from diffing.common import files
from diffing.reader.cache import Cache
from diffing.reader.encoder import Encoder
from diffing.reader.reader import Reader
from diffing.study.settings import ReaderChoice

STARTER = files.PROJECT / "diffing" / "starter"
SLICES = 10


class Plain:
    """What a notebook would do."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.model: Any = AutoModelForCausalLM.from_pretrained(STARTER / "reader", local_files_only=True)
        self.sae: Any = SAE.load_from_disk(STARTER / "sae")

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], at_once: int) -> list[sparse.csr_matrix]:
        found = []
        for start in range(0, len(texts), at_once):
            readings = [self.reader.read([], text) for text in texts[start : start + at_once]]
            ids = [window.ids for reading in readings for window in reading.windows]
            longest = max(map(len, ids))
            padded = torch.tensor([one + [0] * (longest - len(one)) for one in ids])
            mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in ids])
            out = self.model(padded, attention_mask=mask, output_hidden_states=True)
            dense = self.sae.encode(out.hidden_states[self.reader.forward.hook.layer + 1]).numpy()
            found += [sparse.csr_matrix(row[: len(one)]) for row, one in zip(dense, ids, strict=True)]
        return found


def tokens_of(reader: Reader, texts: Sequence[str]) -> int:
    return sum(len(window.ids) for text in texts for window in reader.read([], text).windows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--every", type=int, default=1, help="take every Nth answer")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    texts = read_texts(asked.texts)[:: asked.every]
    reader = Reader.load(ReaderChoice(), "cpu")
    plain = Plain(reader)
    spent: dict[str, list[tuple[int, float, float]]] = {"ours": [], "plain by 8": [], "plain alone": []}
    with tempfile.TemporaryDirectory(prefix="bench-encode-") as folder:
        os.environ["DIFFING_HOME"] = folder
        encoder = Encoder(reader, Cache(reader.key, reader.n_features))
        encoder.run(tasks_of(texts[:8], -1), ignore, ignore)
        plain.encode(texts[:8], 8)
        for number in range(SLICES):
            part = texts[number::SLICES]
            tokens = tokens_of(reader, part)
            for way, step in (
                ("ours", lambda part=part, n=number: encoder.run(tasks_of(part, n), ignore, ignore)),
                ("plain by 8", lambda part=part: plain.encode(part, 8)),
                ("plain alone", lambda part=part: plain.encode(part, 1)),
            ):
                wall, cpu = time.perf_counter(), time.process_time()
                step()
                spent[way].append((tokens, time.perf_counter() - wall, time.process_time() - cpu))
    if encoder.errors:
        raise SystemExit(next(iter(encoder.errors.values())))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {asked.threads} threads; torch {torch.__version__}, ",
        end="",
    )
    print(f"transformers {transformers.__version__}, sae-lens {sae_lens.__version__}, {time.strftime('%F')}")
    print(f"{len(texts)} answers, {sum(t for t, _, _ in spent['ours']):,} tokens")
    print("| way | tokens/s | tokens/s of CPU time | slowest to fastest slice |\n|---|---|---|---|")
    rates = {}
    for way, rows in spent.items():
        total, wall, cpu = (float(sum(column)) for column in zip(*rows, strict=True))
        slices = np.array([t / w for t, w, _ in rows])
        rates[way] = (total / wall, total / cpu)
        print(f"| {way} | {total / wall:,.0f} | {total / cpu:,.0f} | {slices.min():,.0f} to {slices.max():,.0f} |")
    ours, best = rates.pop("ours"), np.array(list(rates.values())).max(axis=0)
    print(f"{ours[0] / best[0]:.2f} times the plain loop by the clock, {ours[1] / best[1]:.2f} times by CPU time")


if __name__ == "__main__":
    main()
