"""How long a look inside takes on two cores: a bundled organism, every method, beside two nulls.

    python -m bench.inside_small [--organism NAME …] [--device cpu] [--tiny]

A study is made as `new --organism` makes one and the step `inside` run with its defaults (256 texts of 64 tokens
that the base writes), beside the organism's control and its change turned at random. The process keeps to two
cores where the system lets it. Texts are written anew each time, as at a user's first look. Prints seconds and the
sentence.
"""

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

import torch

from diffing import Study
from diffing.study import prompts
from diffing.study.settings import ReaderChoice
from diffing.whitebox import organisms

CORES = 2


def pinned() -> int:
    """Keep to two cores where that can be; how many it has."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    torch.set_num_threads(min(CORES, cores))
    return cores


def looked(name: str, device: str, tiny: bool) -> tuple[float, str]:
    """Seconds of a whole look, and what it says."""
    found = organisms.find(name)
    study = Study.create(
        name,
        organisms.checkpoints(found),
        prompts.bundled(),
        reader=ReaderChoice(preset="starter"),
        organism=found.written,
    )
    texts = {"source": "own", "count": 16, "length": 16} if tiny else {"source": "own"}
    control = "control-2" if name == "control" else "control"
    source = organisms.find(control).variant.written
    began = time.perf_counter()
    told = study.inside(texts=texts, nulls=[f"given:{source}", "rotated:1"], device=device)
    took = time.perf_counter() - began
    return took, told.sentence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--organism", nargs="*", default=["style"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    cores = pinned()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    machine = platform.processor() or platform.machine()
    print(f"{cores} cores of {machine}, load {load:.1f}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as home:
        os.environ["DIFFING_HOME"] = str(Path(home))
        for name in asked.organism:
            took, sentence = looked(name, asked.device, asked.tiny)
            print(f"| {name} | {took:.0f} s | {sentence} |", flush=True)


if __name__ == "__main__":
    main()
