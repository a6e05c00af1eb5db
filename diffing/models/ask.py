"""Asking a language model for an object of a given shape: one question, until its answer can be used.

Used by every step that has a model write or judge. Promises that what comes back has the shape or is an error
in words; that an unusable reply is answered with what was wrong with it; that a reply paid for is never asked
for again, also where it was of no use. Which form of request an endpoint takes is found out once and remembered.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from diffing.common import files
from diffing.models import replies
from diffing.models.budget import Budget
from diffing.models.chat import ChatClient
from diffing.models.providers import Endpoint, Price
from diffing.models.replies import Reply, Request

Messages = list[dict[str, str]]
Shape = TypeVar("Shape", bound=BaseModel)

QUOTED = 600
"""Characters of an unusable reply that are shown to its author again: enough to know it by; the fault is named
beside it, and all of it would be paid for once more."""
LONGEST = 16_000
"""Tokens that a reply may get at most, where hidden reasoning used up what it had: 16 times the usual
question's 1,000. No measurement stands behind it."""
REFUSED = re.compile(r"(?:HTTP|Error code:) (?:400|422|501)\b")
"""How the client words a request that the endpoint did not take: 400 and 422 for what it does not know, 501 for
what it does not do."""
# Words of up to nine letters are mostly one token, digits go by threes, marks by ones and twos: by eye, for no
# tokenizer in particular.
PIECES = re.compile(r" ?[A-Za-z]{1,9}| ?\d{1,3}| ?[^\sA-Za-z\d]{1,2}|\s+")


class Dialect(NamedTuple):
    """How an endpoint wants to be asked; the first value of each is tried first."""

    form: Literal["json_schema", "json_object", "text"] = "json_schema"
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True
    """Whether it lets one be set."""

    def after(self, refusal: str) -> "Dialect | None":
        """What to try next; None where the refusal is about something else, or nothing is left."""
        if not REFUSED.match(refusal):
            return None
        # Fields that the refusal names go first; whatever else it is about is taken for the form of the reply.
        words = refusal.lower()
        if "max_completion_tokens" in words and self.limit == "max_tokens":
            return self._replace(limit="max_completion_tokens")
        if "temperature" in words and self.temperature:
            return self._replace(temperature=False)
        if self.form == "text":
            return None
        return self._replace(form="json_object" if self.form == "json_schema" else "text")


@dataclass(frozen=True)
class Answer(Generic[Shape]):
    """What became of one question."""

    value: Shape | None
    error: str = ""
    """Why there is no value."""
    replies: list[Reply] = field(default_factory=list)
    """Every reply that this answer took, the unusable ones too."""
    refused: bool = False
    """Whether a limit forbade to ask, so that another run may go on."""

    @property
    def unanswered(self) -> bool:
        """Whether the endpoint gave no reply at all, so that nothing is known of the model's answer."""
        return self.refused or bool(self.replies and self.replies[-1].error)

    @property
    def cost(self) -> float | None:
        """Dollars for all its replies, whenever they were paid; None where nobody told."""
        costs = [reply.cost for reply in self.replies if reply.cost is not None]
        return sum(costs) if costs else None


@dataclass
class Bill:
    """What a run took: the sum of what the provider reported for its fresh replies."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None

    def add(self, answer: Answer[Any]) -> None:
        for reply in answer.replies:
            # A stored reply was on an earlier run's bill; one that failed is on one only where it was billed.
            if reply.cached or (reply.error and reply.cost is None):
                continue
            self.calls += 1
            self.tokens_in += reply.tokens_in or 0
            self.tokens_out += reply.tokens_out or 0
            if reply.cost is not None:
                self.cost = (self.cost or 0.0) + reply.cost


async def ask_structured(
    client: ChatClient,
    point: Endpoint,
    messages: Messages,
    shape: type[Shape],
    *,
    max_tokens: int = 1000,
    temperature: float = 0.0,
    attempts: int = 3,
    price: Price | None = None,
    budget: Budget | None = None,
    check: Callable[[Shape], str] | None = None,
    replaces: str = "",
) -> Answer[Shape]:
    """Ask until the reply has the shape, at most `attempts` times afresh in one run.

    `check` says in half a sentence what else is wrong with a well-shaped reply, or nothing. `replaces` names an
    earlier answer that is wanted anew: the same question with the same name is not asked twice.
    """
    asking = _Asking(client, point, shape, temperature, price, budget, replaces)
    replies: list[Reply] = []
    turns, limit, fresh = messages, max_tokens, 0
    while True:
        # The number of the attempt is part of the key: what failed in an earlier run is read again, not paid
        # for again, and this run goes on from there.
        reply = await asking.put(turns, limit, len(replies))
        if reply is None:
            return Answer(None, budget.stopped_by if budget else "", replies, refused=True)
        replies.append(reply)
        if reply.error:
            return Answer(None, reply.error, replies)
        if reply.finish_reason == "content_filter":
            return Answer(None, "the provider's filter blocked it", replies)
        try:
            return Answer(_read(reply, shape, check, limit), "", replies)
        except ValueError as error:
            fault = str(error)
        # Only replies of this run count as its attempts, so that running again is never in vain.
        fresh += not reply.cached
        if fresh >= attempts or client.stopping.is_set():
            return Answer(None, f"no usable reply in {len(replies)}: {fault}", replies)
        # Nothing said and no room left: the model has thought all the way. Too long an answer gets no more room,
        # it is asked to be shorter.
        if not reply.text.strip() and reply.finish_reason == "length":
            limit = min(4 * limit, LONGEST)
        said = reply.text if len(reply.text) <= QUOTED else reply.text[:QUOTED] + " …"
        # The first question and the last reply only: a growing conversation would cost more each time. Some
        # endpoints refuse an empty turn.
        turns = [
            *messages,
            {"role": "assistant", "content": said or "(nothing)"},
            {
                "role": "user",
                "content": f"That reply cannot be used: {fault}. Reply again, with the JSON object alone.",
            },
        ]


def size(messages: Messages) -> int:
    """About how many tokens the messages are: counted in pieces as most tokenizers cut English and markup."""
    # Four a message for the marks that templates put around it.
    return sum(4 + len(PIECES.findall(message["content"])) for message in messages)


@dataclass(frozen=True)
class _Asking:
    """What stays the same over all attempts at one question."""

    client: ChatClient
    point: Endpoint
    shape: type[BaseModel]
    temperature: float
    price: Price | None
    budget: Budget | None
    replaces: str

    async def put(self, messages: Messages, limit: int, attempt: int) -> Reply | None:
        """One reply, in whichever form the endpoint takes; None where the budget forbids it."""
        memo = files.content_hash(["dialect", self.point.base_url, self.point.model])
        known = dialect = Dialect(*replies.cache().get(memo, []))
        # 1.3, because `size` is rough and a limit has to hold; no measurement stands behind it.
        most = None if self.price is None else self.price.of(1.3 * size(messages), limit)
        while True:
            request = self._request(messages, limit, attempt, dialect)
            call = partial(self.client.ask, self.point, request, self.price)
            # What is stored costs nothing, and so must not wait for room in the budget.
            if self.budget is None or request.key in replies.cache():
                reply = await call()
            else:
                spent = await self.budget.spend(self.point.model, most, call)
                if spent is None:
                    return None
                reply = spent
            other = dialect.after(reply.error)
            if other is None:
                break
            dialect = other
        # Only what worked is remembered: a refusal may have been about something else.
        if not reply.error and dialect != known:
            replies.cache().set(memo, list(dialect))
        return reply

    def _request(self, messages: Messages, limit: int, attempt: int, dialect: Dialect) -> Request:
        schema = strict_schema(self.shape)
        parameters: dict[str, Any] = {dialect.limit: limit}
        if dialect.temperature:
            parameters["temperature"] = self.temperature
        if dialect.form == "json_schema":
            named = {"name": self.shape.__name__.lower(), "strict": True, "schema": schema}
            parameters["response_format"] = {"type": "json_schema", "json_schema": named}
        else:
            form = (
                f"Reply with one JSON object and nothing else. It follows this JSON schema: {json.dumps(schema)}"
            )
            # On the last turn, since not every endpoint takes a system turn.
            messages = [*messages[:-1], {**messages[-1], "content": f"{messages[-1]['content']}\n\n{form}"}]
            if dialect.form == "json_object":
                parameters["response_format"] = {"type": "json_object"}
        return Request(self.point.base_url, self.point.model, messages, parameters, attempt, self.replaces)


def strict_schema(shape: type[BaseModel]) -> dict[str, Any]:
    """The shape's JSON schema in the subset that endpoints enforce; the rest is checked on the reply."""
    return dict(_strict(shape.model_json_schema()))


def _strict(part: Any) -> Any:
    if isinstance(part, list):
        return [_strict(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    # Endpoints refuse a schema with any other keyword, such as a length or a range.
    kept = {"type", "properties", "items", "enum", "const", "anyOf", "$ref", "$defs", "description"}
    out: dict[str, Any] = {}
    for name, value in part.items():
        if name in ("properties", "$defs"):
            # What stands under these are names of the shape's own, which may be spelled like a keyword.
            out[name] = {key: _strict(inner) for key, inner in value.items()}
        elif name in kept:
            out[name] = _strict(value)
    if part.get("type") == "object":
        # Strict mode wants both of every object, fields with a default too.
        out |= {"additionalProperties": False, "required": list(part.get("properties", {}))}
    return out


def _read(reply: Reply, shape: type[Shape], check: Callable[[Shape], str] | None, limit: int) -> Shape:
    """The object in a reply; `ValueError` with half a sentence about what is wrong."""
    cut = reply.finish_reason == "length"
    try:
        value = shape.model_validate(_object(reply.text))
    except ValidationError as error:
        raise ValueError(_faults(error)) from error
    except ValueError as error:
        raise ValueError(f"it was cut off at {limit} tokens, be much shorter" if cut else str(error)) from error
    wrong = check(value) if check else ""
    if wrong:
        raise ValueError(wrong)
    return value


def _object(text: str) -> Any:
    """The JSON object in a text: alone, or behind thoughts, prose or a fence."""
    # Behind the last thought, where there is one: thoughts may hold objects of their own, which were dropped.
    start = text.find("{", text.rfind("</think>") + 1)
    if start < 0:
        raise ValueError("it holds no JSON object")
    try:
        # Not `loads`, which would refuse the words or the fence that may follow the object.
        return json.JSONDecoder().raw_decode(text, start)[0]
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"it is not valid JSON{where}") from error


def _faults(error: ValidationError) -> str:
    faults = []
    # The first three: a list of wrong items repeats one fault many times.
    for fault in error.errors()[:3]:
        where = ".".join(str(part) for part in fault["loc"])
        faults.append(f"{where}: {fault['msg']}" if where else str(fault["msg"]))
    return "; ".join(faults)
