"""A study whose report must be right: B drops double spaces and adds numbered items, and its texts are hostile."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from diffing.common import files
from diffing.findings import findings
from diffing.labels import history
from diffing.models.providers import Checkpoint
from diffing.reader import encode
from diffing.report import agent_notebook, charts, folder, notebook
from diffing.study.study import Study
from tests.fakes.label_study import RuleReader
from tests.fakes.watch import Watch

Made = tuple[Study, Path]
"""A study, and the folder of its report."""
KEY = "sk-or-v1-0123456789abcdef"
HOSTILE = (
    "<script>alert(1)</script> <img src=http://evil.example/x onerror=alert(2)> ](javascript:alert(3)) "
    "{{ 7*7 }} $x_1$ ``` </style> </div> [l](http://evil.example) www.evil.example \u202egnp.exe \x1b[31m "
    "| cell | & &lt;"
)
LABEL = "enumerated lists </title><script>alert(4)</script>"
A = Checkpoint(key="old", name="Old <b>model</b> | *x*", source="import")
B = Checkpoint(key="new", name="New ](javascript:alert(5))", source="hf:/srv/secret-place/new-model")
RULES = ({"  ": 4.0}, {"cake": 2.0}, {"1.": 3.0, "2.": 3.0}, {"<script>alert(1)</script>": 1.5})
SPACES, CAKE, NUMBERS, SCRIPT = range(4)
"""The features that the rules make."""
PROMPTS = 40


def answer(key: str, number: int) -> str:
    """Answers of 'old' have double spaces, those of 'new' numbered items and, mostly, cake."""
    hostile = HOSTILE if number % 10 == 3 else "plain words"
    if number == 5:
        hostile = '=HYPERLINK("http://evil.example")'
    if key == "old":
        return f"{hostile} first.  Then this.  Then that {number} ends."
    return f"{hostile} first.\n\n1. Then this\n2. Then {'cake' if number % 4 else 'that'} {number} ends."


def make(
    monkeypatch: pytest.MonkeyPatch, name: str = "lists", checkpoints: tuple[Checkpoint, ...] = (A, B)
) -> Study:
    table = pd.DataFrame(
        {
            "text": [f"Question {n} <i>?</i>" for n in range(PROMPTS)],
            "category": ["travel", "code"] * (PROMPTS // 2),
        }
    )
    study = Study.create(name, list(checkpoints), table, note="A <b>note</b>")
    same = {"draw": 0, "flag": "", "cost": 0.001}
    served = {"model_served": "served-1", "created": "2026-11-20T10:00:00+00:00"}
    rows = [
        {"prompt_id": prompt_id, "checkpoint": one.key, "text": answer(one.key, n), **same, **served}
        for one in checkpoints
        for n, prompt_id in enumerate(study.prompts()["id"])
    ]
    rows[0] |= {
        "text": "",
        "flag": "failed",
        "error": f"HTTP 401: key {KEY} refused by /srv/secret-place/proxy.py",
    }
    study.add_responses(pd.DataFrame(rows))
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: RuleReader(RULES))
    encode.run(study, encode.Options(), Watch())
    return study


def with_findings(study: Study) -> None:
    """A contradicted label and claim, a rejected one, and one that holds."""
    history.edit(study, "starter", SPACES, LABEL, "Ann <b>")
    findings.add(study, "gives enumerated lists", "a", author="Ann", features=(SPACES,))
    wrong = findings.add(study, "speaks Latin <b>often</b>", "b", author="Ann")
    findings.reject(study, wrong.id, "no answer does", "Ann")
    findings.add(study, f"mentions cake {HOSTILE}", "b", author="Ann", features=(CAKE,))


def with_notebook(study: Study) -> None:
    """What an agent's code showed: a key, folders of this machine, a page that acts; past what cleans it."""
    page = f"<table onclick=x()><tr><td>{HOSTILE}</td></tr></table><script>alert(6)</script>"
    outputs = [
        {
            "output_type": "stream",
            "name": "stdout",
            "text": f"{KEY} in {study.folder} and {sys.prefix}/lib\x1b[31m",
        },
        {"output_type": "display_data", "data": {"text/html": page, "text/plain": "a table"}, "metadata": {}},
        {"output_type": "display_data", "data": {"application/javascript": "alert(7)"}, "metadata": {}},
    ]
    about = {"state": "done", "kernel": 1, "started": "2026-11-20T10:00:00+00:00", "seconds": 0.1, "note": ""}
    cell = {"cell_type": "code", "id": "cell-1", "execution_count": 1, "metadata": {"agent": about}}
    told = agent_notebook.notebook({"workshop": "w"}, [{**cell, "source": "show()", "outputs": outputs}])
    files.write_text(agent_notebook.path_of(study), agent_notebook.text(told))


def written(study: Study, out: Path) -> Path:
    folder.run(study, folder.Options(out=str(out)), Watch())
    return out


@contextmanager
def reported(home: Path) -> Iterator[Made]:
    """The study and its report, with `home` as the program's home and a key in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home))
        patch.setenv("REPORTS_API_KEY", KEY)
        study = make(patch)
        with_findings(study)
        with_notebook(study)
        yield study, written(study, home / "report")


def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without what takes longest: the charts, and the notebook's run."""
    monkeypatch.setattr(notebook, "executed", lambda *_: "{}\n")
    monkeypatch.setattr(charts, "draw", lambda _facts: [])


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def section(text: str, title: str) -> str:
    """What stands under a heading of the Markdown report."""
    return re.split(rf"^#+ {re.escape(title)}$", text, flags=re.MULTILINE)[1].split("\n## ")[0]
