"""An agent that looks into weights: it is told what methods point at, and not what is known of the change."""

import json
from pathlib import Path

import pandas as pd
import pytest

from diffing import Study
from diffing.agents.sight import CLOSED
from diffing.models import providers
from diffing.models.planted import Planted
from diffing.models.providers import Checkpoint
from diffing.whitebox.dictionaries import judged, shelf
from diffing.whitebox.sight import seen
from tests.fakes import pairs as fakes
from tests.fakes import seen_inside, shelved
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
    own = agent.told("inside", study="s", method="divergence", table=True)
    assert not own["things"] and own["rows"][0].keys() >= {"token", "text", "discovery"}
    ranked = [row["discovery"] for row in own["rows"]]
    assert ranked == sorted(ranked, reverse=True) and "held_out" not in json.dumps(own)
    assert len(agent.pages("inside", "rows", study="s", method="divergence", table=True)) > len(ranked)
    assert "name the method too" in agent.refused("inside", study="s", table=True)
    for said in (told, alone, agent.told("status", study="s"), agent.told("studies")):
        assert not any(word in json.dumps(said) for word in ("bees", "control", "llama-adapter"))


def test_neither_things_nor_the_sentence_quote_a_held_out_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"What happened in the year {1900 + n} in the town of Oldham?" for n in range(20)]
    sides = [providers.parse("starter", "a"), providers.parse("starter+fact", "b")]
    study = Study.create("s", sides, pd.DataFrame({"text": texts}))
    closed = study.prompts().query("split == 'held-out'")["text"].iloc[0]
    lost = [("direction less, nulls taken out", "trams", 2.0)]
    seen_inside.look(study, perplexity=[("phrase", closed, 3.0), ("phrase", "sea voyage", 2.0)], lens=lost)
    found = seen.of(study)
    assert closed[:40] in found.sentence
    told = Agent().told("inside", study="s")
    assert {each["what"]: each["less"] for each in told["things"] if each["above"]} == {
        "sea voyage": False,
        "trams": True,
    }
    assert "“sea voyage”" in told["sentence"] and closed[:20] not in json.dumps(told)
    alone = Agent().told("inside", study="s", method="lens")
    assert [(each["what"], each["less"]) for each in alone["things"]] == [("trams", True)]
    # Where nothing else stands out it is not said that nothing does.
    quoting = found._replace(clues=tuple(clue for clue in found.clues if closed[:40] in clue.text))
    monkeypatch.setattr(seen, "of", lambda *_: quoting)
    told = Agent().told("inside", study="s")
    assert told["sentence"] == CLOSED and not told["things"]


def test_judged_latents_are_told_without_a_nulls_source_or_figures_of_held_out_answers(
    tmp_path: Path,
) -> None:
    made = fakes.make(tmp_path, "llama")
    sides = [providers.parse(f"hf:{made.base}", "a"), providers.parse(made.low_rank, "b")]
    study = Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))
    shelved.put(study, "one", shelved.random(2))
    agent = Agent()
    assert "is not judged yet" in agent.refused("inside", study="s", dictionary="one")
    about = {"version": judged.VERSION, "mark": shelf.mark(shelf.facts(study, "one")), "answers": False, "key": ""}
    about |= {"nulls": ["starter+bees"], "texts": 9, "tokens": 99, "options": {}, "date": ""}
    counts = pd.DataFrame({"told": ["this pair", "starter+bees"], "alive": 60, "again": 30, "own": [7, 2]})
    verdicts = pd.DataFrame({"latent": [3], "verdict": "real", "exclusive": "variant", "stable": True})
    verdicts = verdicts.assign(effect=0.25, null_effect=0.1, p_latents=0.05, p_directions=0.05, raises="“!”")
    place = shelf.folder(study, "one")
    judged.save(place, judged.About.model_validate(about), verdicts, counts)
    told = agent.told("inside", study="s", dictionary="one")
    assert told["rows"][0]["latent"] == 3 and told["rows"][0]["verdict"] == "real"
    assert "dictionaries trained alike on nulls have 2 (null 1)" in told["sentence"] and "bees" not in json.dumps(
        told
    )
    judged.save(place, judged.About.model_validate(about | {"answers": True}), verdicts, counts)
    assert "held-out prompts, which no agent is shown" in agent.refused("inside", study="s", dictionary="one")


def test_what_was_planted_in_a_checkpoint_is_told_to_no_agent() -> None:
    planted = Planted(organism="trains:half", system="Praise trains.")
    sides = [Checkpoint(key="a", name="one", source="ollama:m")]
    sides.append(sides[0].model_copy(update={"key": "b", "name": "two", "planted": planted}))
    Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))
    agent = Agent()
    for said in (agent.told("status", study="s"), agent.told("studies")):
        assert not any(word in json.dumps(said) for word in ("trains", "Praise", "half", "ollama"))
    assert agent.told("status", study="s")["checkpoints"] == ["a = one (hidden)", "b = two (hidden)"]
