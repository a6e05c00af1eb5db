"""What a server was told holds: steps, options and models."""

import pytest

from diffing.agents.terms import StepOptions, Terms
from diffing.common.errors import UserError


def test_words_of_the_command_line_are_steps_that_cost_money() -> None:
    assert Terms.told(["collect, verify", "label"]).may == {"collect", "verify", "label"}
    with pytest.raises(UserError, match="'encode' is no step that costs money; --may takes collect, label"):
        Terms.told(["encode"])
    told = Terms.told(["ask"], max_dollars=2.5, held_out=True, models=("hf:x",))
    assert Terms.read(told.plain()) == Terms(frozenset({"ask"}), 2.5, True, ["hf:x"])


def test_a_step_takes_its_own_options_alone() -> None:
    terms = Terms()
    assert terms.options("collect", StepOptions(limit=3)) == {"limit": 3}
    with pytest.raises(UserError, match="'encode' takes no 'model'; it takes prompts."):
        terms.options("encode", StepOptions(model="openai:gpt-4o"))


def test_the_weights_are_looked_into_without_naming_texts_or_nulls() -> None:
    told = Terms().options("inside", StepOptions(a="x", b="y", methods=["lens"], texts=40))
    assert told == {"base": "x", "variant": "y", "methods": ["lens"], "texts": {"count": 40}}
    assert not Terms().pays("inside", told) and Terms().options("inside", StepOptions()) == {}


def test_a_plain_draft_costs_nothing_and_one_by_a_model_does() -> None:
    terms = Terms()
    assert not terms.pays("draft", {"most": 3}) and not terms.pays("report", {})
    assert terms.pays("draft", {"model": "openai:gpt-4o"}) and terms.pays("collect", {})


@pytest.mark.parametrize(
    "written",
    [
        *("http://127.0.0.1:9/v1#m", "https://evil.example/v1#m", "ollama:llama3", "vllm:m", "hf:/etc", "import"),
        *("Name=http://127.0.0.1:9/v1#m", "openai=http://127.0.0.1:9/v1#m", "", "named:m", "hf:named-not"),
    ],
)
def test_an_agent_names_no_model_at_an_address_of_its_own(written: str) -> None:
    with pytest.raises(UserError, match="This server may not ask"):
        Terms(models=("hf:named",)).check_model(written)


@pytest.mark.parametrize(
    "written", ["openai:gpt-4o", "A=openrouter:x/y", "gemini:g", "hf:named", "B=http://h/v1#m", "http://h/v1#n"]
)
def test_known_providers_and_what_a_person_named_may_be_asked(written: str) -> None:
    Terms(models=("hf:named", "http://h/v1#*")).check_model(written)
