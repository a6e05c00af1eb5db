"""Scripted models for labels: an author that names the marked word, a judge that looks for the word named."""

import json
import re
from collections.abc import Callable
from typing import Any

from diffing.labels.passages import OPEN
from tests.fakes.openai_server import Behaviour, Call


def label_of(call: Call) -> str:
    """An honest author: names the word that stands between the marks."""
    word = re.search(rf"{OPEN}(\w+)", call.messages[1]["content"])
    return written(f"the word {word.group(1) if word else '?'}")


def written(label: str, **changed: Any) -> str:
    told = {
        "observations": "The marked tokens are all the same word.",
        "label": label,
        "description": "Fires on one word only.",
        "not_about": "It is not about colours in general.",
        "confidence": "high",
    }
    return json.dumps(told | changed)


def passages(call: Call) -> list[str]:
    return [json.loads(line.split(": ", 1)[1]) for line in call.prompt.split("\n") if re.match(r"\d+: \"", line)]


def verdicts(fits: list[bool]) -> str:
    return json.dumps({"verdicts": [{"passage": n, "fits": fit} for n, fit in enumerate(fits, start=1)]})


def oracle(call: Call) -> str:
    """A judge that looks for the word that the label names, and in the marks where there are some."""
    word = re.search(r"Description: the word (\w+)", call.prompt)
    wanted = rf"\b{word.group(1) if word else '?'}\b"
    if OPEN in call.prompt:
        wanted = OPEN + wanted
    return verdicts([re.search(wanted, text) is not None for text in passages(call)])


def both(judge: Callable[[Call], str | Behaviour]) -> Callable[[Call], str | Behaviour]:
    return lambda call: label_of(call) if call.model == "maker/author" else judge(call)
