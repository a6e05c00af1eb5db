"""How close collecting comes to the time that the endpoint alone would take: `python -m bench.collect`.

A server process answers every call after a fixed delay; the ideal is calls × delay / concurrency. Timed from
starting the job to its end: in this process, where all is imported already, and detached, where a worker starts
and imports first.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from diffing import jobs
from diffing.common import files
from diffing.models import providers
from diffing.study.study import Study


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--prompts", type=int, default=200)
    options.add_argument("--delay", type=float, default=0.5, help="seconds a reply")
    options.add_argument("--concurrency", type=int, default=32)
    options.add_argument("--repeat", type=int, default=3)
    told = options.parse_args()
    import_module(jobs.STEPS["collect"])
    ideal = 2 * told.prompts * told.delay / told.concurrency
    command = [sys.executable, "tests/fakes/openai_server.py", "0", "--delay", str(told.delay)]
    with (
        tempfile.TemporaryDirectory() as home,
        subprocess.Popen(command, cwd=files.PROJECT, stdout=subprocess.PIPE, text=True) as server,
    ):
        os.environ["DIFFING_HOME"] = home
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        try:
            rows = [timed(url, told, ideal, turn) for turn in range(told.repeat)]
        finally:
            server.terminate()
    versions = f"Python {platform.python_version()}, openai {version('openai')}"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}, {versions}.")
    print(f"2 × {told.prompts} calls of {told.delay:g} s, {told.concurrency} at once: ideal {ideal:.2f} s.\n")
    print("| run | in this process | ratio | detached | ratio |")
    print("|---|---|---|---|---|")
    for number, (here, detached) in enumerate(rows, start=1):
        print(f"| {number} | {here:.2f} s | {here / ideal:.3f} | {detached:.2f} s | {detached / ideal:.3f} |")


def timed(url: str, told: argparse.Namespace, ideal: float, turn: int) -> tuple[float, float]:
    """Seconds of a run in this process and of a detached one, each on prompts never asked before."""
    took = []
    for way in ("here", "detached"):
        sides = [providers.parse(f"{url}#{model}", model) for model in ("before", "after")]
        texts = pd.DataFrame({"text": [f"{way} {turn}: prompt {i}" for i in range(told.prompts)]})
        study = Study.create(f"{way}-{turn}", sides, texts)
        begun = time.perf_counter()
        settings = {"concurrency": told.concurrency}
        if way == "here":
            status = jobs.run_here(study, "collect", settings)
        else:
            status = jobs.start(study, "collect", settings).wait(20 * ideal)
        took.append(time.perf_counter() - begun)
        assert status.state == "done" and len(study.responses()) == 2 * told.prompts, status
    return took[0], took[1]


def machine() -> str:
    """Processor and how many of its cores, and how busy they were with other work."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
