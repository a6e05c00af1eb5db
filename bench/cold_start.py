"""How long a fresh process needs to load the starter and encode the sample's 240 answers, and how much memory.

    python -m bench.cold_start [--runs N]

Two ways, each in processes of its own: a plain loop of `transformers` and SAELens that knows nothing of this
project, answer by answer; and the sample study made and encoded as `python -m diffing sample` does it, with the
reader's own checks, written to disk. Time includes starting Python and every import.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sae_lens
import torch
import transformers

STARTER = Path(__file__).parents[1] / "diffing" / "starter"

PLAIN = """
import sys
import pandas, torch
from sae_lens import SAE
from scipy import sparse
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = sys.argv[1]
tokenizer = AutoTokenizer.from_pretrained(folder + "/reader")
model = AutoModelForCausalLM.from_pretrained(folder + "/reader")
sae = SAE.load_from_disk(folder + "/sae")
tokens, found = 0, []
with torch.inference_mode():
    for text in pandas.read_csv(folder + "/sample/responses.csv")["text"]:
        turn = [{"role": "assistant", "content": text}]
        ids = tokenizer.apply_chat_template(turn, return_tensors="pt", return_dict=True)["input_ids"]
        hidden = model(ids, output_hidden_states=True).hidden_states[5][0]
        found.append(sparse.csr_matrix(sae.encode(hidden).numpy()))
        tokens += ids.shape[1]
print(len(found), tokens)
"""

OURS = """
from diffing import jobs
from diffing.reader.encodings import Encodings
from diffing.study import sample

study = sample.ensure()
status = jobs.run_here(study, "encode", {"device": "cpu"})
if status.state != "done":
    raise SystemExit(status.error)
print(len(Encodings.open(study)), status.result["tokens"])
"""


def measure(code: str) -> tuple[float, float, float, str]:
    """Seconds by the clock, seconds of CPU and peak MB of a fresh process, and what it said."""
    with tempfile.TemporaryDirectory(prefix="bench-cold-") as home:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(STARTER)],
            env={**os.environ, "DIFFING_HOME": home, "HF_HUB_OFFLINE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        said = process.stdout.read().strip() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
    if status:
        raise SystemExit(f"the process ended with status {status}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    versions = (
        f"torch {torch.__version__}, transformers {transformers.__version__}, sae-lens {sae_lens.__version__}"
    )
    print(f"{platform.machine()}, {os.cpu_count()} cores; {versions}, {time.strftime('%F')}")
    print("| way | run | answers, tokens | s | s of CPU | peak MB |\n|---|---|---|---|---|---|")
    for number in range(1, runs + 1):
        for way, code in (("plain", PLAIN), ("ours", OURS)):
            wall, cpu, memory, said = measure(code)
            print(f"| {way} | {number} | {said.replace(' ', ', ')} | {wall:.1f} | {cpu:.1f} | {memory:,.0f} |")


if __name__ == "__main__":
    main()
