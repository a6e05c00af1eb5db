"""A scripted model for the baseline: it lists what one answer says and the other does not."""

import json
import re

from diffing.findings import arms, baseline, listings
from diffing.findings.findings import Side
from diffing.findings.listings import Item
from tests.fakes import judges
from tests.fakes.openai_server import Behaviour, Call, Replier

SAYS = {
    "cake": ["mentions cake in passing", "brings up cake", "talks about cake", "mentions cake"],
    "tea": ["mentions tea", "mentions some tea", "talks about tea"],
}


def lister(call: Call) -> str:
    """Lists words that one answer has and the other has not, in changing phrases."""
    seen = judges.blocks(call)
    words = {name: set(re.findall(r"\w+", seen[f"{name} answer"])) for name in ("first", "second")}
    told = [
        {"shown_by": name, "property": SAYS[word][len(seen["first answer"]) % len(SAYS[word])]}
        for name, other in (("first", "second"), ("second", "first"))
        for word in SAYS
        if word in words[name] - words[other]
    ]
    return json.dumps({"differences": told})


def scripted(listing: Replier = lister, name: Replier | None = None, same: str = '{"same": []}') -> Replier:
    """All that one model is asked by the baseline and by verification."""

    def reply(call: Call) -> str | Behaviour:
        task = call.messages[0]["content"]
        if task == listings.INSTRUCTIONS:
            return listing(call)
        if task == baseline.NAMING:
            return name(call) if name else json.dumps({"claim": call.messages[1]["content"].split("\n")[0][2:]})
        if task == baseline.MERGING:
            return same
        if task == arms.INSTRUCTIONS:
            return '{"abstraction": 4, "interestingness": 2}'
        return judges.counting(lambda claim, text: sum(text.count(w) for w in SAYS if w in claim))(call)

    return reply


def items(*told: tuple[str, Side, str]) -> list[Item]:
    return [Item(prompt, 0, side, text) for prompt, side, text in told]
