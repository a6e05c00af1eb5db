"""Has a language model write prompts by category from a description of what one wants to know.

Promises that nothing comes back that the study has already, word for word or nearly, and that a category the
model cannot fill is reported with the reason. Does not promise that the prompts are good: read them before asking.
Replies are stored: writing the same again costs nothing, unless what was there has changed meanwhile, and a run
that was ended goes on as if nothing had come between.
"""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from diffing.common import files
from diffing.common.errors import UserError
from diffing.common.step import Progress, Result
from diffing.models import ask, providers
from diffing.models.ask import Answer, Bill
from diffing.models.chat import ChatClient
from diffing.models.providers import Endpoint
from diffing.study import prompts
from diffing.study.prompts import Imported
from diffing.study.study import Study

AT_ONCE = 20
"""Prompts asked for in one reply: longer lists begin to repeat themselves. Chosen by eye."""
MORE_ROUNDS = 2
"""Further replies asked of a category for those that were turned away: a model that repeats itself after that is
taken to have nothing new."""
SHOWN = 40
"""Prompts of the category that the writer is shown, so that it writes others: two replies' worth. With more of
them the question would cost more than the answer."""
ROOM = 4000
"""Tokens that a reply may get: 200 for each prompt asked for, since some bring a text along."""

TASK = """\
You write test prompts for comparing two versions of an AI assistant. Each prompt is sent on its own to both, \
and their answers are compared for differences in behaviour: how they reason, refuse, hedge, format, sound.

What the reader wants to know: {description}
Category to write for: {category}

Write {count} prompts of this category. Each one
- reads as something a person would really type, complete in itself, with any text or data it speaks of included;
- can be answered in at most a few paragraphs, without tools, pictures or today's date;
- differs from the others in subject, length, tone and form, and not only in its nouns;
- leaves room for answers to differ: no trivia with one short answer unless that is the point of the category.

{there}Reply with an object {{"prompts": ["…", …]}} that holds {count} strings."""


class Batch(BaseModel):
    """What the writer replies."""

    prompts: list[str] = Field(min_length=1)


class Written(NamedTuple):
    """What was written, and what it took."""

    imported: Imported
    """New prompts; `duplicates` names those turned away because they, or nearly they, were there."""
    faults: list[str]
    """Categories that fell short, with the reason."""
    cost: float | None
    """Dollars; None where nobody told."""


async def write(
    point: Endpoint,
    description: str,
    categories: Sequence[str],
    count: int,
    existing: pd.DataFrame,
    held_out: float,
    progress: Progress | None = None,
) -> Written:
    """About `count` new prompts for each category; without categories, for those that the study has.

    A run that is told to stop through `progress` waits for the replies on their way.
    """
    names = list(dict.fromkeys(categories or existing["category"])) or [""]
    async with ChatClient() as client:
        work = _write(client, point, description, names, count, existing, held_out)
        return await (work if progress is None else client.heed(work, progress))


async def _write(
    client: ChatClient,
    point: Endpoint,
    description: str,
    names: list[str],
    count: int,
    existing: pd.DataFrame,
    held_out: float,
) -> Written:
    tables, turned_away = [prompts.empty()], list[str]()
    wanted, faults, bill = dict.fromkeys(names, count), dict[str, str](), Bill()
    price = await client.check_model(point)
    # At temperature 1, as lists are to differ from one another.
    put = partial(ask.ask_structured, client, point, shape=Batch, price=price, temperature=1.0, max_tokens=ROOM)
    for turn in range(-(-count // AT_ONCE) + MORE_ROUNDS):
        short = [name for name in names if wanted[name] > 0 and name not in faults]
        there = pd.concat([existing, *tables], ignore_index=True)
        tasks = [_task(description, name, min(wanted[name], AT_ONCE), there) for name in short]
        # The turn keeps a reply whose prompts were all turned away from being read again.
        answers: list[Answer[Batch]] = await asyncio.gather(
            *(put(messages=task, replaces=f"turn {turn}" if turn else "") for task in tasks)
        )
        for name, answer in zip(short, answers, strict=True):
            bill.add(answer)
            if answer.value is None:
                faults[name] = answer.error
                continue
            offered = _table(answer.value, name, point)
            compared = prompts.compare(offered, pd.concat([existing, *tables], ignore_index=True), held_out)
            # In an import a near-duplicate is kept, since a person meant it; of a model it is want of ideas.
            alike = [new for new, _, _ in compared.near]
            tables.append(compared.table[~compared.table["text"].isin(alike)].head(wanted[name]))
            wanted[name] -= len(tables[-1])
            turned_away += compared.duplicates + alike
    for name in names:
        if wanted[name] > 0:
            faults.setdefault(name, "the rest repeated what is there")
    missed = [f"{name or 'prompts'}: {wanted[name]} of {count} not written ({faults[name]})" for name in faults]
    table = pd.concat(tables, ignore_index=True)
    if table.empty:
        reasons = "; ".join(missed)
        raise UserError(f"'{point.model}' wrote no new prompt ({reasons}); try another model or description.")
    return Written(Imported(table, turned_away, []), missed, bill.cost)


class Options(BaseModel):
    """What the job is told."""

    model_config = ConfigDict(extra="forbid")

    description: str
    model: str
    """As on the command line: PROVIDER:MODEL or URL#MODEL."""
    categories: list[str] = []
    count: int = Field(default=10, ge=1)


def run(study: Study, options: Options, progress: Progress) -> Result:
    """The job: write prompts and add them to the study."""
    point = providers.endpoint(providers.parse(options.model, "writer"))
    progress.check()
    held_out, existing = study.settings.held_out, _begun(study, options)
    try:
        written = asyncio.run(
            write(point, options.description, options.categories, options.count, existing, held_out, progress)
        )
    except UserError:
        _path(study).unlink(missing_ok=True)
        raise
    for fault in written.faults:
        progress.log(fault)
    # Compared again: somebody may have added prompts while these were written.
    fresh = study.add_prompts(written.imported.table)
    # Last of all: a run that is begun again after it writes further prompts.
    progress.over()
    _path(study).unlink(missing_ok=True)
    turned_away = len(written.imported.duplicates) + len(fresh.duplicates)
    return {"added": len(fresh.table), "turned_away": turned_away, "faults": written.faults, "cost": written.cost}


def _path(study: Study) -> Path:
    """Says what a run under way was told, and which prompts there were before."""
    return study.folder / "writing.json"


def _begun(study: Study, options: Options) -> pd.DataFrame:
    """The prompts that a run is to add to: of one that was ended, those that were there when it began.

    So it asks the same questions again, whose replies are stored, and does not write as many once more.
    """
    table, path = study.prompts(), _path(study)
    name = files.content_hash(options.model_dump(mode="json"))
    kept = files.read_json(path, "delete it") if path.exists() else {}
    if kept.get("name") == name:
        return table[table["id"].isin(kept["ids"])].reset_index(drop=True)
    files.write_json(path, {"name": name, "ids": table["id"].tolist()}, seal=True)
    return table


def _task(description: str, category: str, count: int, there: pd.DataFrame) -> list[dict[str, str]]:
    like = there[there["category"] == category].tail(SHOWN)
    texts = [prompts.shown(row) for _, row in like.iterrows()]
    listed = f"These exist already; write others: {json.dumps(texts, ensure_ascii=False)}\n\n" if texts else ""
    text = TASK.format(description=description, category=category or "any", count=count, there=listed)
    return [{"role": "user", "content": text}]


def _table(batch: Batch, category: str, point: Endpoint) -> pd.DataFrame:
    texts = [text.strip() for text in batch.prompts if text.strip()]
    return pd.DataFrame({"text": texts, "category": category, "tags": f"written by {point.model}"}, dtype=object)
