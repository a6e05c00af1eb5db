"""Batches in the shape that OpenAI's API gives them, built from its own package's types, and what they say.

No tool makes these without the service: requests and replies are `openai`'s own models, written as batches are.
"""

import json
from pathlib import Path
from typing import Any

from openai.types.chat import ChatCompletion
from openai.types.responses import Response

QUESTIONS = {
    "q-1": [{"role": "user", "content": "Name a bird that swims."}],
    "q-2": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a bird that dives."}],
    "q-3": [{"role": "user", "content": "Name a bird that fails."}],
}
SAID = {
    "before-1": {"q-1": ["A duck.", "A swan."], "q-2": ["A gannet.", "A loon."]},
    "after-1": {"q-1": ["Penguins!", "Ducks!"], "q-2": ["A grebe.", ""]},
}


def request(model: str, identity: str) -> dict[str, Any]:
    body = {"model": model.removesuffix("-1"), "messages": QUESTIONS[identity], "n": 2}
    return {"custom_id": identity, "method": "POST", "url": "/v1/chat/completions", "body": body}


def completion(model: str, identity: str) -> dict[str, Any]:
    choices = [
        {
            "index": place,
            "finish_reason": "stop" if text else "length",
            "message": {"role": "assistant", "content": text, "reasoning_content": f"thought {place}"},
        }
        for place, text in enumerate(SAID[model][identity])
    ]
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    told = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": choices,
        "usage": usage,
    }
    return ChatCompletion.model_validate(told).model_dump(mode="json", exclude_unset=True)


def response(model: str) -> dict[str, Any]:
    """A reply of the other API, with what was thought and a tool that was called."""
    output = [
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "A bird is wanted."}]},
        {"type": "function_call", "call_id": "f", "name": "birds", "arguments": '{"sea": true}', "id": "g"},
        {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "A puffin.", "annotations": []}],
        },
    ]
    told = {
        "id": "x",
        "object": "response",
        "created_at": 1.0,
        "model": model,
        "output": output,
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "status": "completed",
    }
    return Response.model_validate(told).model_dump(mode="json", exclude_unset=True)


def answered(identity: str, body: dict[str, Any] | None) -> dict[str, Any]:
    if body is None:
        fault = {"error": {"message": "The model is overloaded.", "type": "server_error"}}
        reply = {"status_code": 500, "request_id": "r", "body": fault}
    else:
        reply = {"status_code": 200, "request_id": "r", "body": body}
    return {"id": f"batch_req_{identity}", "custom_id": identity, "response": reply, "error": None}


def put(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def write(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    reported: dict[str, Any] = {}
    for model, said in SAID.items():
        name = model.removesuffix("-1")
        put(out / f"{name}-requests.jsonl", [request(model, identity) for identity in QUESTIONS])
        bodies = {identity: completion(model, identity) if identity in said else None for identity in QUESTIONS}
        put(out / f"{name}-output.jsonl", [answered(identity, body) for identity, body in bodies.items()])
        reported[model] = {
            identity: [choice["message"]["content"] for choice in body["choices"]] if body else None
            for identity, body in bodies.items()
        }
    asked = {"model": "before", "instructions": "Be brief.", "input": "Name a bird of the sea."}
    line = {"custom_id": "s-1", "method": "POST", "url": "/v1/responses", "body": asked}
    put(out / "responses-requests.jsonl", [line])
    put(out / "responses-output.jsonl", [answered("s-1", response("before-1"))])
    reported["responses"] = Response.model_validate(response("before-1")).output_text
    (out / "reported.json").write_text(json.dumps(reported, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
