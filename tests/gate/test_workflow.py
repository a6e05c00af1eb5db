"""The workflow of docs/ci.md as a stranger runs it: its very lines, in a shell, against two scripted endpoints."""

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from xml.etree import ElementTree

import pytest

from diffing.common.files import PROJECT
from diffing.probes import own_probes
from tests.fakes.openai_server import OpenAIServer


def steps() -> dict[str, str]:
    """The workflow's shell steps by name, as they are printed."""
    page = (PROJECT / "docs" / "ci.md").read_text(encoding="utf-8")
    workflow = page.split("```yaml\n")[1].split("\n```")[0]
    found = {}
    for step in re.split(r"\n      - ", workflow)[1:]:
        named = re.match(r"name: (\w+)\n", step)
        run = re.search(r"\n {8}run: (\|\n((?: {10}.*\n?)+)|.*)", step)
        if named and run:
            found[named[1]] = textwrap.dedent(run[2]) if run[2] else run[1]
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkout with the program in `tool`, made ready, and the team's own files in `gate`."""
    tool, gate = tmp_path / "tool", tmp_path / "gate"
    (tool / ".venv" / "bin").mkdir(parents=True)
    for name in ("diffing", "pyproject.toml"):
        (tool / name).symlink_to(PROJECT / name)
    # What `make install` leaves behind, as far as these lines see it.
    (tool / ".venv" / "bin" / "activate").write_text(f'export PATH="{Path(sys.executable).parent}:$PATH"\n')
    gate.mkdir()
    words = ("bread", "rain", "chess", "moss", "kites", "tea")
    rows = [f"How does one learn about {word} in {n} days?,{'ab'[n % 2]}" for word in words for n in range(2, 7)]
    (gate / "prompts.csv").write_text("\n".join(["text,category", *rows]), encoding="utf-8")
    question = own_probes.made("question", rule=own_probes.rule_of(words="would you like"))
    (gate / "probes.json").write_text(own_probes.written([question]), encoding="utf-8")
    (gate / "expected.toml").write_text(
        '[[change]]\nid = "own:question"\ndirection = "B"\nnote = "we asked for it"\n', encoding="utf-8"
    )
    return tmp_path


def test_the_documented_lines_collect_encode_compare_and_gate(place: Path) -> None:
    lines = steps()
    assert [*lines] == ["collect", "gate", "summary", "comment"]
    with OpenAIServer() as old, OpenAIServer() as new:
        new.key = "sk-candidate"
        environment = {
            "PATH": os.environ["PATH"],
            "DIFFING_HOME": str(place / "home"),
            "OLD": f"{old.url}#before",
            "NEW": f"{new.url}#after",
            "CANDIDATE_KEY": "sk-candidate",
            "GITHUB_STEP_SUMMARY": str(place / "summary.md"),
        }

        def run(name: str, folder: str = ".") -> subprocess.CompletedProcess[str]:
            command = ["bash", "-e", "-c", lines[name]]
            return subprocess.run(
                command, cwd=place / folder, env=environment, capture_output=True, text=True, timeout=600
            )

        collected = run("collect", "tool")
        assert collected.returncode == 0, collected.stdout + collected.stderr
    assert len(old.calls) == len(new.calls) == 60
    # The gate needs no endpoint and no key.
    del environment["CANDIDATE_KEY"]
    gated = run("gate", "tool")
    assert gated.returncode == 1, gated.stdout + gated.stderr
    assert run("summary").returncode == 0
    told = json.loads((place / "tool" / "gate.json").read_text(encoding="utf-8"))
    assert (told["verdict"], told["exit_code"]) == ("changed", 1)
    assert "behaviour:probe:bold" in told["changed"] or "probe:bold" in told["changed"]
    assert {item["id"]: item["outcome"] for item in told["items"]}["own:question"] == "expected"
    assert json.loads((place / "tool" / "gate.sarif").read_text(encoding="utf-8"))["version"] == "2.1.0"
    assert list(ElementTree.parse(place / "tool" / "gate.xml").iter("failure"))
    summary = (place / "summary.md").read_text(encoding="utf-8")
    assert summary == (place / "tool" / "gate.md").read_text(encoding="utf-8")
    assert summary.startswith("### ❌ Checkpoint diff: changed")
    assert "sk-candidate" not in summary + json.dumps(told)
