"""A study seen through a channel: what was planted in one is found there, and nowhere else."""

import json

import pytest
from typer.testing import CliRunner

from diffing import Study, UserError
from diffing.cli.app import app
from diffing.diff import answer, stored
from diffing.study import study as studies
from diffing.study.channels import Channel
from tests.fakes import channel_study


def sentence(study: studies.Study) -> str:
    return answer.sentence(stored.load(study, "a", "b"))


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    channel_study.make(monkeypatch)
    return Study.open("thinking")


def held(study: Study) -> dict[str, bytes]:
    """What lies in its folder, jobs apart."""
    found = [path for path in study.folder.rglob("*") if path.is_file() and "jobs" not in path.parts]
    return {str(path.relative_to(study.folder)): path.read_bytes() for path in found}


def test_a_habit_of_reasoning_is_found_in_the_reasoning_and_not_in_the_text(study: Study) -> None:
    study.run("encode")
    study.diff()
    assert sentence(study).startswith("Nothing changed: the answers are identical on 150 of 150")
    before = held(study)
    seen = study.through("reasoning")
    seen.run("encode")
    table = seen.diff()
    assert table.loc[0, "delta"] > 0.8 and table.loc[0, "replicated"]
    told = sentence(seen)
    assert told.startswith("100 of 150 prompts have reasoning on both sides. In the reasoning: ")
    assert "B more often speaks of itself as I" in told
    found = answer.behaviours(stored.load(seen, "a", "b"))
    assert any(each.confirmed == "yes" and each.direction == "B" and 0 in each.features for each in found)
    # What there was is as it was: a channel's files lie beside the text's.
    assert {name: held(study)[name] for name in before} == before
    assert sentence(study).startswith("Nothing changed")


@pytest.mark.parametrize("channel", ["tools", "reasoning"])
def test_sides_exchanged_by_a_coin_give_nothing(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    channel_study.make(monkeypatch, alike=True)
    seen = Study.open("thinking").through(channel)
    seen.run("encode")
    seen.diff()
    assert "In the" in sentence(seen) and "No change was confirmed on" in sentence(seen)


def test_commands_read_compare_and_answer_by_channel(study: Study) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(app, [*words])
        assert done.exception is None, done.output
        return done.stdout

    assert "'answer thinking --channel reasoning' says" in run("encode", "thinking", "--channel", "reasoning")
    told = json.loads(run("answer", "thinking", "--channel", "reasoning", "--json"))
    assert told["sentence"] == sentence(study.through("reasoning"))
    summary = json.loads(run("diff", "thinking", "--channel", "reasoning", "--json"))
    assert summary["channel"] == {"channel": "reasoning", "prompts": 150, "both": 100, "a": 101, "b": 100}
    with pytest.raises(UserError, match=r"diff thinking --a a --b b --channel tools`"):
        stored.load(study.through("tools"), "a", "b")
