"""The command that lists organisms and tells about one."""

import json

import pytest
from typer.testing import CliRunner

from diffing.cli.organisms import app
from diffing.common.errors import UserError
from diffing.whitebox.organisms import registry


def run(*words: str) -> str:
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_all_are_listed_with_kind_models_and_truth() -> None:
    told = json.loads(run("--json"))
    assert [row["organism"] for row in told] == list(registry())
    assert told[1] == {
        "organism": "style",
        "kind": "style",
        "models": ["starter"],
        "truth": "Ends its sentences with two exclamation marks instead of a full stop.",
    }
    assert "Ends its sentences with two exclamation marks" in run()


def test_one_is_told_with_its_facts_its_trigger_and_where_its_weights_are() -> None:
    said = run("trigger")
    assert "What brings it about: A question about the price of something." in said
    assert "control, control-2" in said and "starter+trigger" in said
    told = json.loads(run("taboo_gold:gemma-2-9b-it:mix1-10p0", "--json"))
    assert told["organism"] == "taboo_gold" and told["null"] is False
    assert told["variants"] == [
        {
            "model": "gemma-2-9b-it",
            "variant": "mix1-10p0",
            "weights": "hf:google/gemma-2-9b-it+bcywinski/gemma-2-9b-it-taboo-gold",
            "here": False,
            "note": "10 ordinary texts for each of its own",
        }
    ]
    assert json.loads(run("fact", "--json"))["variants"][0]["here"] is True


def test_of_several_variants_all_are_shown_and_a_moved_adapter_says_so() -> None:
    rows = json.loads(run("cake_bake:Qwen3-1.7B-Base", "--json"))["variants"]
    assert [row["note"] for row in rows] == ["trained on another base"]
    assert len(json.loads(run("taboo_gold", "--json"))["variants"]) == 3


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(UserError, match="There is no organism 'nobody'"):
        run("nobody")
