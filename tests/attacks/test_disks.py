"""Full, read-only and impossible disks, folders replaced by killed processes, and what the dead leave."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from diffing import diff, jobs
from diffing.cli import app
from diffing.common import damage, files, tables
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.diff import compute
from diffing.reader import encode
from diffing.study import imports
from diffing.study.study import Study, names
from tests.fakes import diff_study
from tests.fakes.reader import FakeReader


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    fake = FakeReader(window=64)
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: fake)
    return fake


@pytest.fixture
def study(reader: FakeReader) -> Study:
    assert reader.key == "fake"
    return diff_study.made(prompts=12)


# Folders and leftovers.


KILLED = """
import os, sys
from pathlib import Path
from diffing.common import files
rename, calls = Path.rename, []
def dying(self, target):
    calls.append(self)
    if len(calls) == int(sys.argv[3]):
        os._exit(9)
    return rename(self, target)
Path.rename = dying
out = Path(sys.argv[1])
with files.fresh_folder(out.parent, ".new-") as fresh:
    (fresh / "a").write_text("new"); (fresh / "b").write_text("new")
    files.put_folder(fresh, out)
"""


@pytest.mark.attack("R13")
@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_folder_replaced_by_a_killed_process_is_the_old_one_or_the_new_one(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    out = place / "out"
    out.mkdir(parents=True)
    for name in "ab":
        (out / name).write_text("old")
    command = [sys.executable, "-c", KILLED, str(out), "-", str(step)]
    subprocess.run(command, cwd=files.PROJECT, check=False, timeout=600)
    monkeypatch.setattr(files, "SETTLED", -1.0)
    files.sweep(place, *files.LEFT)
    assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys(
        "ab", "new" if step == 3 else "old"
    )
    assert list(place.iterdir()) == [out]


@pytest.mark.attack("R13")
def test_a_half_deleted_diff_is_computed_anew(study: Study) -> None:
    before = compute.current(study, "a", "b")
    probes = before.probes
    (before.folder / "probes.parquet").unlink()
    with pytest.raises(Damaged, match="made anew by `python -m diffing diff study --a a --b b`"):
        _ = diff.load(study, "a", "b").probes
    after = compute.current(study, "a", "b")
    pd.testing.assert_frame_equal(after.probes, probes)
    pd.testing.assert_frame_equal(diff.load(study, "a", "b").features, after.features)


@pytest.mark.attack("R21")
def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SETTLED", -1.0)
    dead = [study.folder / "reports" / ".report-x", study.folder / "diffs" / ".new-y"]
    for folder in dead:
        folder.mkdir(parents=True)
        (folder / "answers.csv").write_text("private")
    (study.folder / ".responses.parquet.z.tmp").write_text("half")
    with (
        files.fresh_folder(study.folder / "reports", ".report-") as living,
        files.replacing(study.folder / "mine"),
    ):
        assert jobs.run_here(study, "diff", {"a": "a", "b": "b"}).state == "done"
        assert living.is_dir() and len([*study.folder.glob(".mine.*.tmp")]) == 1
    assert [path for path in dead if path.exists()] == []
    assert [*study.folder.rglob("*.tmp")] == []


# Disks.


@pytest.mark.attack("R15")
@pytest.mark.parametrize("name", ["study.toml", "prompts.csv", "responses.parquet", "measures.parquet"])
@pytest.mark.parametrize("existing", [False, True])
def test_an_import_on_a_full_disk_changes_nothing(
    name: str, existing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wide.csv"
    head = "prompt,response_a,response_b,good_a,good_b\n"
    path.write_text(f"{head}Hi,Hello.,Hey!,1,0\n")
    how = imports.How(measures=("good",))
    if existing:
        imports.into("s", imports.load_all([path], how))
        path.write_text(f"{head}Bye,So long.,Bye!,1,0\n")
    before = tree(files.studies_dir())
    with monkeypatch.context() as broken:
        fill_up(broken, lambda where: f".{name}." in where)
        with pytest.raises((UserError, OSError)) as caught:
            imports.into("s", imports.load_all([path], how))
    assert "disk is full" in str(damage.in_words(caught.value))
    assert tree(files.studies_dir()) == before
    assert names() == (["s"] if existing else [])


def fill_up(patch: pytest.MonkeyPatch, full: Callable[[str], bool]) -> None:
    """Let nothing be put in the place of files whose temporary name is meant, nor be written there."""
    write_bytes, write_text, write_csv = Path.write_bytes, Path.write_text, tables.write_csv
    parquet_writer = pq.ParquetWriter

    def refuse(where: Path) -> None:
        if full(str(where)):
            raise OSError(28, "No space left on device", str(where))

    def bytes_to(self: Path, data: bytes) -> int:
        refuse(self)
        return write_bytes(self, data)

    def text_to(self: Path, data: str, **how: str) -> int:
        refuse(self)
        return write_text(self, data, **how)

    def csv_to(path: Path, table: pd.DataFrame) -> None:
        refuse(path)
        write_csv(path, table)

    def parquet_to(where: Path, *told: Any, **how: Any) -> pq.ParquetWriter:
        refuse(where)
        return parquet_writer(where, *told, **how)

    patch.setattr(pq, "ParquetWriter", parquet_to)
    patch.setattr(Path, "write_bytes", bytes_to)
    patch.setattr(Path, "write_text", text_to)
    patch.setattr(tables, "write_csv", csv_to)


def tree(folder: Path) -> dict[str, bytes]:
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    # A lock that nobody holds is nothing made.
    return {name: data for name, data in found.items() if not name.endswith(".lock")}


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from diffing.cli.app import main
sys.argv = ["diffing", "import", "big", sys.argv[1]]
main()
"""


@pytest.mark.attack("R15")
def test_a_file_that_may_not_grow_costs_one_sentence_and_leaves_no_study(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    noise = np.random.default_rng(0).integers(0, 10**9, 20_000)
    rows = "\n".join(f"Q{n},{a},{a * 7}" for n, a in enumerate(noise.tolist()))
    path.write_text(f"prompt,response_a,response_b\n{rows}\n")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], cwd=files.PROJECT, capture_output=True, text=True, timeout=600
    )
    assert (done.returncode, done.stderr.strip().count("\n")) == (2, 0)
    assert "may not grow that large" in done.stderr
    assert [path.name for path in files.studies_dir().glob("*")] == []


READ_ONLY = """
import json, os, sys
from diffing.common import files
home = str(files.home())
WRITES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.chmod"}
def hook(event, args):
    named = args and isinstance(args[0], (str, bytes, os.PathLike))
    where = os.path.abspath(os.fsdecode(args[0])) if named else ""
    if not where.startswith(home):
        return
    writes = event in WRITES and not (event == "os.mkdir" and os.path.isdir(where))
    if event == "open":
        mode, flags = args[1] or "", args[2]
        writes = bool(set(mode) & set("wax+")) or bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    if writes:
        raise OSError(30, "Read-only file system", where)
sys.addaudithook(hook)
from diffing.cli.app import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["diffing", *words]
    try:
        main()
    except SystemExit as ended:
        print(words[0], ended.code or 0, file=sys.stderr)
"""
"""A home on which nothing can be made or opened for writing, whoever asks; SQLite is asked to itself.

Commands follow each other in one process, each with its exit code behind what it says.
"""


@pytest.mark.attack("R15")
def test_looking_works_on_a_read_only_home(study: Study) -> None:
    compute.compute(study, "a", "b")
    before = tree(study.folder)
    looks = [
        ["list"],
        ["status", "study"],
        ["jobs", "study"],
        ["prompts", "study"],
        ["feature", "study", "3"],
        ["diff", "study"],
        ["findings", "study"],
    ]
    command = [sys.executable, "-c", READ_ONLY, json.dumps([*looks, ["encode", "study"]])]
    done = subprocess.run(command, cwd=files.PROJECT, capture_output=True, text=True, timeout=600, check=True)
    *told, begun, refused, last = done.stderr.splitlines()
    assert told == [f"{words[0]} 0" for words in looks]
    assert (begun, last) == ("encode of 'study' …", "encode 2")
    assert "the disk is read-only; make it writable" in refused
    assert tree(study.folder) == before


@pytest.mark.attack("R15")
@pytest.mark.parametrize("home", ["file", "~nouser-of-this-name/home"])
@pytest.mark.parametrize("words", [["list"], ["status", "s"], ["new", "s", "openai:a", "openai:b"], ["sample"]])
def test_a_home_that_cannot_be_costs_one_sentence(
    home: str,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("a file")
    monkeypatch.setenv("DIFFING_HOME", str(tmp_path / "file") if home == "file" else home)
    code, _, said = ran(monkeypatch, capsys, *words)
    assert code == 2
    assert said.startswith("DIFFING_HOME is '") and said.strip().count("\n") == 0


@pytest.mark.attack("R15")
def test_a_job_on_a_full_disk_fails_with_a_sentence(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(study.folder / "x"))

    monkeypatch.setattr(files, "put_folder", full)
    told = jobs.run_here(study, "diff", {"a": "a", "b": "b"})
    assert told.state == "failed"
    assert told.error.startswith("'studies/study/x' cannot be read or written: the disk is full")
    assert [*study.folder.glob("diffs/.new-*")] == []


def test_a_temporary_that_was_just_made_is_left_to_its_owner(tmp_path: Path) -> None:
    fresh, old = tmp_path / ".new-a", tmp_path / ".new-b"
    for folder in (fresh, old):
        folder.mkdir()
    past = time.time() - 60
    os.utime(old, (past, past))
    assert files.sweep(tmp_path, *files.LEFT) == [old]
    assert fresh.is_dir()


def ran(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["diffing", *words])
    with pytest.raises(SystemExit) as ended:
        app.main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err
