"""A study's own probes: kept by name, taken to other studies, and what hostile names and files do."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from diffing.cli.checks import CHECKS
from diffing.common import jsonl
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.models.providers import Checkpoint
from diffing.probes import own_probes
from diffing.probes.own_probes import OwnProbe
from diffing.study import repair
from diffing.study.study import Study

SIDES = [Checkpoint(key=key, name=key, source="import") for key in "ab"]
QUESTION = {"text": "Does it refuse?", "judge": "openrouter:a/b"}


def made(name: str = "s") -> Study:
    return Study.create(name, SIDES, pd.DataFrame({"text": ["Hi"]}))


def kept(study: Study, name: str, words: str, **more: Any) -> OwnProbe:
    return own_probes.add(study, own_probes.made(name, rule=own_probes.rule_of(words=words), **more))


def names(study: Study) -> list[str]:
    return [probe.name for probe in own_probes.load(study)]


@pytest.fixture
def study() -> Study:
    study = made()
    kept(study, "says sorry", "sorry,apologies", says="apologises", author="Ada", held_out_seen=True)
    own_probes.add(study, own_probes.made("refuses", question=QUESTION))
    return study


def test_probes_are_read_back_as_they_were_added(study: Study) -> None:
    first, second = own_probes.load(study)
    assert (first.name, first.saying, first.shown) == ("says sorry", "apologises", "says “sorry” or “apologies”")
    assert (first.kind, first.author, first.held_out_seen) == ("words", "Ada", True)
    assert (second.kind, second.saying) == ("question", "is answered yes to “Does it refuse?”")
    assert own_probes.get(study, "own:Says SORRY") == first


def test_what_is_removed_counts_no_more_and_its_name_is_free_again(study: Study) -> None:
    own_probes.remove(study, "SAYS sorry", "Ben")
    assert names(study) == ["refuses"]
    kept(study, "says sorry", "regret")
    assert names(study) == ["refuses", "says sorry"]
    assert len(jsonl.read(own_probes.path_of(study))) == 4
    with pytest.raises(UserError, match="no own probe 'shouts'; 'probe list s' lists them"):
        own_probes.remove(study, "shouts", "Ben")


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "a/b",
        "a\\b",
        "<b>x</b>",
        "x\x00",
        "",
        " ",
        "-x",
        "x" * 41,
        "own:x",
        "a|b",
        "[x](y)",
        "a\x1b[31m",
    ],
)
def test_a_name_with_path_or_markup_characters_is_refused(study: Study, name: str) -> None:
    with pytest.raises(UserError, match="letters, digits, spaces"):
        kept(study, name, "x")


def test_no_two_share_a_name_or_look_for_the_same(study: Study) -> None:
    with pytest.raises(UserError, match="an own probe 'says sorry' already"):
        kept(study, "Says  Sorry", "regret")
    with pytest.raises(UserError, match="'says sorry' looks for the same as 'regrets'"):
        kept(study, "regrets", "sorry, apologies")
    with pytest.raises(UserError, match="'Bold' is a built-in probe"):
        kept(study, "Bold", "x")
    with pytest.raises(UserError, match="a rule or a question, or features, and one alone"):
        own_probes.made("both", rule=own_probes.rule_of(words="x"), question=QUESTION)
    assert names(study) == ["says sorry", "refuses"]


def test_a_file_of_probes_is_taken_in_whole_or_not_at_all(study: Study, tmp_path: Path) -> None:
    file = tmp_path / "probes.json"
    assert own_probes.export(study, file) == 2
    other = made("other")
    assert own_probes.take(other, file) == own_probes.load(study)
    assert own_probes.take(other, file) == []
    third = made("third")
    kept(third, "refuses", "cannot")
    with pytest.raises(UserError, match="an own probe 'refuses' already"):
        own_probes.take(third, file)
    assert names(third) == ["refuses"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            json.dumps([{"name": f"n{n}", "rule": {"kind": "phrase", "text": f"x{n}"}} for n in range(10_000)]),
            "than 200",
        ),
        ('{"name": "x"}', "no list of own probes"),
        ("[" * 5000, "not JSON"),
        ("", "no list of own probes"),
        (
            '[{"name": "x", "rule": {"kind": "regex", "text": "(?R)"}}]',
            "Probe 1 in 'x.json' cannot be.*calls itself",
        ),
        ('[{"name": "x", "code": "import os"}]', "Probe 1 in 'x.json' cannot be"),
        ('["x"]', "Probe 1 in 'x.json' cannot be"),
    ],
)
def test_a_hostile_file_is_refused_in_a_sentence(study: Study, tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError, match=fault):
        own_probes.take(study, tmp_path / "x.json")
    assert names(study) == ["says sorry", "refuses"]


def test_a_study_has_no_more_than_it_can_count(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_probes, "MOST", 2)
    with pytest.raises(UserError, match="more than 2 own probes; remove some first"):
        kept(study, "third", "x")


def test_a_copied_study_has_its_probes_and_a_damaged_file_is_told_and_saved(study: Study) -> None:
    shutil.copytree(study.folder, study.folder.with_name("copy"))
    copy = Study.open("copy")
    assert own_probes.load(copy) == own_probes.load(study)
    path = own_probes.path_of(copy)
    path.write_bytes(path.read_bytes().replace(b"apologies", b"apologirs", 1))
    with pytest.raises(Damaged, match="`python -m diffing repair copy`"):
        own_probes.load(copy)
    (mended,) = repair.repair("copy", CHECKS)
    assert (mended.name, mended.saved) == ("own_probes.jsonl", 1)
    assert names(copy) == ["refuses"]
