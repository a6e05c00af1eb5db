"""Labels: which one stands, whose they are, and what is said of a feature that has none."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diffing import labels
from diffing.common import files
from diffing.common.errors import UserError
from diffing.labels import history, names, sources
from diffing.labels.history import Label
from diffing.models.providers import Checkpoint
from diffing.reader import firing
from diffing.reader.cache import Encoding
from diffing.reader.pieces import TokenTable
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
    files.append_jsonl(history.path_of(study), {"feature": feature, "sae": sae, **entry})


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
    assert [line["label"] for line in files.read_jsonl(history.path_of(study))] == ["lists"]


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


def test_an_sae_is_named_by_what_holds_its_features() -> None:
    choices = [ReaderChoice(), ReaderChoice(context="prompt+answer"), ReaderChoice(preset="", sae="/x/sae")]
    assert [labels.sae_of(choice) for choice in choices] == ["starter", "starter", "/x/sae"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{nonsense", "a line that is not JSON; mend it"),
        ('{"feature": 1, "sae": "starter", "label": "x", "author": "y", "author_kind": "oracle"}', "author_kind"),
    ],
)
def test_a_broken_line_is_named_and_not_passed_over(study: Study, line: str, fault: str) -> None:
    history.path_of(study).write_text(line + "\n")
    with pytest.raises(UserError, match=fault):
        labels.current(study)


class Store:
    """Encodings of texts by their words; feature 7 fires on double spaces, 5 on the word after one."""

    n_features = 10

    def __init__(self, texts: Sequence[str], prompt_ids: Sequence[str], errors: Sequence[str]) -> None:
        self.texts = texts
        self.documents = pd.DataFrame({"prompt_id": prompt_ids, "error": errors})
        self.vocabulary: dict[str, int] = {}

    def pieces(self, document: int) -> list[str]:
        return self.texts[document].replace(" ", "| ").split("|")

    def encoding(self, document: int) -> Encoding:
        pieces = self.pieces(document)
        ends = np.cumsum([len(piece) for piece in pieces])
        ids = [self.vocabulary.setdefault(piece, len(self.vocabulary)) for piece in pieces]
        bare = [i for i, piece in enumerate(pieces) if piece == " "]
        runs = {5: [i + 1 for i in bare], 7: bare} if bare else {}
        return Encoding(
            ids=np.array(ids, np.uint32),
            spans=np.stack([ends - [len(piece) for piece in pieces], ends], axis=1).astype(np.int32),
            feature=np.array(list(runs), np.uint16),
            peak=np.ones(len(runs), np.float32),
            count=np.array([len(run) for run in runs.values()], np.uint16),
            position=np.array([i for run in runs.values() for i in run], np.uint16),
            code=np.empty(0, np.uint16),
        )

    def tokens(self, document: int) -> TokenTable:
        one = self.encoding(document)
        return TokenTable(one.ids, one.spans, self.texts[document])


def test_a_feature_without_a_label_is_shown_by_its_tokens_and_marked_as_a_rules_work() -> None:
    store = Store(["One.  Two  three", "no such", "And.  Two"], ["p", "q", "r"], [""] * 3)
    found = firing.describe(store, [5, 7, 1], [0, 1, 2])
    assert [found[feature].in_words() for feature in (5, 7, 1)] == [
        "fires on “Two” ×2, “three” ×1",
        "fires on “␣” ×3",
        "not active in these answers",
    ]
    assert found[7] == (3, 2, [("␣", 3)])
    assert not any("unknown" in lexical.in_words().lower() for lexical in found.values())


def test_a_description_reads_only_the_documents_given() -> None:
    store = Store(["One.  Two", "And.  Six"], ["p", "q"], ["", ""])
    assert firing.describe(store, [5], [1])[5].in_words() == "fires on “Six” ×1"


def test_labels_are_made_from_discovery_prompts_alone(study: Study) -> None:
    prompts = study.prompts()
    ids = prompts["id"].tolist()
    store = Store([""] * len(ids), ids, ["too long", *[""] * (len(ids) - 1)])
    chosen = firing.readable(study, store).tolist()
    assert chosen == [i for i in range(1, len(ids)) if prompts["split"][i] == "discovery"]
    assert 0 < len(chosen) < len(ids) - 1


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (" the", "the"),
        (" ", "␣"),
        ("  ", "␣␣"),
        (" \n", "␣↵"),
        ("\t", "⇥"),
        ("<b>", "<b>"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
)
def test_a_token_is_shown_as_it_can_be_read(piece: str, expected: str) -> None:
    assert firing.shown(piece) == expected
