"""How long a diff takes, and how that grows: `python -m bench.diff [--prompts 1000 --features 65536 --draws 1 4]`.

Makes studies of random answers whose encodings are stored as real ones are: about 450 tokens an answer, 90
features active on a token, a few features everywhere and most in a few answers, bursts within an answer. Then a
fresh process computes the diff and reports time by step and its peak memory. One feature in a hundred differs: B
shows it on half as many tokens again. Every answer that shows such a planted feature does so at nearly one
strength, above the bar of a share of its peak, as a word that is there or not would: random strengths would mostly
lie below that bar, which would then be what is measured.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffing.common.arrays import Array

ACTIVE = 90
"""Features active on a token."""
WORDS = 5000
CLUMP = 4
"""Features that fire on the same tokens, as every fifth clump of features does."""
EVERY, PLANT = 100, 7
"""One feature in so many is planted, and which of them."""

COLUMNS = {
    "CPU s": "cpu",
    "GiB": "memory",
    "tested": "tested",
    "differing": "differing",
    "families": "families",
}


def make(name: str, features: int, prompts: int, draws: int) -> None:
    """A study with its answers and encodings, under DIFFING_HOME."""
    from diffing.common import files
    from diffing.models.providers import Checkpoint
    from diffing.reader import cache as shards
    from diffing.reader.encodings import save_table
    from diffing.study.study import Study

    random = np.random.default_rng(0)
    questions = pd.DataFrame({"text": [f"Question {n}?" for n in range(prompts)]})
    questions["category"] = [f"category {n % 8}" for n in range(prompts)]
    study = Study.create(name, [Checkpoint(key=k, name=k, source="import") for k in "ab"], questions)
    words = np.array(["".join(random.choice(list("abcdefghij"), random.integers(1, 6))) for _ in range(WORDS)])
    words[:6] = ["**bold**", "I'm sorry,", "however —", "really!", "\n\n- item", "1)  double"]
    # Densities of real dictionaries are about log-normal, from one token in ten thousand to one in ten.
    popular = np.exp(2 * random.normal(size=features))
    popular /= popular.sum()
    rows, documents, places = [], [], []
    cache = shards.Cache(name, features)
    with cache.writer() as writer:
        for prompt_id in study.prompts()["id"]:
            taste = random.gamma(0.2, size=features)
            for key in "ab":
                for draw in range(draws):
                    length = int(np.clip(random.lognormal(6.0, 0.45), 30, 1500))
                    text, spans = _text(words, length, random)
                    shares = popular * taste
                    if key == "b":
                        shares = shares * np.where(np.arange(features) % EVERY == PLANT, 1.5, 1.0)
                    one = _encoding(shares, length, spans, random)
                    answer = files.content_hash([prompt_id, key, draw])
                    writer.add([(answer, length, one)])
                    places.append(answer)
                    rows.append({"prompt_id": prompt_id, "checkpoint": key, "draw": draw, "text": text})
                    documents.append({"answer": files.content_hash(text), "tokens": length, "error": ""})
    table = pd.DataFrame(rows)
    study.add_responses(table.assign(flag="", finish_reason="stop"))
    found = cache.find(places)
    frame = pd.concat([table.drop(columns="text"), pd.DataFrame(documents)], axis=1)
    order = frame.sort_values(["prompt_id", "checkpoint", "draw"]).index
    save_table(study, frame.loc[order], [found[places[i]] for i in order], name, features)


def _text(words: Array, length: int, random: np.random.Generator) -> tuple[str, Array]:
    """An answer of so many words, a token each with the space that follows."""
    chosen = words[(random.random(length) ** 2 * WORDS).astype(np.int64)]
    ends = np.cumsum(np.char.str_len(chosen) + 1)
    return " ".join(chosen.tolist()), np.column_stack([ends - np.char.str_len(chosen) - 1, ends]).astype(np.int32)


def _encoding(shares: Array, length: int, spans: Array, random: np.random.Generator) -> Any:
    """Random activations of one answer."""
    from diffing.reader.records import Encoding

    bounds = np.cumsum(shares)
    feature = np.searchsorted(bounds, random.random(length * ACTIVE) * bounds[-1])
    feature = np.minimum(feature, len(shares) - 1)
    position = random.integers(0, length, len(feature))
    # In every fifth clump the other features copy most of the first one's tokens.
    clumped = np.flatnonzero((feature // CLUMP % 5 == 0) & (feature % CLUMP > 0))
    place = (feature[clumped] // CLUMP * 2654435761 + np.arange(len(clumped)) % 7) % length
    position[clumped] = place
    cell = np.unique(feature.astype(np.int64) * length + position)
    feature, position = cell // length, cell % length
    names, starts, count = np.unique(feature, return_index=True, return_counts=True)
    peak = random.gamma(2.0, 1.0, len(names))
    planted = names % EVERY == PLANT
    peak[planted] = random.uniform(0.8, 1.0, int(planted.sum()))
    code = random.integers(0, 9000, len(cell)).astype(np.uint16)
    code[starts] = 0
    return Encoding(
        ids=random.integers(0, WORDS, length).astype(np.uint32),
        spans=spans,
        feature=names.astype(np.uint32),
        peak=peak.astype(np.float32),
        count=count.astype(np.uint32),
        position=position.astype(np.uint32),
        code=code[np.repeat(count > 1, count)],
    )


def measure(name: str) -> None:
    """Compute one study's diff and print its figures as JSON."""
    from diffing.diff import compute
    from diffing.reader.encodings import Encodings
    from diffing.study.study import Study

    study = Study.open(name)
    Encodings.open(study)
    steps: list[tuple[str, float, float]] = []

    def tell(_done: int, _total: int, note: str) -> None:
        steps.append((note, time.perf_counter(), time.process_time()))

    start = time.perf_counter(), time.process_time()
    found = compute.compute(study, "a", "b", tell=tell)
    end = ("", time.perf_counter(), time.process_time())
    spans = {
        note: (round(after[1] - wall, 2), round(after[2] - cpu, 2))
        for (note, wall, cpu), after in zip(steps, [*steps[1:], end], strict=True)
    }
    figures = {
        "wall": round(end[1] - start[0], 2),
        "cpu": round(end[2] - start[1], 2),
        "memory": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "tested": found.summary["tested"],
        "differing": found.summary["differing"],
        "families": found.summary["families"],
        "steps": spans,
    }
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, nargs="*", default=[65536])
    parser.add_argument("--prompts", type=int, nargs="*", default=[1000])
    parser.add_argument("--draws", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--home", type=Path, help="keep the studies here and use them again")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        measure(asked.measure)
        return
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["DIFFING_HOME"] = str(asked.home or temporary)
        names = ["features", "prompts", "draws", "wall s, best", "median", *COLUMNS, "wall s by step of the best"]
        print(*names, sep=" | ")
        print(*["---"] * len(names), sep="|")
        for features in asked.features:
            for prompts in asked.prompts:
                for draws in asked.draws:
                    name = f"bench-{features}-{prompts}-{draws}"
                    if not (Path(os.environ["DIFFING_HOME"]) / "studies" / name).exists():
                        make(name, features, prompts, draws)
                    runs = [_apart(name) for _ in range(asked.repeats)]
                    best = min(runs, key=lambda run: float(run["wall"]))
                    steps = ", ".join(f"{note} {wall}" for note, (wall, _) in best["steps"].items())
                    median = statistics.median(run["wall"] for run in runs)
                    cells = [best["wall"], median, *(best[key] for key in COLUMNS.values())]
                    print(features, prompts, draws, *cells, steps, sep=" | ", flush=True)


def _apart(name: str) -> dict[str, Any]:
    """The figures of a fresh process, whose peak memory is its own."""
    command = [sys.executable, "-m", "bench.diff", "--measure", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    main()
