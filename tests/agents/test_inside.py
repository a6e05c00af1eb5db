"""An agent that looks into weights: it is told what methods point at, and not what is known of the change."""

import json
from pathlib import Path

import pandas as pd

from diffing import Study
from diffing.models import providers
from tests.fakes import pairs as fakes
from tests.fakes.agent import Agent, text


def test_what_methods_point_at_is_told_and_neither_organism_nor_source(tmp_path: Path) -> None:
    made = fakes.make(tmp_path / "secret-bees", "llama")
    sides = [providers.parse(f"one=hf:{made.base}", "a"), providers.parse(f"two={made.low_rank}", "b")]
    study = Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}), organism="control:starter:default")
    agent = Agent()
    refused = agent.call("inside", study="s")
    assert refused.is_error and "start the step 'inside'" in text(refused)
    assert agent.told("estimate", study="s", step="inside")["dollars"] == 0
    study.run("inside", methods=["divergence"], texts={"count": 8, "length": 10}, nulls=["rotated:2"])
    told = agent.told("inside", study="s")
    assert told["methods"][0]["method"] == "divergence" and told["methods"][0]["nulls"] == 2
    assert told["things"] and told["things"][0]["null_high"] is not None
    alone = agent.told("inside", study="s", method="divergence")
    whole = {each["what"].strip() or each["what"] for each in alone["things"]}
    assert {each["what"] for each in told["things"]} & whole
    assert "held_out" not in json.dumps([told, alone])
    for said in (told, alone, agent.told("status", study="s"), agent.told("studies")):
        assert not any(word in json.dumps(said) for word in ("bees", "control", "llama-adapter"))
