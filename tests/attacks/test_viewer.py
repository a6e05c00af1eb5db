"""Who may not change anything changes nothing: every verb that writes, tried by a viewer and by nobody.

The verbs are read from the source, so that a new one which nobody tries here fails the first test.
"""

import ast
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd
import pytest

from diffing import jobs
from diffing.agents import claims
from diffing.agents.desk import Desk
from diffing.agents.terms import Terms
from diffing.api import Study
from diffing.common import files, jsonl, who
from diffing.common.errors import UserError
from diffing.common.files import PROJECT
from diffing.common.who import NOBODY, Person, Refused
from diffing.concepts import feedback
from diffing.diff import compute
from diffing.findings import findings, people, votes
from diffing.jobs.job import Job
from diffing.labels import history, rewriting, sources
from diffing.labels.history import Label
from diffing.models import allowed
from diffing.models.providers import Checkpoint
from diffing.probes import own_probes
from diffing.study import imports, repair, sample, upkeep
from diffing.study import study as studies
from diffing.study.spendings import Spendings
from diffing.whitebox.dictionaries import shelf
from tests.fakes import judged_study
from tests.fakes.watch import Watch

VIEWER = Person("vera@example.org", "viewer")
EDITOR = Person("ed@example.org", "editor")
NO = {"rejected": "it is not so"}
SAE = "starter"
LABEL = Label(label="counts", author="judge", author_kind="llm")
DOORS = ("held", "append", "needs_editor", "author", "_claimed")
"""What a function calls that changes something: a study's lock, a line in a history, or the question who acts."""
UNDER = {
    "diffing/common/jsonl.py append_all": "tried below as what steps write by, by way of `append`",
    "diffing/common/who.py author": "the question itself",
    "diffing/reader/again.py read": "asks before it loads a reader, in `test_keeping`",
    "diffing/agents/benchmark/running.py run": "asks before anything else; agents are run in `test_running`",
    "diffing/findings/arms.py rate.take": "a step's",
    "diffing/findings/asking.py _keep.take": "a step's",
    "diffing/findings/judging.py Store.keep.take": "a step's",
    "diffing/findings/relevance.py _keep.take": "a step's",
    "diffing/findings/listings.py Store.keep.take": "a step's",
    "diffing/labels/scoring.py keep": "a step's",
    "diffing/findings/seen_inside.py make": "writes by `findings.add` and `findings.note`",
    "diffing/report/facts.py Facts.held_inside": "reads: `seen_inside.held` locks nothing",
    "diffing/whitebox/writing/held.py Holder.open": "asks before anything else; a pair is loaded in `test_live`",
    "diffing/whitebox/writing/held.py start": "asks before anything else; a pair writes in `test_live`",
    "diffing/whitebox/dictionaries/job.py run": "a step's",
    "diffing/whitebox/dictionaries/judging.py run": "a step's",
    "diffing/jobs/run.py _claimed": "what `start` and `run_here` begin with",
    "diffing/probes/own_probes.py _add": "what `add` and `take` do",
    "diffing/probes/own_probes.py _write": "what `_add` and `remove` do",
    "diffing/study/study.py Study.held": "the lock itself, tried below",
}
"""Functions that no page calls by themselves, and why."""


def doors() -> Iterator[str]:
    """Every function of the engine that changes something, as file and name."""
    for path in sorted((PROJECT / "diffing").rglob("*.py")):
        yield from _within(ast.parse(path.read_text(encoding="utf-8")), path.relative_to(PROJECT).as_posix(), [])


def _within(node: ast.AST, path: str, names: list[str]) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        named = [child.name] if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else []
        if isinstance(child, ast.Call):
            called = ast.unparse(child.func)
            of = called.rpartition(".")[2]
            if of in DOORS and (of not in ("append", "author") or called in ("jsonl.append", "who.author")):
                yield f"{path} {'.'.join(names)}"
        yield from _within(child, path, names + named)


Verbs = Mapping[str, Callable[[], object]]


@pytest.fixture
def study() -> Study:
    judged_study.make(prompts=20)
    made = Study.open("s")
    question = people.questions(made, number=people.LEAST)[0]
    people.tell(made, question, "left", "Ada")
    own_probes.add(made, own_probes.made("thanks", rule=own_probes.rule_of("thanks", "", "")))
    for name in ("old", "spare", "other"):
        Study.create(name, made.checkpoints)
    upkeep.delete("old")
    (made.folder / "dictionaries" / "one.training").mkdir(parents=True)
    job = files.studies_dir() / "s" / "jobs" / "20260101-000000-draft-n1"
    files.write_json(job / "spec.json", {"kind": "draft", "study": "s", "options": {}, "created": "then"})
    return made


@pytest.fixture
def verbs(study: Study, tmp_path: Path) -> Verbs:
    """Each function that changes something, and a call of it that an owner's would end well."""
    claim = findings.load(study)[0]
    question = people.questions(study, number=people.LEAST)[0]
    pair = votes.pairs(study, held_out=True)[0]
    label = history.edit(study, SAE, 1, "sighs", "Ada")
    table = pd.DataFrame({"prompt": ["What?"], "response_a": ["Yes"], "response_b": ["No"]})
    table.to_csv(tmp_path / "answers.csv")
    answers = imports.load(tmp_path / "answers.csv")
    (tmp_path / "labels.json").write_text(json.dumps([{"feature": 1, "label": "ends a list"}]))
    own_probes.export(study, tmp_path / "probes.json")
    prompts = study.prompts()
    rule = own_probes.rule_of("pardon", "", "")
    job = Job(study.folder / "jobs" / "20260101-000000-draft-n1")
    first = study.responses().iloc[0]
    key = (str(first["prompt_id"]), str(first["checkpoint"]), int(first["draw"]))
    of = "diffing/study/study.py Study."
    return {
        "diffing/agents/claims.py claim": lambda: claims.claim(Desk(Terms()), "s", "b", text="is kind"),
        "diffing/diff/compute.py compute": lambda: compute.compute(study, "a", "b"),
        "diffing/findings/findings.py add": lambda: findings.add(study, "says more", "b", author=""),
        "diffing/findings/findings.py revise": lambda: findings.revise(study, claim, "mentions pie", {}, "", ""),
        "diffing/findings/findings.py change": lambda: findings.change(study, claim.id, "", put=NO),
        "diffing/findings/findings.py note": lambda: findings.note(study, claim.id, "odd", ""),
        "diffing/findings/people.py tell": lambda: people.tell(study, question, "right", ""),
        "diffing/findings/people.py take": lambda: people.take(study, [question], filled(question.id), ""),
        "diffing/findings/votes.py tell": lambda: votes.tell(study, "a", "b", pair, votes.BETTER, "left", ""),
        "diffing/findings/votes.py undo": lambda: votes.undo(study, "a", "b", ""),
        "diffing/jobs/job.py Job.cancel": job.cancel,
        "diffing/jobs/run.py start": lambda: jobs.start(study, "ask", {"odd": 1}).wait(),
        "diffing/jobs/run.py run_here": lambda: jobs.run_here(study, "ask", {"odd": 1}),
        "diffing/labels/history.py add": lambda: history.add(study, SAE, 2, LABEL),
        "diffing/labels/history.py tell": lambda: history.tell(study, SAE, 1, "reject", "", about=label.key),
        "diffing/labels/rewriting.py begin": lambda: rewriting.begin(study, "all", {1: label.key}),
        "diffing/labels/sources.py bring": lambda: sources.bring(study, str(tmp_path / "labels.json"), Watch()),
        "diffing/concepts/feedback.py give": lambda: feedback.give(study, "sighs", key, "yes", ""),
        "diffing/probes/own_probes.py add": lambda: own_probes.add(study, own_probes.made("sorry", rule=rule)),
        "diffing/probes/own_probes.py remove": lambda: own_probes.remove(study, "sorry", ""),
        "diffing/probes/own_probes.py take": lambda: own_probes.take(study, tmp_path / "probes.json"),
        "diffing/study/imports.py into": lambda: imports.into("s", answers, add_checkpoints=True),
        "diffing/study/repair.py repair": lambda: repair.repair("s", {}),
        "diffing/study/spendings.py Spendings._known": lambda: Spendings(study)._known,
        "diffing/study/spendings.py Spendings.add": lambda: Spendings(study).add("key", 0.1),
        "diffing/study/study.py held": lambda: studies.held(study.folder).__enter__(),
        "diffing/whitebox/dictionaries/shelf.py remove": lambda: shelf.remove(study, "one"),
        f"{of}create": lambda: Study.create("new", study.checkpoints),
        f"{of}change_settings": lambda: study.change_settings(note="mine"),
        f"{of}save_settings": lambda: study.save_settings(study.settings),
        f"{of}add_prompts": lambda: study.add_prompts(pd.DataFrame({"text": ["Why?"]})),
        f"{of}activate": lambda: study.activate([prompts["id"][0]], False),
        f"{of}save_prompts": lambda: study.save_prompts(prompts),
        f"{of}add_responses": lambda: study.add_responses(study.responses()),
        f"{of}append_responses": lambda: study.append_responses(study.responses()),
        f"{of}settle_responses": study.settle_responses,
        f"{of}add_import": lambda: study.add_import(study.settings, prompts, study.responses(), study.measures()),
        f"{of}add_measures": lambda: study.add_measures(study.measures()),
        "diffing/study/upkeep.py rename": lambda: upkeep.rename("spare", "newer"),
        "diffing/study/upkeep.py duplicate": lambda: upkeep.duplicate("s", "twin"),
        "diffing/study/upkeep.py delete": lambda: upkeep.delete("other"),
        "diffing/study/upkeep.py restore": lambda: upkeep.restore(upkeep.latest("old")),
    }


def filled(question: str) -> pd.DataFrame:
    return pd.DataFrame({"question": [question], "said": ["both"]})


def held_by(home: Path) -> dict[str, bytes]:
    """Every file of a home but locks, which say nothing."""
    paths = (path for path in home.rglob("*") if path.is_file() and not path.name.endswith("lock"))
    return {str(path.relative_to(home)): path.read_bytes() for path in paths}


def test_every_verb_that_writes_is_tried(verbs: Verbs) -> None:
    found = set(doors())
    tried = {*verbs} | {*UNDER}
    assert found - tried == set(), "new verbs: try them here"
    assert {*UNDER} <= found and len(found & {*verbs}) > 30


@pytest.mark.parametrize("person", [VIEWER, NOBODY])
def test_a_viewer_and_nobody_change_nothing(verbs: Verbs, own_home: Path, person: Person) -> None:
    before = held_by(own_home)
    for name, verb in verbs.items():
        with who.acts(person), pytest.raises(Refused) as refused:
            verb()
        assert str(refused.value).startswith("This change was not made: "), name
    assert held_by(own_home) == before


def test_an_editor_makes_each_of_these_changes(verbs: Verbs) -> None:
    with who.acts(EDITOR):
        for name, verb in verbs.items():
            if name == "diffing/diff/compute.py compute":
                # Nothing was read here: it gets further than a viewer, and no further.
                with pytest.raises(UserError) as fault:
                    verb()
                assert not isinstance(fault.value, Refused)
            elif name != "diffing/study/study.py held":
                verb()


@pytest.mark.parametrize("kind", jobs.STEPS)
def test_no_step_starts_for_a_viewer(study: Study, own_home: Path, kind: str) -> None:
    before = held_by(own_home)
    for begin in (jobs.start, jobs.run_here, lambda opened, step: opened.run(step)):
        with who.acts(VIEWER), pytest.raises(Refused):
            begin(study, kind)
    assert held_by(own_home) == before


def test_what_steps_write_by_asks_too(study: Study, own_home: Path) -> None:
    before = held_by(own_home)
    with who.acts(VIEWER):
        with pytest.raises(Refused):
            jsonl.append(study.folder / "judgements.jsonl", {"key": 1})
        with pytest.raises(Refused), study.held():
            pass
        with pytest.raises(Refused):
            sample.ensure()
    assert held_by(own_home) == before


def test_only_the_owner_says_where_keys_go() -> None:
    for person in (VIEWER, EDITOR, NOBODY):
        for change in (allowed.allow, allowed.take_back):
            with who.acts(person), pytest.raises(Refused, match="ask them to do it with 'python -m diffing allow"):
                change("evil.example", "OPENROUTER_API_KEY")
    assert not allowed.path().exists()
    allowed.allow("good.example", "OPENROUTER_API_KEY")
    assert [pair.host for pair in allowed.pairs()] == ["good.example"]


def test_what_a_person_writes_stands_under_their_own_name(study: Study) -> None:
    claim = findings.load(study)[0]
    question = people.questions(study, number=people.LEAST)[0]
    pair = votes.pairs(study, held_out=True)[0]
    forged: list[Callable[[str], object]] = [
        lambda name: findings.add(study, "says less", "b", author=name),
        lambda name: findings.change(study, claim.id, name, put={"rejected": "no"}),
        lambda name: findings.note(study, claim.id, "odd", name),
        lambda name: people.tell(study, question, "right", name),
        lambda name: people.take(study, [question], filled(question.id), name),
        lambda name: votes.tell(study, "a", "b", pair, votes.BETTER, "right", name),
        lambda name: votes.undo(study, "a", "b", name),
        lambda name: history.edit(study, SAE, 5, "sobs", name),
        lambda name: history.tell(study, SAE, 5, "comment", name, text="odd"),
        lambda name: study.add_probe("sir", words="sir", author=name),
        lambda name: study.remove_probe("thanks", name),
    ]
    with who.acts(EDITOR):
        for write in forged:
            with pytest.raises(Refused, match="'Ada' is not you"):
                write("Ada")
        for write in forged:
            write("")
    names = [
        {one.author for one in findings.history(study, claim.id)[1:]},
        {note.author for note in findings.get(study, claim.id).notes},
        {one.author for one in people.read(study)[1:]},
        {vote.voter for vote in votes.read(study)},
        {line.author for line in history.read(study, SAE) if line.feature == 5},
        {probe.author for probe in own_probes.load(study)},
        {line["author"] for line in jsonl.read(own_probes.path_of(study))[1:]},
    ]
    assert names == [{EDITOR.name}] * len(names)


def test_at_home_everybody_is_who_they_say(study: Study) -> None:
    assert who.acting() == who.OWNER
    assert findings.add(study, "hums", "b", author="Ada").author == "Ada"
    assert own_probes.take(study, exported(study)) == []


def exported(study: Study) -> Path:
    path = study.folder.parent / "probes.json"
    own_probes.export(study, path)
    return path


def test_probes_from_a_file_stand_under_the_name_of_who_brings_them(study: Study) -> None:
    study.add_probe("sorry", words="sorry", author="Ada")
    path = exported(study)
    study.remove_probe("sorry", "Ada")
    with who.acts(EDITOR):
        assert [probe.author for probe in own_probes.take(study, path)] == [EDITOR.name]
    study.remove_probe("sorry", "Ada")
    assert [probe.author for probe in own_probes.take(study, path)] == ["Ada"]


def test_where_a_team_logs_in_a_thread_without_a_page_is_nobodys() -> None:
    with who.found_by(lambda: NOBODY):
        with pytest.raises(Refused, match="nobody is logged in here any more; log in and make it again"):
            Study.create("new", [Checkpoint(key=key, name=key, source="import") for key in "ab"])
        with who.acts(EDITOR):
            assert who.needs_editor() == EDITOR
    assert who.acting() == who.OWNER
