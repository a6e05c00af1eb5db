"""Reads what a compatible server sends for a chat completion or a model list, however oddly it is built.

Servers leave out, misspell or add fields; what cannot be read is left empty as long as the answer itself is
there. Promises that any bytes become a completion or a `ValueError` that says what is wrong with them.
"""

import json
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from diffing.common import tables
from diffing.common.loose import record
from diffing.models import providers, speech
from diffing.models.providers import Price


def _none_if_unreadable(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


def _text(value: Any) -> Any:
    """Text as UTF-8 can hold it; some servers send a list of parts."""
    if isinstance(value, list):
        parts = (part for part in map(record, value) if part.get("type") not in speech.THOUGHT_KINDS)
        value = "".join(str(part.get("text") or "") for part in parts)
    return tables.clean(value) if isinstance(value, str) else value


Text = Annotated[str | None, BeforeValidator(_text)]
SpareText = Annotated[str | None, BeforeValidator(_text), WrapValidator(_none_if_unreadable)]
# Up to 2**53 a number means the same as JSON, as a float and in the table of answers.
Count = Annotated[Annotated[int, Field(ge=0, lt=2**53)] | None, WrapValidator(_none_if_unreadable)]
Dollars = Annotated[float | None, BeforeValidator(providers.dollars)]


class Message(BaseModel):
    content: Text = None
    refusal: SpareText = None
    reasoning: str = ""
    """What the model thought, under whichever name the server sends it."""
    tools: str = ""
    """The tools that it calls, as a JSON list."""

    @model_validator(mode="before")
    @classmethod
    def _taken_apart(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        told = {name: value[name] for name in ("content", "refusal") if name in value}
        try:
            said = speech.answer([{**value, "role": "assistant"}])
        except RecursionError:
            # Nested too deep to be read; the text may be there all the same.
            return told
        return told | {"reasoning": said.reasoning, "tools": said.tools}


class Choice(BaseModel):
    message: Message
    finish_reason: SpareText = None


class Details(BaseModel):
    reasoning_tokens: Count = None


class Usage(BaseModel):
    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    completion_tokens_details: Annotated[Details | None, WrapValidator(_none_if_unreadable)] = None
    cost: Dollars = None
    """As OpenRouter reports it."""

    @property
    def written(self) -> int | None:
        """All tokens that the model wrote, which is what is billed: those of its reasoning with them.

        OpenAI counts these among the completion's; xAI and Google beside them, so that the total is larger.
        """
        thought = (self.completion_tokens_details or Details()).reasoning_tokens
        if self.completion_tokens is None or not thought:
            return self.completion_tokens
        both = self.completion_tokens + thought
        apart = self.completion_tokens < thought or self.total_tokens == (self.prompt_tokens or 0) + both
        return both if apart else self.completion_tokens


class Completion(BaseModel):
    """The fields of a chat completion that are used here."""

    choices: list[Choice] = Field(min_length=1)
    model: SpareText = None
    usage: Annotated[Usage | None, WrapValidator(_none_if_unreadable)] = None


def read_completion(data: bytes) -> Completion:
    """The completion in a reply's bytes; `ValueError` with half a sentence where there is none."""
    value = _object(data)
    if isinstance(value.get("choices"), list):
        # Only the first is used, and a reply of twelve megabytes may hold a million.
        value["choices"] = value["choices"][:1]
    try:
        completion = Completion.model_validate(value)
    except ValidationError as error:
        # Some servers answer 200 with an error inside, as an object or as plain words.
        inside = value.get("error")
        reason = inside.get("message") if isinstance(inside, dict) else inside
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ValueError(tables.clean(str(reason)) if reason else f"the reply holds no {where}") from error
    # OpenRouter's word for a provider that failed half-way: the text so far is no answer.
    if completion.choices[0].finish_reason == "error":
        raise ValueError("the provider broke off the reply")
    return completion


def read_models(data: bytes) -> dict[str, Price | None]:
    """Model ids with their prices where the list states them; empty where the bytes are no model list."""
    try:
        listed = _object(data).get("data")
    except ValueError:
        return {}
    models = listed if isinstance(listed, list) else []
    return {
        # Google's list writes its ids with this prefix, and its chat endpoint takes them without.
        str(model["id"]).removeprefix("models/"): _price(model.get("pricing"))
        for model in models
        if isinstance(model, dict) and model.get("id")
    }


def _object(data: bytes) -> dict[str, Any]:
    try:
        # A wrong byte becomes a mark in the text: it is no reason to lose an answer that was paid for.
        value = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise ValueError("the reply is not JSON") from error
    if not isinstance(value, dict):
        raise ValueError("the reply is no JSON object")
    return value


def _price(pricing: Any) -> Price | None:
    """OpenRouter states dollars a token as text, and -1 for a model whose price depends on the request."""
    if not isinstance(pricing, dict):
        return None
    tokens_in, tokens_out = providers.dollars(pricing.get("prompt")), providers.dollars(pricing.get("completion"))
    return None if tokens_in is None or tokens_out is None else Price(tokens_in, tokens_out)
