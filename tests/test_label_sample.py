"""Labelling the sample study with the bundled reader: what the dry run foretells is what the provider bills."""

from typing import Any

import pytest

from diffing import diff, encode, labelling, labels, sample
from tests.fake_reader import Watch
from tests.openai_server import Behaviour, Call, OpenAIServer
from tests.test_labelling import written


def billed(call: Call) -> Behaviour:
    """Counts as providers tell people to: a token for four characters of English."""
    text = written("the word that stands between the marks", observations="They are all alike. " * 10)
    sent = sum(len(message["content"]) for message in call.messages)
    return Behaviour(text, usage={"prompt_tokens": sent // 4, "completion_tokens": len(text) // 4})


def test_the_top_50_of_the_sample_take_as_many_calls_and_the_tokens_that_were_foretold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The labels that ship would leave nothing to write.
    monkeypatch.setattr(labels, "BUNDLED", labels.BUNDLED.with_name("none.json"))
    study = sample.create()
    encode.run(study, {}, Watch())
    diff.run(study, {}, Watch())
    with OpenAIServer(billed, models=["maker/author"]) as server:
        options: dict[str, Any] = {"model": f"{server.url}#maker/author", "top": 50}
        expected = labelling.estimate(study, options)
        result = labelling.run(study, options, Watch())
    assert expected.calls == result["calls"] == len(server.calls) <= 50
    assert len(labels.current(study)) == len(result["features"])
    spent = result["tokens_in"] + result["tokens_out"]
    assert abs(expected.tokens_in + expected.tokens_out - spent) <= 0.15 * spent
    assert abs(expected.tokens_in - result["tokens_in"]) <= 0.15 * result["tokens_in"]
