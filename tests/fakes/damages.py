"""A small study with everything in it, and accidents that befall its files: cut, zeroed, flipped, emptied, gone.

`look` reads all that a study shows; `heal` takes the steps that make derived files anew. What comes of a damage is
right, healed, or said in one sentence.
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from diffing import diff, jobs, labels, status
from diffing.common import damage, jsonl
from diffing.common.errors import UserError
from diffing.diff import compute
from diffing.findings import findings, judging
from diffing.labels import history
from diffing.reader import encode
from diffing.reader.encodings import Encodings
from diffing.study.study import Study
from tests.fakes import diff_study
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch

Damage = Callable[[Path, random.Random], None]
Outcome = Literal["right", "healed", "said"]

EDITED = ("study.toml", "prompts.csv")
"""Files that people edit: a changed letter in them is an edit, and nothing can tell it from an accident."""


def make(reader: FakeReader) -> Study:
    """Answers, encodings, a diff, labels, findings, a verdict and a job; `encode.load_reader` gives the reader."""
    study = diff_study.made(prompts=16)
    status_of_job = jobs.run_here(study, "diff", {"a": "a", "b": "b"})
    assert status_of_job.state == "done", status_of_job.error
    answers = study.responses()
    study.add_measures(answers.head(20).assign(name="score", value=1.0))
    for number in range(4):
        history.edit(study, reader.key, number, f"name {number}", "Ann")
        findings.add(study, f"shows number {number}", "b", author="Ann", features=(number,))
        line = {
            "version": judging.VERSION,
            "judge": "j",
            "pair": str(number),
            "order": 0,
            "verdicts": [],
            "error": "",
        }
        jsonl.append(judging.path_of(study), line)
    return study


def targets(study: Study) -> list[Path]:
    """All files of a study and of its reader's cache that hold data."""
    cache = study.folder.parents[1] / "cache"
    names = (
        "study.toml",
        "prompts.csv",
        "responses.parquet",
        "encodings.parquet",
        "labels.jsonl",
        "measures.parquet",
    )
    found = [study.folder / name for name in (*names, "findings.jsonl", "verdicts.jsonl")]
    found += [path for path in sorted(study.folder.glob("diffs/*/*")) if path.is_file()]
    found += sorted(study.folder.glob("jobs/*/*.json"))
    return [*found, *sorted(cache.glob("encodings/*/*.bin")), *sorted(cache.glob("encodings/*/index.sqlite")),
            *sorted(cache.glob("decoders/*.npy"))]  # fmt: skip


def cut(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data))])


def zeroed(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    start = chance.randrange(len(data))
    length = min(chance.randrange(1, 200), len(data) - start)
    data[start : start + length] = bytes(length)
    path.write_bytes(data)


def flipped(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(chance.randrange(1, 4)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def emptied(path: Path, _: random.Random) -> None:
    path.write_bytes(b"")


def deleted(path: Path, _: random.Random) -> None:
    path.unlink()


def folder(path: Path, _: random.Random) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: list[Damage] = [cut, zeroed, flipped, emptied, deleted, folder]


def look(name: str) -> dict[str, Any]:
    """All figures and words that a study shows, by what shows them."""
    study = Study.open(name)
    opened, found = Encodings.open(study), diff.load(study, "a", "b")
    found.check()
    told = status.of(study)
    decoder = opened.decoder()
    frames = [study.prompts(), study.responses(), study.measures(), found.features, found.probes]
    frames += [found.phrases, found.categories, found.noise]
    return {
        "settings": study.settings.model_dump(),
        "tables": [_sum(frame) for frame in frames],
        "records": [
            (one.ids.tolist(), one.position.tolist(), one.values().tolist())
            for one in map(opened.encoding, range(len(opened)))
        ],
        "peaks": opened.peak.tolist(),
        "decoder": None if decoder is None else decoder.tolist(),
        "summary": {key: value for key, value in found.summary.items() if key != "created"},
        "labels": [line.model_dump() for line in history.read(study, FakeReader.key)],
        "findings": [finding.model_dump() for finding in findings.load(study)],
        "verdicts": judging.lines(study),
        "jobs": [job.spec["kind"] for job in jobs.recent(study)],
        "status": {key: value for key, value in told.items() if key not in ("running", "next")},
        "names": sorted(labels.dossiers(study)),
    }


def _sum(frame: pd.DataFrame) -> str:
    return str(pd.util.hash_pandas_object(frame.astype(str), index=False).sum())


def heal(name: str) -> None:
    """What the sentences advise for derived files."""
    study = Study.open(name)
    encode.run(study, encode.Options(), Watch())
    compute.current(study, "a", "b")


def outcome(name: str, wanted: dict[str, Any]) -> Outcome:
    """What comes of a damage; `AssertionError` where a figure is wrong, any other error where none was caught."""
    try:
        with damage.told():
            assert same(look(name), wanted), f"a wrong figure in {differing(look(name), wanted)}"
            return "right"
    except UserError as error:
        assert str(error).count("\n") == 0
    try:
        with damage.told():
            heal(name)
            assert same(look(name), wanted), f"healed to a wrong figure in {differing(look(name), wanted)}"
            return "healed"
    except UserError as error:
        assert str(error).count("\n") == 0
        return "said"


def same(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return not differing(found, wanted)


def differing(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    return [key for key in wanted if repr(found[key]) != repr(wanted[key])]


def restored(home: Path, backup: Path) -> None:
    """The home as it was before a damage."""
    shutil.rmtree(home)
    shutil.copytree(backup, home)
