"""Findings: a history that loses nothing, ids that stay, and nobody's word for how far one got."""

import json
import threading

import pandas as pd
import pytest

from diffing.common.errors import UserError
from diffing.findings import findings
from diffing.findings.findings import Example
from diffing.models.providers import Checkpoint
from diffing.study import sample
from diffing.study.study import Study


def study_of(name: str = "s") -> Study:
    checkpoints = [Checkpoint(key=key, name=key, source="import") for key in ("a", "b", "c")]
    return Study.create(name, checkpoints, pd.DataFrame({"text": ["One?", "Two?"]}))


def test_a_finding_is_the_sum_of_its_changes() -> None:
    study = study_of()
    made = findings.add(
        study, " gives  steps as a list ", "b", author="Ada", features=[7, 3], examples=[Example("p1", 0)]
    )
    findings.change(study, made.id, "Bo", put={"claim": "numbers its steps"}, add={"features": [9, 7]})
    findings.change(study, made.id, "Ada", drop={"features": [3]}, add={"examples": [["p1", 0], ["p2", 1]]})
    findings.note(study, made.id, "see the recipes", "Bo")
    (found,) = findings.load(study)
    assert (found.id, found.claim, found.more, found.less) == (made.id, "numbers its steps", "b", "a")
    assert found.features == (7, 9)
    assert found.examples == (Example("p1", 0), Example("p2", 1))
    assert [(note.author, note.text) for note in found.notes] == [("Bo", "see the recipes")]
    assert (found.author, found.origin, found.author_kind) == ("Ada", "hand", "person")
    assert [change.author for change in findings.history(study, made.id)] == ["Ada", "Bo", "Ada", "Bo"]


def test_two_editors_at_once_lose_nothing() -> None:
    study = study_of()
    made = findings.add(study, "numbers its steps", "b", author="test")

    def edit(editor: int) -> None:
        own = Study.open("s")
        for number in range(10):
            findings.change(own, made.id, f"editor {editor}", add={"features": [100 * editor + number]})
            findings.add(own, f"claim {editor} {number}", "a", author=f"editor {editor}")

    editors = [threading.Thread(target=edit, args=(editor,)) for editor in range(4)]
    for one in editors:
        one.start()
    for one in editors:
        one.join()
    assert set(findings.get(study, made.id).features) == {100 * e + n for e in range(4) for n in range(10)}
    assert len(findings.load(study)) == len(findings.history(study, made.id)) == 41


def test_an_id_hangs_on_what_is_claimed_and_stays_whatever_changes() -> None:
    one, other = study_of("one"), study_of("other")
    made = [findings.add(study, "numbers its steps", "b", author="test") for study in (one, other)]
    assert made[0].id == made[1].id
    findings.change(one, made[0].id, "test", put={"claim": "uses lists"})
    assert [finding.id for finding in findings.load(one)] == [made[0].id]
    different = {
        findings.add(one, "numbers its steps", "a", author="test").id,
        findings.add(one, "numbers its steps", "b", b="c", author="test").id,
        findings.add(one, "numbers its steps", "b", origin="baseline", author="test").id,
    }
    assert len(different | {made[0].id}) == 4


def test_the_same_claim_again_is_the_same_finding_with_what_is_new() -> None:
    study = study_of()
    findings.add(study, "numbers its steps", "b", author="one", features=[1])
    findings.add(study, "Numbers  its steps", "b", author="two", features=[1])
    findings.add(study, "numbers its steps", "b", author="two", features=[1, 2])
    (found,) = findings.load(study)
    assert (found.features, found.author, len(findings.history(study, found.id))) == ((1, 2), "one", 2)


def test_a_rejected_claim_that_is_drafted_again_stays_rejected() -> None:
    study = study_of()
    made = findings.add(study, "numbers its steps", "b", origin="sae", author="m", author_kind="llm")
    findings.reject(study, made.id, "it is the spaces", "Ada")
    again = findings.add(study, "numbers its steps", "b", origin="sae", author="m", author_kind="llm")
    assert again.rejected == "it is the spaces"
    assert findings.reject(study, made.id, "", "Ada").rejected == ""


@pytest.mark.parametrize("field", ["id", "side", "a", "origin", "status", "created"])
def test_what_may_not_change_is_refused(field: str) -> None:
    study = study_of()
    made = findings.add(study, "numbers its steps", "b", author="test")
    with pytest.raises(UserError, match=field):
        findings.change(study, made.id, "test", put={field: "a"})
    assert findings.get(study, made.id) == made


def test_a_value_of_the_wrong_kind_is_not_written_down() -> None:
    study = study_of()
    made = findings.add(study, "numbers its steps", "b", author="test")
    with pytest.raises(UserError, match="features"):
        findings.change(study, made.id, "test", add={"features": ["seven"]})
    assert len(findings.history(study, made.id)) == 1


def test_faults_are_told_in_a_sentence() -> None:
    study = study_of()
    with pytest.raises(UserError, match="needs a claim"):
        findings.add(study, "  ", "b", author="test")
    with pytest.raises(UserError, match="no side"):
        findings.add(study, "x", "after", author="test")  # type: ignore[arg-type]  # no side
    with pytest.raises(UserError, match="with itself"):
        findings.add(study, "x", "a", a="c", b="c", author="test")
    with pytest.raises(UserError, match="no checkpoint 'd'"):
        findings.add(study, "x", "a", b="d", author="test")
    with pytest.raises(UserError, match="no finding 'f0'"):
        findings.reject(study, "f0", "wrong", "test")
    findings.path_of(study).write_text("{}\n")
    with pytest.raises(UserError, match=r"findings.jsonl.*no change.*repair s`"):
        findings.load(study)


def test_a_line_that_a_killed_writer_left_unfinished_costs_itself_alone() -> None:
    study = sample.create()
    made = findings.add(study, "numbers its steps", "b", author="test")
    with findings.path_of(study).open("a") as file:
        file.write('{"finding": "f1", "da')
    assert [finding.id for finding in findings.load(study)] == [made.id]
    findings.note(study, made.id, "after the crash", "test")
    assert len(findings.load(study)[0].notes) == 1
    assert all(json.loads(line) for line in findings.path_of(study).read_text().splitlines())
