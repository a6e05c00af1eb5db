"""What leaves a study, and who can look into one: reports without keys but else untouched, folders for one."""

import os
import secrets
import shutil
import stat
from pathlib import Path

import pandas as pd
import pytest

from diffing.common import files, keys, outfile
from diffing.jobs import run as runner
from diffing.labels import history
from diffing.models import allowed
from diffing.models.providers import Checkpoint
from diffing.report import bundle, exports
from diffing.study.study import Study
from tests.fakes import report_study
from tests.fakes.report_study import KEY, bare, names, written

KEYS = [
    *("sk-or-v1-0123456789abcdef", "hf_aB3dE5gH7jK9mN1pQ3", "AIzaSyD-9tSrke72PouQMnMX"),
    "c0ffee00-beef-4abc-9def-0123456789ab",
]
NO_KEYS = [
    *("everything", "correct horse battery staple 12", "aaaaaaaaaaaaaaaa1111", "1234567890123456", "true", ""),
    *("abcdefghijklmnopqrst", "/home/me/.ssh/id_rsa_2024", "~/keys/team1.json", "short1"),
]
WORDS = {
    "DB_PASSWORD": "everything",
    "APP_SECRET": "Question",
    "MY_TOKEN": "mentions",
    "OPENAI_API_KEY": "features",
}
"""Values of key-like variables that are words of the report too."""


@pytest.mark.attack("R20")
@pytest.mark.parametrize(
    ("value", "alike"), [*((key, True) for key in KEYS), *((word, False) for word in NO_KEYS)]
)
def test_a_value_is_a_key_where_it_looks_like_one(value: str, alike: bool) -> None:
    assert keys.looks_like_key(value) == alike


@pytest.mark.attack("R20")
def test_random_keys_look_like_keys() -> None:
    made = [secrets.token_hex(16) for _ in range(500)] + [secrets.token_urlsafe(24) for _ in range(500)]
    mixed = [key for key in made if any(c.isdigit() for c in key) and any(c.isalpha() for c in key)]
    assert len(mixed) > 950
    assert [key for key in mixed if not keys.looks_like_key(key) and key[0] not in "~./"] == []


@pytest.mark.attack("R20")
def test_a_report_takes_out_keys_and_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REPORTS_API_KEY", KEY)
    bare(monkeypatch)
    study = report_study.make(monkeypatch)
    report_study.with_findings(study)
    before = written(study, tmp_path / "before")
    for name, word in WORDS.items():
        monkeypatch.setenv(name, word)
    out = written(study, tmp_path / "out")
    dated = {"manifest.json", "lists-old-new.zip"}
    assert {name for name in names(out) if (out / name).read_bytes() != (before / name).read_bytes()} <= dated
    texts = {name: (out / name).read_bytes() for name in names(out) - dated}
    assert [name for name, text in texts.items() if KEY.encode() in text] == []
    counted = {name: text.count(b"[key]") for name, text in texts.items() if b"[key]" in text}
    told = files.read_json(out / "manifest.json")["keys_taken_out"]
    assert told == {"total": sum(counted.values()), "files": counted}
    assert counted["responses.csv"] == 1


@pytest.mark.attack("R20")
def test_a_study_learns_nothing_of_a_variable_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUESSED", "a-value-of-mine-77")
    point = Checkpoint(key="a", name="a", source="custom:m", base_url="https://h.example/v1", key_env="GUESSED")
    study = Study.create("s", [point, Checkpoint(key="b", name="b", source="import")])
    assert "a-value-of-mine-77" not in bundle.secrets(study.checkpoints)
    allowed.allow("h.example", "GUESSED")
    assert "a-value-of-mine-77" in bundle.secrets(study.checkpoints)


def modes(folder: Path) -> dict[str, int]:
    """Whatever somebody else could do with a folder or what lies in it."""
    found = [folder, *folder.rglob("*")]
    return {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in found if path.stat().st_mode & 0o077}


@pytest.mark.attack("R34")
def test_a_studys_folders_and_files_are_for_its_owner(own_home: Path, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        study = Study.create("s", [report_study.A, report_study.B], pd.DataFrame({"text": ["Why?"]}))
        rows = {
            "prompt_id": study.prompts()["id"].iloc[0],
            "checkpoint": "old",
            "draw": 0,
            "text": "x",
            "flag": "",
        }
        study.add_responses(pd.DataFrame([rows]))
        history.edit(study, "starter", 1, "a label", "Ada")
        with runner._claimed(study, "diff", {}):
            pass
        exports.write_study(study, outfile.folder(tmp_path / "out"))
    finally:
        os.umask(before)
    # What lies below is behind this door, whatever its own rights are.
    assert stat.S_IMODE((study.folder / "jobs").stat().st_mode) == 0o700
    shutil.rmtree(study.folder / "jobs")
    assert modes(own_home / "studies") == {}
    assert modes(tmp_path / "out") == {}


@pytest.mark.attack("R34")
def test_an_older_study_is_closed_when_it_is_written_to_and_not_before() -> None:
    study = Study.create("s", [report_study.A, report_study.B], pd.DataFrame({"text": ["Why?"]}))
    study.folder.chmod(0o755)
    for path in study.folder.iterdir():
        path.chmod(0o644)
    Study.open("s").prompts()
    assert stat.S_IMODE(study.folder.stat().st_mode) == 0o755
    study.save_settings(study.settings)
    assert modes(study.folder) == {}


@pytest.mark.attack("R34")
def test_a_link_in_a_study_leads_no_change_of_rights_elsewhere(tmp_path: Path) -> None:
    study = Study.create("s", [report_study.A, report_study.B], pd.DataFrame({"text": ["Why?"]}))
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "mine").chmod(0o644)
    (study.folder / "link").symlink_to(tmp_path / "mine")
    study.save_settings(study.settings)
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o644
