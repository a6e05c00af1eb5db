"""Scripted judges: what a model would say when asked by `diffing.findings.judging`."""

import json
import re
from collections.abc import Callable, Mapping

from diffing.common import tables
from diffing.study import sample
from tests.fakes.openai_server import Behaviour, Call, Replier

BLOCK = re.compile(
    r"\[(?P<name>[a-z ]+) (?P<code>[0-9a-f]{6})\]\n(?P<text>.*?)\n\[end of (?P=name) (?P=code)\]", re.S
)

Counter = Callable[[str, str], int]
"""How often an answer shows a claim."""


def blocks(call: Call) -> dict[str, str]:
    """The outside texts that a question holds, by name; a second try repeats them before what was wrong."""
    return {m["name"]: m["text"] for m in BLOCK.finditer(call.messages[1]["content"])}


def claims(call: Call) -> list[str]:
    return [line.split(". ", 1)[1] for line in blocks(call)["claims"].splitlines()]


def verdict(number: int, first: int, second: int) -> dict[str, object]:
    more = "first" if first > second else "second" if second > first else "same"
    return {"claim": number, "first_shows": first > 0, "second_shows": second > 0, "more": more}


def counting(count: Counter) -> Replier:
    """A judge that counts."""

    def reply(call: Call) -> str:
        seen = blocks(call)
        told = [
            verdict(n, count(claim, seen["first answer"]), count(claim, seen["second answer"]))
            for n, claim in enumerate(claims(call), 1)
        ]
        return json.dumps({"verdicts": told})

    return reply


def oracle() -> Counter:
    """Counts the sample's behaviours by what `planted.json` says, by description."""
    rows = tables.read(sample.FOLDER / "responses.csv")
    texts = {(r.prompt_id, r.checkpoint, int(r.draw)): r.text for r in rows.itertuples()}
    known: dict[tuple[str, str], int] = {}
    for kind in ("planted", "not planted"):
        for behaviour in sample.planted()[kind]:
            for prompt_id, side, draw, spans in behaviour["instances"]:
                known[behaviour["description"], texts[prompt_id, side, draw]] = len(spans)
    return lambda claim, text: known.get((claim, text), 0)


def words(counted: Mapping[str, str]) -> Counter:
    """Counts a word for each claim."""
    return lambda claim, text: text.split().count(counted[claim])


def always(first: bool, second: bool, more: str) -> Replier:
    """A judge that says the same of everything."""

    def reply(call: Call) -> str:
        told = {"first_shows": first, "second_shows": second, "more": more}
        return json.dumps({"verdicts": [{"claim": n, **told} for n, _ in enumerate(claims(call), 1)]})

    return reply


def malformed(call: Call) -> str:
    kinds = ["yes", '{"verdicts": "first"}', '{"verdicts": [', "H1: first\nH2: first", '{"verdicts": []}', ""]
    return kinds[call.number % len(kinds)]


def refusing(_call: Call) -> Behaviour:
    return Behaviour(text="I can't help with comparing these.")
