"""Pairs of one endpoint: the same model asked twice, the second time with an organism planted in it.

The answers are collected as a study's are, once for each organism and strength, and no agent is shown that study:
what it is shown is made of the answers alone. Promises that what the first side answers is asked once for all
organisms of one endpoint (its replies are cached), and that collecting stops at its limit in dollars.
"""

from typing import NamedTuple

import pandas as pd

from diffing import jobs
from diffing.agents.benchmark import sides
from diffing.agents.benchmark.truth import Chosen
from diffing.common import files
from diffing.common.errors import UserError
from diffing.study import prompts
from diffing.study.settings import Sampling
from diffing.study.study import Study, names

HELD_OUT = 0.5
"""As of the bundled sample: of so few prompts a smaller part would test nothing."""
PROMPTS = 130
"""Ten of each of the thirteen kinds of bundled prompts; half are held out."""
TOKENS = 600
"""Most tokens of an answer: habits show within them, and an agent pays for all that it reads."""
USUAL = 350
"""Tokens of a prompt, with a system prompt now and then, and of its answer, about: for estimates."""


class Source(NamedTuple):
    """Whose answers pairs are made of, where they do not ship."""

    model: str = ""
    """As a checkpoint is written; empty: nobody may be asked."""
    prompts: int = PROMPTS
    dollars: float | None = None
    """Of one pair, at most."""


class Answers(NamedTuple):
    """What a pair is made of: prompts, and answers with `checkpoint` 'a' (before) or 'b' (after)."""

    prompts: pd.DataFrame
    answers: pd.DataFrame
    held_out: float
    draws: int
    sources: tuple[str, str] = ("import", "import")
    """Of the first and of the second checkpoint: weights where they are at hand."""


def answers(chosen: Chosen, seed: int, source: Source) -> Answers:
    """An organism's answers and those of the same model without it, collected where they are not there yet."""
    if not source.model:
        raise UserError(
            f"The organism '{chosen.name}' is made of an endpoint's answers; name one with --pairs-from."
        )
    study = _study(chosen, seed, source)
    told = jobs.run_here(study, "collect", {} if source.dollars is None else {"max_dollars": source.dollars})
    rows = study.responses()
    whole = rows.groupby("prompt_id")["checkpoint"].nunique() == len(study.checkpoints)
    if told.state != "done" or not whole.any():
        raise UserError(
            f"The answers of '{chosen.name}' could not be collected: {told.error or told.note or told.state}; "
            "look at the endpoint, then run this again."
        )
    columns = ["prompt_id", "checkpoint", "draw", "text", "finish_reason", "flag", "error"]
    table = study.prompts()[["text", "messages", "category", "tags"]]
    return Answers(table, rows[columns], HELD_OUT, 1)


def _study(chosen: Chosen, seed: int, source: Source) -> Study:
    """Where the answers are collected."""
    made = chosen.planted.model_dump_json() if chosen.planted else ""
    name = f"made-{files.content_hash([chosen.name, made, seed, source.model, source.prompts], 10)}"
    if name in names():
        return Study.open(name)
    pair = sides.checkpoints(chosen, source.model)
    sampling = Sampling(max_tokens=TOKENS)
    return Study.create(name, pair, spread(source.prompts), held_out=HELD_OUT, seed=seed, sampling=sampling)


def spread(count: int) -> pd.DataFrame:
    """So many of the bundled prompts, of every kind alike many."""
    table = prompts.bundled()
    turn = table.groupby("category").cumcount()
    return table.assign(turn=turn).sort_values(["turn", "category"]).head(count).drop(columns="turn")
