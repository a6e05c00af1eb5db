"""Damaged, cut and missing files: a right figure, a healed one, or one sentence; never a wrong one."""

import json
import os
import random
import shutil
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffing import jobs, status
from diffing.cli import app
from diffing.common import files, jsonl
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.findings import findings
from diffing.labels import history
from diffing.reader import encode
from diffing.reader.cache import Cache
from diffing.reader.encoder import Encoder
from diffing.reader.encodings import Encodings
from diffing.study.study import Study
from tests.fakes import damages, diff_study
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch

DAMAGES = 6
"""By chance: `bench/damage.py` has two hundred."""


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
def test_drawn_damages_give_no_wrong_figure(reader: FakeReader, own_home: Path, tmp_path: Path) -> None:
    study = damages.make(reader)
    wanted = damages.look(study.name)
    shutil.copytree(own_home, tmp_path / "backup")
    became = []
    for seed in range(DAMAGES):
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
    assert jsonl.read(tmp_path / "old.jsonl") == [{"n": 1}, {"n": 2}]
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
    encoder = Encoder(reader, Cache("other", reader.n_features))
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
    findings.add(study, "shows more", "b", author="Ann")
    history.edit(study, "starter", 1, "a name", "Ann")
    (study.folder / name).write_bytes(b"\xff\xfe{broken")
    code, out, _ = ran(monkeypatch, capsys, "list", "--json")
    rows = {row["study"]: row for row in json.loads(out)}
    assert (code, set(rows)) == (0, {"study", "whole"})
    assert rows["whole"]["next"] == "answers"
    if name in ("responses.parquet", "prompts.csv", "study.toml", "findings.jsonl"):
        # Prompts and answers are not read for a list: it is the study itself that says it of them.
        listed = name in ("study.toml", "findings.jsonl")
        said = rows["study"]["checkpoints"] if listed else ran(monkeypatch, capsys, "status", "study")[2]
        assert f"'studies/study/{name}' is damaged" in said
        assert "`python -m diffing repair study` shows what can be saved" in said
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


# Lines, faults of the program, replies, words.


@pytest.mark.attack("R12")
def test_a_last_line_without_its_end_is_a_record_if_it_is_one(study: Study) -> None:
    for number in range(2):
        history.edit(study, "fake", number, f"name {number}", "Ann")
    path = history.path_of(study)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert [line.feature for line in history.read(study, "fake")] == [0, 1]
    history.edit(study, "fake", 2, "name 2", "Ann")
    assert [line.feature for line in history.read(study, "fake")] == [0, 1, 2]


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


@pytest.mark.attack("R33")
def test_a_lone_surrogate_is_cleaned_when_it_comes_in(study: Study) -> None:
    made = findings.add(study, "shows \ud800 more", "b", author="A\udcffnn")
    record = history.edit(study, "fake", 1, "odd \udfff", "Ann")
    assert (made.claim, record.label) == ("shows \ufffd more", "odd \ufffd")
    told = [*jsonl.read(findings.path_of(study)), *jsonl.read(history.path_of(study))]
    assert repr(told).encode("utf-8")
    assert findings.load(study)[0] == made
