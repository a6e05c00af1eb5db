"""A study in which every text that came from elsewhere tries to run, to fetch, or to send a click elsewhere."""

import pandas as pd
import pytest

from diffing.diff import compute
from diffing.diff.stored import DiffSettings
from diffing.findings import findings
from diffing.findings.findings import Finding
from diffing.labels import history
from diffing.models.providers import Checkpoint
from diffing.reader import encode
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
from tests.fakes.label_study import RuleReader
from tests.fakes.watch import Watch

OWNED = "owned"
"""What stands in the window's names or its title once one of these has run."""
HOSTILE = [
    "<script>window.owned=document.title='owned'</script> cake",
    "<img src=x onerror=\"window.owned=document.title='owned';alert(1)\"> cake",
    "![picture](http://example.org/a.png) cake <img src=http://example.org/b.png>",
    "<style>body{display:none}@import 'http://example.org/c.css';</style> cake",
    "cake \u202e override \ud83d lone <form action=http://example.org><button>go</button></form>",
    "cake $x^2$ :red[loud] [link](javascript:window.owned='owned') :material/home:",
    "<svg onload=\"window.owned='owned'\"><a href=javascript:alert(2)>cake</a></svg>",
    "</div></bdi><iframe src=http://example.org/d srcdoc=\"<script>parent.owned='owned'</script>\"></iframe> cake",
    "<link rel=stylesheet href=http://example.org/e.css><base href=http://example.org/> cake",
    '<a href="http://example.org" onmouseover="window.owned=1">cake</a> http://example.org www.example.org',
    "cake ```html\n<script>window.owned='owned'</script>\n``` <details open ontoggle=alert(3)>",
    '=HYPERLINK("http://example.org/f") <video poster=http://example.org/g src=x onerror=alert(4)> cake',
]
RULES = [{"cake": 3.0}, {"wood": 1.0}, {"<script>window.owned=document.title='owned'</script>": 2.0}]
CAKE, WOOD, SCRIPT = range(3)
PROMPTS = 24


def nasty(number: int) -> str:
    """One of them, as a file could hold it, and with a number so that no two are the same."""
    return f"{HOSTILE[number % len(HOSTILE)].encode('utf-8', 'replace').decode()} number {number}"


def make(monkeypatch: pytest.MonkeyPatch, name: str = "hostile") -> tuple[Study, Finding]:
    """The study, compared, with hostile names, categories, prompts, answers, faults, labels and findings."""
    checkpoints = [
        Checkpoint(key="a", name=f"Old {nasty(1)}", source="import"),
        Checkpoint(key="b", name=f"New {nasty(5)}", source="import"),
    ]
    table = pd.DataFrame(
        {
            "text": [f"{nasty(number + 1)}?" for number in range(PROMPTS)],
            "category": [nasty(number % 2) for number in range(PROMPTS)],
            "tags": [nasty(2)] * PROMPTS,
        }
    )
    reader = ReaderChoice(preset="", model="rules", sae="rules")
    study = Study.create(
        name, checkpoints, table, held_out=0.0, reader=reader, note=" ".join(map(nasty, range(12)))
    )
    rows = [
        {"prompt_id": prompt, "checkpoint": key, "draw": 0, "flag": "", "text": text(number)}
        for key, text in (("a", lambda number: f"wood and stone number {number}"), ("b", nasty))
        for number, prompt in enumerate(study.prompts()["id"])
    ]
    rows[0] |= {"text": "", "flag": "failed", "error": nasty(0)}
    study.add_responses(pd.DataFrame(rows))
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: RuleReader(RULES))
    encode.run(study, encode.Options(), Watch())
    compute.compute(study, "a", "b", DiffSettings())
    for feature in (CAKE, WOOD, SCRIPT):
        history.edit(study, "rules", feature, nasty(feature), nasty(1), nasty(3))
    for number in range(len(HOSTILE)):
        findings.add(study, f"writes {nasty(number)}", "b", author=nasty(1), features=(CAKE,))
    wrong = findings.add(study, f"never writes {nasty(7)}", "a", author=nasty(9))
    findings.note(study, wrong.id, nasty(6), nasty(1))
    return study, findings.reject(study, wrong.id, nasty(0), nasty(1))
