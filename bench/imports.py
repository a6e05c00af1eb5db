"""What a command loads before it does anything: `python -m bench.imports [--other FOLDER] [--rounds N]`.

Runs commands under `-X importtime` and adds up what each module took for itself; with `--other`, the same in
another checkout in turn, so that both meet the same load. Prints a Markdown table of medians. Timings under
`-X importtime` are longer than without it: the ratio is what counts.
"""

import argparse
import re
import statistics
import subprocess
import sys
from pathlib import Path

from diffing.common.files import PROJECT

COMMANDS = ("status sample", "feature sample 17 --top 1", "list")
HEAVY = ("torch", "openai", "sklearn", "matplotlib", "scipy.stats")


def imports(folder: Path, command: str) -> tuple[float, list[str]]:
    """Seconds of imports in one run, and which heavy packages were among them."""
    run = [sys.executable, "-X", "importtime", "-m", "diffing", *command.split()]
    told = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=True).stderr
    rows = re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", told, re.MULTILINE)
    names = {name for _, name in rows}
    return sum(int(own) for own, _ in rows) / 1e6, [name for name in HEAVY if name in names]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--other", type=Path, help="another checkout, with a sample study of its own")
    parser.add_argument("--rounds", type=int, default=7)
    told = parser.parse_args()
    folders = {"here": PROJECT} | ({"other": told.other} if told.other else {})
    print("| command | checkout | seconds of imports (median) | heavy packages among them |\n|---|---|---|---|")
    for command in COMMANDS:
        seen: dict[str, list[tuple[float, list[str]]]] = {name: [] for name in folders}
        for _ in range(told.rounds):
            for name, folder in folders.items():
                seen[name].append(imports(folder, command))
        for name, runs in seen.items():
            middle = statistics.median(seconds for seconds, _ in runs)
            print(f"| `{command}` | {name} | {middle:.2f} | {', '.join(runs[0][1]) or 'none'} |")


if __name__ == "__main__":
    main()
