"""What may stand in a request beside what this program puts there itself: the `extra_body` of people's settings.

Promises that such fields can be written into a study's file and sent as JSON, and that none of them has another
model answer, another question asked or another answer stored than the study says.
"""

import datetime
import math
from collections.abc import Iterator
from typing import Any

RESERVED = {
    "model": "the checkpoint names it",
    "models": "another model would answer in the checkpoint's name",
    "messages": "the prompts hold them",
    "prompt": "the prompts hold it",
    "stream": "a reply is read whole",
    "stream_options": "a reply is read whole",
    "n": "one answer of several would be stored and all be paid for; set 'draws'",
    "best_of": "one answer of several would be stored and all be paid for; set 'draws'",
    "echo": "the question would stand in the answer",
}
"""Fields that a study must not set, and why. Not here: temperature, limits of length, seeds, tools or routing
among one model's servers, which change how an answer is made and stand in the key under which it is kept."""
DEEPEST = 16
"""Levels of lists and tables; servers take fewer, and a file that nests thousands would exhaust the stack."""
MOST_BITS = 64
"""Of a whole number: what TOML and most servers hold."""


def checked(body: dict[str, Any]) -> dict[str, Any]:
    """The fields as they are, or a `ValueError` that says which cannot be and why."""
    for name, reason in RESERVED.items():
        if name in body:
            raise ValueError(f"'{name}' cannot be set here, because {reason}; leave it out")
    for fault in _faults("", body, 0):
        raise ValueError(fault)
    return body


def _faults(where: str, value: Any, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        yield f"it nests more than {DEEPEST} levels deep; flatten it"
    elif isinstance(value, dict):
        for name, inside in value.items():
            yield from _faults(f"{where}.{name}" if where else str(name), inside, depth + 1)
    elif isinstance(value, list | tuple):
        for inside in value:
            yield from _faults(where, inside, depth + 1)
    elif value is None:
        yield f"'{where}' is null, which a study's file cannot hold; leave it out"
    elif isinstance(value, datetime.date | datetime.time):
        yield f"'{where}' is a date, which a request cannot hold; write it in quotes"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"'{where}' is no finite number; correct it"
    elif isinstance(value, int) and value.bit_length() > MOST_BITS:
        yield f"'{where}' is too large a number; correct it"
    elif not isinstance(value, str | int | float):
        yield f"'{where}' is nothing that a request can hold; write text, a number, true or false"
