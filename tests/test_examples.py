"""The scripts in `examples/` run as they are printed, and are short enough to read."""

import subprocess
import sys
from pathlib import Path

from diffing.common.files import PROJECT
from tests.fakes import read_sample

LONGEST = 25
"""Lines: what does not fit on a screen is no example."""


def run(home: Path, *words: str) -> str:
    environment = {"PATH": "", "DIFFING_HOME": str(home)}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True).stdout


def test_every_example_is_short() -> None:
    lengths = {
        path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in PROJECT.glob("examples/*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}
    assert len(lengths) == 3


def test_the_examples_run(own_home: Path, tmp_path: Path) -> None:
    # What the reader makes of the sample's answers is there; the examples do all the rest.
    read_sample.put(part="cache")
    assert "numbered list" in run(own_home, "examples.sample")
    fires = run(own_home, "examples.where_it_fires", "sorry").splitlines()
    assert fires and all("[" in line for line in fires)
    answers = tmp_path / "answers.csv"
    rows = [f"Question {n},Well. Answer {n}.,**Well.** Answer {n}!" for n in range(30)]
    answers.write_text("\n".join(["prompt,response_a,response_b", *rows]), encoding="utf-8")
    counted = run(own_home, "examples.own_answers", str(answers)).splitlines()
    assert {line.split()[0] for line in counted[1:3]} == {"bold", "exclamation"}
