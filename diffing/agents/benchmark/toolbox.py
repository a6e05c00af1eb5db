"""The tools that an arm has: those of the agents' server, with the run's own pair filled in, and four of its own.

What the server gives here is what every agent gets, held-out prompts closed as there; only the names of study and
checkpoints are no parameters, since a run knows one pair and no other. Promises that a fault is the sentence that
an agent gets elsewhere, and that what a run may ask is counted for that run alone. Needs inspect_ai.
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from diffing.agents import size
from diffing.agents.benchmark import claim as claims
from diffing.agents.desk import Desk
from diffing.common.errors import UserError
from diffing.findings import findings
from diffing.study import prompts

if TYPE_CHECKING:
    from inspect_ai.tool import ToolDef

    from diffing.agents.server import Server

STUDY, SEEN, ASKED, HANDED, REFUSED, SWAPPED = "study", "seen", "asked", "handed", "refused", "swapped"
"""What a run's store holds: its study's name, the prompts whose answers it has read, how many it has asked, its
claims, why what a person handed in was refused, and whether A is the one that was changed."""
ASKS = 50
"""Prompts that a run may ask both models, as published agents may."""
AT_ONCE = 10
"""Prompts of one call: with both answers they fill what an agent reads at once."""
EXCERPT = 1500
"""Characters of an answer that `ask` shows: all of most, and the beginning of the longest."""
FILLED = ("study", "a", "b")
"""What the run fills in."""
PAIR = re.compile(r"[0-9a-f]{12}(?=:\d)")


def served(server: "Server", names: Sequence[str], **filled: Any) -> "list[ToolDef]":
    """Tools of the agents' server by their names; `filled` are arguments that the arm decides."""
    known = {tool.name: tool for tool in anyio.run(server.list_tools)}
    return [_served(server, known[name], filled) for name in names]


def _served(server: "Server", tool: Any, filled: dict[str, Any]) -> "ToolDef":
    from inspect_ai.tool import ToolDef, ToolError, ToolParams
    from inspect_ai.util import store

    async def execute(**kwargs: Any) -> str:
        told = {name: value for name, value in kwargs.items() if name not in (*FILLED, *filled)}
        # What is found in weights is what the variant has beyond its base, and either may be A.
        turned = {"a": "b", "b": "a"} if tool.name == "inside" and store().get(SWAPPED) else {}
        result = await server.call_tool(tool.name, {**told, **filled, **turned, "study": store().get(STUDY)})
        said, failed = _read(result)
        if failed:
            raise ToolError(said)
        if tool.name == "pair":
            _saw(PAIR.findall(str(told.get("pair", ""))))
        return said

    schema = tool.input_schema
    shown = {name: each for name, each in schema["properties"].items() if name not in (*FILLED, *filled)}
    parameters = ToolParams.model_validate(
        {"properties": shown, "required": [name for name in schema.get("required", []) if name in shown]}
    )
    for name, each in parameters.properties.items():
        each.description = each.description or name
    # What the server sends is small enough already.
    return ToolDef(execute, tool.name, tool.description or tool.name, parameters, max_output=0)


def _read(result: Any) -> tuple[str, bool]:
    """A call's text, and whether it failed."""
    return "\n".join(part.text for part in result.content if part.type == "text"), bool(result.is_error)


def _saw(ids: Sequence[str]) -> None:
    from inspect_ai.util import store

    store().set(SEEN, sorted({*store().get(SEEN, []), *ids}))


def asking(desk: Desk) -> "list[ToolDef]":
    """`prompts` and `ask`: the models as a black box."""
    return [
        _tool(partial(_prompts, desk), "prompts", PROMPTS, CATEGORY),
        _tool(partial(_ask, desk), "ask", ASK, IDS),
    ]


def coverage(desk: Desk) -> "ToolDef":
    """`coverage`: which kinds of prompts were never looked at."""
    return _tool(partial(_coverage, desk), "coverage", COVERAGE, {})


PROMPTS = "The prompts that both models can be asked, with the kind of each, and the id by which to ask it."
CATEGORY = {
    "category": ({"type": "string", "description": "Only prompts of this kind."}, False),
    "cursor": ({"type": "string", "description": "The next_cursor of the answer before; empty to begin."}, False),
}
ASK = f"Ask both models prompts by their ids, {AT_ONCE} at most at once and {ASKS} in all, and read both answers."
IDS = {
    "ids": (
        {"type": "array", "items": {"type": "string"}, "description": "Ids of prompts, as `prompts` gives them."},
        True,
    )
}
COVERAGE = "Which kinds of prompts you have read answers to and which you have never looked at."


def _tool(run: Any, name: str, says: str, takes: dict[str, tuple[dict[str, Any], bool]]) -> "ToolDef":
    """A tool of our own: what it may say wrong is a sentence."""
    from inspect_ai.tool import ToolDef, ToolError, ToolParams

    async def execute(**kwargs: Any) -> str:
        try:
            return str(await run(**kwargs))
        except UserError as error:
            raise ToolError(str(error)) from error
        except TypeError as error:
            raise ToolError(f"'{name}' cannot be called so: {error}.") from error

    required = [key for key, (_, needed) in takes.items() if needed]
    parameters = ToolParams.model_validate(
        {"properties": {key: shape for key, (shape, _) in takes.items()}, "required": required}
    )
    return ToolDef(execute, name, says, parameters, max_output=0)


async def _prompts(desk: Desk, category: str = "", cursor: str = "") -> str:
    from inspect_ai.util import store

    study = desk.opened(store().get(STUDY))
    table = await to_thread.run_sync(desk.sight.prompts, study)
    table = table[table["category"] == category] if category else table
    rows = [
        {"id": row["id"], "kind": size.cut(row["category"], 60), "prompt": size.cut(prompts.shown(row), 200)}
        for _, row in table.iterrows()
    ]
    chosen, after = size.page(rows, cursor, 50, lambda row: row)
    return size.rendered({"prompts": chosen, "next_cursor": after})


async def _ask(desk: Desk, ids: list[str]) -> str:
    from inspect_ai.util import store

    asked = int(store().get(ASKED, 0))
    if len(ids) > AT_ONCE or asked + len(ids) > ASKS:
        raise UserError(
            f"{ASKS - asked} of {ASKS} prompts are left, {AT_ONCE} at most at once, and you asked {len(ids)}; ask "
            "fewer."
        )
    study = desk.opened(store().get(STUDY))
    told = []
    for each in ids:
        pair = findings.pair_of(each) if ":" in each else findings.Example(each, 0)
        found = await to_thread.run_sync(desk.sight.pair, study, pair.prompt_id, pair.draw, "a", "b")
        told.append(
            f"[{pair.prompt_id}:{pair.draw}] {size.cut(found.prompt, 400)}\n"
            f"A: {size.cut(found.text_a, EXCERPT)}\nB: {size.cut(found.text_b, EXCERPT)}"
        )
        _saw([pair.prompt_id])
    store().set(ASKED, asked + len(ids))
    return "\n\n".join([*told, f"{ASKS - asked - len(ids)} of {ASKS} prompts are left."])


async def _coverage(desk: Desk) -> str:
    from inspect_ai.util import store

    table = desk.sight.prompts(desk.opened(store().get(STUDY)))
    seen: set[str] = set(store().get(SEEN, []))
    counts = table.assign(seen=table["id"].isin(seen)).groupby("category")["seen"].agg(["sum", "size"])
    lines = [f"- {size.cut(name, 60)}: {int(row['sum'])} of {int(row['size'])}" for name, row in counts.iterrows()]
    never = [str(name) for name, row in counts.iterrows() if not row["sum"]]
    head = f"Never looked at: {', '.join(never)}." if never else "You have read answers to prompts of every kind."
    return "\n".join([head, *lines])


def submit() -> "ToolDef":
    """`submit`: the claims in which a run ends."""
    shape = claims.Claim.model_json_schema()
    items = {"type": "object", "properties": shape["properties"], "required": shape["required"]}
    takes = {"claims": ({"type": "array", "items": items, "description": f"{claims.MOST} at most."}, True)}
    return _tool(_submit, "submit", "Hand in your claims and end.", takes)


async def _submit(**kwargs: Any) -> str:
    from inspect_ai.util import store

    handed = claims.handed(kwargs.get("claims"))
    store().set(HANDED, [each.model_dump(mode="json") for each in handed])
    return f"{len(handed)} claims."
