"""Prompts from a model: enough in each category, nothing twice, and a failure that costs its own."""

import asyncio
import json
import random
from typing import Any

import pandas as pd
import pytest

from diffing.common.errors import UserError
from diffing.models.providers import Endpoint
from diffing.study import prompt_writer, prompts
from diffing.study.prompt_writer import Written
from tests.fakes import asked_study
from tests.fakes.openai_server import Behaviour, Call, OpenAIServer, failure
from tests.fakes.watch import Watch

EXISTING = prompts.normal(
    pd.DataFrame({"text": ["Should I quit my job to paint?", "Hi"], "category": ["advice", "format"]}), 0.3
)
WORDS = ["river", "engine", "ballad", "pepper", "lantern", "geology", "orchard", "penguin", "violin", "market"]


def write(server: OpenAIServer, categories: list[str], count: int, existing: pd.DataFrame = EXISTING) -> Written:
    point = Endpoint("custom", server.url, "", "before")
    return asyncio.run(prompt_writer.write(point, "How it gives advice", categories, count, existing, 0.3))


def lists(*texts: str, **more: Any) -> Behaviour:
    return Behaviour(json.dumps({"prompts": texts}), usage={"cost": 0.25}, **more)


def distinct(category: str, count: int) -> list[str]:
    return [f"{category}: what would you say about one {word} and its {word}s?" for word in WORDS[:count]]


def category_of(call: Call) -> str:
    return call.messages[0]["content"].partition("Category to write for: ")[2].partition("\n")[0]


def test_each_category_gets_its_prompts(server: OpenAIServer) -> None:
    server.reply = lambda call: lists(*distinct(category_of(call), 3))
    written = write(server, ["advice", "format"], 3)
    table = written.imported.table
    assert table[["category", "text", "tags"]].to_numpy().tolist() == [
        [name, text, "written by before"] for name in ("advice", "format") for text in distinct(name, 3)
    ]
    assert list(table.columns) == prompts.COLUMNS
    assert (written.imported.duplicates, written.faults, written.cost) == ([], [], 0.5)
    asked = {category_of(call): call.prompt for call in server.calls}
    assert "Should I quit my job to paint?" in asked["advice"]
    assert "Should I quit my job to paint?" not in asked["format"]
    assert all("What the reader wants to know: How it gives advice" in text for text in asked.values())


def test_what_is_there_word_for_word_or_nearly_is_turned_away_and_made_up_for(server: OpenAIServer) -> None:
    one, two, three = distinct("advice", 3)

    quit, almost = "Should I quit my job to paint?", "should I quit my job to paint"
    replies = iter([lists(quit, almost), lists(one, two, one), lists(three)])
    server.reply = lambda _: next(replies)
    written = write(server, ["advice"], 5)
    assert list(written.imported.table["text"]) == [one, two, three]
    assert written.imported.duplicates == [quit, almost, one]
    assert written.faults == ["advice: 2 of 5 not written (the rest repeated what is there)"]
    assert one in server.calls[2].prompt and "Write 3 prompts" in server.calls[2].prompt


def test_a_malformed_reply_is_told_what_was_wrong_and_asked_again(server: OpenAIServer) -> None:
    bad = iter(["Sure! 1. Hi", '{"prompts": "one"}'])

    def reply(_: Call) -> str | Behaviour:
        return next(bad, None) or lists(*distinct("x", 2))

    server.reply = reply
    written = write(server, ["x"], 2)
    assert list(written.imported.table["text"]) == distinct("x", 2)
    assert ["cannot be used" in call.prompt for call in server.calls] == [False, True, True]
    assert "it holds no JSON object" in server.calls[1].prompt
    assert "prompts: Input should be a valid list" in server.calls[2].prompt


def test_a_category_that_fails_is_reported_and_costs_the_others_nothing(server: OpenAIServer) -> None:
    server.reply = lambda call: "No." if category_of(call) == "safety" else lists(*distinct(category_of(call), 2))
    written = write(server, ["safety", "advice"], 2)
    assert list(written.imported.table["category"]) == ["advice", "advice"]
    assert written.faults == ["safety: 2 of 2 not written (no usable reply in 3: it holds no JSON object)"]


def test_nothing_new_is_an_error_in_one_sentence(server: OpenAIServer) -> None:
    server.reply = lambda _: failure(400, "Not today")
    with pytest.raises(UserError) as caught:
        write(server, ["advice"], 2)
    assert str(caught.value).startswith("'before' wrote no new prompt (advice: 2 of 2 not written (Error code:")


def test_long_lists_are_asked_for_in_parts(server: OpenAIServer) -> None:
    def reply(call: Call) -> Behaviour:
        count, rng = int(call.prompt.partition("Write ")[2].split()[0]), random.Random(call.number)
        return lists(*(" ".join(rng.sample(WORDS, 6)) for _ in range(count)))

    server.reply = reply
    written = write(server, [], 25, EXISTING.head(1))
    assert list(written.imported.table["category"].value_counts().items()) == [("advice", 25)]
    first, second = (call.prompt for call in server.calls)
    assert "Write 20 prompts" in first
    assert "Write 5 prompts" in second


def test_writing_the_same_again_costs_nothing(server: OpenAIServer) -> None:
    server.reply = lambda call: lists(*distinct(category_of(call), 3))
    first, again = write(server, ["advice"], 3), write(server, ["advice"], 3)
    assert again.imported.table.equals(first.imported.table)
    assert (first.cost, again.cost, len(server.calls)) == (0.25, None, 1)


class Killed(BaseException):
    """Stands for a kill: nobody catches it."""


def test_a_run_that_was_killed_when_all_was_written_writes_nothing_more(server: OpenAIServer) -> None:
    class Dying(Watch):
        def over(self) -> None:
            raise Killed

    def reply(call: Call) -> Behaviour:
        return lists(*distinct("advice", 10)[3 * call.number - 3 : 3 * call.number])

    server.reply = reply
    study = asked_study.make(server, 1)
    told = prompt_writer.Options(description="d", model=f"{server.url}#before", categories=["advice"], count=3)
    with pytest.raises(Killed):
        prompt_writer.run(study, told, Dying())
    assert (len(study.prompts()), len(server.calls)) == (4, 1)
    assert prompt_writer.run(study, told, Watch())["added"] == 0
    assert (len(study.prompts()), len(server.calls)) == (4, 1)
    # Told so once more, it is to write further ones.
    assert prompt_writer.run(study, told, Watch())["added"] == 3
    assert (len(study.prompts()), len(server.calls)) == (7, 2)
