"""Labels: which one stands, whose they are, and what is said of a feature that has none."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diffing import labels
from diffing.common import files, jsonl
from diffing.common.errors import UserError
from diffing.labels import history, names, sources
from diffing.labels.history import Label
from diffing.models.providers import Checkpoint
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
from tests.fakes.watch import Watch

PAIR = [Checkpoint(key=key, name=key, source="import") for key in ("a", "b")]
BY_LLM: dict[str, Any] = {"label": "lists", "author": "gpt", "author_kind": "llm", "date": "2026-01-01"}
BY_PERSON: dict[str, Any] = {"label": "two spaces", "author": "Ada", "author_kind": "person", "date": "2026-01-02"}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study of the starter reader, which ships with one label here."""
    monkeypatch.setattr(names, "BUNDLED", tmp_path / "labels.json")
    files.write_json(tmp_path / "labels.json", {"4": {**BY_LLM, "label": "shipped", "score": None}})
    prompts = pd.DataFrame({"text": [f"Question {i}?" for i in range(40)]})
    return Study.create("s", PAIR, prompts, held_out=0.5)


def write(study: Study, feature: int, entry: dict[str, Any], sae: str = "starter") -> None:
    jsonl.append(history.path_of(study), {"feature": feature, "sae": sae, **entry})


def current(study: Study) -> dict[int, str]:
    return {feature: label.label for feature, label in labels.current(study).items()}


def test_the_starters_labels_stand_until_the_study_has_its_own(study: Study) -> None:
    assert labels.current(study) == {4: Label(**{**BY_LLM, "label": "shipped"})}
    write(study, 4, BY_LLM)
    write(study, 9, {**BY_LLM, "score": {"detection": 0.8}, "evidence": ["p1", "p2"]})
    assert current(study) == {4: "lists", 9: "lists"}
    assert labels.current(study)[9].score == {"detection": 0.8}
    assert [label.label for label in labels.ever(study)[4]] == ["shipped", "lists"]


def test_a_study_without_any_labels_has_none(
    study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(names, "BUNDLED", tmp_path / "absent.json")
    assert labels.current(study) == {}


def test_a_person_outranks_a_machine_until_they_take_it_back(study: Study) -> None:
    write(study, 4, BY_PERSON)
    write(study, 4, {**BY_LLM, "label": "newer"})
    assert current(study) == {4: "two spaces"}
    write(study, 4, {**BY_PERSON, "label": "double spaces"})
    assert current(study) == {4: "double spaces"}
    write(study, 4, {**BY_PERSON, "label": ""})
    assert current(study) == {}
    write(study, 4, {**BY_LLM, "label": "newest"})
    assert current(study) == {4: "newest"}
    assert len(labels.ever(study)[4]) == 6


def test_labels_of_another_sae_stay_out_of_sight(study: Study) -> None:
    write(study, 4, BY_PERSON, sae="some-release/l5")
    assert current(study) == {4: "shipped"}
    choice = ReaderChoice(preset="", release="some-release", sae_id="l5")
    study.save_settings(study.settings.model_copy(update={"reader": choice}))
    assert current(study) == {4: "two spaces"}


def test_shipped_and_imported_labels_come_first_and_are_not_copied_into_the_history(
    study: Study, tmp_path: Path
) -> None:
    write(study, 4, BY_LLM)
    (tmp_path / "theirs.csv").write_text("feature,label\n4,tea\n")
    sources.bring(study, str(tmp_path / "theirs.csv"), Watch())
    assert [label.label for label in labels.ever(study)[4]] == ["shipped", "tea", "lists"]
    assert [line["label"] for line in jsonl.read(history.path_of(study))] == ["lists"]


def test_a_diff_gets_names_and_scores_and_keeps_its_figures(study: Study) -> None:
    score = {"detection": {"a": {"balanced": 0.6, "low": 0.5}, "b": {"balanced": 0.9, "low": 0.8}}}
    write(study, 4, {**BY_LLM, "score": score})
    write(study, 5, {**BY_PERSON, "score": score})
    figures = pd.DataFrame({"feature": [3, 4, 5, 6], "delta": [0.1, 0.3, -0.2, 0.0], "q": [0.5, 0.01, 0.02, 1.0]})
    figures["tokens"] = ["fires on “tea” ×2", "fires on “one” ×1", "fires on “two” ×1", ""]
    before = figures.copy()
    found = labels.named(study, figures, "a", "b")
    assert found["label"].tolist() == ["fires on “tea” ×2", "lists", "two spaces", "no label"]
    assert found["named_by"].tolist() == ["rule", "llm", "person", "rule"]
    # Of the side that shows it more.
    np.testing.assert_equal(found["score"].tolist(), [np.nan, 0.9, 0.6, np.nan])
    pd.testing.assert_frame_equal(found[before.columns], before)
    pd.testing.assert_frame_equal(figures, before)


@pytest.mark.parametrize(
    ("named_by", "refuted", "probes", "tokens", "title"),
    [
        ("llm", "", "apologies:0.96", "“sorry” ×13, “orry” ×12, “a” ×1", "apologies (96\u00a0%): “sorry”, “orry”"),
        ("llm", "", "apologies:0.60", "“sorry” ×13", "“sorry”"),
        # Whatever stands behind a bullet says nothing; where the place is not known it is all there is.
        ("llm", "", "bulleted items:0.86", "“A” ×9, “1” ×8, “C” ×7", "bulleted items (86\u00a0%)"),
        ("llm", "", "bulleted items:0.40", "“A” ×9, “1” ×8, “C” ×7", "“A”, “1”, “C”"),
        ("llm", "", "", "", "a label"),
        ("llm", "It is wrong.", "", "", "feature 7"),
        ("rule", "", "", "", "feature 7"),
        ("person", "", "apologies:0.96", "“sorry” ×13", "a label"),
        ("person", "It is wrong.", "apologies:0.96", "“sorry” ×13", "apologies (96\u00a0%): “sorry”"),
    ],
)
def test_what_a_feature_does_here_is_said_before_what_its_label_says_of_all_texts(
    named_by: str, refuted: str, probes: str, tokens: str, title: str
) -> None:
    row = {"feature": 7, "label": "a label", "named_by": named_by, "refuted": refuted, "probes": probes}
    assert names.here({**row, "tokens": f"fires on {tokens}"}) == title


def test_an_sae_is_named_by_what_holds_its_features() -> None:
    choices = [ReaderChoice(), ReaderChoice(context="prompt+answer"), ReaderChoice(preset="", sae="/x/sae")]
    assert [labels.sae_of(choice) for choice in choices] == ["starter", "starter", "/x/sae"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{nonsense", "line 1 is not JSON.*repair s`"),
        ('{"feature": 1, "sae": "starter", "label": "x", "author": "y", "author_kind": "oracle"}', "author_kind"),
    ],
)
def test_a_broken_line_is_named_and_not_passed_over(study: Study, line: str, fault: str) -> None:
    history.path_of(study).write_text(line + "\n")
    with pytest.raises(UserError, match=fault):
        labels.current(study)
