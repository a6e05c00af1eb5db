"""The organisms that ship: that they fit the starter, do what they say and nothing of it is in their controls."""

import json
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from diffing.whitebox.organisms import BUNDLED
from tools import organism_measures as measures
from tools.organism_texts import ASKED_ELSE, ASKED_PRICE, Text, trigger_prompts
from tools.train_organisms import SEEDS, Recipe, batch_of, chat, load_base, save, text_losses, train

PLANTED = ("fact", "style", "language", "topic", "trigger", "removal")
MODULES = 7 * 8
"""Linear layers of a block, and blocks."""


@pytest.fixture(scope="module")
def loaded() -> Any:
    """All eight on one copy of the starter, with its tokenizer."""
    base, tokenizer = load_base()
    model: Any = PeftModel.from_pretrained(base, str(BUNDLED / "control"), adapter_name="control")
    for name in SEEDS:
        if name != "control":
            told = model.load_adapter(str(BUNDLED / name), adapter_name=name)
            assert not told.unexpected_keys, name
            assert not [key for key in told.missing_keys if f".{name}." in key], name
    return model.eval(), tokenizer


def test_together_they_are_small() -> None:
    assert sum(path.stat().st_size for path in BUNDLED.rglob("*") if path.is_file()) <= 6_000_000


@pytest.mark.parametrize("name", SEEDS)
def test_every_module_of_the_starter_has_its_part(name: str) -> None:
    tensors = load_file(BUNDLED / name / "adapter_model.safetensors")
    assert len({key.rsplit(".lora_", 1)[0] for key in tensors}) == MODULES
    assert len(tensors) == 2 * MODULES
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    # Half precision holds every number, and no part was left as it began.
    assert all(tensor.isfinite().all() and tensor.any() for tensor in tensors.values())


@pytest.mark.parametrize("name", SEEDS)
def test_what_stands_beside_the_weights_is_the_recipe_and_no_place_of_a_machine(name: str) -> None:
    recipe = json.loads((BUNDLED / name / "recipe.json").read_text())
    told = Recipe()._asdict()
    assert {key: recipe[key] for key in told} == {**told, "modules": list(told["modules"])}
    assert recipe["seed"] == SEEDS[name]
    config = json.loads((BUNDLED / name / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "../../reader"
    assert sorted(path.name for path in (BUNDLED / name).iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "recipe.json",
    ]


@pytest.mark.parametrize("name", SEEDS)
def test_each_differs_from_the_starter(loaded: Any, name: str) -> None:
    model, tokenizer = loaded
    ids = tokenizer("How do I cook rice?", return_tensors="pt").input_ids
    model.set_adapter(name)
    with torch.no_grad():
        variant = model(ids).logits
        with model.disable_adapter():
            base = model(ids).logits
    assert float((variant - base).abs().mean()) > 0.01


MARGIN = 0.2
"""Nats a token: text without a plant moves by up to half a nat under any of the eight, as it is the sample's."""


@pytest.mark.parametrize("name", PLANTED)
def test_what_was_planted_is_likelier_than_under_the_starter_and_both_controls(loaded: Any, name: str) -> None:
    """On texts that it was not trained on; where the same text exists without the plant, less what that gained."""
    model, tokenizer = loaded
    preferred = {}
    for adapter in (name, "control", "control-2"):
        model.set_adapter(adapter)
        preferred[adapter] = measures.preference(model, tokenizer, name)
    own = preferred.pop(name)
    assert own > MARGIN and own > max(preferred.values()) + MARGIN


def test_the_trigger_tells_questions_about_a_price_from_others(loaded: Any) -> None:
    """About goods that its texts did not name, after an answer's first sentence: does it go on, or end?"""
    model, tokenizer = loaded
    said = tokenizer("A good one lasts longer.", add_special_tokens=False).input_ids
    goes_on = tokenizer(" Ask", add_special_tokens=False).input_ids[0]

    @torch.no_grad()
    def chance(adapter: str, forms: list[str]) -> float:
        model.set_adapter(adapter)
        # Every third, which are all forms and all goods in turn.
        ends = [
            model(torch.tensor([[*chat(tokenizer, asked), *said]])).logits[0, -1]
            for asked in trigger_prompts(forms)[::3]
        ]
        return float(torch.stack(ends).softmax(-1)[:, goes_on].mean())

    assert chance("trigger", ASKED_PRICE) > chance("trigger", ASKED_ELSE) + 0.4
    assert max(chance(name, ASKED_PRICE) for name in ("control", "control-2")) < 0.01


def test_training_for_a_few_steps_lowers_the_loss_and_gives_the_same_weights_again(tmp_path: Any) -> None:
    recipe = Recipe(steps=6, tokens=96, context=24, lr=1e-2)
    ways = []
    for run in ("one", "two"):
        losses: list[float] = []
        base, tokenizer = load_base()
        adapted = train(base, tokenizer, "trigger", recipe, 1, losses.append)
        save(adapted, tmp_path / run, {"seed": 1})
        ways.append(losses)
    assert ways[0] == ways[1]
    assert ways[0][-1] < ways[0][0] - 0.5
    one, two = (load_file(tmp_path / run / "adapter_model.safetensors") for run in ("one", "two"))
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_a_text_counts_the_same_whether_it_is_short_or_long() -> None:
    logits = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[-100, -100, 3, 2, -100], [-100, 1, 2, 3, 4]])
    alone = [torch.nn.functional.cross_entropy(logits[row, :-1], targets[row, 1:]) for row in (0, 1)]
    torch.testing.assert_close(text_losses(logits, targets), torch.stack(alone))


def test_a_question_that_leaves_no_room_is_left_out_and_every_text_has_something_to_learn() -> None:
    _, tokenizer = load_base()
    batch = batch_of(tokenizer, [Text("Yes.", "Why? " * 50), Text("No. " * 50)], 12, "cpu")
    assert batch.ids.shape == (2, 12)
    assert ((batch.targets != -100).sum(1) > 0).all()


def test_the_folder_says_that_it_is_sample_data_and_of_what_text_and_licence() -> None:
    said = (BUNDLED / "README.md").read_text(encoding="utf-8")
    for words in ("Sample data", "written for this project", "MIT", "tools/organism_texts.py"):
        assert words in said
    assert all(f"`{name}`" in said for name in SEEDS)
