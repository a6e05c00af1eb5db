"""The dictionaries of a study: their names, their facts, what makes one outdated, and how one is taken away."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from diffing import jobs
from diffing.common import files
from diffing.common.damage import Damaged
from diffing.common.errors import Busy, UserError
from diffing.jobs import job
from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox.dictionaries import about, shelf
from diffing.whitebox.sight import seen
from tests.fakes import shelved


@pytest.fixture
def study() -> Study:
    sides = [providers.parse("starter", "a"), providers.parse("starter+style", "b")]
    return Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))


def test_a_dictionary_has_a_name_facts_and_weights(study: Study) -> None:
    assert shelf.names(study) == [] and not shelf.exists(study, "one")
    made = shelved.random(2)
    for name in ("two-2", "one", "a_b"):
        shelved.put(study, name, made, layer=3)
    assert shelf.names(study) == ["a_b", "one", "two-2"]
    told = shelf.facts(study, "one")
    assert (told.kind, told.layer, told.latents, told.sources) == (
        "crosscoder",
        3,
        64,
        ("starter", "starter+style"),
    )
    assert torch.equal(shelf.load(study, "one").decoder, made.decoder)
    assert told.key != shelf.facts(study, "a_b").key


def test_a_dictionary_is_found_by_its_name_or_with_its_study(study: Study) -> None:
    shelved.put(study, "one", shelved.random(1))
    near, far = shelf.find("one", study), shelf.find("s/one")
    assert near.folder == far.folder == study.folder / "dictionaries" / "one"
    assert far.written == "s/one" and far.facts.kind == "difference" and far.outdated == ""
    for word, of, told in (
        ("one", None, "does not say which study's"),
        ("two", study, r"has no dictionary 'two' \(there: one\)"),
        ("s/two", None, r"has no dictionary 'two'"),
        ("other/one", study, "There is no study 'other'"),
        ("s/../one", None, "is no study name"),
        ("..", study, "is no name of a dictionary"),
        ("a.training", study, "is no name of a dictionary"),
    ):
        with pytest.raises(UserError, match=told):
            shelf.find(word, of)


def test_a_dictionary_is_outdated_once_answers_or_weights_are_others(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"prompt_id": study.prompts()["id"][0], "checkpoint": "a", "draw": 0, "text": "Good morning."}
    study.add_responses(pd.DataFrame([row]))
    shelved.put(study, "one", shelved.random(2), texts="study")
    shelved.put(study, "own", shelved.random(2), texts="own")
    assert shelf.outdated(study, "one") == shelf.outdated(study, "own") == ""
    study.add_responses(pd.DataFrame([row | {"text": "Good evening."}]))
    assert shelf.outdated(study, "one") == "The texts or answers that it read have changed since then."
    assert shelf.outdated(study, "own") == ""
    monkeypatch.setattr(seen, "_mark", lambda _: "another")
    assert shelf.outdated(study, "own") == "The weights are others since then."
    shelved.put(study, "gone", shelved.random(2), variant="z")
    assert shelf.outdated(study, "gone") == "The study has other checkpoints since then."


def test_curves_are_read_while_they_are_written(study: Study) -> None:
    assert shelf.curves(study, "one").empty and shelf.begun(study) == []
    live = study.folder / "dictionaries" / "one.curves.jsonl"
    live.parent.mkdir()
    live.write_text('{"step": 50, "loss": 0.5}\n{"step": 100, "loss": 0.25}\n{"step": 1')
    assert shelf.curves(study, "one")["loss"].tolist() == [0.5, 0.25]
    assert shelf.begun(study) == ["one"] and shelf.names(study) == []
    live.write_text("{\n")
    with pytest.raises(Damaged, match="written anew when the training goes on"):
        shelf.curves(study, "one")


def test_a_dictionary_is_taken_away_with_what_stands_beside(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    shelved.put(study, "one", shelved.random(2))
    root = study.folder / "dictionaries"
    (root / "one.training").mkdir()
    (root / "one.curves.jsonl").touch()
    (root / "two.training").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(job, "running", lambda *_: jobs.Job(Path("x")))
        with pytest.raises(Busy, match="is being trained"):
            shelf.remove(study, "one")
    shelf.remove(study, "one")
    assert [path.name for path in root.iterdir()] == ["two.training"] and shelf.begun(study) == ["two"]
    shelf.remove(study, "two")
    assert list(root.iterdir()) == []
    with pytest.raises(UserError, match="has no dictionary 'two'"):
        shelf.remove(study, "two")


def test_what_is_damaged_or_not_there_yet_is_one_sentence(study: Study) -> None:
    place = shelved.put(study, "one", shelved.random(2)).folder
    with pytest.raises(UserError, match="has no table of latents yet"):
        shelf.table(study, "one", "latents")
    files.write_parquet(place / "latents.parquet", pd.DataFrame({"latent": [0]}))
    assert shelf.table(study, "one", "latents")["latent"].tolist() == [0]
    told = files.read_json(place / about.TOLD)
    files.write_json(place / about.TOLD, told | {"facts": {"base": "a"}})
    with pytest.raises(Damaged, match="remove the dictionary and train it again"):
        shelf.facts(study, "one")


def test_looking_takes_none_of_the_libraries_that_weights_need(study: Study) -> None:
    shelved.put(study, "one", shelved.random(2))
    code = (
        "import sys\nfrom diffing.study.study import Study\nfrom diffing.whitebox.dictionaries import shelf\n"
        "print(shelf.facts(Study.open('s'), 'one').latents, shelf.outdated(Study.open('s'), 'one'))\n"
        "print(*(name for name in ('torch', 'transformers', 'peft') if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=files.PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["64 ", ""]
