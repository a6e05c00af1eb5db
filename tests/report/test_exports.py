"""What a study hands over as files: labels that another study takes in, and every record as it stands."""

from pathlib import Path

import pandas as pd
import pytest

from diffing import labels
from diffing.common import files, jsonl, tables
from diffing.labels import history, names, sources
from diffing.labels.history import Label
from diffing.models.providers import Checkpoint
from diffing.report import exports
from diffing.study.study import Study
from tests.fakes.watch import Watch

SAE = "starter"


def study(name: str) -> Study:
    pair = [Checkpoint(key=key, name=key, source="import") for key in ("a", "b")]
    return Study.create(name, pair, pd.DataFrame({"text": ["Why?"]}))


def named(of: Study) -> dict[int, tuple[str, str]]:
    return {feature: (label.label, label.author_kind) for feature, label in labels.current(of).items()}


@pytest.fixture
def labelled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Study:
    """An imported label, one that a person put in another's place, one that was rejected."""
    monkeypatch.setattr(names, "BUNDLED", tmp_path / "none.json")
    made = study("full")
    (tmp_path / "theirs.csv").write_text('feature,label\n1,"lists, =1+1"\n2,spaces\n')
    sources.bring(made, str(tmp_path / "theirs.csv"), Watch())
    history.edit(made, SAE, 2, "double spaces", "Ada", "Two in a row.")
    gone = history.add(made, SAE, 3, Label(label="cake", author="m", author_kind="llm"))
    history.tell(made, SAE, 3, "reject", "Ada", about=gone.id, text="fires on tea")
    jsonl.append(made.folder / "judgements.jsonl", {"label": gone.id, "passages": []})
    return made


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_exported_labels_give_another_study_the_same_names(labelled: Study, tmp_path: Path, kind: str) -> None:
    exports.write_study(labelled, tmp_path / "out")
    other = study("other")
    sources.bring(other, str(tmp_path / "out" / f"full-labels.{kind}"), Watch())
    assert named(other) == named(labelled) == {1: ("lists, =1+1", "llm"), 2: ("double spaces", "person")}
    assert labels.current(other)[2].description == "Two in a row."


def test_nothing_that_was_said_of_a_label_is_left_behind(labelled: Study, tmp_path: Path) -> None:
    number = {"prompt_id": "p", "checkpoint": "a", "draw": 0, "name": "score", "value": 0.5}
    labelled.add_measures(pd.DataFrame([number]))
    written = exports.write_study(labelled, tmp_path)
    assert tables.read(tmp_path / "full-measures.csv")[["name", "value", "kind"]].to_numpy().tolist() == [
        ["score", "0.5", "number"]
    ]
    told = files.read_json(tmp_path / "full-labels.json")
    assert [one["label"] for one in told["2"]["labels"]] == ["spaces", "double spaces"]
    assert (told["3"]["label"], told["3"]["labels"][0]["status"]) == ("", "rejected")
    assert [event["text"] for event in told["3"]["comments"]] == ["fires on tea"]
    for record in ("labels", "judgements"):
        copy = tmp_path / f"full-{record}.jsonl"
        assert copy in written and copy.read_bytes() == (labelled.folder / f"{record}.jsonl").read_bytes()
    assert tables.read(tmp_path / "full-prompts.csv")["text"].tolist() == ["Why?"]
