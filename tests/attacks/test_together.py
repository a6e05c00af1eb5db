"""Several processes that change a study at once: nothing is lost, and what each was told is true.

Each test lets processes go at one moment, and each repeats its change, so that they meet. The same with eight
processes and the commands themselves is `bench/together.py`.
"""

import json
import os
import re
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from diffing.common import files, jsonl, noted
from diffing.common.errors import UserError
from diffing.common.files import PROJECT
from diffing.findings import findings
from diffing.jobs.job import jobs_dir, put
from diffing.labels import history, sources
from diffing.models import allowed
from diffing.models.providers import Checkpoint
from diffing.probes import own_probes
from diffing.study import imports, repair, spendings
from diffing.study import study as studies
from diffing.study.settings import ReaderChoice
from diffing.study.spendings import Spendings
from diffing.study.study import Study
from tests.fakes.at_once import at_once, repeated
from tests.fakes.watch import Watch

pytestmark = pytest.mark.attack("R11")

SIDES = [Checkpoint(key=key, name=key, source="import") for key in "ab"]
SAE = "starter"


@pytest.fixture
def study() -> Study:
    return Study.create("s", SIDES, pd.DataFrame({"text": [f"Here before {n}" for n in range(5)]}))


def added(who: str, number: int) -> int:
    """One call of `prompts --add` as the command makes it, with a prompt that others add too; how many it says."""
    new = pd.DataFrame({"text": [f"{who} {number}", f"{who} {number} again", f"Everybody's {number}"]})
    return len(Study.open("s").add_prompts(new).table)


def test_prompts_that_are_said_to_be_added_are_there(study: Study) -> None:
    told = at_once(*(repeated(partial(added, who), range(8)) for who in ("Ada", "Ben", "Cid")))
    table = study.prompts()
    # Two of its own each time, and one of all three adds what they share.
    assert (sum(map(sum, told)), len(table)) == (3 * 8 * 2 + 8, 5 + 3 * 8 * 2 + 8)
    assert table["id"].is_unique


def test_taking_prompts_out_loses_none_that_come_in_and_is_not_undone(study: Study) -> None:
    ids = study.prompts()["id"].tolist()
    at_once(
        repeated(lambda number: Study.open("s").activate([ids[number]], False), range(5)),
        repeated(partial(added, "Ada"), range(5)),
        repeated(partial(added, "Ben"), range(5)),
    )
    table = study.prompts().set_index("id")
    assert (len(table), table.loc[ids, "active"].any(), int((~table["active"]).sum())) == (5 + 25, False, 5)


def test_a_prompt_that_is_gone_is_said_to_be(study: Study) -> None:
    with pytest.raises(UserError, match="Prompt 'nowhere' is no longer in study 's'; look at the prompts again"):
        study.activate(["nowhere"], False)


def test_one_of_those_who_make_a_study_makes_it() -> None:
    table = pd.DataFrame({"text": ["Hi"]})
    for number in range(5):
        told = at_once(*(lambda: Study.create(f"new{number}", SIDES, table).name for _ in range(3)))  # noqa: B023
        lost = f"Study 'new{number}' exists already; choose another name or open it."
        assert sorted(told) == sorted([f"new{number}", lost, lost])
        assert Study.open(f"new{number}").prompts()["text"].tolist() == ["Hi"]
    assert [path.name for path in files.studies_dir().iterdir() if path.name.startswith(".new")] == []


def brought(tmp_path: Path, name: str, who: str, number: int) -> None:
    file = tmp_path / f"{who}-{number}.csv"
    pd.DataFrame({"prompt": [f"{who} asks {number}"], "response_a": ["Yes"], "response_b": ["No"]}).to_csv(file)
    imports.into(name, imports.load(file), add_checkpoints=True)


def test_imports_into_one_study_are_all_there_and_one_makes_it(tmp_path: Path) -> None:
    at_once(*(repeated(partial(brought, tmp_path, "t", who), range(5)) for who in ("Ada", "Ben", "Cid")))
    made = Study.open("t")
    assert (len(made.prompts()), len(made.responses())) == (15, 30)
    assert made.responses().groupby("checkpoint").size().to_dict() == {"a": 15, "b": 15}


def test_settings_keep_what_each_has_changed(study: Study, tmp_path: Path) -> None:
    def checkpoint(number: int) -> None:
        file = tmp_path / f"c{number}.csv"
        pd.DataFrame([{"prompt": "Hi", "model": f"third{number}", "response": "Yes"}]).to_csv(file)
        imports.into("s", imports.load(file), add_checkpoints=True)

    def reader(number: int) -> None:
        # Opened before the others' changes, as a page that was drawn a while ago has it.
        old.change_settings(reader=ReaderChoice(preset="starter", context="prompt+answer"))
        old.change_settings(note=f"noted {number}")

    old = study
    at_once(repeated(checkpoint, range(3)), repeated(reader, range(60)))
    now = Study.open("s").settings
    assert [c.key for c in now.checkpoints] == ["a", "b", *(f"third{number}" for number in range(3))]
    assert (now.reader.context, now.note) == ("prompt+answer", "noted 59")


def test_a_whole_table_or_file_of_settings_is_replaced_in_one_room_only() -> None:
    """Elsewhere it would be one that was read before others changed it."""
    wanted = re.compile(r"\.(save_prompts|save_settings|add_import)\(")
    paths = [*(PROJECT / "diffing").rglob("*.py"), *(PROJECT / "pages").rglob("*.py"), PROJECT / "dashboard.py"]
    found = {path.relative_to(PROJECT).as_posix() for path in paths if wanted.search(path.read_text("utf-8"))}
    assert found == {"diffing/study/study.py", "diffing/study/imports.py"}


def test_a_finding_that_several_write_is_one_with_what_each_adds(study: Study) -> None:
    def write(feature: int) -> str:
        claim = "ends with an offer to help"
        return findings.add(Study.open("s"), claim, "b", author=f"{feature}", features=[feature]).id

    told = at_once(*(repeated(write, range(start, start + 6)) for start in (0, 10, 20)))
    [finding] = findings.load(study)
    assert {identifier for ids in told for identifier in ids} == {finding.id}
    assert sorted(finding.features) == [start + n for start in (0, 10, 20) for n in range(6)]


def test_own_probes_of_several_are_all_there_and_one_of_a_name_is_kept(study: Study) -> None:
    def kept(who: str, number: int) -> str:
        for name in (f"{who} {number}", f"everybody's {number}"):
            rule = own_probes.rule_of(phrase=f"{name} of {who}")
            try:
                own_probes.add(Study.open("s"), own_probes.made(name, rule=rule, author=who))
            except UserError as error:
                return str(error)
        return who

    told = at_once(*(repeated(partial(kept, who), range(6)) for who in ("Ada", "Ben", "Cid")))
    probes = own_probes.load(study)
    mine = {f"{who} {number}" for who in ("Ada", "Ben", "Cid") for number in range(6)}
    assert {probe.name for probe in probes} == mine | {f"everybody's {number}" for number in range(6)}
    # Each who was told that a name was kept for it has it.
    owners = [(probe.author, probe.name[-1]) for probe in probes if probe.name.startswith("everybody")]
    assert sorted((who, str(n)) for one in told for n, who in enumerate(one) if len(who) == 3) == sorted(owners)


def test_a_claim_that_was_reworded_meanwhile_is_not_worded_over(study: Study) -> None:
    seen = findings.add(study, "asks back", "b", author="Ada")
    findings.revise(study, seen, "asks a question back", {}, "Ben", SAE)
    with pytest.raises(UserError, match=r"was reworded meanwhile \('asks a question back'\); look at it again"):
        findings.revise(study, seen, "asks back at the end", {"features": [3]}, "Cid", SAE)
    # What does not touch the claim is joined with it.
    after = findings.revise(study, seen, seen.claim, {"features": [3]}, "Cid", SAE)
    assert (after.claim, after.features) == ("asks a question back", (3,))


def test_labels_and_what_is_said_of_them_are_all_there(study: Study) -> None:
    def said(who: str, number: int) -> None:
        made = history.edit(study, SAE, number, f"{who}'s {number}", who)
        history.tell(study, SAE, number, "accept", who, about=made.id)
        history.tell(study, SAE, number, "comment", who, text="so it is")

    at_once(*(repeated(partial(said, who), range(10)) for who in ("Ada", "Ben", "Cid")))
    held = history.dossiers(history.read(study, SAE))
    assert {feature: (len(one.labels), len(one.status), len(one.comments)) for feature, one in held.items()} == {
        feature: (3, 3, 3) for feature in range(10)
    }


def test_a_line_that_comes_in_during_a_repair_is_kept(study: Study) -> None:
    path = history.path_of(study)
    history.edit(study, SAE, 0, "first", "Ada")
    with path.open("ab") as file:
        file.write(b"{broken}\n")
    noted.forget(path)

    def said(who: str, number: int) -> None:
        history.edit(study, SAE, number, f"{who}'s {number}", who)

    checks: dict[str, repair.Check] = {path.name: history.line_of}
    mended, *_ = at_once(
        repeated(lambda _: len(repair.repair("s", checks)), range(3)),
        *(repeated(partial(said, who), range(30)) for who in ("Ada", "Ben")),
    )
    assert mended == [1, 0, 0]
    labels = [line["label"] for line in jsonl.read(path)]
    assert sorted(labels) == sorted(["first", *(f"{who}'s {n}" for who in ("Ada", "Ben") for n in range(30))])


def test_two_repairs_at_once_set_everything_aside_and_overwrite_nothing(study: Study) -> None:
    broken = b"{broken %d}\n"
    for number in range(3):
        history.path_of(study).write_bytes(broken % number)
        noted.forget(history.path_of(study))
        told = at_once(*(lambda: len(repair.repair("s", {})) for _ in range(2)))
        assert sorted(told) == [0, 1]
    aside = sorted(path.read_bytes() for path in study.folder.glob("damaged-*/labels.jsonl"))
    assert aside == [broken % number for number in range(3)]


def test_every_permission_that_was_given_is_there_and_those_taken_back_are_not() -> None:
    for number in range(5):
        allowed.allow(f"old{number}.example", "OLD_KEY")

    def allow(who: str, number: int) -> None:
        allowed.allow(f"{who}{number}.example", "NEW_KEY")

    at_once(
        repeated(lambda number: allowed.take_back(f"old{number}.example", "OLD_KEY"), range(5)),
        *(repeated(partial(allow, who), range(8)) for who in "ab"),
    )
    hosts = [f"{who}{number}.example" for who in "ab" for number in range(8)]
    assert sorted(pair.host for pair in allowed.pairs()) == hosts


def test_a_reply_that_two_steps_took_costs_once(study: Study) -> None:
    def billed(number: int) -> None:
        ledger.add(f"reply {number}", 0.25)

    ledger = Spendings(study)
    ledger.add("reply 0", 0.25)
    at_once(*(repeated(billed, range(8)) for _ in range(3)))
    assert spendings.total(study) == 2.0


def test_folders_put_in_one_place_are_whole_and_leave_nothing(tmp_path: Path) -> None:
    place = tmp_path / "diffs" / "one"

    def put(who: str, number: int) -> None:
        with files.fresh_folder(place.parent, ".new-") as fresh:
            for name in ("first", "second"):
                (fresh / name).write_text(f"{who} {number}")
            files.put_folder(fresh, place)

    at_once(*(repeated(partial(put, who), range(100)) for who in ("Ada", "Ben", "Cid")))
    assert [path.name for path in place.parent.iterdir()] == ["one"]
    assert (place / "first").read_text() == (place / "second").read_text()


def test_imported_sources_each_have_a_place(study: Study, tmp_path: Path) -> None:
    def bring(who: str, number: int) -> None:
        file = tmp_path / f"{who}{number}.json"
        file.write_text(json.dumps([{"feature": 1, "label": f"{who} {number}"}]))
        sources.bring(Study.open("s"), str(file), Watch())

    at_once(*(repeated(partial(bring, who), range(4)) for who in ("ada", "ben")))
    tables = [files.read_parquet(path) for path in history.imported_dir(study).iterdir() if path.suffix]
    assert sorted(table.attrs["rank"] for table in tables if "rank" in table.attrs) == list(range(1, 9))


def test_jobs_that_begin_at_once_have_numbers_of_their_own(study: Study) -> None:
    jobs_dir(study).mkdir()

    def begin(kind: str, _: int) -> str:
        fresh = Path(tempfile.mkdtemp(dir=jobs_dir(study), prefix=".new-"))
        return str(put(fresh, study, kind, datetime(2026, 1, 1, tzinfo=UTC)).id)

    told: list[list[Any]] = at_once(*(repeated(partial(begin, kind), range(50)) for kind in ("diff", "encode")))
    numbers = [int(name.rpartition("-n")[2]) for names in told for name in names]
    assert sorted(numbers) == list(range(1, 101))


def test_a_study_that_another_process_does_not_let_go_of_is_said_to_be(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "PATIENCE", 0.05)
    over, told = os.pipe()

    def hold() -> None:
        os.close(told)
        with study.held():
            os.write(ready, b"!")
            os.read(over, 1)

    def wait() -> None:
        os.read(begun, 1)
        try:
            study.activate([], True)
        finally:
            os.write(told, b"!")

    begun, ready = os.pipe()
    sentence = "Study 's' is held by another process for 0 s now; end that process or wait for it, then try again."
    assert at_once(hold, wait) == [None, sentence]
    for end in (over, told, begun, ready):
        os.close(end)
