"""`repair`: damaged originals are set aside, and what can be read of them is saved."""

import sys

import pandas as pd
import pytest

from diffing.cli import app
from diffing.common import files
from diffing.common.damage import Damaged
from diffing.findings import findings
from diffing.labels import history
from diffing.reader import encode
from diffing.study import repair
from diffing.study.study import Study
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
    with pytest.raises(Damaged, match=r"labels.jsonl' is damaged \(line 2: its crc32 does not fit"):
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


def ran(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["diffing", *words])
    with pytest.raises(SystemExit) as ended:
        app.main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err
