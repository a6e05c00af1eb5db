"""Seventy-five hostile files, each brought in both ways: success or one sentence, and all of it or nothing."""

from pathlib import Path

import pytest

from diffing.common import bounds, files, parquet
from diffing.common.errors import UserError
from diffing.study import imports, prompts
from diffing.study.study import Study
from tests.fakes import hostile_files

ACCEPTED = {
    *("two-parts.csv.gz", "filled.csv.gz", "controls.csv", "formula.csv", "old-mac.csv", "names.csv"),
    *("surrogates.jsonl", "surrogate-key.jsonl", "note.parquet", "nested.parquet"),
}
"""Files whose answers are odd and no more than that."""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that small files pass."""
    monkeypatch.setattr(bounds, "LARGEST", 2_000_000)
    monkeypatch.setattr(bounds, "MOST_ROWS", 2_000)
    monkeypatch.setattr(bounds, "MOST_COLUMNS", 50)
    monkeypatch.setattr(bounds, "MOST_CELLS", 20_000)
    monkeypatch.setattr(bounds, "LONGEST_ROW", 200_000)
    monkeypatch.setattr(bounds, "FREE", 100_000)
    monkeypatch.setattr(bounds, "MOST_PARTS", 1_000)
    monkeypatch.setattr(parquet, "ROOM", 300_000_000)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def said(error: UserError, path: Path) -> str:
    """The sentence, which names the file and is one line that a person can read."""
    sentence = str(error)
    assert path.name in sentence and sentence.endswith(".") and "\n" not in sentence and len(sentence) < 600
    assert "Traceback" not in sentence and str(path.parent) not in sentence
    return sentence


@pytest.mark.attack("R5")
@pytest.mark.attack("R16")
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", sorted(hostile_files.FILES))
def test_a_hostile_file_is_taken_whole_or_refused_in_a_sentence(name: str, own_home: Path, tmp_path: Path) -> None:
    path = hostile_files.put(tmp_path, name)
    plain = tmp_path / "plain.csv"
    plain.write_bytes(hostile_files.PLAIN)
    study = imports.into("mine", imports.load(plain))
    before = contents(own_home)
    try:
        imports.into("mine", imports.load(path), add_checkpoints=True)
        taken = True
        assert len(study.responses()) >= 2 and len(Study.open("mine").prompts()) >= 1
    except UserError as error:
        taken = False
        if "would both have the key" not in str(error):
            said(error, path)
        after = contents(own_home)
        assert {k: v for k, v in after.items() if not k.endswith(".lock")} == {
            k: v for k, v in before.items() if not k.endswith(".lock")
        }
    assert taken == (name in ACCEPTED)
    assert list(files.studies_dir().glob(".new-*")) == []


@pytest.mark.attack("R5")
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", sorted(hostile_files.PACKED | hostile_files.JSONS | hostile_files.TEXTS))
def test_a_hostile_file_of_prompts_is_taken_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    path = hostile_files.put(tmp_path, name)
    try:
        brought = prompts.load(path)
        found = prompts.compare(brought, prompts.empty(), 0.3)
        assert len(found.table) + len(found.duplicates) == len(brought)
    except UserError as error:
        # A conversation that cannot be read is told by its row.
        if not str(error).startswith("Prompt "):
            said(error, path)


def test_there_are_seventy_five_of_them() -> None:
    assert len(hostile_files.FILES) == 75
