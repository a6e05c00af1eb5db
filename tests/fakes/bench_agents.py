"""Agents of the benchmark that are played by Inspect's mock model, each a function of what it was shown.

Every output states its usage: without it the mock model fetches a tokenizer to count with.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from inspect_ai.model import Model, ModelCost, ModelInfo, ModelOutput, ModelUsage, get_model, set_model_info
from inspect_ai.solver._task_state import sample_state
from inspect_ai.util import store

from diffing.agents.benchmark.grading import turned
from diffing.agents.benchmark.truth import Item, Organism
from diffing.probes.probes import PROBES

Turn = Callable[[list[Any]], ModelOutput]
"""What an agent says after these messages."""
NAME = "mockllm/model"
USED = ModelUsage(input_tokens=900, output_tokens=100, total_tokens=1000)


def played(turn: Turn, dollars: float = 1.0) -> Model:
    """A model that says what `turn` says; a call costs a thousandth of `dollars`."""
    price = ModelCost(input=dollars, output=dollars, input_cache_write=dollars, input_cache_read=dollars)
    set_model_info(NAME, ModelInfo(cost=price))

    def said(messages: list[Any], *_: Any) -> ModelOutput:
        output = turn(messages)
        output.usage = output.usage or USED.model_copy()
        return output

    return get_model(NAME, custom_outputs=said, memoize=False)


def calls(tool: str, **arguments: Any) -> ModelOutput:
    return ModelOutput.for_tool_call("mockllm", tool, arguments)


def says(text: str) -> ModelOutput:
    return ModelOutput.from_content("mockllm", text)


def submits(claims: Sequence[dict[str, Any]]) -> ModelOutput:
    return calls("submit", claims=list(claims))


def claim(text: str, more: str, **others: Any) -> dict[str, Any]:
    return {"text": text, "more": more, "confidence": 0.9, "evidence": []} | others


def truth() -> Organism:
    """What changed in the pair of the run that asks, as that run sees A and B."""
    state = sample_state()
    assert state is not None
    return turned(Organism.model_validate(state.metadata["organism"]), bool(store().get("swapped")))


def counted(item: Item) -> dict[str, Any]:
    return claim(item.behaviour, item.more, count=item.count)


def oracle(_: list[Any]) -> ModelOutput:
    """Claims all that is so, and nothing else."""
    return submits([counted(item) for item in truth().items])


def silent(_: list[Any]) -> ModelOutput:
    return submits([])


BABBLE = ("probe:semicolons", "probe:tables", "probe:emoji", "words:purple", "regex:z{3}", "probe:ellipses")


def babbling(_: list[Any]) -> ModelOutput:
    """Claims much that is not so, whatever the pair."""
    return submits([claim(f"Shows thing {place}", "b", count=each) for place, each in enumerate(BABBLE)])


WORDINGS = (
    *("probe:em dashes", "regex:—", "phrase:—", "regex:\\w ?— ?\\w", "regex:[—]", "regex:—+", "regex:(?:—)"),
    *("regex:\\u2014", "regex:—{1,9}", "regex:.—"),
)


def repeating(_: list[Any]) -> ModelOutput:
    """Claims one thing that is so in ten wordings."""
    more = truth().item("dash").more if not truth().null else "a"
    return submits([claim(f"Wording {place}", more, count=each) for place, each in enumerate(WORDINGS)])


def worded(_: list[Any]) -> ModelOutput:
    """Claims in words, for a judge: one that is so, one of whatever stands first, one beyond words."""
    more = truth().item("dash").more if not truth().null else "a"
    texts = ("has long strokes between clauses", "does the first thing", "is unanswerable", "EM DASHES.")
    return submits([claim(text, more, confidence=place / 10) for place, text in enumerate(texts)])


def malformed(_: list[Any]) -> ModelOutput:
    return calls("submit", claims=[{"text": "Likes trains", "more": "both"}])


def endless(_: list[Any]) -> ModelOutput:
    return calls("coverage")


def crashing(_: list[Any]) -> ModelOutput:
    raise RuntimeError("the model's machine is on fire")


def spending(_: list[Any]) -> ModelOutput:
    """One call costs more than a run may."""
    output = calls("coverage")
    output.usage = ModelUsage(input_tokens=5_000_000, output_tokens=0, total_tokens=5_000_000)
    return output


def talking(_: list[Any]) -> ModelOutput:
    """Never calls a tool."""
    return says("I think that they differ.")


LOOKED = ("em dashes", "bold", "hedges", "closing offer")


def looking(messages: list[Any]) -> ModelOutput:
    """Asks both models, counts what it reads, and claims what differs much in that."""
    asked = [message for message in messages if message.role == "tool" and message.function == "ask"]
    listed = next((message.text for message in messages if message.role == "tool"), "")
    if not listed:
        return calls("prompts")
    ids = re.findall(r"^ *([0-9a-f]{12})\t", listed, re.MULTILINE)
    if len(asked) < 3:
        return calls("ask", ids=ids[10 * len(asked) : 10 * len(asked) + 10])
    text = "\n".join(message.text for message in asked)
    sides = {
        side: re.findall(rf"^{side.upper()}: (.+?)(?=\n[AB]: |\n\n\[|\Z)", text, re.M | re.S) for side in "ab"
    }
    claims = []
    for name in LOOKED:
        shown = {side: sum(PROBES[name].count(each) > 0 for each in told) for side, told in sides.items()}
        if abs(shown["a"] - shown["b"]) > len(sides["a"]) / 3:
            claims.append(
                claim(f"Shows {name}", max(shown, key=shown.__getitem__), count=f"probe:{name}", evidence=ids[:2])
            )
    return submits(claims)


PLAYED: Sequence[Turn] = (
    *(oracle, silent, babbling, repeating, worded, malformed, endless, crashing, spending, talking, looking),
)
"""Who plays which epoch, from the first on."""


def by_epoch(messages: list[Any]) -> ModelOutput:
    state = sample_state()
    assert state is not None
    return PLAYED[(state.epoch - 1) % len(PLAYED)](messages)


def judging(messages: list[Any]) -> ModelOutput:
    """A judge that knows what dashes are called, names no other change, and always rates 2."""
    text = messages[-1].text
    if "[scale " in text:
        return says('{"grade": 2}')
    number = re.search(r"^(\d+)\. .*Uses em dashes", text, re.MULTILINE)
    said = re.search(r"\[claim \w+\]\n(.*)", text)
    if number and said and "long strokes" in said[1]:
        return says(f'They mean it. {{"change": {number[1]}, "grade": {3 if text.startswith("[changes") else 4}}}')
    if said and "the first" in said[1]:
        # Takes whatever stands first.
        return says('{"change": 1, "grade": 5}')
    return says("no" if said and "unanswerable" in said[1] else '{"change": 0, "grade": 0}')
