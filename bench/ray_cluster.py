"""Reading on two GPUs of a Ray cluster beside one: the same answers, and what the second GPU brings.

    python -m bench.ray_cluster [--reader FOLDER::SAE_FOLDER | PRESET] [--answers 4000] [--words 300]

Makes a study of made-up answers in a fresh home, has it read by `--on ray` with one GPU in sight and then with
two, each time from nothing, and prints characters a second of each worker from its first part on, added up:
without the loading of readers. Exits with 1 where two are less than `WANTED` times one. A machine without GPUs
is refused.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WANTED = 1.9
"""Of one GPU's speed that two are to have."""

WORDS = ["the", "answer", "is", "given", "below", "in", "short", "steps", "first", "then", "a", "longer", "note"]

MADE = """
import json, random, sys
import pandas as pd
from diffing.models.providers import Checkpoint
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
told = json.loads(sys.argv[1])
chance = random.Random(0)
count = told["answers"] // 2
prompts = pd.DataFrame({"text": [f"Question {n}" for n in range(count)]})
study = Study.create("s", [Checkpoint(key=k, name=k, source="import") for k in "ab"], prompts)
ids = study.prompts()["id"]
rows = [
    {"prompt_id": i, "checkpoint": k, "text": " ".join(chance.choices(told["vocabulary"], k=told["words"]))}
    for k in "ab"
    for i in ids
]
study.add_responses(pd.DataFrame(rows))
if told["reader"]:
    model, _, sae = told["reader"].partition("::")
    choice = ReaderChoice(preset="", model=model, sae=sae) if sae else ReaderChoice(preset=model)
    study.change_settings(reader=choice)
"""


def once(home: Path, gpus: str) -> dict[str, float]:
    """One run from nothing with these GPUs in sight: what the job says of it, and how long all of it took."""
    for left in ("cache/encodings", "studies/s/shares", "studies/s/jobs"):
        shutil.rmtree(home / left, ignore_errors=True)
    (home / "studies/s/encodings.parquet").unlink(missing_ok=True)
    env = os.environ | {"DIFFING_HOME": str(home), "CUDA_VISIBLE_DEVICES": gpus}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "diffing", "encode", "s", "--on", "ray", "--json"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    result = json.loads(done.stdout)["result"]
    names = ("tokens", "workers", "parts", "characters_per_second")
    return {name: result[name] for name in names} | {"whole": time.monotonic() - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reader", default="")
    parser.add_argument("--answers", type=int, default=4000)
    parser.add_argument("--words", type=int, default=300)
    told = parser.parse_args()
    import torch

    if torch.cuda.device_count() < 2:
        sys.exit("This machine has no two GPUs to compare.")
    with tempfile.TemporaryDirectory() as root:
        given = json.dumps(vars(told) | {"vocabulary": WORDS})
        subprocess.run([sys.executable, "-c", MADE, given], env=os.environ | {"DIFFING_HOME": root}, check=True)
        print("| GPUs | workers | parts | tokens | characters/s | whole run |\n|---:|---:|---:|---:|---:|---:|")
        speed = {}
        for gpus in ("0", "0,1"):
            found = once(Path(root), gpus)
            speed[gpus] = found["characters_per_second"]
            print(
                f"| {len(gpus.split(','))} | {found['workers']} | {found['parts']} | {found['tokens']:,} "
                f"| {speed[gpus]:,} | {found['whole']:.0f} s |",
                flush=True,
            )
    times = speed["0,1"] / speed["0"]
    print(f"Two are {times:.2f} times one.")
    sys.exit(times < WANTED)


if __name__ == "__main__":
    main()
