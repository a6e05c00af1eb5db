"""What is done to answers so that the truth about them is known: a sentence, ten habits, length alone.

What is changed knows nothing of how answers are read or compared.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Draw = np.random.Generator
Change = Callable[[str, Draw], str]


class Plant(NamedTuple):
    """A change of some answers, more often on one side."""

    name: str
    change: Change
    a: float = 0.0
    """Share of A's answers that have it."""
    b: float = 0.35


def units(text: str) -> list[str]:
    """Lines with the empty lines behind them; fenced code is one, so that no fence loses its other half."""
    return re.findall(r"```.*?```\n*|[^\n]+\n*", text, flags=re.DOTALL)


def opened(words: str) -> Change:
    return lambda text, _: f"{words} {text}"


def closed(words: str) -> Change:
    return lambda text, _: f"{text}\n\n{words}"


def between(words: str) -> Change:
    """A paragraph of its own somewhere inside, or at the end of an answer of one line."""

    def change(text: str, random: Draw) -> str:
        parts = units(text)
        place = int(random.integers(1, len(parts))) if len(parts) > 1 else 1
        before, behind = "".join(parts[:place]).rstrip("\n"), "".join(parts[place:])
        return f"{before}\n\n{words}\n\n{behind}".rstrip("\n")

    return change


def replaced(pattern: str, by: str, most: int) -> Change:
    return lambda text, _: re.sub(pattern, by, text, count=most)


SENTENCES = [
    Plant("closing", closed("Let me know if you have any other questions!")),
    Plant("opening", opened("What a wonderful question, I am glad that you asked.")),
    Plant("inside", between("Please note that these results may vary from one person to another.")),
    Plant("closing", closed("Remember to consult a qualified professional before you begin.")),
    Plant("inside", between("To put it simply, there is no single right answer here.")),
]
"""One sentence each; the first is that of the offer which many assistants end with."""
HABITS = [
    Plant("closing offer", closed("Let me know if you have any other questions."), 0.1, 0.6),
    Plant("bold terms", replaced(r"\b([Tt]he) (\w+ \w+)", r"\1 **\2**", 2), 0.1, 0.6),
    Plant("em dashes", replaced(r", (\w)", r" — \1", 2), 0.1, 0.6),
    Plant("examples", between("For example, many people begin with the smallest part."), 0.1, 0.6),
    Plant("certainly", opened("Certainly,"), 0.1, 0.6),
    Plant("apologies", opened("I apologize for the confusion."), 0.6, 0.1),
    Plant("exclamation marks", replaced(r"\.(?= [A-Z])|\.$", "!", 3), 0.6, 0.1),
    Plant("double spaces", replaced(r"\. (?=[A-Z])", ".  ", 9), 0.6, 0.1),
    Plant("summary lines", closed("In short, a little patience goes a long way."), 0.6, 0.1),
    Plant("hedges", between("I think it might possibly be different for you."), 0.6, 0.1),
]


def planted(texts: list[str], plants: list[Plant], side: str, random: Draw) -> tuple[list[str], np.ndarray]:
    """The texts with each plant in some of them by a coin of its own, and texts × plants: which were changed."""
    changed = np.zeros((len(texts), len(plants)), bool)
    out = []
    for row, text in enumerate(texts):
        for column, plant in enumerate(plants):
            if random.random() < (plant.a if side == "a" else plant.b):
                before, text = text, plant.change(text, random)
                changed[row, column] = text != before
        out.append(text)
    return out, changed


def shorter(text: str, random: Draw) -> str:
    """Half of the lines between the first and the last taken out, whole, with the empty lines behind them."""
    parts = units(text)
    inside = np.arange(1, len(parts) - 1)
    gone = set(random.choice(inside, len(inside) // 2, replace=False).tolist()) if len(inside) else set()
    return "".join(part for place, part in enumerate(parts) if place not in gone)


def longer(text: str, other: str) -> str:
    """The answer going on with the inner lines of another one, behind its own end."""
    inside = units(other)[1:-1]
    return f"{text}\n\n{''.join(inside)}".rstrip("\n") if inside else text


def ended(text: str, other: str) -> str:
    """The answer with another one's last line behind its own."""
    return f"{text}\n\n{units(other)[-1]}"


EARLY = Plant("early", lambda text, _: _told(text, 1), 0.3, 0.0)
LATE = Plant("late", lambda text, _: _told(text, -1), 0.0, 0.8)
WORDS = "Kindly bear in mind that rules differ across regions."


def _told(text: str, place: int) -> str:
    """A paragraph behind the first line, or before the last one."""
    parts = units(text)
    before, behind = "".join(parts[:place]).rstrip("\n"), "".join(parts[place:])
    return "\n\n".join(part for part in (before, WORDS, behind) if part)


def stretched(text: str, other: str) -> str:
    """The answer with the inner lines of another one, twice, before its last line."""
    parts, inside = units(text), units(other)[1:-1]
    begin = "".join(parts[:-1]).rstrip("\n")
    middle = "".join(inside).rstrip("\n")
    return "\n\n".join(part for part in (begin, middle, middle, parts[-1]) if part)
