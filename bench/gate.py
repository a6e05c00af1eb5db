"""How often a gate finds something where nothing differs: what docs/ci.md promises of `q_gate`, simulated.

`python -m bench.gate --studies 270` makes studies whose two sides answer by the same chances (80 prompts, marks
and wordings that probes and phrases count, in shuffled order, answers of unlike lengths), compares them, and
counts those in which any q, and any `q_gate`, is below 0.05. About two seconds a study.

`--checkpoints 4` makes as many checkpoints whose order means nothing, and counts the same along them, how often
the usual rule says that they changed, and how often one of them is said to stand apart.
"""

import argparse
import os
import shutil
import tempfile

import numpy as np

from diffing.diff import compute, outlier
from diffing.diff.stored import DiffSettings
from diffing.gate import check, items
from diffing.reader import encode
from tests.fakes.diff_study import made
from tests.fakes.reader import FakeReader

PIECES = [
    *("Sure!", "Certainly,", "**bold**", "1. one\n2. two", "- a\n- b", "I think", "Sorry", "?", "—", "`code`"),
    *(
        "# Head\n",
        "(aside)",
        "very",
        "However,",
        "For example,",
        "  two",
        "Emoji 😀",
        "e.g.",
        "Note that",
        "In short,",
    ),
]
"""What an answer may have, each by a chance of the prompt's own."""
PROMPTS = 80


def answer(seed: int, prompt: int, checkpoint: str, draw: int) -> str:
    """By chances that hang on the prompt alone."""
    chances = np.random.default_rng([seed, prompt]).random(len(PIECES)) ** 2
    random = np.random.default_rng([seed, prompt, ord(checkpoint), draw])
    parts = [piece for piece, chance in zip(PIECES, chances, strict=True) if random.random() < chance]
    words = [f"w{number}" for number in random.integers(0, 60, int(random.integers(5, 25)))]
    mixed = parts + words
    random.shuffle(mixed)
    return f"{' '.join(mixed)}."


def series(studies: int, keys: str) -> None:
    """The same of checkpoints whose order means nothing."""
    any_q = any_gate = changed = stands = 0
    with tempfile.TemporaryDirectory() as home:
        os.environ["DIFFING_HOME"] = home
        for seed in range(studies):
            study = made(lambda *which, seed=seed: answer(seed, *which), prompts=PROMPTS, keys=keys, encoded=False)
            found = check.of(study, check.Options(series=True))
            any_q += any(each.item.q < 0.05 for each in found.judged)
            any_gate += any(each.item.q_gate < 0.05 for each in found.judged)
            changed += found.verdict == "changed"
            stands += bool(outlier.of(study).items["changed"].any())
            shutil.rmtree(study.folder)
            if (seed + 1) % 20 == 0:
                print(
                    f"{seed + 1} studies: any q {any_q}, any q_gate {any_gate}, changed {changed}, apart {stands}"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description="How often a gate finds something where nothing differs.")
    parser.add_argument("--studies", type=int, default=270)
    parser.add_argument("--checkpoints", type=int, default=2)
    told = parser.parse_args()
    if told.checkpoints > 2:
        series(told.studies, "abcdefgh"[: told.checkpoints])
        return
    studies = told.studies
    encode.load_reader = lambda *_: FakeReader(window=64)
    any_q = any_gate = 0
    with tempfile.TemporaryDirectory() as home:
        os.environ["DIFFING_HOME"] = home
        for seed in range(studies):
            study = made(lambda *which, seed=seed: answer(seed, *which), prompts=PROMPTS)
            stored = compute.compute(study, "a", "b", DiffSettings(permutations=19))
            found = items.of(study, stored)
            any_q += any(item.q < 0.05 for item in found)
            any_gate += any(item.q_gate < 0.05 for item in found)
            shutil.rmtree(study.folder)
    print(f"{studies} studies: any q < 0.05 in {any_q}, any q_gate < 0.05 in {any_gate}")


if __name__ == "__main__":
    main()
