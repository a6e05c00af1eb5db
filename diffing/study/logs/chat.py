"""Messages as chat interfaces and logs write them, taken apart into what was asked and what came back.

An answer has a text, the reasoning before it, and the tools it called. Promises the last text of the assistant as
the text; what it said between two calls stands among the calls. Pictures and sounds become marks as `[image]`.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from diffing.common import columns
from diffing.study import prompts
from diffing.study.logs.row import items, record, words

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
    found += [message.get("reasoning_content") or message.get("reasoning")]
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


def asked(messages: Sequence[Any]) -> str:
    """A conversation as a prompt has it; empty where it does not end with a user's turn.

    Earlier calls of tools and their results are written out, since a prompt knows three roles alone.
    """
    turns: list[dict[str, str]] = []
    for message in map(record, messages):
        who, told = role(message), text(content(message))
        if who == "tool":
            who, told = (
                "user",
                f"[{words(message.get('function') or message.get('name')) or 'tool'} returned] {told}",
            )
        elif who == "assistant":
            made = [f"[calls {call['name']}({words(call['arguments'])})]" for _, call in calls(message)]
            told = "\n".join(each for each in (told, *made) if each)
        if not who:
            return ""
        turns.append({"role": who, "content": told})
    if not turns or turns[-1]["role"] != "user" or not turns[-1]["content"].strip():
        return ""
    return prompts.check_messages(json.dumps(turns, ensure_ascii=False), "")


def parted(messages: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """A whole conversation as the prompt, up to the user's last turn, and the messages that answer it."""
    roles = [role(record(message)) for message in messages]
    last = len(roles) - roles[::-1].index("user") if "user" in roles else 0
    return asked(messages[:last]), messages[last:]


def turns_in(told: str) -> list[Any]:
    """The messages that a prompt is when it was written as JSON; none where it is plain text."""
    if not told.lstrip().startswith("["):
        return []
    try:
        found = items(json.loads(told))
    except (ValueError, RecursionError):
        return []
    return found if found and all(role(record(each)) for each in found) else []
