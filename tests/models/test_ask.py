"""Questions to a language model whose answer has a shape: obeyed, retried, paid once, inside limits."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, Field

from diffing.common.errors import Cancelled, UserError
from diffing.models import ask, questions
from diffing.models.ask import Answer, Bill
from diffing.models.budget import Budget
from diffing.models.chat import ChatClient
from diffing.models.providers import Endpoint, Price
from tests.fakes.openai_server import Behaviour, Call, OpenAIServer, failure
from tests.fakes.watch import Watch


class Pet(BaseModel):
    name: str = Field(min_length=1, max_length=20)
    legs: int


GOOD = json.dumps({"name": "Ada", "legs": 4})
QUESTION = [{"role": "user", "content": "Which pet?"}]


def put(server: OpenAIServer, times: int = 1, **options: Any) -> Answer[Pet]:
    """Ask once or more, each time as a run of its own."""

    async def run() -> Answer[Pet]:
        async with ChatClient(attempts=1) as client:
            point = Endpoint("custom", server.url, "", "maker/model")
            return await ask.ask_structured(client, point, QUESTION, Pet, **options)

    return [asyncio.run(run()) for _ in range(times)][-1]


def server_of(reply: Callable[[Call], str | Behaviour]) -> OpenAIServer:
    return OpenAIServer(reply, models=None)


def test_the_schema_and_the_limit_are_sent_and_the_object_comes_back() -> None:
    with server_of(lambda _: GOOD) as server:
        answer = put(server, max_tokens=77)
    assert (answer.value, answer.error) == (Pet(name="Ada", legs=4), "")
    sent = server.calls[0].body
    assert (sent["max_tokens"], sent["temperature"]) == (77, 0.0)
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {
            "name": "pet",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "legs": {"type": "integer"}},
                "required": ["name", "legs"],
                "additionalProperties": False,
            },
        },
    }


@pytest.mark.parametrize("around", ["```json\n{}\n```", "Sure! Here it is: {}", "<think>{{?</think>{} Bye."])
def test_an_object_behind_prose_is_found(around: str) -> None:
    with server_of(lambda _: around.replace("{}", GOOD)) as server:
        assert put(server).value == Pet(name="Ada", legs=4)


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ('{"name": "Ada", "le', "not valid JSON at character"),
        (Behaviour(text='{"name": "Ada', finish_reason="length"), "cut off at 1000 tokens"),
        ('{"name": "", "legs": "many"}', "name: String should have at least 1 character; legs: Input should be"),
        ("I would rather not.", "holds no JSON object"),
        ('{"name": "' + "x" * 64_000, "not valid JSON at character"),
        ("{" * 64_000, "not valid JSON"),
        ('{"name": "' + "x" * 64_000 + '", "legs": 1}', "name: String should have at most 20 characters"),
        ("", "holds no JSON object"),
    ],
    ids=["truncated", "cut off", "misshapen", "prose", "runaway", "nested", "overlong", "empty"],
)
def test_an_unusable_reply_is_answered_with_what_was_wrong(bad: str | Behaviour, fault: str) -> None:
    with server_of(lambda call: bad if call.number == 1 else GOOD) as server:
        answer = put(server)
    assert answer.value == Pet(name="Ada", legs=4)
    assert len(answer.replies) == len(server.calls) == 2
    assert fault in server.calls[1].prompt
    assert len(json.dumps(server.calls[1].body)) < 4000


def test_after_three_unusable_replies_the_fault_is_reported_and_nothing_raised() -> None:
    with server_of(lambda _: '{"name": "Ada"}') as server:
        answer = put(server)
        assert (answer.value, answer.error) == (None, "no usable reply in 3: legs: Field required")
        # The next run reads the three again, and asks only what it has not asked yet.
        assert len(put(server).replies) == 6
    assert len(server.calls) == 6


def test_a_second_run_asks_nothing() -> None:
    with server_of(lambda call: "oops" if call.number == 1 else GOOD) as server:
        first = put(server)
        second = put(server)
    assert len(server.calls) == 2
    assert (first.value, [r.cached for r in second.replies]) == (second.value, [True, True])


def test_what_a_caller_finds_wrong_is_asked_again() -> None:
    replies = ['{"name": "Ada", "legs": 3}', GOOD]
    with server_of(lambda call: replies[call.number - 1]) as server:
        answer = put(server, check=lambda pet: "" if pet.legs % 2 == 0 else "legs come in pairs")
    assert (answer.value, "legs come in pairs" in server.calls[1].prompt) == (Pet(name="Ada", legs=4), True)


def test_thoughts_that_used_up_the_room_get_more_of_it() -> None:
    empty = Behaviour(text="", finish_reason="length")
    with server_of(lambda call: GOOD if call.body["max_tokens"] >= 400 else empty) as server:
        assert put(server, max_tokens=100).value == Pet(name="Ada", legs=4)
    assert [call.body["max_tokens"] for call in server.calls] == [100, 400]


def picky(call: Call) -> str | Behaviour:
    """Takes neither schemas, nor a temperature, nor the old name of the limit."""
    if "response_format" in call.body:
        return failure(400, "response_format is not supported here")
    if "max_tokens" in call.body:
        return failure(400, "Unsupported parameter: 'max_tokens'; use 'max_completion_tokens' instead.")
    if "temperature" in call.body:
        return failure(422, "temperature does not support 0.0 with this model")
    return GOOD if '"additionalProperties": false' in call.prompt else "no idea"


def test_how_an_endpoint_wants_to_be_asked_is_found_out_once() -> None:
    with server_of(picky) as server:
        assert put(server).value == Pet(name="Ada", legs=4)
        assert len(server.calls) == 5
        other = [{"role": "user", "content": "Another?"}]

        async def again() -> Answer[Pet]:
            async with ChatClient(attempts=1) as client:
                point = Endpoint("custom", server.url, "", "maker/model")
                return await ask.ask_structured(client, point, other, Pet)

        assert asyncio.run(again()).value == Pet(name="Ada", legs=4)
    assert len(server.calls) == 6


def test_a_refusal_for_another_reason_is_reported() -> None:
    with server_of(lambda _: failure(400, "this is too long for me")) as server:
        answer = put(server)
    assert answer.value is None
    assert "this is too long for me" in answer.error
    assert len(server.calls) == 3


def test_a_filter_is_reported_and_not_asked_again() -> None:
    with server_of(lambda _: failure(400, "blocked", "content_filter")) as server:
        assert put(server).error == "the provider's filter blocked it"
    assert len(server.calls) == 1


def many(server: OpenAIServer, count: int, watch: Watch, budget: Budget | None = None) -> list[Answer[Pet]]:
    """Ask `count` different questions at once."""

    async def run() -> list[Answer[Pet]]:
        answers = []
        async with ChatClient(concurrency=8, attempts=1) as client:
            point = Endpoint("custom", server.url, "", "maker/model")

            async def one(number: int) -> bool:
                messages = [{"role": "user", "content": f"Pet {number}?"}]
                answer = await ask.ask_structured(
                    client, point, messages, Pet, price=Price(1e-3, 1e-3), budget=budget, max_tokens=10
                )
                answers.append(answer)
                return not answer.refused

            await client.heed(questions.each(range(count), one, client), watch)
        return answers

    return asyncio.run(run())


def test_the_bill_is_what_the_server_reported() -> None:
    def reply(call: Call) -> Behaviour:
        text = "oops" if "Pet 7?" in call.messages[0]["content"] and len(call.messages) == 1 else GOOD
        return Behaviour(text=text, usage={"prompt_tokens": call.number, "completion_tokens": 3, "cost": 0.25})

    bill = Bill()
    with server_of(reply) as server:
        for answer in many(server, 20, Watch()):
            bill.add(answer)
        assert bill == Bill(21, sum(range(1, 22)), 63, 5.25)
        for answer in many(server, 20, Watch()):
            bill.add(answer)
    assert bill.calls == len(server.calls) == 21


def test_one_question_that_fails_costs_only_itself() -> None:
    with server_of(lambda call: "?" if "Pet 7?" in call.messages[0]["content"] else GOOD) as server:
        answers = many(server, 20, Watch())
    assert [bool(a.value) for a in answers].count(False) == 1


def test_a_limit_ends_the_run_in_peace() -> None:
    with server_of(lambda _: GOOD) as server:
        answers = many(server, 20, Watch(), Budget(max_requests=5))
    assert len(server.calls) == 5
    assert sum(answer.value is not None for answer in answers) == 5
    assert {answer.error for answer in answers if answer.refused} == {"the limit of 5 requests"}


def test_a_refused_key_ends_the_run_with_its_reason() -> None:
    with server_of(lambda _: failure(401, "no")) as server, pytest.raises(UserError, match="wants a key"):
        many(server, 20, Watch())
    assert len(server.calls) == 1


def test_a_run_that_is_cancelled_asks_no_more() -> None:
    with server_of(lambda _: Behaviour(text=GOOD, delay=0.3)) as server, pytest.raises(Cancelled):
        many(server, 200, Watch(checks=1))
    assert len(server.calls) < 50


def test_a_reply_on_its_way_when_a_run_is_cancelled_is_waited_for_and_stored() -> None:
    with server_of(lambda _: Behaviour(text=GOOD, delay=1)) as server:
        with pytest.raises(Cancelled):
            many(server, 8, Watch(checks=1))
        assert len(server.calls) > 0
        assert [bool(answer.value) for answer in many(server, 8, Watch())] == [True] * 8
    assert len(server.calls) == 8


def test_the_size_of_a_text_is_estimated_in_pieces() -> None:
    text = "The committee recommended 12 unquestionably **better** ways."
    assert ask.size([{"role": "user", "content": text}]) == 4 + 12
