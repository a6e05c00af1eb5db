"""What was seen from inside, for the report: the sentence, the clues beside their nulls, and what answers say.

Promises nothing but figures that lie in the study, no path of this machine, and nothing at all of a study that was
never looked into.
"""

from collections.abc import Mapping

import pandas as pd

from diffing.common.words import count, listed
from diffing.findings.seen_inside import Held
from diffing.report.drawing import short
from diffing.report.facts import Facts
from diffing.report.tables import Table, plain_path
from diffing.whitebox.sight import clues
from diffing.whitebox.sight.clues import Clue, Figure

HEAD = ["clue", "seen by", "figure [95 %]", "nulls", "in answers"]
SHOWN = 20
"""Clues of the table, the strongest above its nulls first: about a page. `inside-clues.csv` has all."""
LINE = 150
"""Letters of the sentence on the page to share: about a line and a half there."""


def sentences(facts: Facts) -> list[str]:
    """What stands out, what it was held against, what is out of date; empty where nobody looked."""
    found = facts.inside
    if not found.methods:
        return []
    nulls = list(dict.fromkeys(_plain(null.told) for each in found.methods for null in each.nulls))
    beside = f"Held against {count(len(nulls), 'null')}: {listed(nulls)}." if nulls else "Held against no null."
    out = [found.sentence, f"Looked at by {listed(each.title.lower() for each in found.methods)}. {beside}"]
    if old := [each.title.lower() for each in found.methods if each.outdated]:
        out.append(f"Out of date, as weights, texts or the method have changed since: {listed(old)}.")
    return out


def one_line(facts: Facts) -> str:
    """The same for the page to share; empty where nobody looked."""
    return f"Seen from inside: {short(facts.inside.sentence, LINE)}" if facts.inside.methods else ""


def note(facts: Facts) -> str:
    """How the last column is to be read; empty where there is none."""
    counted = sum(each.counted is not None for each in facts.held_inside)
    if not facts.held_inside:
        return ""
    corrected = f", with q corrected over the {count(counted, 'clue')} that can be counted" if counted > 1 else ""
    more = len(facts.held_inside) - SHOWN
    return f"A clue is no finding: the last column says what answers to new prompts show of it{corrected}." + (
        f" {more:,} more clues stand in inside-clues.csv." if more > 0 else ""
    )


def table(facts: Facts) -> Table:
    """The clues above their nulls."""
    titles = {each.name: each.title for each in facts.inside.methods}
    return Table(HEAD, [_cells(each, titles) for each in facts.held_inside[:SHOWN]])


def _cells(each: Held, titles: Mapping[str, str]) -> list[str]:
    clue, first = each.clue, each.clue.figures[0]
    return [
        _named(clue),
        ", ".join(titles[name] for name in clue.methods),
        f"{first.figure:.3g} [{first.low:.3g}, {first.high:.3g}]",
        _range(first, clue.nulls),
        each.words,
    ]


def _named(clue: Clue) -> str:
    return f"{clues.quoted(clue.text)}{', less of it' if clue.less else ''}"


def _range(figure: Figure, nulls: int) -> str:
    """What nulls show of the same thing, by the method whose figure stands before it."""
    if not figure.null_high and not figure.null_low:
        return f"nothing in {nulls}"
    return f"{figure.null_low:.3g} to {figure.null_high:.3g} in {nulls}"


def settings(facts: Facts) -> list[tuple[str, str]]:
    """What each method was asked, by dotted name."""
    return [
        (f"inside.{each.name}.{name}", _plain(str(value)))
        for each in facts.inside.methods
        for name, value in each.options.items()
    ]


def tables(facts: Facts) -> dict[str, pd.DataFrame]:
    """Files of the folder by their names: all clues, and of each method all that it can point at."""
    if not facts.inside.methods:
        return {}
    told = {(each.clue.text, each.clue.less): each.words for each in facts.held_inside}
    every = clues.table(facts.inside.clues)
    if len(every):
        keys = zip(every["text"], every["less"], strict=True)
        every = every.assign(in_answers=[told.get(key, "") for key in keys])
    by_method = {f"inside-{each.name}": each.judged.table for each in facts.inside.methods}
    return {"inside-clues": every, **by_method}


def _plain(text: str) -> str:
    """Words without the folders that weights and texts lie in."""
    return " ".join(plain_path(word) for word in text.split(" "))
