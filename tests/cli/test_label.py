"""The command `label`: what it prints, and what it refuses."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from diffing import labels
from diffing.cli.label import app
from diffing.common.errors import UserError
from diffing.labels.passages import OPEN
from diffing.study.study import Study
from tests.fakes import label_study
from tests.fakes.labellers import both, label_of, oracle
from tests.fakes.openai_server import OpenAIServer


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(both(oracle), models=["maker/author", "other/judge"]) as running:
        yield running


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    texts = [f"Some tea {n}, and then milk with more of the tea, or rum." for n in range(40)]
    return label_study.make(monkeypatch, {"a": texts, "b": texts}, [{"milk": 1.0}, {"rum.": 1.0}])[0]


def invoke(server: OpenAIServer, *words: str) -> str:
    models = ["--model", f"{server.url}#maker/author", "--judge", f"{server.url}#other/judge"]
    done = CliRunner().invoke(app, ["study", *models, *words], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_the_dry_run_prints_calls_tokens_and_dollars_and_asks_nothing(study: Study, server: OpenAIServer) -> None:
    told = json.loads(invoke(server, "--features", "0,1", "--score", "--dry-run", "--json"))
    assert (told["labels"], told["scores"], told["cost"], server.calls) == (2, 2, 0.0, [])
    assert told["tokens_in"] > 1000 < told["calls"] * 100
    assert "2 labels to write, 2 to score: " in invoke(server, "--features", "0, 1", "--score", "--dry-run")
    assert labels.current(study) == {}


def test_the_dry_run_asks_for_a_price_that_no_list_states(
    study: Study, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "k")
    words = ["--features", "0", "--dry-run", "--json", "--key-env", "SOME_KEY"]
    assert json.loads(invoke(server, *words))["cost"] is None
    server.prices = {"maker/author": (1e-6, 2e-6)}
    for some in (words, words[:-2]):
        told = json.loads(invoke(server, *some))
        assert told["cost"] == pytest.approx(told["tokens_in"] * 1e-6 + told["tokens_out"] * 2e-6)
    assert (study.name, server.calls) == ("study", [])


def test_a_run_prints_labels_with_each_score_on_its_own(study: Study, server: OpenAIServer) -> None:
    shown = invoke(server, "--features", "0", "--score")
    assert "done: 1 labels written, 1 scored, 0 failed" in shown
    assert "the word milk" in shown
    for column in ("detection a", "detection b", "fuzzing a", "fuzzing b"):
        assert column in shown
    assert labels.current(study)[0].label == "the word milk"


def test_what_failed_is_printed_with_its_reason(study: Study, server: OpenAIServer) -> None:
    server.reply = lambda call: "?" if f"{OPEN}rum" in call.messages[1]["content"] else label_of(call)
    shown = invoke(server, "--features", "0,1")
    assert "failed: feature 1: no usable reply in 3: it holds no JSON object" in shown
    assert set(labels.current(study)) == {0}


@pytest.mark.parametrize("some", [[], ["--features", "0"]])
def test_an_import_alone_asks_no_model(
    study: Study, server: OpenAIServer, tmp_path: Path, some: list[str]
) -> None:
    (tmp_path / "mine.csv").write_text("feature,label\n1,rum\n")
    # Where no author is named, the features are those to import.
    done = CliRunner().invoke(app, ["study", "--import", str(tmp_path / "mine.csv"), *some])
    assert "file:mine.csv: 1 labels of 1 features." in done.stdout
    assert (labels.current(study)[1].label, server.calls) == ("rum", [])


def test_a_source_out_of_reach_holds_up_nothing_else(study: Study, server: OpenAIServer) -> None:
    shown = invoke(server, "--features", "0", "--import", "absent.csv")
    assert "There is no file 'absent.csv'" in shown
    assert "1 labels written" in shown
    assert set(labels.current(study)) == {0}
    with pytest.raises(UserError, match="There is no file"):
        CliRunner().invoke(app, ["study", "--import", "absent.csv"], catch_exceptions=False)


def test_features_are_numbers(study: Study, server: OpenAIServer) -> None:
    with pytest.raises(UserError, match="'x' is no feature's number"):
        invoke(server, "--features", "1,x")
    assert labels.current(study) == {}
