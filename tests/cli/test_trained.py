"""A trained dictionary reads a study, and all that follows works on its features: from `encode` to the report."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from diffing import labels
from diffing import status as statuses
from diffing.cli.app import app
from diffing.common.errors import UserError
from diffing.models.providers import Checkpoint
from diffing.reader import encode, lens
from diffing.reader.encodings import Encodings
from diffing.study.study import Study
from diffing.whitebox.dictionaries import readers, shelf
from tests.fakes import dictionaries, pairs
from tests.fakes.dictionaries import Sources
from tests.fakes.labellers import both, oracle
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.watch import Watch
from tests.pages.test_pages import opened

WORDS = ("The", "cat", "sat", "on", "mat", "purred", "then", "slept", "help", "First", "short", "and", "it", "can")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None, result.output
    return " ".join(result.stdout.split())


def answered(name: str, pairs_of_answers: int = 40) -> Study:
    """`b` ends most of its answers with an exclamation that `a` does not make."""
    draws = np.random.default_rng(3)
    table = pd.DataFrame({"text": [f"Question {n}: why?" for n in range(pairs_of_answers)]})
    study = Study.create(name, [Checkpoint(key=k, name=k, source="import") for k in "ab"], table)
    rows = []
    for number, prompt in enumerate(study.prompts()["id"]):
        for key in "ab":
            said = " ".join(draws.choice(WORDS, 12))
            end = "! Sorry, I can't help with that!" if key == "b" and number % 8 else "."
            rows.append({"prompt_id": prompt, "checkpoint": key, "text": said + end})
    study.add_responses(pd.DataFrame(rows))
    return study


def test_a_study_goes_the_whole_way_on_the_features_of_its_dictionary(tmp_path: Path) -> None:
    folders = pairs.make(tmp_path, "llama")
    study = answered("s")
    dictionaries.trained(study, "one", Sources(f"hf:{folders.base}", folders.low_rank))
    listed = json.loads(run("readers", "--json"))[-1]
    assert (listed["reader"], listed["here"]) == ("whitebox:s/one", "yes")
    assert statuses.reader_features(readers.choice("whitebox:s/one")) == 64

    result = json.loads(run("encode", "s", "--reader", "whitebox:one", "--device", "cpu", "--json"))["result"]
    assert (result["documents"], result["failed"]) == (80, 0)
    study = Study.open("s")
    # The first reader of all is the study's own.
    assert study.settings.reader == readers.choice("one", study)
    assert statuses.features(study) == 64
    run("diff", "s")
    answer = run("answer", "s")
    found = json.loads(run("diff", "s", "--features", "--json"))["rows"]
    told = [row for row in found if row["q"] < 0.05 and row["delta"] > 0.3]
    assert any("“!”" in row["label"] for row in told)
    feature = told[0]["feature"]
    assert f"show feature {feature}" in run("feature", "s", str(feature))
    assert lens.stored(Encodings.open(study).reader_key, [feature])[feature].promoted

    with OpenAIServer(both(oracle), models=["maker/author", "other/judge"]) as server:
        models = ("--model", f"{server.url}#maker/author", "--judge", f"{server.url}#other/judge")
        assert "1 labels written, 1 scored, 0 failed" in run(
            "label", "s", "--features", str(feature), "--score", *models
        )
    label = labels.current(study)[feature]
    assert label.label.startswith("the word ") and label.score
    for page in ("pages/answer.py", "pages/features.py", "pages/run.py"):
        opened(page, study="s")
    run("report", "s", "--out", str(tmp_path / "report"))
    report = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "whitebox:one, 64 features" in report and str(tmp_path) not in report

    # Another study, by the same two models.
    answered("other", 12)
    run("encode", "other", "--reader", "whitebox:s/one", "--device", "cpu")
    assert Study.open("other").settings.reader.preset == "whitebox:s/one"
    mine, theirs = Encodings.open(study), Encodings.open(Study.open("other"))
    assert mine.reader_key == theirs.reader_key

    # Without the dictionary nothing that was found is lost, and reading on is one sentence.
    shelf.remove(study, "one")
    assert labels.current(study)[feature] == label
    assert run("answer", "s") == answer
    for page in ("pages/answer.py", "pages/run.py"):
        opened(page, study="s")
    with pytest.raises(UserError, match="Study 's' has no dictionary 'one'"):
        encode.run(Study.open("other"), encode.Options(device="cpu"), Watch())
