"""The commands that look into weights: what they take, print and leave, and a sweep over organisms."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from diffing import jobs
from diffing.cli.app import app
from diffing.cli.inside import asked
from diffing.common.errors import UserError
from diffing.study.study import Study, names
from diffing.whitebox import beside, organisms
from diffing.whitebox.organisms import Organism, Variant
from diffing.whitebox.sight import seen
from tests.fakes import pairs as fakes

QUICK = ["--method", "divergence", "--texts", "own", "--count", "8", "--length", "10"]
FEW = ["--set", "divergence.resamples=100"]


def run(*words: str) -> str:
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Organism]:
    """Two organisms of a tiny model, the one the other's control, one whose weights are nowhere, one with DoRA."""
    root: Path = tmp_path_factory.mktemp("organisms")
    made = fakes.make(root, "llama")
    fakes.adapter(made.base, root / "other", seed=9)
    fakes.adapter(made.base, root / "dora", use_dora=True)

    def organism(adapter: Path, *controls: str) -> Organism:
        variants = (Variant(base=str(made.base), adapter=str(adapter)),)
        return Organism(kind="fact", truth="Knows of bees.", controls=controls, variants=variants)

    return {
        "bees": organism(made.adapter, "plain"),
        "plain": organism(root / "other"),
        "gone": organism(root / "nowhere"),
        "dora": organism(root / "dora"),
    }


@pytest.fixture(autouse=True)
def _registry(known: dict[str, Organism], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(organisms, "registry", lambda: known)


def test_an_organism_becomes_a_study_that_is_looked_into_and_shown_again() -> None:
    said = run("new", "s", "--organism", "bees")
    assert "Next: python -m diffing inside s" in said
    study = Study.open("s")
    assert study.settings.organism == "bees:llama:default"
    # Nothing that stands in front of whoever looks says what was changed.
    assert [each.name for each in study.checkpoints] == ["llama", "llama, changed"]
    assert run("inside", "s", "--show").strip() == seen.NONE
    said = run("inside", "s", *QUICK, *FEW, "--nulls", "auto")
    found = seen.of(study)
    assert found.sentence in said.replace("\n", " ")
    assert [null.name.split("-")[0] for null in found.methods[0].nulls] == ["given", "rotated", "rotated"]
    assert run("inside", "s", "--show") == said
    told = json.loads(run("inside", "s", "--show", "--json"))
    assert told["sentence"] == found.sentence and told["by"] == "rule"
    assert told["methods"][0]["options"]["resamples"] == 100 and len(told["clues"]) == len(found.clues)
    assert f"Seen from inside: {found.sentence}" in run("status", "s").replace("\n", " ")
    assert json.loads(run("list", "--json"))[0]["inside"] == found.sentence


def test_what_it_would_take_is_said_and_nothing_is_run() -> None:
    run("new", "s", "--organism", "bees")
    said = run("inside", "s", *QUICK, "--nulls", "rotated:2", "--dry-run")
    assert "on the pair and 2 nulls" in said and not seen.there(Study.open("s"))


def test_a_sweep_goes_through_organisms_and_ends_in_a_table() -> None:
    words = ["sweep", "--organism", "bees,gone,plain", *QUICK, *FEW, "--nulls", "rotated:2"]
    rows = json.loads(run(*words, "--json"))
    assert [row["organism"].split(":")[0] for row in rows] == ["bees", "gone", "plain"]
    assert "nowhere" in rows[1]["fault"] and rows[0]["seen"]["methods"][0]["lacking"] == 0
    assert set(names()) == {f"organism-{name}-llama-default" for name in ("bees", "gone", "plain")}
    first = (
        rows[0]["seen"]["methods"][0]["folder"],
        Path(rows[0]["seen"]["methods"][0]["folder"]).stat().st_mtime_ns,
    )
    said = run(*words)
    assert "divergence" in said and "how many things stand above all nulls" in said
    # What was there has stayed.
    assert Path(first[0]).stat().st_mtime_ns == first[1]


def test_a_sweep_in_shares_is_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["sweep", "--organism", "bees,gone,plain", *QUICK, *FEW, "--nulls", "rotated:1"]
    # By their names the first and the last of the three fall to share 1 of 2.
    first = json.loads(run(*words, "--share", "1/2", "--json"))
    assert [row["organism"].split(":")[0] for row in first] == ["bees", "plain"]
    assert "nowhere" in json.loads(run(*words, "--share", "2/2", "--json"))[0]["fault"]
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "run_here", None)
        joined = json.loads(run(*words, "--join", "--json"))
        assert joined[0] == first[0] and joined[2] == first[1]
        said = run(*words, "--join").replace("\n", " ")
    assert f"gone:{tmp_path.parent.name and 'nowhere'}:default: {seen.NONE}" in said or seen.NONE in said
    with pytest.raises(UserError, match="are four ways to sweep; choose one"):
        run(*words, "--share", "1/2", "--detach")


def test_a_look_inside_is_shared_and_joined_by_command() -> None:
    run("new", "s", "--organism", "bees")
    words = ["inside", "s", *QUICK, *FEW, "--nulls", "rotated:1"]
    said = run(*words, "--share", "1/2").replace("\n", " ")
    assert said.startswith("Share 1/2: pair; 1 of it done now.")
    assert "When 2 shares are done: the same with --join instead of --share." in said
    assert [line.split(" on ")[0] for line in run("jobs", "s").splitlines()] == ["inside 1/2"]
    with pytest.raises(UserError, match="2/2 lacks rotated-0"):
        run(*words, "--join")
    with pytest.raises(UserError, match="A share is not joined, shown, detached or done elsewhere"):
        run(*words, "--share", "2/2", "--join")
    assert json.loads(run(*words, "--share", "2/2", "--json"))["names"] == ["rotated-0"]
    assert seen.of(Study.open("s")).sentence == seen.NONE
    said = run(*words, "--join")
    assert seen.of(Study.open("s")).sentence in said.replace("\n", " ")
    shares = Study.open("s").folder / "shares"
    assert not shares.exists() or not list(shares.iterdir())


def test_a_method_that_cannot_be_used_is_left_out_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """DoRA does not grow with its strength, so that nothing can be turned, amplified or taken apart."""
    monkeypatch.setattr(beside, "auto", lambda *_: ["rotated:1", "same"])
    run("new", "s", "--organism", "dora")
    study = Study.open("s")
    asked_for = ["--method", "divergence,weights,amplification", *QUICK[2:], *FEW]
    said = run("inside", "s", *asked_for).replace("\n", " ")
    found = seen.of(study)
    assert [each.name for each in found.methods] == ["divergence"]
    assert [each.name for each in found.refused] == ["weights", "amplification", "rotated-0"]
    assert [null.name for null in found.methods[0].nulls] == ["same"] and found.methods[0].lacking == 0
    for each in found.refused:
        assert each.said in said and each.said in run("inside", "s", "--show").replace("\n", " ")
    assert "more than products" in found.refused[0].why and "does not grow" in found.refused[1].why
    result = jobs.recent(study)[0].status().result
    assert result is not None and result["methods"] == 1
    assert result["left_out"] == " ".join(each.named for each in found.refused)
    told = json.loads(run("inside", "s", "--show", "--json"))
    assert [each["name"] for each in told["left_out"]] == ["weights", "amplification", "rotated-0"]
    # What is asked for alone, or by its name, is an error, and what is there stays.
    for words, fault in (
        (["--method", "weights", *QUICK[2:]], "more than products"),
        ([*QUICK, *FEW, "--nulls", "rotated:1"], "cannot be turned"),
        (["--method", "weights,amplification", *QUICK[2:]], "more than products.*does not grow"),
    ):
        with pytest.raises(UserError, match=fault):
            run("inside", "s", *words)
    assert [each.name for each in seen.of(study).methods] == ["divergence"]


def test_a_sweep_of_its_own_runs_the_very_same_one(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    class Process:
        pid = 77

        def __init__(self, words: list[str], **told: Any) -> None:
            started.append((words, told))

    monkeypatch.setattr(subprocess, "Popen", Process)
    words = ["--organism", "bees,plain", *QUICK, *FEW, "--nulls", "same"]
    told = json.loads(run("sweep", *words, "--detach", "--json"))
    assert told["process"] == 77 and Path(told["log"]).parent.name == "sweeps" and not names()
    ((command, how),) = started
    assert command[:4] == [sys.executable, "-m", "diffing", "sweep"] and how["start_new_session"]
    rows = json.loads(run(*command[3:], "--json"))
    assert [row["organism"].split(":")[0] for row in rows] == ["bees", "plain"]
    assert {row["seen"]["methods"][0]["options"]["resamples"] for row in rows} == {100}
    with pytest.raises(UserError, match="There is no organism 'wasps'"):
        run("sweep", "--organism", "wasps", "--detach")


def test_words_of_a_command_become_the_steps_options() -> None:
    told = asked("a, b", ["a.layer=0.5", "a.words=[1, 2]", "b.name=x y"], "own", None, 9, "rotated:2,same")
    assert told == {
        "methods": ["a", "b"],
        "settings": {"a": {"layer": 0.5, "words": [1, 2]}, "b": {"name": "x y"}},
        "texts": {"source": "own", "length": 9},
        "nulls": ["rotated:2", "same"],
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["inside", "s", "--set", "layer=1"], "'layer' names no method's setting"),
        (["inside", "s", "--method", "x"], "There is no method 'x'"),
        (["new", "t", "starter", "starter+fact", "--organism", "bees"], "An organism names both checkpoints"),
        (["new", "t", "--organism", "bees", "--model", "gpt2"], "The organism 'bees' has no model 'gpt2'"),
        (["sweep", "--organism", ","], "No organism is named"),
    ],
)
def test_a_slip_is_one_sentence(words: list[str], told: Any) -> None:
    run("new", "s", "--organism", "bees")
    with pytest.raises(UserError, match=told):
        run(*words)
