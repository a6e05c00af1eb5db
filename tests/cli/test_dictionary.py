"""The command that trains dictionaries: what it takes, prints and leaves."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from diffing import Study
from diffing.cli.app import app
from diffing.common.errors import UserError
from diffing.models import providers
from diffing.whitebox.dictionaries import job, judged, shelf
from tests.fakes import pairs as fakes

QUICK = ["--texts", "own", "--count", "20", "--length", "12", "--tokens", "1000", "--latents", "48", "--k", "4"]
OWN = ["--set", "batch=50", "--set", "rate=0.003"]


def run(*words: str, typed: str | None = None) -> str:
    result = CliRunner().invoke(app, ["dictionary", "s", *words], input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = fakes.make(tmp_path, "llama")
    return Study.create("s", [providers.parse(f"hf:{made.base}", "a"), providers.parse(made.low_rank, "b")])


def test_a_dictionary_is_trained_listed_shown_and_taken_away(study: Study) -> None:
    assert run("--list").strip() == "No dictionary yet."
    said = run(*QUICK, *OWN, "--name", "one")
    plain = " ".join(said.split())
    assert "A crosscoder of 48 latents at layer 2 of 5, on 1,000 tokens of" in plain
    assert "GiB of memory on cpu" in plain and "dictionaries of changes with nothing to find" in plain
    facts = shelf.facts(study, "one")
    assert (facts.options["rate"], facts.stream["batch"], facts.k, facts.tokens) == (0.003, 50, 4, 1000)
    shown = run("--show", "one")
    assert said.endswith(shown) and "trained on 1,000 tokens of" in " ".join(shown.split())
    told = json.loads(run("--show", "one", "--json"))
    shares = [row["share"] for row in told["latents"]]
    assert shares == sorted(shares, reverse=True) and 0 < len(shares) <= 20 and told["learnt"]["step"] == 20
    table = shelf.table(study, "one", "latents")
    assert told["latents"][0]["latent"] == table["share"].idxmax() and told["latents"][0]["writes"]
    run("--kind", "difference", *QUICK, *OWN)
    assert "dictionary s --judge difference" in " ".join(run("--show", "difference").split())
    quick = ["--nulls", "rotated:2", "--most", "2", "--set", 'trial={"texts": 2, "controls": 2}']
    plain = " ".join(run("--judge", "difference", *quick).split())
    assert "5 dictionaries more are trained like it, on 5,000 tokens together" in plain
    sentence = judged.needed(study, "difference").sentence
    assert sentence in plain and sentence in " ".join(run("--show", "difference").split())
    said = json.loads(run("--show", "difference", "--json"))["judged"]
    assert said["sentence"] == sentence and [row["of"] for row in said["nulls"]][0] == "this pair"
    listed = run("--list")
    assert "one" in listed and "difference" in listed and "2 of 5" in listed
    assert [row["name"] for row in json.loads(run("--list", "--json"))["dictionaries"]] == ["difference", "one"]
    with pytest.raises(UserError, match="say --yes"):
        run("--remove", "one")
    assert "is gone" in run("--remove", "one", "--yes")
    assert shelf.names(study) == ["difference"]


def test_it_can_be_had_from_python(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {
        "texts": {"source": "own", "count": 20, "length": 12},
        "tokens": 500,
        "latents": 40,
        "batch": 50,
        "k": 4,
    }
    found = study.dictionary("one", **asked)
    assert found.written == "s/one" and found.facts.latents == 40 and found.load().shape.latents == 40
    assert len(found.table("latents")) == 40 and len(found.curves) == 1 and found.outdated == ""
    monkeypatch.setattr(job, "trained", None)
    assert study.dictionary("one", **asked) == found


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "color=1"], "dictionary cannot run: color"),
        (["--set", "k"], "'k'"),
        (["--layer", "2"], "dictionary cannot run: layer"),
        (["--name", "a b"], "'a b' is no name of a dictionary"),
        (["--show", "two"], "has no dictionary 'two'"),
        (["--judge", "two"], "has no dictionary 'two'"),
        (["--remove", "two", "--yes"], "has no dictionary 'two'"),
        (["--set", "difference=-2"], "dictionary cannot run: difference"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(study: Study, words: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        run(*words)
    assert shelf.names(study) == []
