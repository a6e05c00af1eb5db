"""The status of a study is worked out once for each state of its files, and never shown of an earlier state."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import pytest

from diffing import status
from diffing.common import files, kept
from diffing.diff import compute
from diffing.findings import findings
from diffing.labels import history
from diffing.reader import encode, encodings, unread
from diffing.study import prompts, responses
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
from tests.fakes import diff_study, finding_study, label_study
from tests.fakes.at_once import at_once, repeated
from tests.fakes.watch import Watch

pytestmark = pytest.mark.attack("R19")


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    return finding_study.make(monkeypatch)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Whole tables that were read since."""
    made: list[str] = []

    def counted(name: str, read: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*args: Any, **kwargs: Any) -> Any:
            made.append(name)
            return read(*args, **kwargs)

        return asked

    monkeypatch.setattr(prompts, "read", counted("prompts", prompts.read))
    monkeypatch.setattr(responses, "read", counted("answers", responses.read))
    monkeypatch.setattr(unread, "own_table", counted("encodings", encodings.own_table))
    yield made


def forget() -> None:
    """As a new process begins."""
    kept.MEMORY = kept._Memory()


def step(study: Study, name: str) -> dict[str, str]:
    return next(one for one in status.of(study)["steps"] if one["step"] == name)


def test_a_second_look_reads_no_table_in_this_process_or_another(study: Study, reads: list[str]) -> None:
    first = status.of(study)
    assert reads
    reads.clear()
    assert (status.of(Study.open("study")), reads) == (first, [])
    forget()
    assert (status.of(Study.open("study")), reads) == (first, [])


def test_ten_who_look_at_once_have_it_worked_out_once(study: Study, reads: list[str]) -> None:
    files.cache_dir("facts")
    status.of(study)
    once = len(reads)
    reads.clear()
    study.add_prompts(pd.DataFrame({"text": ["One more"]}))
    forget()
    reads.clear()
    with ThreadPoolExecutor(10) as sessions:
        told = list(sessions.map(lambda _: status.of(Study.open("study")), range(10)))
    assert all(one == told[0] for one in told) and told[0]["prompts"]["total"] == 121
    assert 0 < len(reads) <= once


def test_every_change_is_seen_at_once(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [status.of(study)]

    def changed(change: Callable[[], object]) -> dict[str, Any]:
        change()
        seen.append(status.of(Study.open("study")))
        assert seen[-1] != seen[-2]
        return seen[-1]

    some = study.prompts()["id"].tolist()[:3]
    assert changed(lambda: study.activate(some, False))["prompts"]["active"] == 117
    assert changed(lambda: study.activate(some, True))["steps"] == seen[0]["steps"]
    lead = status._leads(study)[0]
    changed(lambda: history.edit(study, "rules", lead, "sweet things", "Ada"))
    assert step(study, "labels")["detail"].startswith("1 of the ")
    changed(lambda: findings.add(study, "bakes", "b", author="Ada"))
    assert step(study, "findings")["detail"] == "1 by hand, none judged"
    row = study.responses().head(1).assign(text="Another answer altogether.")
    changed(lambda: study.add_responses(row))
    assert (step(study, "encoding")["detail"], step(study, "diff")["state"]) == ("1 answers to read", "partial")
    monkeypatch.setattr(
        encode, "load_reader", lambda _choice, _device: label_study.RuleReader(finding_study.RULES)
    )
    changed(lambda: encode.run(study, encode.Options(), Watch()))
    assert (step(study, "encoding")["state"], step(study, "diff")["state"]) == ("done", "partial")
    changed(lambda: compute.compute(study, "a", "b"))
    assert step(study, "diff")["state"] == "done"
    changed(lambda: study.change_settings(reader=ReaderChoice(preset="starter")))
    assert step(study, "encoding")["detail"] == "240 answers to read"


def test_a_file_of_the_same_size_and_date_is_another_one(study: Study) -> None:
    path = study.folder / "prompts.csv"
    before, state = status.of(study)["prompts"]["active"], path.stat()
    # A spreadsheet's word for no, with blanks to the length of the word that stood there.
    with files.replacing(path) as temporary:
        temporary.write_bytes(path.read_bytes().replace(b",True\r\n", b",0   \r\n", 1))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    assert status.of(study)["prompts"]["active"] == before - 1


def test_encodings_that_leave_the_cache_and_come_back_are_seen_to(study: Study) -> None:
    shard = next((files.home() / "cache" / "encodings").glob("*/0000.bin"))
    assert step(study, "encoding")["state"] == "done"
    away = shard.rename(shard.with_suffix(".away"))
    assert step(study, "encoding")["detail"] == "240 answers to read"
    away.rename(shard)
    assert step(study, "encoding")["state"] == "done"
    with shard.open("rb+") as file:
        file.truncate(shard.stat().st_size - 1)
    assert step(study, "encoding")["detail"] == "240 answers to read"


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"state": 1}', b'{"fact": {}, "state": [], "crc32": 3}'])
def test_a_kept_fact_that_is_damaged_is_made_anew(study: Study, damage: bytes) -> None:
    whole = status.of(study)
    paths = list((files.home() / "cache" / "facts").iterdir())
    assert len(paths) > 3
    for path in paths:
        path.write_bytes(damage)
    forget()
    assert status.of(study) == whole


def test_a_study_of_the_same_name_in_another_home_has_facts_of_its_own(
    study: Study, own_home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    status.of(study)
    other = own_home.parent / "other"
    other.mkdir()
    monkeypatch.setenv("DIFFING_HOME", str(other))
    made = diff_study.made(prompts=3, encoded=False)
    assert status.of(made)["prompts"]["total"] == 3


def test_who_looks_while_others_write_never_keeps_what_was_half_way() -> None:
    study = Study.create("s", diff_study.made(prompts=3, encoded=False).checkpoints)

    def look(_: int) -> int:
        return int(status.of(Study.open("s"))["prompts"]["total"])

    def write(number: int) -> None:
        Study.open("s").add_prompts(pd.DataFrame({"text": [f"Prompt {number}"]}))

    _, *looks = at_once(repeated(write, range(30)), *(repeated(look, range(60)) for _ in range(2)))
    assert all(told == sorted(told) for told in looks)
    assert status.of(study)["prompts"]["total"] == len(study.prompts()) == 30
