"""How much disk a study's encodings take, and how fast they open and answer: 2,000 answers of 500 tokens.

    python -m bench.store [--tiny]

90 of 65,536 features are active on a token, drawn by frequencies that fall like 1/rank (many rare features: hard
to store) or that are log-normal (like published SAEs' feature densities).
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from diffing.common.arrays import Array
from diffing.models.providers import Checkpoint
from diffing.reader.cache import Cache
from diffing.reader.compact import compact, encodings
from diffing.reader.encodings import Encodings, encodable, save_table
from diffing.study.study import Study

FEATURES = 65_536
ACTIVE = 90
TOKENS = 500
BLOCK = 20
"""Answers that are made and stored together."""


def frequencies(kind: str, random: np.random.Generator) -> Array:
    """How often each feature is active on a token; they add up to `ACTIVE`."""
    weights = 1 / np.arange(1, FEATURES + 1) if kind == "1/rank" else np.exp(random.normal(0, 2.3, FEATURES))
    share = random.permutation(weights / weights.sum() * ACTIVE)
    for _ in range(50):
        full = share >= 1
        share[full] = 1
        share[~full] *= (ACTIVE - full.sum()) / share[~full].sum()
    return share


def triples(share: Array, random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and features that are active in a block of answers, by row then feature."""
    rows, features = [], []
    for feature, count in enumerate(random.binomial(BLOCK * TOKENS, share)):
        rows.append(random.choice(BLOCK * TOKENS, count, replace=False, shuffle=False))
        features.append(np.full(count, feature))
    row, feature_of = np.concatenate(rows), np.concatenate(features)
    order = np.lexsort([feature_of, row])
    return torch.from_numpy(row[order]), torch.from_numpy(feature_of[order])


def make(answers: int, kind: str) -> Study:
    """A study with stored encodings; a few drawn blocks are used again with fresh values."""
    random = np.random.default_rng(0)
    prompts = pd.DataFrame({"text": [f"prompt {n}" for n in range(answers // 2)]})
    study = Study.create("bench", [Checkpoint(key=k, name=k, source="import") for k in "ab"], prompts)
    ids = study.prompts()["id"]
    rows = [{"prompt_id": i, "checkpoint": k, "text": f"{i} {k}"} for i in ids for k in "ab"]
    study.add_responses(pd.DataFrame(rows))
    share = frequencies(kind, random)
    blocks = [triples(share, random) for _ in range(3)]
    text = torch.arange(BLOCK).repeat_interleave(TOKENS)
    position = torch.arange(TOKENS).repeat(BLOCK)
    ids_of, spans = np.arange(TOKENS, dtype=np.uint32), np.zeros((TOKENS, 2), np.int32)
    cache, keys = Cache("bench", FEATURES), [str(n) for n in range(answers)]
    with cache.writer() as writer:
        for start in range(0, answers, BLOCK):
            row, feature = blocks[start // BLOCK % len(blocks)]
            value = torch.from_numpy(random.gamma(1.5, 1.0, len(row)).astype(np.float32))
            batch = compact(row, feature, value, text, position, BLOCK, FEATURES)
            made = encodings(batch, [ids_of] * BLOCK, [spans] * BLOCK)
            writer.add([(key, TOKENS, one) for key, one in zip(keys[start:], made, strict=False)])  # type: ignore[misc]
    wanted = encodable(study).assign(error="")
    places = cache.find(keys)
    save_table(study, wanted, [places[key] for key in keys], "bench", FEATURES)
    return study


def clock(step: Callable[[], object], repeats: int = 5) -> float:
    """Median milliseconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - began))
    return float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    answers = 40 if parser.parse_args().tiny else 2000
    print(f"{time.strftime('%F')}, {os.cpu_count()} cores; {answers:,} answers of {TOKENS} tokens")
    print(
        "| frequencies | entries | features an answer | disk MB | open ms | common feature ms | rare feature ms |",
        end="",
    )
    print(" one answer ms |\n|---|---|---|---|---|---|---|---|")
    for kind in ("1/rank", "log-normal"):
        with tempfile.TemporaryDirectory(prefix="bench-store-") as folder:
            os.environ["DIFFING_HOME"] = folder
            study = make(answers, kind)
            size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
            opening = clock(partial(Encodings.open, study))
            found = Encodings.open(study)
            counts = np.bincount(found.feature, minlength=FEATURES)
            common, rare = int(counts.argmax()), int(np.flatnonzero(counts)[counts[counts > 0].argmin()])
            found = Encodings.open(study)
            asked = [clock(partial(found.occurrences, feature)) for feature in (common, rare)]
            one = clock(partial(found.dense, 7, common))
            entries = sum(int(n) for n in found.table["entries"])
            print(
                f"| {kind} | {entries:,} | {found.indptr[-1] / answers:,.0f} | {size / 1e6:.0f} | {opening:.0f} "
                f"| {asked[0]:.1f} | {asked[1]:.1f} | {one:.1f} |"
            )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


if __name__ == "__main__":
    main()
