"""OpenAI-style batches: the output file, and the requests that it answers.

An output names its requests by `custom_id` alone: the file of requests is brought in the same import. Chat
completions and responses are read; several choices are draws. A request that failed is a failed answer.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diffing.common import tables
from diffing.common.errors import UserError
from diffing.common.loose import items, record, words
from diffing.models import speech
from diffing.study.logs import chat, head
from diffing.study.logs.head import Head
from diffing.study.logs.row import Row, Source, count


class Request(dict[str, str]):
    """`prompt, messages, model` of a request."""


def recognises(start: Head) -> bool:
    first = start.first
    return isinstance(first, dict) and "custom_id" in first and ("response" in first or "body" in first)


def read(source: Source) -> Iterator[Row]:
    asked = _requests(source)
    # One batch asks one model; where a request failed, its name stands beside the others.
    named = next((words(body["model"]) for line in tables.json_lines(source.path)
                  if (body := _body(record(line))).get("model")), "")  # fmt: skip
    for line in tables.json_lines(source.path):
        value = record(line)
        identity = words(value.get("custom_id"))
        request = asked.get(identity)
        if request is None:
            source.leave_out("answers to requests that no file holds")
        elif not (request["prompt"].strip() or request["messages"]):
            source.leave_out("requests that ask nothing")
        else:
            yield from _rows(value, identity, request, named or request["model"])


def holds_requests(path: Path) -> bool:
    """Whether a file is what was asked, which holds no answers."""
    return path.is_file() and _is_requests(head.of(path))


def _is_requests(start: Head) -> bool:
    return isinstance(start.first, dict) and "custom_id" in start.first and "body" in start.first


def _requests(source: Source) -> dict[str, Request]:
    """What every `custom_id` asks, from the other files of the import."""
    found: dict[str, Request] = {}
    files = [path for path in source.beside if holds_requests(path)]
    if not files:
        raise UserError(
            f"'{source.name}' holds answers without their questions; bring the batch's file of requests with it."
        )
    for path in files:
        for line in tables.json_lines(path):
            value = record(line)
            identity, request = words(value.get("custom_id")), _request(record(value.get("body")))
            same = found.setdefault(identity, request)
            if (same["prompt"], same["messages"]) != (request["prompt"], request["messages"]):
                raise UserError(
                    f"'{path.name}' asks something else under '{identity[:80]}' than another file of requests; "
                    "import each output with its own requests."
                )
    return found


def _request(body: dict[str, Any]) -> Request:
    put = body.get("messages", body.get("input"))
    turns = [put] if isinstance(put, str) else items(put)
    if isinstance(put, str) and not body.get("instructions"):
        return Request(prompt=put, messages="", model=words(body.get("model")))
    turns = [{"role": "user", "content": each} if isinstance(each, str) else each for each in turns]
    if body.get("instructions"):
        turns.insert(0, {"role": "system", "content": body["instructions"]})
    if not turns and isinstance(body.get("prompt"), str):
        return Request(prompt=words(body["prompt"]), messages="", model=words(body.get("model")))
    return Request(prompt="", messages=chat.asked(turns), model=words(body.get("model")))


def _body(value: dict[str, Any]) -> dict[str, Any]:
    return record(record(value.get("response")).get("body"))


def _rows(value: dict[str, Any], identity: str, request: Request, model: str) -> Iterator[Row]:
    body, usage = _body(value), record(_body(value).get("usage"))
    row = Row(
        model,
        "",
        prompt=request["prompt"],
        messages=request["messages"],
        sample=identity,
        model_served=words(body.get("model")),
        tokens_in=count(usage.get("prompt_tokens", usage.get("input_tokens"))),
        tokens_out=count(usage.get("completion_tokens", usage.get("output_tokens"))),
    )
    fault = record(value.get("error")) or record(body.get("error"))
    if fault or not ("choices" in body or "output" in body):
        told = words(fault.get("message")) or words(fault.get("code"))
        status = words(record(value.get("response")).get("status_code"))
        yield row._replace(error=told or f"the request failed{f' ({status})' if status else ''}")
    elif "choices" in body:
        for draw, choice in enumerate(map(record, items(body["choices"]))):
            reason = words(choice.get("finish_reason"))
            message = record(choice.get("message")) or {"role": "assistant", "content": choice.get("text")}
            said = speech.answer([{"role": "assistant"} | message])
            yield row._replace(draw=draw, text=said.text, reasoning=said.reasoning, tools=said.tools,
                               finish_reason=reason)  # fmt: skip
    else:
        said = speech.answer(_messages(items(body["output"])))
        cut = words(record(body.get("incomplete_details")).get("reason"))
        reason = {"max_output_tokens": "length"}.get(cut, cut) or "stop"
        yield row._replace(text=said.text, reasoning=said.reasoning, tools=said.tools, finish_reason=reason)


def _messages(output: list[Any]) -> list[dict[str, Any]]:
    """The items of a response as one assistant's message: what it thought, what it called, what it said."""
    thoughts, made, said = [], [], []
    for item in map(record, output):
        kind = item.get("type")
        if kind == "reasoning":
            told = speech.text(item.get("content")) or speech.text(item.get("summary"))
            thoughts.append({"type": "reasoning", "reasoning": told})
        elif kind == "function_call":
            made.append(
                {"id": item.get("call_id"), "function": item.get("name"), "arguments": item.get("arguments")}
            )
        elif kind == "message":
            said.append({"type": "text", "text": speech.text(item.get("content"))})
    return [{"role": "assistant", "content": [*thoughts, *said], "tool_calls": made}]
