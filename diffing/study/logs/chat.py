"""A conversation in a log, parted into what was asked and what came back.

What came back is taken apart in `diffing.models.speech`. Promises that a prompt ends with a user's turn.
"""

import json
from collections.abc import Sequence
from typing import Any

from diffing.common.loose import items, record, words
from diffing.models.speech import calls, content, role, text
from diffing.study import prompts


def asked(messages: Sequence[Any]) -> str:
    """A conversation as a prompt has it; empty where it does not end with a user's turn.

    Earlier calls of tools and their results are written out, since a prompt knows three roles alone.
    """
    turns: list[dict[str, str]] = []
    for turn in map(record, messages):
        who, told = role(turn), text(content(turn))
        if who == "tool":
            who, told = (
                "user",
                f"[{words(turn.get('function') or turn.get('name')) or 'tool'} returned] {told}",
            )
        elif who == "assistant":
            made = [f"[calls {call['name']}({words(call['arguments'])})]" for _, call in calls(turn)]
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
