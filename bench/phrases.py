"""Phrases: how long they take.

`python -m bench.phrases` makes two sides' answers to 1,000 prompts, 400 words each, of words as unequally frequent
as in English, and reports the seconds of reading, learning and testing; `--study NAME` takes the answers of a
study's first two checkpoints. How often anything is found where nothing changed is for `bench.truth`.

Here a token is what stands between spaces.
"""

import argparse
import re
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas as pd

from diffing.common.arrays import Array
from diffing.diff import pairing, phrases
from diffing.diff.pairing import Pairing
from diffing.probes import symbols
from diffing.reader.firing import Tokens
from diffing.study import responses
from diffing.study.study import Study

Result = TypeVar("Result")


def made(prompts: int, words: int) -> list[str]:
    """A's answers, then B's; B says one word in a hundred instead of another."""
    random = np.random.default_rng(0)
    vocabulary = np.array(
        ["".join(random.choice(list("aeiourstln"), random.integers(2, 9))) for _ in range(20_000)]
    )
    marks = np.array([""] * 8 + [",", ".\n\n" + "1.", ".", ":", "!"])
    texts = []
    for side in range(2):
        for _ in range(prompts):
            # Zipf's law: the n-th word is n times as rare as the first one.
            rank = np.exp(random.random(words) * np.log(len(vocabulary))).astype(np.int64) - 1
            rank[(rank == 40) & (side == 1)] = 41
            texts.append(" ".join(map("".join, zip(vocabulary[rank], random.choice(marks, words), strict=True))))
    return texts


def tokens_of(texts: list[str]) -> Tokens:
    """What stands between spaces, as tokens."""
    spans = [[m.span() for m in re.finditer(r"\S+", text)] for text in texts]
    begins = np.concatenate([[0], np.cumsum([len(some) for some in spans])])
    flat = np.array([span for some in spans for span in some], np.int32).reshape(-1, 2)
    return Tokens(np.arange(len(texts)), begins, flat, np.zeros(len(flat)))


def paired(prompts: pd.DataFrame, rows: pd.DataFrame, tokens: Tokens) -> Pairing:
    """`rows` name prompt and draw of each text, A's before B's."""
    half = len(rows) // 2
    length: Array = np.diff(tokens.begins)
    table = rows[["prompt_id", "draw"]].iloc[:half].assign(excluded="", flag_a="", flag_b="")
    table = table.assign(doc_of_a=np.arange(half), doc_of_b=np.arange(half) + half)
    table = table.assign(tokens_of_a=length[:half], tokens_of_b=length[half:])
    return pairing.from_table(table, prompts)


def of_study(study: Study) -> tuple[list[str], Pairing]:
    """The kept pairs of a study's first two checkpoints."""
    a, b = study.sides("", "")
    kept = responses.kept(study.pairs(a, b))[["prompt_id", "draw"]]
    rows = pd.concat([kept.assign(checkpoint=key) for key in (a, b)], ignore_index=True)
    texts = responses.texts(study.responses(), rows)
    return texts, paired(study.prompts(), rows, tokens_of(texts))


def timed(name: str, work: Callable[[], Result]) -> Result:
    """Its result; prints the seconds it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    print(f"{name}: {time.perf_counter() - wall:.2f} s, {time.process_time() - cpu:.2f} s of CPU", flush=True)
    return result


def speed(texts: list[str], pairs: Pairing) -> None:
    tokens = tokens_of(texts)
    timed("reading symbols", lambda: symbols.read(texts))
    many = timed("reading and learning", lambda: phrases.learn(texts, pairs))
    table, tested, _ = timed("testing", lambda: phrases.table(many, tokens, pairs, texts, 0))
    print(f"{len(texts):,} answers, {tested:,} phrases tested, {len(table)} kept")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--words", type=int, default=400)
    parser.add_argument("--study", help="a study's answers instead of made or bundled ones")
    asked = parser.parse_args()
    if asked.study:
        texts, pairs = of_study(Study.open(asked.study))
    else:
        texts, names = made(asked.prompts, asked.words), [f"{n:06}" for n in range(asked.prompts)]
        held = np.arange(asked.prompts) % 10 < 3
        prompts = pd.DataFrame({"id": names, "tags": "", "category": "all"})
        prompts["split"] = np.where(held, "held-out", "discovery")
        pairs = paired(prompts, pd.DataFrame({"prompt_id": names * 2, "draw": 0}), tokens_of(texts))
    speed(texts, pairs)


if __name__ == "__main__":
    main()
