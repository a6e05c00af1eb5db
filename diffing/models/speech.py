"""An assistant's messages, as chat interfaces, servers and logs write them, taken apart: text, reasoning, calls.

Promises the last text of the assistant as the text; what it said between two calls stands among the calls.
Pictures and sounds become marks as `[image]`. What has another shape than expected counts as absent.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from diffing.common import columns
from diffing.common.loose import items, record, words

TEXT_KINDS = ("text", "input_text", "output_text", "refusal", "summary_text")
THOUGHT_KINDS = ("reasoning", "thinking")
CALL_KINDS = ("tool_use", "server_tool_use")
CALLER = ("assistant", "gpt", "model", "ai", "bot", "chatbot")
ASKER = ("user", "human", "prompter")
TOLD = ("system", "developer")
TOOL = ("tool", "function", "observation", "ipython")


class Said(NamedTuple):
    """What one side said in the end."""

    text: str
    reasoning: str
    tools: str


def role(message: dict[str, Any]) -> str:
    """`system`, `user`, `assistant` or `tool`, whatever the log calls it; empty for anything else."""
    named = str(message.get("role") or message.get("from") or "").lower()
    groups = (("assistant", CALLER), ("user", ASKER), ("system", TOLD), ("tool", TOOL))
    return next((ours for ours, theirs in groups if named in theirs), "")


def content(message: dict[str, Any]) -> Any:
    return message["content"] if "content" in message else message.get("value")


def text(told: Any) -> str:
    """The text of a message's content, which may be a text, a list of parts or nothing."""
    if isinstance(told, list):
        return "\n".join(part for part in map(_part, told) if part)
    return words(told)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return words(part)
    told = record(part)
    kind = str(told.get("type", "text"))
    if kind in (*THOUGHT_KINDS, *CALL_KINDS, "tool_result"):
        return ""
    if kind in TEXT_KINDS:
        return words(told.get("text") or told.get("refusal"))
    return f"[{columns.clean(kind)[:40].removesuffix('_url').removeprefix('input_')}]"


def thought(message: dict[str, Any]) -> str:
    """What a message holds of its author's thinking."""
    parts = [part for part in map(record, items(content(message))) if part.get("type") in THOUGHT_KINDS]
    found = [part.get("reasoning") or part.get("thinking") or part.get("text") for part in parts]
    found = [told or part.get("summary") for told, part in zip(found, parts, strict=True)]
    beside = message.get("reasoning_content") or message.get("reasoning")
    # OpenRouter tells the same once more in parts, and Anthropic's interpreters in blocks.
    listed = message.get("reasoning_details") or message.get("thinking_blocks")
    if not beside and not any(found):
        blocks = map(record, items(listed))
        found += [block.get("thinking") or block.get("text") or block.get("summary") for block in blocks]
    found += [beside if isinstance(beside, str | list) else ""]
    return "\n\n".join(each for each in map(text, found) if each)


def calls(message: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The tools that a message calls, each with the id by which its result is known."""
    found = []
    parts = [part for part in map(record, items(content(message))) if part.get("type") in CALL_KINDS]
    for call in [*map(record, items(message.get("tool_calls"))), *parts, record(message.get("function_call"))]:
        if not call:
            continue
        function = call.get("function")
        inner = function if isinstance(function, dict) else call
        name = words(function if isinstance(function, str) else inner.get("name"))
        told = inner["arguments"] if "arguments" in inner else inner.get("input")
        if isinstance(told, str):
            # A model may have written what is no JSON; it stays as it is.
            with suppress(ValueError, RecursionError):
                told = json.loads(told)
        made = {"name": name, "arguments": told}
        if call.get("result") is not None:
            made["result"] = text(call["result"])
        found.append((str(call.get("id", "")), made))
    return found


def answer(messages: Iterable[Any], final: str | None = None) -> Said:
    """What came back, of all messages since the prompt; `final` is the text where the log says it itself."""
    thoughts, steps, said, said_at = [], [], "", 0
    waiting: dict[str, dict[str, Any]] = {}
    for message in map(record, messages):
        told = text(content(message))
        if role(message) == "tool":
            made = waiting.get(str(message.get("tool_call_id", "")))
            fault = record(message.get("error")).get("message")
            result = told or words(fault)
            if made is None:
                steps.append({"name": words(message.get("function") or message.get("name")), "result": result})
            else:
                made["result"] = result
        elif role(message) == "assistant":
            if said:
                # Not the last word: it stands among the calls, before those that it came with.
                steps.insert(said_at, {"text": said})
            said, said_at = told, len(steps)
            thoughts.append(thought(message))
            made_now = calls(message)
            waiting |= dict(made_now)
            steps += [made for _, made in made_now]
    reasoning = "\n\n".join(each for each in thoughts if each)
    return Said(
        said if final is None else final,
        reasoning,
        columns.clean(json.dumps(steps, ensure_ascii=False)) if steps else "",
    )


def lines(tools: str) -> list[str]:
    """The calls of an answer as a person reads them, a line each; what is no list of calls as it is."""
    try:
        steps = items(json.loads(tools)) if tools else []
    except (ValueError, RecursionError):
        return [tools]
    found = []
    for step in map(record, steps):
        if "text" in step:
            found.append(words(step["text"]))
        else:
            told = f"{words(step.get('name'))}({words(step.get('arguments'))})"
            found.append(told + (f" → {words(step['result'])}" if "result" in step else ""))
    return found
