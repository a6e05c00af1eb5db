"""Damaged, cut and missing files: a right figure, a healed one, or one sentence; never a wrong one."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffing import diff, jobs, status
from diffing.cli import app
from diffing.common import damage, files
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.diff import compute
from diffing.findings import findings
from diffing.labels import history
from diffing.models import replies
from diffing.reader import encode
from diffing.reader.cache import Cache
from diffing.reader.encodings import Encodings
from diffing.study import imports, repair
from diffing.study.study import Study, names
from tests.fakes import damages, diff_study
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch

BATCHES = 6
"""Parts of the drawn damages, so that one failure does not hide the others."""


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    fake = FakeReader(window=64)
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: fake)
    return fake


@pytest.fixture
def study(reader: FakeReader) -> Study:
    assert reader.key == "fake"
    return diff_study.made(prompts=12)


def shard(reader: FakeReader) -> Path:
    return Cache(reader.key, reader.n_features).path(0)


def encoded(study: Study) -> tuple[dict[str, object], Watch]:
    watch = Watch()
    return encode.run(study, encode.Options(), watch), watch


def peaks(study: Study) -> list[float]:
    return [float(value) for value in Encodings.open(study).peak]


# Any file, any accident.


@pytest.mark.attack("R2")
@pytest.mark.attack("R4")
@pytest.mark.parametrize("batch", range(BATCHES))
def test_thirty_drawn_damages_give_no_wrong_figure(
    batch: int, reader: FakeReader, own_home: Path, tmp_path: Path
) -> None:
    study = damages.make(reader)
    wanted = damages.look(study.name)
    shutil.copytree(own_home, tmp_path / "backup")
    became = []
    for seed in range(5 * batch, 5 * batch + 5):
        chance = random.Random(1000 + seed)
        path = chance.choice(damages.targets(study))
        kinds = [kind for kind in damages.DAMAGES if path.name not in damages.EDITED or kind != damages.flipped]
        chance.choice(kinds)(path, chance)
        became.append(damages.outcome(study.name, wanted))
        damages.restored(own_home, tmp_path / "backup")
    assert set(became) <= {"right", "healed", "said"}


@pytest.mark.attack("R2")
def test_every_byte_of_a_table_is_held_by_its_sum(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": range(9), "text": [f"text {n}" for n in range(9)]})
    frame.attrs = {"reader": "r"}
    files.write_parquet(tmp_path / "whole.parquet", frame)
    data = (tmp_path / "whole.parquet").read_bytes()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "whole.parquet"), frame)
    # The eight bytes of the seal itself hold no figure.
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 0x10
        (tmp_path / "changed.parquet").write_bytes(changed)
        try:
            found = files.read_parquet(tmp_path / "changed.parquet")
        except Damaged:
            continue
        assert found.equals(frame) and found.attrs == frame.attrs


def test_tables_and_records_of_an_older_version_are_read_as_they_were(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": [1, 2]})
    frame.to_parquet(tmp_path / "old.parquet", index=False)
    (tmp_path / "old.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    (tmp_path / "old.json").write_text('{"n": 1}')
    assert files.read_parquet(tmp_path / "old.parquet").equals(frame)
    assert files.read_jsonl(tmp_path / "old.jsonl") == [{"n": 1}, {"n": 2}]
    assert files.read_json(tmp_path / "old.json") == {"n": 1}


# Shards.


@pytest.mark.attack("R2")
def test_a_cut_shard_is_said_and_read_again_and_never_extended(study: Study, reader: FakeReader) -> None:
    before, size = peaks(study), shard(reader).stat().st_size
    os.truncate(shard(reader), 6 * size // 10 // 4 * 4)
    with pytest.raises(Damaged, match="0000.bin' is damaged .*run `python -m diffing encode study`"):
        Encodings.open(study)
    step = next(one for one in status.of(study)["steps"] if one["step"] == "encoding")
    assert (step["state"], step["detail"]) == ("partial", "24 answers to read")
    result, watch = encoded(study)
    assert result["encoded"] and result["cached"]
    assert "damaged or gone; they are read again" in watch.lines[0]
    assert peaks(study) == before
    assert shard(reader).stat().st_size == 6 * size // 10 // 4 * 4


@pytest.mark.attack("R2")
def test_a_deleted_shard_heals_by_encode(study: Study, reader: FakeReader) -> None:
    before = peaks(study)
    shard(reader).unlink()
    with pytest.raises(UserError, match="gone from the cache; run `python -m diffing encode study`"):
        Encodings.open(study)
    assert encoded(study)[0]["encoded"] == len(study.responses())
    assert peaks(study) == before


@pytest.mark.attack("R2")
def test_a_flipped_bit_in_a_record_is_no_figure_and_costs_that_record_alone(
    study: Study, reader: FakeReader
) -> None:
    before = peaks(study)
    data = bytearray(shard(reader).read_bytes())
    data[len(data) // 2] ^= 4
    shard(reader).write_bytes(data)
    found = Encodings.open(study)
    with pytest.raises(Damaged, match="a record is not what was written"):
        _ = found.peak
    with pytest.raises(Damaged, match="a record is not what was written"):
        found.occurrences(0)
    told = [found.encoding(document) for document in range(len(found)) if sound(found, document)]
    assert len(told) == len(found) - 1
    assert encoded(study)[0]["encoded"] == 1
    assert peaks(study) == before


def sound(found: Encodings, document: int) -> bool:
    try:
        found.encoding(document)
    except Damaged:
        return False
    return True


@pytest.mark.attack("R2")
def test_a_dropped_records_place_is_given_to_no_other(study: Study, reader: FakeReader) -> None:
    os.truncate(shard(reader), 0)
    encoded(study)
    fresh = pd.read_parquet(study.folder / "encodings.parquet")
    assert set(fresh["shard"]) == {1}
    assert shard(reader).stat().st_size == 0


@pytest.mark.attack("R2")
def test_an_index_that_is_gone_or_damaged_costs_a_reading_and_no_places(study: Study, reader: FakeReader) -> None:
    before, folder = peaks(study), shard(reader).parent
    for harm in (Path.unlink, lambda path: path.write_bytes(b"no database" * 99)):
        for end in ("-wal", "-shm"):
            (folder / f"index.sqlite{end}").unlink(missing_ok=True)
        harm(folder / "index.sqlite")
        # The study's own table holds places and sums.
        assert peaks(study) == before
        assert encoded(study)[0]["encoded"] == len(study.responses())
        assert peaks(study) == before
    assert [path.name.endswith("-index.sqlite") for path in folder.glob("damaged-*")] == [True]


@pytest.mark.attack("R2")
def test_an_older_index_gets_its_sums_and_an_older_tables_places_are_compared(
    study: Study, reader: FakeReader
) -> None:
    before = peaks(study)
    with sqlite3.connect(shard(reader).parent / "index.sqlite") as index:
        index.execute("ALTER TABLE encodings DROP COLUMN sum")
    index.close()
    path = study.folder / "encodings.parquet"
    table = pd.read_parquet(path)
    attrs = table.attrs
    table = table.drop(columns="sum")
    table.attrs = attrs
    table.to_parquet(path, index=False)
    assert peaks(study) == before
    assert encoded(study)[0]["cached"] == len(study.responses())
    assert not (pd.read_parquet(path)["sum"] == -1).any()
    table.loc[0, "tokens"] += 1
    table.to_parquet(path, index=False)
    with pytest.raises(Damaged, match="other records in its places by now"):
        Encodings.open(study)


@pytest.mark.attack("R36")
def test_a_write_after_a_failed_one_points_at_its_own_bytes(reader: FakeReader) -> None:
    encoder = encode.Encoder(reader, Cache("other", reader.n_features))
    one, two = (encoder.one(reader.read([], text)) for text in ("one two three", "four five six seven"))
    assert not isinstance(one, str) and not isinstance(two, str)
    cache = Cache("other", reader.n_features)
    with cache.writer() as writer:
        writer.add([("one", 1, one)])
        whole, file = cache.path(0).stat().st_size, writer.file
        writer.file = Full(file, 10)  # type: ignore[assignment]  # as much of a file as a writer needs
        with pytest.raises(OSError, match="No space left"):
            writer.add([("two", 1, two)])
        assert cache.path(0).stat().st_size == whole
        writer.file = file
        writer.add([("three", 1, two)])
    assert set(cache.find(["one", "two", "three"])) == {"one", "three"}
    back = cache.read(cache.find(["three"])["three"])
    np.testing.assert_array_equal(back.peak, two.peak)
    np.testing.assert_array_equal(back.position, two.position)


class Full:
    """A file on a disk that takes so many bytes more."""

    def __init__(self, file: object, left: int) -> None:
        self.file, self.left = file, left

    def write(self, data: memoryview) -> int:
        if not self.left:
            raise OSError(28, "No space left on device")
        taken = self.file.write(data[: self.left])  # type: ignore[attr-defined]
        self.left -= taken
        return int(taken)

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)


# One study and the others; originals.


@pytest.mark.attack("R4")
@pytest.mark.parametrize(
    "name",
    ["responses.parquet", "encodings.parquet", "labels.jsonl", "findings.jsonl", "prompts.csv", "study.toml"],
)
def test_one_damaged_study_hides_no_other(
    name: str, study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Study.create("whole", study.checkpoints, study.prompts())
    (study.folder / name).write_bytes(b"\xff\xfe{broken")
    code, out, _ = ran(monkeypatch, capsys, "list", "--json")
    rows = {row["study"]: row for row in json.loads(out)}
    assert (code, set(rows)) == (0, {"study", "whole"})
    assert rows["whole"]["next"] == "answers"
    if name in ("responses.parquet", "prompts.csv", "study.toml", "findings.jsonl"):
        assert f"'studies/study/{name}' is damaged" in rows["study"]["checkpoints"]
        assert "`python -m diffing repair study` shows what can be saved" in rows["study"]["checkpoints"]
    code, _, said = ran(monkeypatch, capsys, "feature", "study", "3")
    assert (code, "Traceback" in said, said.strip().count("\n")) == (2, False, 0) or (code == 0 and not said)


def ran(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["diffing", *words])
    with pytest.raises(SystemExit) as ended:
        app.main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


@pytest.mark.attack("R4")
def test_a_job_whose_files_are_damaged_is_still_listed(study: Study) -> None:
    assert jobs.run_here(study, "diff", {"a": "a", "b": "b"}).state == "done"
    job = jobs.recent(study)[0]
    for name in ("progress.json", "spec.json"):
        (job.folder / name).write_text('{"kind": ')
    told = jobs.recent(study)[0].status()
    assert (told.kind, told.study, told.state) == ("diff", "study", "dead")
    assert status.of(study)["running"] == []


@pytest.mark.attack("R4")
def test_repair_sets_aside_and_saves_what_can_be_read(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        history.edit(study, "fake", number, f"name {number}", "Ann")
        findings.add(study, f"claim {number}", "b", author="Ann")
    lines = history.path_of(study).read_bytes().split(b"\n")
    lines[1] = lines[1].replace(b"name 1", b"name 9")
    history.path_of(study).write_bytes(b"\n".join(lines))
    findings.path_of(study).write_bytes(findings.path_of(study).read_bytes()[:-30])
    damaged = history.path_of(study).read_bytes()
    with pytest.raises(Damaged, match=r"labels.jsonl' is damaged \(line 2: its sum does not fit"):
        history.read(study, "fake")
    with pytest.raises(Damaged, match=r"it holds 2 of the 3 records that were written"):
        findings.load(study)
    code, out, _ = ran(monkeypatch, capsys, "repair", "study")
    assert (code, out.count("saved 2 rows, 1 of 3 are lost")) == (0, 2)
    assert [line.feature for line in history.read(study, "fake")] == [0, 2]
    assert [finding.claim for finding in findings.load(study)] == ["claim 0", "claim 1"]
    (aside,) = study.folder.glob("damaged-*/labels.jsonl")
    assert aside.read_bytes() == damaged
    assert "nothing was changed" in ran(monkeypatch, capsys, "repair", "study")[1]


@pytest.mark.attack("R4")
def test_repair_saves_the_answers_of_sound_groups(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GROUP", 6)
    study.add_responses(study.responses())
    path, before = study.folder / "responses.parquet", study.responses()
    data = bytearray(path.read_bytes())
    text = before["text"][7].encode()
    at = data.find(text[:12])
    assert at > 0 or b"SNAPPY" != None
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged, match="responses.parquet' is damaged .*repair study"):
        study.responses()
    (told,) = repair.repair("study", {})
    after = study.responses()
    assert 0 < len(after) < len(before) and told.saved == len(after)
    pd.testing.assert_frame_equal(after, before.merge(after[["prompt_id", "checkpoint", "draw"]]))


@pytest.mark.attack("R4")
def test_prompts_that_are_missing_are_said(study: Study) -> None:
    path, before = study.folder / "prompts.csv", study.prompts()
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:5]))
    with pytest.raises(Damaged, match="it holds 4 of the 12 prompts that were written"):
        study.prompts()
    (told,) = repair.repair("study", {})
    assert (told.saved, told.lost) == (4, "8 of 12 are lost")
    pd.testing.assert_frame_equal(study.prompts(), before.head(4))


# Lines, folders, leftovers.


@pytest.mark.attack("R12")
def test_a_last_line_without_its_end_is_a_record_if_it_is_one(study: Study) -> None:
    for number in range(2):
        history.edit(study, "fake", number, f"name {number}", "Ann")
    path = history.path_of(study)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert [line.feature for line in history.read(study, "fake")] == [0, 1]
    history.edit(study, "fake", 2, "name 2", "Ann")
    assert [line.feature for line in history.read(study, "fake")] == [0, 1, 2]


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
    out = tmp_path / "out"
    out.mkdir()
    for name in "ab":
        (out / name).write_text("old")
    command = [sys.executable, "-c", KILLED, str(out), "-", str(step)]
    subprocess.run(command, cwd=files.PROJECT, check=False, timeout=600)
    monkeypatch.setattr(files, "SETTLED", -1.0)
    files.sweep(tmp_path, *files.LEFT)
    assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys(
        "ab", "new" if step == 3 else "old"
    )
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.attack("R13")
def test_a_half_deleted_diff_is_computed_anew(study: Study) -> None:
    before = compute.current(study, "a", "b")
    (before.folder / "probes.parquet").unlink()
    with pytest.raises(Damaged, match="made anew by `python -m diffing diff study --a a --b b`"):
        _ = diff.load(study, "a", "b").probes
    after = compute.current(study, "a", "b")
    pd.testing.assert_frame_equal(after.probes, before.probes if "probes" in vars(before) else after.probes)
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
@pytest.mark.parametrize("name", ["study.toml", "prompts.csv", "responses.parquet"])
@pytest.mark.parametrize("existing", [False, True])
def test_an_import_on_a_full_disk_changes_nothing(
    name: str, existing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("prompt,response_a,response_b\nHi,Hello.,Hey!\n")
    if existing:
        imports.into("s", imports.load(path))
        path.write_text("prompt,response_a,response_b\nBye,So long.,Bye!\n")
    before = tree(files.studies_dir())
    with monkeypatch.context() as broken:
        fill_up(broken, lambda where: f".{name}." in where)
        with pytest.raises((UserError, OSError)) as caught:
            imports.into("s", imports.load(path))
    assert "disk is full" in str(damage.in_words(caught.value))
    assert tree(files.studies_dir()) == before
    assert names() == (["s"] if existing else [])


def fill_up(patch: pytest.MonkeyPatch, full: Callable[[str], bool]) -> None:
    """Let nothing be put in the place of files whose temporary name is meant, nor be written there."""
    write_bytes, write_text, write_csv = Path.write_bytes, Path.write_text, imports.tables.write_csv

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

    patch.setattr(Path, "write_bytes", bytes_to)
    patch.setattr(Path, "write_text", text_to)
    patch.setattr(imports.tables, "write_csv", csv_to)


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
import os, sys
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
main()
"""
"""A home on which nothing can be made or opened for writing, whoever asks; SQLite is asked to itself."""


@pytest.mark.attack("R15")
def test_looking_works_on_a_read_only_home(study: Study) -> None:
    compute.compute(study, "a", "b")
    before = tree(study.folder)
    for words in (
        ["list"],
        ["status", "study"],
        ["jobs", "study"],
        ["prompts", "study"],
        ["feature", "study", "3"],
        ["diff", "study"],
        ["findings", "study"],
    ):
        done = looking(*words)
        assert (words, done.returncode, done.stderr) == (words, 0, "")
    done = looking("encode", "study")
    assert done.returncode == 2
    assert "the disk is read-only; make it writable" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert tree(study.folder) == before


def looking(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", READ_ONLY, *words]
    return subprocess.run(command, cwd=files.PROJECT, capture_output=True, text=True, timeout=600, check=False)


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


@pytest.mark.attack("R4")
def test_a_defect_is_one_sentence_and_its_traceback_is_for_who_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(app, "app", broken)
    code, _, said = ran(monkeypatch, capsys, "list")
    assert (code, said.strip().count("\n")) == (1, 0)
    assert "ZeroDivisionError: by nothing" in said
    monkeypatch.setenv(app.DEBUG, "1")
    assert "Traceback" in ran(monkeypatch, capsys, "list")[2]


# Replies and words.


@pytest.mark.attack("R23")
def test_a_damaged_reply_is_dropped_and_blocks_no_other() -> None:
    cache = replies.cache()
    for key in ("good", "cut", "list", "shape"):
        cache.set(key, {"text": key})
    cache._sql("UPDATE Cache SET value = substr(value, 1, 9) WHERE key = ?", (cache._disk.put("cut")[0],))
    cache._sql("UPDATE Cache SET value = ? WHERE key = ?", (zlib.compress(b"7"), cache._disk.put("list")[0]))
    cache.set("shape", {"text": ["no", "text"]})
    assert [key in cache for key in ("good", "cut", "list")] == [True, False, False]
    assert cache.reply("shape") is None and cache.reply("cut") is None
    assert cache.reply("good") == replies.Reply(text="good", cached=True)
    assert len(cache) == 1


@pytest.mark.attack("R23")
def test_a_damaged_reply_database_is_named_with_the_remedy() -> None:
    folder = files.cache_dir("replies")
    (folder / "cache.db").write_bytes(b"this is no database, by far" * 400)
    replies._open_cache.cache_clear()
    with pytest.raises(Damaged, match=r"'cache/replies/cache.db' is damaged .*asked and paid for again"):
        replies.cache().get("key")


@pytest.mark.attack("R33")
def test_a_lone_surrogate_is_cleaned_when_it_comes_in(study: Study) -> None:
    made = findings.add(study, "shows \ud800 more", "b", author="A\udcffnn")
    record = history.edit(study, "fake", 1, "odd \udfff", "Ann")
    assert (made.claim, record.label) == ("shows \ufffd more", "odd \ufffd")
    told = [*files.read_jsonl(findings.path_of(study)), *files.read_jsonl(history.path_of(study))]
    assert repr(told).encode("utf-8")
    assert findings.load(study)[0] == made


def test_a_temporary_that_was_just_made_is_left_to_its_owner(tmp_path: Path) -> None:
    fresh, old = tmp_path / ".new-a", tmp_path / ".new-b"
    for folder in (fresh, old):
        folder.mkdir()
    past = time.time() - 60
    os.utime(old, (past, past))
    assert files.sweep(tmp_path, *files.LEFT) == [old]
    assert fresh.is_dir()
