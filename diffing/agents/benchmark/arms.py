"""The arms: ways of looking that are held against each other, each with its tools, as a solver of inspect_ai.

Agents go round in Inspect's own `react` loop; an arm that only reads makes a single call; a person works in
Inspect's own shell. Promises that all arms get the same words but for what they have, the same limits, and the
same `submit`; and that none is shown a held-out prompt. Needs inspect_ai.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from anyio import to_thread

from diffing.agents import size
from diffing.agents.benchmark import toolbox, words
from diffing.agents.benchmark.truth import Organism
from diffing.common import files
from diffing.common.errors import UserError
from diffing.study import prompts, responses
from diffing.study.study import Study
from diffing.whitebox.method import METHODS

if TYPE_CHECKING:
    from inspect_ai.solver import Solver

    from diffing.agents.desk import Desk
    from diffing.agents.server import Server

READING = ("answer", "differences", "feature", "pair", "search", "claim", "findings")
CODE = ("run_python", "cell", "interrupt")
BATTERY = 50
"""Prompts of the battery: so many were enough, for a published one, to catch what agents never asked about."""
EXCERPT = 600
"""Characters of each answer in the battery: two excerpts of fifty prompts are some 15,000 tokens."""
READ = 24_000
"""Tokens of pairs that the plain reader is shown, as `size` counts them: what most models read well at once."""

Way = Literal["agent", "once", "person"]


@dataclass(frozen=True)
class Arm:
    """One way of looking."""

    name: str
    way: Way
    compared: bool = False
    """Whether its tools need the pair read and compared."""

    @property
    def method(self) -> str:
        """The method whose clues it has: its name, or empty for all."""
        told = self.name.partition(":")[2]
        return "" if told == "all" else told

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods by which weights are looked into for it."""
        if not self.name.startswith("inside"):
            return ()
        return (self.method,) if self.method else tuple(METHODS)

    def fits(self, organism: Organism) -> bool:
        """Whether it has something to look at: what stands in weights needs weights."""
        return not self.name.startswith("inside") or organism.made.by == "weights"


_PLAIN = (
    Arm("blackbox", "agent"),
    Arm("answers", "agent", compared=True),
    Arm("notebook", "agent", compared=True),
    Arm("battery", "once"),
    Arm("plain", "once"),
    Arm("human", "person"),
)
ARMS: dict[str, Arm] = {arm.name: arm for arm in (*_PLAIN, Arm("inside:all", "agent"))}
USUAL = ("blackbox", "answers", "battery", "plain")
"""The arms that need nothing but answers and a model."""


def named(name: str) -> Arm:
    """An arm by its name; `inside:METHOD` is one for each method."""
    kind, _, method = name.partition(":")
    if name in ARMS:
        return ARMS[name]
    if kind == "inside" and method in METHODS:
        return Arm(name, "agent")
    if kind == "inside":
        raise UserError(f"There is no method '{method[:60]}'; inside:all, or inside: and {', '.join(METHODS)}.")
    raise UserError(f"There is no arm '{name[:60]}'; there are {', '.join(ARMS)} and inside:METHOD.")


def tools(arm: Arm, server: "Server") -> list[Any]:
    """What an agent of an arm may call, `submit` aside."""
    desk = server.desk
    kind = arm.name.partition(":")[0]
    if kind == "blackbox":
        found = toolbox.asking(desk)
    elif kind == "inside":
        found = [*toolbox.asking(desk), *toolbox.served(server, ["inside"], method=arm.method)]
    else:
        found = toolbox.served(server, [*READING, *(CODE if kind == "notebook" else ())])
    return [*found, toolbox.coverage(desk)]


def solver(arm: Arm, server: "Server", framing: words.Framing) -> "Solver":
    """What runs a run of an arm."""
    said = words.instructions(arm.name, framing)
    if arm.way == "agent":
        return _agent(said, tools(arm, server))
    if arm.way == "person":
        return _person(said)
    return _once(arm.name, said, server.desk)


def _agent(said: str, given: Sequence[Any]) -> "Solver":
    from inspect_ai.agent import AgentPrompt, AgentSubmit, as_solver, react

    told = AgentPrompt(instructions=said, handoff_prompt=None, assistant_prompt=None, submit_prompt=None)
    # In the messages too, so that a transcript shows what was handed in.
    ending = AgentSubmit(name="submit", tool=toolbox.submit(), answer_only=True, keep_in_messages=True)
    loop = react(prompt=told, tools=given, submit=ending, on_continue=words.GO_ON, truncation="auto")
    made: Solver = as_solver(loop)
    return made


def _person(said: str) -> "Solver":
    from inspect_ai.agent import as_solver, human_cli

    how = f'{said}\n\nHand in with: task submit \'[{{"text": "…", "more": "b", "confidence": 0.8}}]\''
    made: Solver = as_solver(human_cli(instructions=how))
    return made


def _once(name: str, said: str, desk: "Desk") -> "Solver":
    """One call that reads pairs and hands in; no second try."""
    from inspect_ai.model import ChatMessageSystem, ChatMessageUser, execute_tools, get_model
    from inspect_ai.solver import solver as registered
    from inspect_ai.tool import ToolFunction
    from inspect_ai.util import store

    def made() -> Any:
        async def solve(state: Any, _generate: Any) -> Any:
            study = desk.opened(store().get(toolbox.STUDY))
            ids, text = await to_thread.run_sync(SHOWN[name], desk, study)
            store().set(toolbox.SEEN, sorted(ids))
            state.messages = [ChatMessageSystem(content=said), ChatMessageUser(content=text)]
            ending = toolbox.submit()
            state.output = await get_model().generate(
                state.messages, tools=[ending], tool_choice=ToolFunction(name="submit")
            )
            state.messages.append(state.output.message)
            if state.output.message.tool_calls:
                done = await execute_tools(state.messages, [ending])
                state.messages.extend(done.messages)
            return state

        return solve

    found: Solver = registered(name=name)(made)()
    return found


def battery(desk: "Desk", study: Study) -> tuple[set[str], str]:
    """The beginnings of both answers to prompts of every kind, the same for every run of a pair."""
    table = desk.sight.prompts(study)
    # By their hash within each kind, then one of each kind in turn: none is left out while there is room.
    table = table.sort_values("id")
    table = table.assign(turn=table.groupby("category").cumcount()).sort_values(["turn", "category", "id"])
    told = [_pair(desk, study, each, 0, EXCERPT) for each in table["id"].head(BATTERY)]
    return {*table["id"].head(BATTERY)}, "\n\n".join(told)


def plain(desk: "Desk", study: Study) -> tuple[set[str], str]:
    """Whole pairs in an order that the pair's seed drew, as many as fit."""
    kept = responses.kept(desk.sight.pairs(study, "a", "b"))
    keys = sorted({(str(row.prompt_id), int(row.draw)) for row in kept.itertuples()})
    random.Random(files.content_hash([study.settings.seed, "plain"])).shuffle(keys)
    told, ids, used = list[str](), set[str](), 0
    for prompt_id, draw in keys:
        said = _pair(desk, study, prompt_id, draw, READ)
        used += size.tokens(said)
        if used > READ and told:
            break
        told.append(said)
        ids.add(prompt_id)
    return ids, "\n\n".join(told)


def _pair(desk: "Desk", study: Study, prompt_id: str, draw: int, longest: int) -> str:
    found = desk.sight.pair(study, prompt_id, draw, "a", "b")
    sides = (f"{side}: {size.cut(text, longest)}" for side, text in (("A", found.text_a), ("B", found.text_b)))
    return "\n".join([f"[{prompt_id}:{draw}] {size.cut(found.prompt, 400)}", *sides])


SHOWN: dict[str, Callable[["Desk", Study], tuple[set[str], str]]] = {"battery": battery, "plain": plain}


def laid_out(desk: "Desk", study: Study) -> dict[str, str]:
    """Files that a person is given: all pairs that may be read."""
    kept = responses.kept(desk.sight.pairs(study, "a", "b"))
    asked = desk.sight.prompts(study).set_index("id")
    rows = [
        {
            "pair": f"{row.prompt_id}:{row.draw}",
            "kind": str(asked.loc[row.prompt_id, "category"]),
            "prompt": prompts.shown(asked.loc[row.prompt_id]),
            "a": row.text_a,
            "b": row.text_b,
        }
        for row in kept.itertuples()
    ]
    return {"pairs.jsonl": "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n"}
