"""People's yes and no to answers that a search found, kept with the study by the sentence that was searched.

In the study's `searches.jsonl`, a line a verdict with who gave it and when; the last one on an answer counts, and
only for the text that it was given on. Promises that of several who judge at once none loses anything. Takes no
verdict back but by another one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from diffing.common import files, jsonl, who
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.common.escape import tidy
from diffing.common.step import first_fault
from diffing.study import responses
from diffing.study.study import Study

Said = Literal["yes", "no", "take back"]


class Verdict(BaseModel):
    """A line of the file."""

    model_config = ConfigDict(frozen=True)

    sentence: str
    prompt_id: str
    checkpoint: str
    draw: int
    text: str
    """Hash of the answer."""
    said: Said
    author: str
    date: str


def path_of(study: Study) -> Path:
    return study.folder / "searches.jsonl"


def plain(sentence: str) -> str:
    """A sentence as verdicts are kept by it."""
    return " ".join(tidy(sentence).split())[:300]


def lines(study: Study) -> list[Verdict]:
    """All that were ever given, oldest first."""
    path = path_of(study)
    try:
        return [Verdict.model_validate(record) for record in jsonl.read(path)]
    except ValidationError as error:
        raise Damaged(path, f"a line is no verdict on an answer: {first_fault(error)}") from error


def sentences(study: Study) -> list[str]:
    """Everything that verdicts were given for, the last first."""
    return list(dict.fromkeys(line.sentence for line in reversed(lines(study))))


def of(study: Study, sentence: str, answers: pd.DataFrame, texts: Sequence[str]) -> dict[int, bool]:
    """By row of `answers`, whether it was said to have the property; those whose text has changed are left out."""
    rows = {key: row for row, key in enumerate(answers[responses.KEY].itertuples(index=False, name=None))}
    found: dict[int, bool] = {}
    for line in lines(study):
        row = rows.get((line.prompt_id, line.checkpoint, line.draw))
        if line.sentence != plain(sentence) or row is None or files.content_hash(texts[row]) != line.text:
            continue
        found.pop(row, None)
        if line.said != "take back":
            found[row] = line.said == "yes"
    return found


def give(study: Study, sentence: str, answer: tuple[str, str, int], said: Said, author: str) -> Verdict:
    """Keep a verdict on one answer: prompt, checkpoint and draw."""
    if not plain(sentence):
        raise UserError("There is no property to say yes or no to; search for one first.")
    prompt_id, checkpoint, draw = answer
    with study.held():
        table = study.responses_to([prompt_id])
        found = table.loc[(table["checkpoint"] == checkpoint) & (table["draw"] == draw), "text"]
        if found.empty:
            raise UserError(f"There is no answer {named(answer)} in study '{study.name}'; search again.")
        verdict = Verdict(
            sentence=plain(sentence),
            prompt_id=prompt_id,
            checkpoint=checkpoint,
            draw=draw,
            text=files.content_hash(str(found.iloc[0])),
            said=said,
            author=who.author(author),
            date=files.now(),
        )
        files.tighten(study.folder)
        jsonl.append(path_of(study), verdict.model_dump(mode="json"))
    return verdict


def named(answer: tuple[str, str, int]) -> str:
    """An answer as it is written on a command line."""
    return "/".join(map(str, answer))


def typed(study: Study, text: str) -> tuple[str, str, int]:
    """The answer that somebody has typed: PROMPT, PROMPT/CHECKPOINT or PROMPT/CHECKPOINT/DRAW, where one is
    meant."""
    prompt, *rest = text.split("/")
    table = study.told_of_responses(*responses.KEY)
    table = table[table["prompt_id"] == prompt]
    if rest:
        table = table[table["checkpoint"] == rest[0]]
    if len(rest) > 1:
        table = table[table["draw"].astype(str) == rest[1]]
    if len(table) != 1:
        what = "no answer" if table.empty else f"{len(table)} answers"
        raise UserError(
            f"'{text}' names {what} in study '{study.name}'; write PROMPT/CHECKPOINT/DRAW as a search shows."
        )
    row = table.iloc[0]
    return str(row["prompt_id"]), str(row["checkpoint"]), int(row["draw"])
