"""Pairs of one endpoint: collected once, an organism planted in the second, none of that for agents to see."""

from pathlib import Path

import pytest

from diffing.agents.benchmark import pairs, planting, running, truth
from diffing.agents.benchmark.grading import exact
from diffing.agents.benchmark.planting import Source
from diffing.common.errors import UserError
from diffing.study.study import Study
from tests.agents.benchmark.test_grading import made
from tests.fakes.openai_server import Call, OpenAIServer

ORGANISM = "exclaims:strong"


def source(server: OpenAIServer) -> Source:
    return Source(f"{server.url}#before", 26)


def answering(call: Call) -> str:
    return f"That has {len(call.prompt)} letters. It has an end."


def test_a_pair_of_an_endpoint_is_collected_once_for_both_orders(server: OpenAIServer, own_home: Path) -> None:
    server.reply = answering
    chosen = truth.chosen(truth.known(), [ORGANISM])[0]
    assert chosen.planted is not None
    with pairs.at_home():
        orders = [pairs.order(chosen, epoch, 0, source(server)) for epoch in (1, 2)]
        studies = [pairs.ready(order, read=False) for order in orders]
        asked = len(server.calls)
        assert asked in (26, 52)
        assert {study.checkpoints[1].planted for study in studies} == {None}
        assert {each.source for study in studies for each in study.checkpoints} == {"import"}
        said = "".join((study.folder / "study.toml").read_text() for study in studies)
        assert "exclaim" not in said and server.url not in said
        rows = [study.responses().set_index(["prompt_id", "checkpoint"])["text"] for study in studies]
        for prompt in studies[0].prompts()["id"]:
            assert (rows[0][prompt, "a"], rows[0][prompt, "b"]) == (rows[1][prompt, "b"], rows[1][prompt, "a"])
        # Another organism asks for the second side alone, if at all.
        pairs.ready(pairs.order(truth.chosen(truth.known(), ["twice"])[0], 1, 0, source(server)), read=False)
        assert len(server.calls) <= asked + 26
    assert not (own_home / "studies").exists()


def test_what_was_planted_is_what_the_items_count(server: OpenAIServer) -> None:
    server.reply = answering
    chosen = truth.chosen(truth.known(), [ORGANISM])[0]
    with pairs.at_home():
        study = pairs.ready(pairs.Order(chosen, False, 0, source(server)), read=False)
        item = chosen.items[0]
        told = exact(made(more=item.more, count=item.count), chosen.organism, pairs.texts(study))
        assert told is not None and told.item == item.name
        rows = study.responses()
        assert set(rows["text"].str.endswith("!") == (rows["checkpoint"] == "b")) == {True}


def test_without_an_endpoint_a_pair_cannot_be_made_and_one_that_fails_says_so(server: OpenAIServer) -> None:
    chosen = truth.chosen(truth.known(), [ORGANISM])[0]
    with pytest.raises(UserError, match="name one with --pairs-from"):
        planting.answers(chosen, 0, pairs.NOBODY)
    server.models = ()
    with pairs.at_home(), pytest.raises(UserError, match="could not be collected"):
        planting.answers(chosen, 0, source(server))
    assert not Study.list()


def test_prompts_are_of_every_kind_alike_many() -> None:
    table = planting.spread(130)
    assert table["category"].value_counts().to_dict() == dict.fromkeys(table["category"].unique(), 10)
    assert planting.spread(26)["text"].is_unique


def test_a_plan_of_tier_1_counts_what_is_to_be_collected() -> None:
    options = running.Options(arms=["battery"], organisms=["trains:strong", "twice"], epochs=1, prompts=100)
    told = running.taking(options)
    assert (told.runs, told.calls) == (2, 2 + 100 * 3)
    every = running.plan(running.Options(tiers=[1]))
    assert {each.organism.tier for arm in every for each in arm.chosen} == {1}
    assert any(each.organism.null for each in every[0].chosen)
