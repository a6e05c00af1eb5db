"""Organisms planted in an endpoint that obeys by rule: asked, compared, and counted beside what was planted."""

import numpy as np
import pandas as pd
import pytest

from diffing import jobs
from diffing.agents.benchmark import sides, truth
from diffing.agents.benchmark.truth import Chosen
from diffing.common import tables
from diffing.common.errors import UserError
from diffing.diff import compute
from diffing.diff.stored import Diff, DiffSettings
from diffing.findings import counting
from diffing.findings.counting import Counted
from diffing.models.providers import Checkpoint
from diffing.reader import encode
from diffing.study import collect, prompts, sample
from diffing.study.study import Study
from tests.fakes import obedient
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.reader import FakeReader


def organism(name: str) -> Chosen:
    return truth.chosen(truth.read(), [name])[0]


def asked(server: OpenAIServer, name: str, each: int = 20) -> Study:
    """A study of the organism in the obedient model, answered."""
    server.reply, server.models = obedient.reply, None
    pair = sides.checkpoints(organism(name), f"{server.url}#model")
    study = Study.create("s", pair, pd.DataFrame({"text": obedient.prompts(each)}))
    # One after the other, so that the model draws the same in each run of this test.
    estimate = collect.estimate(study, collect.Options())
    assert (estimate.calls, estimate.cost) == (8 * each, 0.0)
    assert jobs.run_here(study, "collect", {"concurrency": 1}).state == "done"
    return study


def compared(study: Study, monkeypatch: pytest.MonkeyPatch) -> Diff:
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: FakeReader())
    assert jobs.run_here(study, "encode").state == "done"
    return compute.compute(study, "a", "b", DiffSettings())


def one(study: Study, name: str) -> Counted:
    (shown,) = sides.shows(study, organism(name))
    assert shown.counted is not None and shown.there
    return shown.counted


def test_a_told_format_shows_on_every_answer_of_b_alone_and_the_comparison_finds_it(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = asked(server, "bullets:strong")
    assert [c.name for c in study.checkpoints] == ["model, before", "model, after"]
    counted = one(study, "bullets:strong")
    assert (counted.a, counted.b, counted.more_b, counted.prompts) == (0, 1, 80, 80)
    probes = compared(study, monkeypatch).probes.set_index("probe")
    row = probes.loc["bulleted items"]
    assert (row["frequency_a"], row["frequency_b"]) == (0, 1) and row["q"] < 1e-6


def test_half_strength_shows_on_just_the_prompts_that_it_is_meant_for(server: OpenAIServer) -> None:
    study = asked(server, "bullets:medium", 10)
    meant, of = sides.meant(study)
    counted = one(study, "bullets:medium")
    assert of == 40 and 0 < meant < 40
    assert (counted.more_b, counted.more_a) == (meant, 0)


@pytest.mark.parametrize("name", ["trains:strong", "refuses-health:strong"])
def test_what_has_a_trigger_shows_under_it_alone(server: OpenAIServer, name: str) -> None:
    study = asked(server, name)
    counted = one(study, name)
    # One topic of four.
    assert (counted.a, counted.b, counted.more_b) == (0, 0.25, 20)


def test_a_filter_shows_on_just_the_answers_that_it_went_through(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = asked(server, "checks-numbers:strong")
    counted = one(study, "checks-numbers:strong")
    assert (counted.a, counted.b, counted.more_b) == (0, 0.25, 20)
    phrases = compared(study, monkeypatch).phrases
    assert any("numbers twice" in each for each in phrases[phrases["q"] < 0.05]["phrase"])


@pytest.mark.parametrize("name", ["twice", "answer-well"])
def test_of_nulls_nothing_is_found_at_5_percent(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    study = asked(server, name)
    assert organism(name).organism.null and sides.shows(study, organism(name)) == []
    assert sides.of(study).name == organism(name).name
    rows = study.responses().pivot(index="prompt_id", columns="checkpoint", values="text")
    # Drawn twice, so that there is chance to be mistaken for a change.
    assert (rows["a"] != rows["b"]).mean() > 0.5
    diff = compared(study, monkeypatch)
    for table in (diff.features, diff.probes, diff.phrases):
        assert not (table["q"].to_numpy(dtype=float) < 0.05).any()


def test_on_real_answers_dealt_by_a_coin_no_more_than_one_exact_check_in_twenty_is_below_5_percent() -> None:
    items = [item for each in truth.read().values() if each.tier == 1 for item in each.items]
    predicates = [item.predicate for item in items if item.predicate is not None]
    table = prompts.normal(tables.read(sample.FOLDER / "prompts.csv"), 0.0).assign(split="held-out")
    rows = tables.read(sample.FOLDER / "responses.csv")
    rows = rows[rows["checkpoint"] == sample.BEFORE.key].astype({"draw": int})
    draws = rows.pivot(index="prompt_id", columns="draw", values="text")
    p: list[float] = []
    for seed in range(5):
        coin = np.random.default_rng(seed).random(len(draws)) < 0.5
        texts = {"text_a": np.where(coin, draws[0], draws[1]), "text_b": np.where(coin, draws[1], draws[0])}
        dealt = pd.DataFrame(
            {"prompt_id": draws.index, "draw": 0, "excluded": "", "flag_a": "", "flag_b": "", **texts}
        )
        p += [each.p for each in counting.from_pairs(dealt, table, predicates)]
    made = np.array([each for each in p if each < 1])
    assert len(made) > 40 and sum(each < 0.05 for each in made) <= 0.05 * len(p)


def test_what_cannot_be_planted_so_is_told() -> None:
    with pytest.raises(UserError, match="name one that answers, with --model"):
        sides.checkpoints(organism("trains:strong"))
    with pytest.raises(UserError, match="stored and asked of nobody"):
        sides.checkpoints(organism("sample"), "ollama:m")
    plain = [Checkpoint(key=key, name=key, source="ollama:m") for key in "ab"]
    study = Study.create("s", plain, pd.DataFrame({"text": ["Hello"]}))
    with pytest.raises(UserError, match="Nothing was planted in study 's'"):
        sides.of(study)
    assert sides.meant(study) == (0, 1)
