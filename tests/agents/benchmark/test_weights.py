"""Pairs of weights: asked and looked into once, in both orders of A and B, under names that tell nothing."""

from pathlib import Path
from typing import Any

import pytest
from inspect_ai.log import EvalSample, read_eval_log
from inspect_ai.model import ModelOutput

from diffing import jobs
from diffing.agents.benchmark import pairs, running, truth, weights
from diffing.models.local import parse
from diffing.study.study import Study
from diffing.whitebox import beside, organisms
from diffing.whitebox.sight import seen
from tests.fakes import pairs as fakes
from tests.fakes.bench_agents import calls, played, silent
from tests.fakes.pairs import Folders

TOLD = """\
name = "bees"
tier = 2
kind = "topic"
sentence = "Speaks of bees."

[made]
by = "weights"
source = "{source}"

[[items]]
name = "bees"
area = "The topic."
behaviour = "Speaks of bees."
count = "words:bees"
"""
OPTIONS = running.Options(
    arms=["inside:divergence", "blackbox"], organisms=["bees"], epochs=2, prompts=20, name="two", at_once=1
)


def looking(messages: list[Any]) -> ModelOutput:
    """Asks what the weights show where it can, then hands in nothing."""
    done = [message for message in messages if message.role == "tool"]
    return calls("inside") if not done and "look into" in str(messages) else silent(messages)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return fakes.make(tmp_path_factory.mktemp("telltale"), "llama")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, folders: Folders) -> Path:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home))
        truth.own_folder().mkdir(parents=True)
        (truth.own_folder() / "bees.toml").write_text(TOLD.format(source=folders.low_rank))
        # Controls would be trained, which takes a while; turned changes are enough here.
        patch.setattr(beside, "SMALL", 0)
        running.run(OPTIONS, played(looking))
    return home


@pytest.fixture(scope="module")
def samples(home: Path) -> list[EvalSample]:
    logs = [read_eval_log(str(path)) for path in (home / "bench" / "logs" / "two").glob("*.eval")]
    return [sample for log in logs for sample in log.samples or []]


def test_an_inside_arm_is_shown_what_the_variant_has_beyond_its_base_whichever_is_a(
    samples: list[EvalSample],
) -> None:
    mine = [sample for sample in samples if sample.metadata["arm"] == "inside:divergence"]
    assert sorted(bool(sample.store["swapped"]) for sample in mine) == [False, True]
    shown = []
    for sample in mine:
        told = next(m for m in sample.messages if m.role == "tool" and m.function == "inside")
        assert told.error is None and "Divergence by token" in told.text
        base, variant = ("b", "a") if sample.store["swapped"] else ("a", "b")
        assert f"a: {base}\n" in told.text and f"b: {variant}\n" in told.text
        shown.append(told.text.partition("sentence:")[2])
    assert shown[0] == shown[1]
    # An arm without it has no such tool.
    assert not [
        m for s in samples if s.metadata["arm"] == "blackbox" for m in s.messages if "Divergence" in m.text
    ]


def test_no_study_that_is_shown_names_what_it_is_of(
    home: Path, folders: Folders, samples: list[EvalSample]
) -> None:
    studies = [path for path in (home / "bench" / "home" / "studies").iterdir() if path.name.startswith("pair-")]
    assert len(studies) == 2
    for study in studies:
        text = "".join(
            path.read_text(errors="replace") for path in study.rglob("*") if path.suffix in (".toml", ".json")
        )
        assert folders.adapter.name not in text and "bees" not in text
    assert "telltale-adapter" not in str([sample.messages for sample in samples])


def test_it_is_asked_and_looked_into_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFING_HOME", str(home))
    monkeypatch.setattr(beside, "SMALL", 0)
    (chosen,) = truth.chosen(truth.known(), ["bees"])
    with pairs.at_home():
        made = next(Study.open(path.name) for path in (home / "bench/home/studies").glob("made-*"))
        orders = [pairs.order(chosen, epoch, 0, OPTIONS.source) for epoch in (1, 2)]
        ready = [pairs.ready(order, False, ("divergence",)) for order in orders]
        # For two arms in two orders, and once more here.
        assert [each.spec["kind"] for each in jobs.recent(made)].count("inside") == 1
        for order, study in zip(orders, ready, strict=True):
            base, variant = ("b", "a") if order.swapped else ("a", "b")
            assert seen.of(study, base, variant).method("divergence").outdated == ""


def test_bundled_organisms_have_tasks_and_controls_are_nulls() -> None:
    mine = {each.name: each for each in truth.read().values() if each.tier == 2}
    named = {each.made.source.split(":")[0]: each for each in mine.values()}
    assert set(named) == {name for name, each in organisms.registry().items() if each.variants[0].ships}
    for name, each in named.items():
        assert each.null == organisms.find(name).organism.null
        whole = truth.Chosen(each, truth.WHOLE)
        sources = weights._sources(whole, weights._registered(whole))
        assert sources[0] == parse("starter") and sources[1].adapter is not None
