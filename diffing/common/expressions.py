"""Regular expressions that a person wrote: read once, and neither time nor memory without end for any of them.

Holds the limits and the reading. Who uses an expression gives `SECONDS` to each text and says what became of it.
"""

import math
from functools import lru_cache

import regex  # type: ignore[import-untyped]

SECONDS = 1.0
"""For one text. A sound expression takes some milliseconds for the longest answer; one that does not end in a
second tries the same again and again."""
LONGEST = 2000
"""Characters of an expression: more is a program."""
REPEATS = 100_000
"""Product of all least numbers of times in an expression: a part that must occur a thousand times is written out
as often when it is read, and so is what stands inside it. At 100,000 that takes some 40 MB."""
TIMES = regex.compile(r"\{\s*(\d+)\s*(?:,[^}]*)?\}")
CALLS = regex.compile(r"\(\?(?:R|[+-]?\d+|&\w+|P>\w+)\)")
"""An expression that calls itself takes gigabytes in the second that it has."""


def check(text: str) -> None:
    """`ValueError` where an expression cannot be read, or takes too much to read."""
    if CALLS.search(text):
        raise ValueError("the expression calls itself or a part of itself; write that part out")
    if math.prod(max(1, int(times)) for times in TIMES.findall(text)) > REPEATS:
        raise ValueError(f"the numbers in curly brackets make more than {REPEATS:,} repetitions together")
    try:
        read(text)
    except (regex.error, OverflowError) as error:
        raise ValueError(f"the expression cannot be read ({error})") from error
    except (RecursionError, MemoryError) as error:
        raise ValueError("the expression has too many brackets inside brackets") from error


# They are asked for at every text.
@lru_cache(maxsize=512)
def read(text: str) -> "regex.Pattern[str]":
    """An expression ready for use, `^` and `$` at every line."""
    return regex.compile(text, regex.MULTILINE)
