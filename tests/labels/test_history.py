"""The label history: who outranks whom, what events do, and that nothing written at once is lost."""

import multiprocessing
from typing import Any

import pandas as pd
import pytest

from diffing import labels
from diffing.common.errors import UserError
from diffing.labels import history, names
from diffing.labels.history import Label
from diffing.models.providers import Checkpoint
from diffing.study.study import Study

PAIR = [Checkpoint(key=key, name=key, source="import") for key in ("a", "b")]
SAE = "starter"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Study:
    monkeypatch.setattr(names, "BUNDLED", tmp_path / "none.json")
    return Study.create("s", PAIR, pd.DataFrame({"text": ["Why?"]}))


def machine(label: str) -> Label:
    return Label(label=label, author="maker/model", author_kind="llm", evidence=["p/a/0/0-8"], cost=0.01)


def name_of(study: Study, feature: int = 7) -> str | None:
    current = labels.dossiers(study)[feature].current
    return current.label if current else None


def test_what_a_person_accepts_outranks_what_a_machine_writes_later(study: Study) -> None:
    first = history.add(study, SAE, 7, machine("first"))
    history.add(study, SAE, 7, machine("second"))
    assert name_of(study) == "second"
    history.tell(study, SAE, 7, "accept", "Ada", about=first.id)
    assert name_of(study) == "first"
    history.add(study, SAE, 7, machine("third"))
    assert name_of(study) == "first"
    history.tell(study, SAE, 7, "reject", "Ben", about=first.id)
    assert name_of(study) == "third"


def test_a_person_may_go_back_to_a_machines_label(study: Study) -> None:
    written = history.add(study, SAE, 7, machine("lists"))
    history.edit(study, SAE, 7, " double spaces ", "Ada")
    assert name_of(study) == "double spaces"
    history.tell(study, SAE, 7, "accept", "Ada", about=written.id)
    assert name_of(study) == "lists"


def test_rejecting_all_labels_leaves_the_feature_without_one(study: Study) -> None:
    for label in ("one", "two"):
        made = history.add(study, SAE, 7, machine(label))
        history.tell(study, SAE, 7, "reject", "Ada", about=made.id, text="too broad")
    dossier = labels.dossiers(study)[7]
    assert (dossier.current, labels.current(study)) == (None, {})
    assert list(dossier.status.values()) == ["rejected", "rejected"]
    assert [(event.text, event.author) for event in dossier.comments] == [("too broad", "Ada")] * 2
    assert [label.label for label in dossier.labels] == ["one", "two"]


def test_a_score_stays_with_its_label(study: Study) -> None:
    scored = history.add(study, SAE, 7, machine("lists"))
    history.tell(study, SAE, 7, "score", "maker/judge", about=scored.id, score={"judge": "maker/judge"})
    history.edit(study, SAE, 7, "double spaces", "Ada")
    assert [label.score for label in labels.ever(study)[7]] == [{"judge": "maker/judge"}, None]
    assert labels.ever(study)[7][0].evidence == ["p/a/0/0-8"]


def test_stars_come_and_go_and_comments_stay(study: Study) -> None:
    history.tell(study, SAE, 7, "star", "Ada")
    history.tell(study, SAE, 7, "comment", "Ben", text="look at this")
    assert labels.dossiers(study)[7].starred
    history.tell(study, SAE, 7, "unstar", "Ada")
    dossier = labels.dossiers(study)[7]
    assert (dossier.starred, [event.text for event in dossier.comments]) == (False, ["look at this"])


def test_labels_that_no_history_holds_can_be_judged_too(study: Study) -> None:
    names.BUNDLED.write_text('{"7": {"label": "shipped", "author": "m", "author_kind": "llm"}}')
    shipped = labels.current(study)[7]
    history.tell(study, SAE, 7, "reject", "Ada", about=shipped.key)
    assert labels.current(study) == {}


def test_an_empty_label_is_refused(study: Study) -> None:
    with pytest.raises(UserError, match="label of feature 7 is empty"):
        history.edit(study, SAE, 7, "  ", "Ada")
    with pytest.raises(ValueError, match="must name it"):
        history.tell(study, SAE, 7, "accept", "Ada")


def write_many(author: str) -> None:
    study = Study.open("s")
    for number in range(40):
        history.edit(study, SAE, number, f"label {number} of {author}", author)
        history.tell(study, SAE, number, "comment", author, text="seen")


def test_two_people_editing_at_once_lose_nothing(study: Study) -> None:
    context = multiprocessing.get_context("fork")
    people = [context.Process(target=write_many, args=(author,)) for author in ("Ada", "Ben")]
    for person in people:
        person.start()
    for person in people:
        person.join()
    dossiers = labels.dossiers(study)
    assert {feature: sorted(label.author for label in d.labels) for feature, d in dossiers.items()} == {
        number: ["Ada", "Ben"] for number in range(40)
    }
    assert sum(len(dossier.comments) for dossier in dossiers.values()) == 80
