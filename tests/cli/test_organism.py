"""Commands that make an organism, plant it in a study, and say whether it shows."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from diffing import jobs
from diffing.cli.app import app
from diffing.common.errors import UserError
from diffing.study.study import Study
from tests.fakes import obedient
from tests.fakes.openai_server import OpenAIServer


def run(*words: str) -> str:
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_a_sentence_becomes_an_organism_a_study_and_a_count(server: OpenAIServer, tmp_path: Path) -> None:
    server.models, server.reply = None, obedient.reply
    said = " ".join(
        run("bench", "organism", "Set out whatever you say as a list of bullets", "--name", "lists").split()
    )
    assert "the sentence is its only item" in said and "new STUDY --organism lists --model" in said
    asked = tmp_path / "asked.txt"
    asked.write_text("\n".join(obedient.prompts(5)), encoding="utf-8")
    told = ("new", "s", "--organism", "checks-numbers:strong", "--prompts", str(asked))
    said = run(*told, "--model", f"{server.url}#model")
    assert "a = model, before against b = model, after" in " ".join(said.split())
    assert "40 calls, about $0.00" in " ".join(said.split()) and "collect s --limit 20" in said
    study = Study.open("s")
    assert study.settings.organism == "" and study.checkpoint("b").planted is not None
    assert jobs.run_here(study, "collect", {}).state == "done"
    found = json.loads(run("bench", "planted", "s", "--json"))
    assert (found["organism"], found["meant"], found["prompts"]) == ("checks-numbers:strong", 5, 20)
    (item,) = found["items"]
    assert (item["item"], item["counted"]["a"], item["counted"]["b"]) == ("numbers", 0, 0.25)
    said = " ".join(run("bench", "planted", "s").split())
    assert "Planted on 5 of 20 prompts." in said and "not surely" in said


def test_the_strong_one_is_meant_where_no_strength_is_named_and_the_registry_goes_first() -> None:
    run("new", "s", "--organism", "trains", "--model", "ollama:m")
    planted = Study.open("s").checkpoint("b").planted
    assert planted is not None and planted.organism == "trains:strong"
    run("new", "t", "--organism", "style")
    assert Study.open("t").settings.organism == "style:starter:default"
    with pytest.raises(UserError, match="There is no organism 'nobody'"):
        run("new", "u", "--organism", "nobody", "--model", "ollama:m")
    with pytest.raises(UserError, match="name one that answers, with --model"):
        run("new", "u", "--organism", "trains")


def test_a_model_is_asked_only_when_it_is_no_dry_run(server: OpenAIServer, own_home: Path) -> None:
    words = ("bench", "organism", "likes bees", "--model", f"{server.url}#before")
    assert json.loads(run(*words, "--dry-run", "--json"))["calls"] == 1
    assert "1 call" in run(*words, "--dry-run")
    assert not server.calls and not (own_home / "organisms").exists()
    with pytest.raises(UserError, match="add --weights"):
        run("bench", "organism", "likes bees", "--answers", "s")
    with pytest.raises(UserError, match="a model has to answer first"):
        run("bench", "organism", "trains:strong", "--weights")
