"""How every step grows with a study: `python -m bench.scale --out FOLDER [--sizes 1000 10000 50000 200000]`.

Makes tables of so many prompts with a short answer of two checkpoints each, imports them, and puts made-up
encodings of 4,096 features straight into the cache. Then a process of its own takes each step and tells its
seconds, its processor seconds and its peak memory: the import, what `encode` does where everything is stored, the
diff, the status on a first look and on a later one, and the Answer page. The second checkpoint greets on half of
its answers, ends a quarter of them with a question, and shows one feature in a hundred on half as many tokens
again. Needs no reader and nothing but the package; `FOLDER` is kept, and what is in it is not made again. Growth
is the slope of the logarithm of processor seconds, in brackets, over that of the number of prompts.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from diffing.common.arrays import Array
from diffing.common.files import PROJECT

FEATURES = 4096
"""As many as the starter reader has."""
KEY = "bench-scale"
TOKENS = 24
"""Words of an answer on average, a token each: short, so that what grows is the number of answers."""
ACTIVE = 8
"""Features active on a token."""
EVERY, PLANT = 100, 7
"""One feature in so many is planted, and which of them."""
BLOCK = 2000
"""Prompts that are made up at a time."""
STEPS = ("import", "encode", "diff", "status", "status again", "answer page", "answer page again")
WANTED = {"status": 3.0, "status again": 3.0, "answer page": 1.0, "answer page again": 1.0}
"""Seconds at most."""


def answers(prompts: int) -> Iterator[pd.DataFrame]:
    """Made-up prompts with both answers, block by block; the same ones for the same number of prompts."""
    random = np.random.default_rng(prompts)
    syllables = np.array(["ka", "lo", "mi", "ner", "tu", "sal", "vo", "rin", "da", "pe"])
    words = np.array(["".join(random.choice(syllables, random.integers(1, 4))) for _ in range(1500)], object)
    words[:4] = ["**note**", "however,", "1)", "really!"]
    for start in range(0, prompts, BLOCK):
        number = np.arange(start, min(start + BLOCK, prompts))
        length = np.clip(random.lognormal(np.log(TOKENS), 0.35, (len(number), 2)), 6, 90).astype(int)
        chosen = words[(random.random((len(number), 2, 90)) ** 2 * len(words)).astype(int)]
        coin = random.random((len(number), 2))
        texts = [
            [" ".join(chosen[row, side, : length[row, side]]) for side in range(2)] for row in range(len(number))
        ]
        for row, both in enumerate(texts):
            both[1] = f"Sure, {both[1]}" if coin[row, 0] < 0.5 else both[1]
            both[1] = f"{both[1]}. Shall we go on?" if coin[row, 1] < 0.25 else both[1]
        yield pd.DataFrame(
            {
                "prompt": [f"Question {n}: what of {chosen[row, 0, 0]}?" for row, n in enumerate(number.tolist())],
                "response_a": [a for a, _ in texts],
                "response_b": [b for _, b in texts],
                "category": [f"category {n % 8}" for n in number.tolist()],
            }
        )


def table_of(prompts: int) -> Path:
    """The table that is imported, made where it is missing."""
    path = Path(os.environ["DIFFING_HOME"]) / f"answers-{prompts}.csv"
    if not path.exists():
        half = path.with_suffix(".half")
        for number, block in enumerate(answers(prompts)):
            block.to_csv(half, mode="a" if number else "w", header=not number, index=False)
        half.rename(path)
    return path


def store(name: str) -> None:
    """Made-up encodings of a study's answers, in the cache under the keys by which `encode` asks for them."""
    from diffing.reader.cache import Cache
    from diffing.reader.encodings import encodable
    from diffing.reader.wanted import tasks_of
    from diffing.study.study import Study

    study = Study.open(name)
    wanted = encodable(study)
    random = np.random.default_rng(len(wanted))
    popular = np.cumsum(np.exp(1.5 * random.normal(size=FEATURES)))
    with Cache(KEY, FEATURES).writer() as writer:
        for start in range(0, len(wanted), BLOCK):
            rows = wanted.iloc[start : start + BLOCK]
            records = _records(rows, popular / popular[-1], random)
            writer.add([(t.key, len(r.ids), r) for t, r in zip(tasks_of(study, rows), records, strict=True)])


def _records(rows: pd.DataFrame, popular: Array, random: np.random.Generator) -> Iterator[Any]:
    """Random activations of some answers, whose tokens are their words."""
    from diffing.reader.records import Encoding

    spans = [_spans(text) for text in rows["text"]]
    lengths = np.array([len(each) for each in spans])
    owner = np.repeat(np.arange(len(rows)), lengths * ACTIVE)
    feature = np.searchsorted(popular, random.random(len(owner))).astype(np.int64)
    position = (random.random(len(owner)) * lengths[owner]).astype(np.int64)
    # Half as many tokens again of what is planted, on B's side.
    later = (rows["checkpoint"] == rows["checkpoint"].max()).to_numpy()[owner]
    again = np.flatnonzero(later & (feature % EVERY == PLANT) & (random.random(len(owner)) < 0.5))
    owner = np.concatenate([owner, owner[again]])
    feature = np.concatenate([feature, feature[again]])
    position = np.concatenate(
        [position, (random.random(len(again)) * lengths[owner[-len(again) or len(owner) :]])]
    )
    cell = np.unique((owner * FEATURES + feature) * 128 + position.astype(np.int64))
    owner, feature, position = cell // 128 // FEATURES, cell // 128 % FEATURES, cell % 128
    ends = np.searchsorted(owner, np.arange(1, len(rows)))
    for one, place, mine in zip(np.split(feature, ends), np.split(position, ends), spans, strict=True):
        names, count = np.unique(one, return_counts=True)
        coded = np.repeat(count > 1, count)
        code = random.integers(0, 9000, len(one))
        code[np.cumsum(count) - count] = 0
        yield Encoding(
            ids=np.arange(len(mine), dtype=np.uint32),
            spans=mine,
            feature=names.astype(np.uint32),
            peak=random.gamma(2.0, 1.0, len(names)).astype(np.float32),
            count=count.astype(np.uint32),
            position=place.astype(np.uint32),
            code=code[coded].astype(np.uint16),
        )


def _spans(text: str) -> Array:
    ends = np.cumsum([len(word) + 1 for word in text.split(" ")])
    starts = np.concatenate([[0], ends[:-1]])
    return np.column_stack([starts, ends - 1]).astype(np.int32)


class Silent:
    """Progress that nobody looks at."""

    def update(self, *_told: Any, **_named: Any) -> None: ...
    def check(self) -> None: ...
    def log(self, _line: str) -> None: ...


# The steps: each prepares, and gives back what is measured.


def _import(name: str, prompts: int) -> Callable[[], Any]:
    from diffing.study import imports

    path = Path(os.environ["DIFFING_HOME"]) / f"answers-{prompts}.csv"
    return lambda: imports.into(name, imports.load(path))


def _encode(name: str, _prompts: int) -> Callable[[], Any]:
    import torch

    from diffing.reader import encode
    from diffing.study.study import Study

    study = Study.open(name)
    reader = SimpleNamespace(key=KEY, n_features=FEATURES, device=torch.device("cpu"))
    # It is asked to read nothing. All else is as it is: what is wanted, what is stored, the table that is written.
    encode.prepare = lambda *_told, **_named: reader
    return lambda: encode.run(study, encode.Options(device="cpu"), Silent())  # type: ignore[arg-type]


def _diff(name: str, _prompts: int) -> Callable[[], Any]:
    from diffing.diff import compute
    from diffing.study.study import Study

    study = Study.open(name)
    return lambda: compute.compute(study, *study.sides())


def _status(name: str, _prompts: int) -> Callable[[], Any]:
    from diffing import status
    from diffing.study.study import Study

    study = Study.open(name)
    return lambda: status.of(study)


def _page(name: str, _prompts: int) -> Callable[[], Any]:
    from streamlit.testing.v1 import AppTest

    def opened(study: str) -> None:
        page = AppTest.from_file(str(PROJECT / "dashboard.py"), default_timeout=600)
        page.switch_page("pages/answer.py")
        page.query_params["study"] = study
        page.run()
        assert not page.exception, page.exception
        assert any("Sure" in each.value for each in [*page.markdown, *page.get("html")]), "it shows no change"

    # What any page costs a process once: imports, fonts, the first run.
    opened(SMALLEST)
    return lambda: opened(name)


SMALLEST = "scale-200"
"""A study that is looked at first, so that a page's own cost is not the program's start."""
PREPARED: dict[str, Callable[[str, int], Callable[[], Any]]] = {
    "import": _import,
    "encode": _encode,
    "diff": _diff,
    "status": _status,
    "answer page": _page,
}


def measure(step: str, name: str, prompts: int) -> None:
    """Take one step and print its figures as JSON; a later look follows a first one in the same process."""
    work = PREPARED[step](name, prompts)
    before = peak()
    figures = {}
    for when in ("", " again") if f"{step} again" in STEPS else ("",):
        begun, busy = time.perf_counter(), processor()
        work()
        wall = round(time.perf_counter() - begun, 2)
        figures[step + when] = [wall, round(processor() - busy, 2), peak(), before]
    print(json.dumps(figures))


def peak() -> float:
    """GiB that this process or one of its children has held at most."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return round(max(resource.getrusage(each).ru_maxrss for each in who) / 2**20, 2)


def processor() -> float:
    """Seconds of processor time of this process and its children, which other work on the machine hardly moves."""
    return sum(sum(resource.getrusage(each)[:2]) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def apart(*told: str) -> dict[str, Any]:
    """The figures of a fresh process."""
    command = [sys.executable, "-m", "bench.scale", *told]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return {}
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines else {}


def study(prompts: int, steps: list[str]) -> dict[str, Any]:
    """Take the steps on one size; what was measured is kept beside the study."""
    name = f"scale-{prompts}"
    home = Path(os.environ["DIFFING_HOME"])
    kept = home / f"{name}.json"
    figures: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    table_of(prompts)
    for step in PREPARED:
        needed = {"import": "study.toml", "encode": "encodings", "diff": "diffs"}.get(step)
        there = needed is not None and any((home / "studies" / name).glob(f"{needed}*"))
        if there and step not in steps:
            continue
        if step not in steps and step in ("status", "answer page"):
            continue
        if step == "import":
            import shutil

            shutil.rmtree(home / "studies" / name, ignore_errors=True)
        if step == "status":
            for fact in (home / "cache" / "facts").glob("*"):
                fact.unlink()
        if step == "encode" and not (home / f"{name}.stored").exists():
            apart("--store", name)
            (home / f"{name}.stored").touch()
        found = apart("--measure", step, name, str(prompts))
        figures |= found or {step: None}
        kept.write_text(json.dumps(figures))
        print(f"{name}: {found or f'{step} failed'}", file=sys.stderr, flush=True)
    return figures


def growth(sizes: list[int], values: list[float]) -> float:
    """The exponent of the power of size that the values grow with, by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 0.01)), 1)[0])


def printed(sizes: list[int], found: list[dict[str, Any]]) -> None:
    told = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((row.split(":")[1].strip() for row in told if "model name" in row), "")
    load = os.getloadavg()[0]
    print(f"{processor}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}.\n")
    print("| step |", " | ".join(f"{size:,} prompts" for size in sizes), "| exponent | wanted |")
    print("|---" * (len(sizes) + 3) + "|")
    for step in STEPS:
        rows = [(size, each[step]) for size, each in zip(sizes, found, strict=True) if each.get(step)]
        cells = ["{:.2f} ({:.2f}) s, {:.2f} GiB".format(*each[step]) if each.get(step) else "–" for each in found]
        exponent = f"{growth([n for n, _ in rows], [each[1] for _, each in rows]):.2f}" if len(rows) > 1 else "–"
        wanted = f"{WANTED[step]:.0f} s" if step in WANTED else "1.1"
        print(f"| {step} |", " | ".join(cells), f"| {exponent} | {wanted} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where studies and figures are kept")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10000, 50000, 200000])
    parser.add_argument("--steps", nargs="+", choices=list(PREPARED), default=list(PREPARED))
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    asked, _ = parser.parse_known_args(["--out", os.environ.get("DIFFING_HOME", ""), *sys.argv[1:]])
    if asked.measure:
        step, name, prompts = asked.measure
        measure(step, name, int(prompts))
        return
    if asked.store:
        store(asked.store)
        return
    asked.out.mkdir(parents=True, exist_ok=True)
    os.environ["DIFFING_HOME"] = str(asked.out.resolve())
    if "answer page" in asked.steps and not (asked.out / "scale-200.json").exists():
        study(200, ["import", "encode", "diff"])
    printed(asked.sizes, [study(size, asked.steps) for size in asked.sizes])


if __name__ == "__main__":
    main()
