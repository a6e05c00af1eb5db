"""Addresses made up by chance, opened in this process: does a page end in a traceback, or show a path of the disk?

`python -m bench.addresses 500` makes a study whose features are known, opens that many addresses drawn from a
seed, and prints a table of how the pages ended, and each that failed.
"""

import argparse
import logging
import random
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import streamlit
from streamlit.testing.v1 import AppTest

from diffing.common import files
from diffing.diff import compute
from diffing.diff.stored import DiffSettings
from diffing.findings import findings
from diffing.reader import encode
from diffing.study.study import Study
from tests.fakes import finding_study
from tests.fakes.watch import Watch

PATIENCE = 300
"""Seconds for one page: only a fault takes that long, on the busiest machine too."""
SHOWN = 300
"""Characters of an address that a line of the report has room for."""

PAGES = ["", "new", "prompts", "run", "features", "feature", "compare", "findings", "timeline", "gate", "search"]
NAMES = [
    *(
        "study",
        "rule",
        "fail-on",
        "baseline",
        "gated",
        "behaviour",
        "channel",
        "dictionary",
        "latent",
        "run",
        "method",
        "layer",
        "raw",
        "start",
        "steer",
        "all",
        "rendered",
        "words",
        "q-compare",
        "q-prompts",
        "q-findings",
        "q-studies",
        "a",
        "b",
        "author",
        "feature",
        "pair",
        "only",
        "prompt",
        "probe",
        "draw",
        "text",
        "pairs",
        "question",
        "finding",
        "features",
    ),
    *(
        "probes",
        "writer",
        "judge",
        "reading",
        "rater",
        "category",
        "split",
        "q-features",
        "with-length",
        "q",
        "view",
        "more",
        "group",
        "evidence",
    ),
    *(
        "replicated",
        "labelled",
        "open",
        "weak",
        "order",
        "held",
        "second",
        "with",
        "show",
        "every",
        "status",
        "preview",
        "checkpoints",
        "property",
        "by",
        "held-too",
    ),
]
"""Every parameter that a page reads, as tests/pages/test_address.py tries them too."""

VALUES = [
    *(
        "",
        " ",
        "0",
        "1",
        "2",
        "3",
        "-1",
        "+1",
        "1.5",
        "1e5",
        "0x1F",
        "1_000",
        "²",
        "½",
        "٣",
        "１２",
        "九",
        "1" * 18,
    ),
    *("9" * 19, "9" * 5000, "nan", "inf", "None", "null", "true", "false", "1,2", "1,²,3", ",,,", "12,40" * 2000),
    *("a", "b", "c", "A", "a,b", "draw", "draw ", "draw 0", "draw 1", "draw 2", "draw 99", "draw ²", "draw -1"),
    *(
        "Draw 1",
        "own:",
        "own:bold",
        "own:../x",
        "plain",
        "discovery",
        "held-out",
        "strongest",
        "random",
        "Answers",
        "Any text",
        "Vote blind",
        "Surface probes",
    ),
    *(
        "Report",
        "Rival",
        "candidate",
        "bold",
        "double spaces",
        "equal length",
        "per 1,000 tokens",
        "most different",
    ),
    *("../..", "../../etc/passwd", "/etc/passwd", "/", "~", ".", "..", "study/../study", "C:\\x", "file:///x"),
    *(
        "\0",
        "a\0b",
        "\n",
        "\r\nSet-Cookie: x=1",
        "\t",
        "\x1b]0;owned\x07",
        "\u202etxt",
        "\u200b",
        "\ufeff",
        "🔬" * 9,
    ),
    *(
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "](javascript:alert(1))",
        "**x**",
        "$x$",
        "`x`",
    ),
    *(
        "'; drop table x; --",
        '"',
        "{}",
        "[]",
        '{"a": [',
        "[" * 5000,
        "%00",
        "%",
        "%zz",
        "&study=x",
        "#x",
        "?",
        "\\",
    ),
    *(
        "(",
        "(a+)+$",
        "[a-",
        "*",
        "x" * 300,
        "x" * 100_000,
        "openai:m",
        "http://127.0.0.1:1#m",
        "hf:/etc",
        "sample",
    ),
]


class Ended(NamedTuple):
    """How a page ended."""

    fault: str
    """What should not have been; empty where nothing was."""
    told: str
    """The first warning or error in it, which is a sentence."""


def make(patch: pytest.MonkeyPatch) -> Study:
    """A study with two draws a prompt, compared, with a finding."""
    study = finding_study.make(patch, prompts=40)
    study.add_responses(study.responses().assign(draw=1))
    encode.run(study, encode.Options(), Watch())
    compute.compute(study, "a", "b", DiffSettings())
    findings.add(study, "speaks of cake", "b", author="Ada", features=[finding_study.CAKE])
    return study


def opened(page: str, query: Mapping[str, str | list[str]]) -> Ended:
    """A page under an address, in a fresh session."""
    app = AppTest.from_file(str(files.PROJECT / "dashboard.py"), default_timeout=PATIENCE)
    if page:
        app.switch_page(f"pages/{page}.py")
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    if app.exception:
        return Ended(f"{app.exception[0].value}", "")
    shown = "\n".join(str(getattr(node, "proto", "")) for root in (app.main, app.sidebar) for node in root)
    if path := next((path for path in paths() if path in shown), ""):
        return Ended(f"it shows {path}", "")
    sentences = [element.value for element in (*app.error, *app.warning)]
    return Ended("", sentences[0] if sentences else "")


def paths() -> list[str]:
    """Places on this disk that no page has a reason to name: this program, its packages, its home."""
    packages = Path(streamlit.__file__).parents[1]
    return [str(place) for place in (files.PROJECT, packages, files.home(), Path.home()) if place != Path("/")]


def addresses(count: int, seed: int) -> Iterator[tuple[str, dict[str, str | list[str]]]]:
    """So many: mostly of a study that is there, with one to four parameters that are odd, some of them twice."""
    chance = random.Random(seed)
    for _ in range(count):
        query: dict[str, str | list[str]] = {}
        if chance.random() < 0.9:
            query["study"] = "study"
        for _ in range(chance.randint(1, 4)):
            twice = chance.random() < 0.05
            query[chance.choice(NAMES)] = [chance.choice(VALUES) for _ in range(2)] if twice else _value(chance)
        yield chance.choice(PAGES), query


def _value(chance: random.Random) -> str:
    """An odd text, or characters by chance from all that an address can carry."""
    if chance.random() < 0.8:
        return chance.choice(VALUES)
    drawn = (
        chance.choice((chance.randrange(128), chance.randrange(0xD800))) for _ in range(chance.randint(1, 30))
    )
    return "".join(map(chr, drawn))


def report() -> None:
    told = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    told.add_argument("count", type=int, nargs="?", default=500)
    told.add_argument("--seed", type=int, default=0)
    options = told.parse_args()
    warnings.simplefilter("ignore")
    # Streamlit complains of each page that it runs outside a server.
    logging.disable(logging.WARNING)
    ends: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory(prefix="asked-home-") as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", home)
        make(patch)
        for page, query in addresses(options.count, options.seed):
            ended = opened(page, query)
            ends[page or "home", "failed" if ended.fault else "a sentence" if ended.told else "shown"] += 1
            if ended.fault:
                print(f"{page or 'home'} {repr(query)[:SHOWN]}: {ended.fault[:SHOWN]}", flush=True)
    kinds = ("shown", "a sentence", "failed")
    print("| page | tried | " + " | ".join(kinds) + " |\n|---|---:" + "|---:" * len(kinds) + "|")
    for page in sorted({page for page, _ in ends}):
        counts = [ends[page, kind] for kind in kinds]
        print(f"| {page} | {sum(counts):,} | " + " | ".join(f"{count:,}" for count in counts) + " |")
    bad = sum(count for (_, kind), count in ends.items() if kind == "failed")
    print(f"{options.count:,} tried, {bad} failed (seed {options.seed}).")
    sys.exit(bad > 0)


if __name__ == "__main__":
    report()
