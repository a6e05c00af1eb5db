"""A person's own verdicts on held-out pairs of answers that the judge has judged, by which its error is measured.

Which pairs are asked about follows from the study's seed and the judge's verdicts; they are shown without a name
and without a word of what the judge said. Verdicts stand in the study's `people.jsonl`, a line each; of one
person's verdicts on one thing the latest counts. Promises that any first so many of the questions are a random
sample of each kind of the judge's verdicts on each claim, that more questions never take one back, and that a
verdict counts only for the very texts and the very wording it was given on. What to make of them is
`correction`'s.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from pydantic import BaseModel, ValidationError

from diffing.common import files, jsonl, who
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.common.escape import tidy
from diffing.common.step import first_fault
from diffing.findings import findings, judging, verdicts
from diffing.findings.judging import Pair
from diffing.study.study import Study

VERSION = 1
"""Of the question's wording, as the judge's has one."""
LEAST, USUAL, MOST = 30, 40, 60
"""Questions. A person takes about half a minute over each: 40 are twenty minutes. With fewer than 30 intervals
are so wide that the answer is seldom worth the time, and from 60 on each further one adds little."""
BLOCK = 10
"""Questions that are mixed among themselves: in the order in which they are drawn the first ones would tell which
verdict the judge gave most."""

Said = Literal["left", "right", "both", "neither", "skip"]
"""Which answer shows the claim more; both alike, neither, or no verdict."""
WORDS = ", ".join(get_args(Said))
UNIT = ["claim", "prompt_id", "draw"]


class Question(NamedTuple):
    """What a person is asked: nothing in it but `turned` tells which answer is whose."""

    id: str
    claim: str
    prompt: str
    left: str
    right: str
    turned: bool
    """Whether B's answer stands on the left. For `tell` alone."""
    wording: str
    pair: Pair
    judge: str
    """By whose verdicts it was drawn."""


class Verdict(BaseModel):
    """A line of the file."""

    version: int = VERSION
    date: str
    author: str
    question: str
    judge: str
    pair: str
    """Key of the pair of answers, made of their texts."""
    claim: str
    """Its wording."""
    prompt_id: str
    draw: int
    said: Said
    pick: int | None
    """-1 where A's answer shows it more, 1 where B's does, 0 where neither; None for no verdict."""


def path_of(study: Study) -> Path:
    return study.folder / "people.jsonl"


def read(study: Study) -> list[Verdict]:
    """All verdicts ever given, the oldest first; those on another wording of the question count no more."""
    path = path_of(study)
    lines = jsonl.read(path)
    try:
        given = [Verdict.model_validate(line) for line in lines]
    except ValidationError as error:
        raise Damaged(path, f"a line is no verdict: {first_fault(error)}") from error
    return [verdict for verdict in given if verdict.version == VERSION]


def tell(study: Study, question: Question, said: Said, author: str) -> Verdict:
    """Write a verdict down; an earlier one of the same person stays in the file and counts no more."""
    if said not in get_args(Said):
        raise UserError(f"'{said}' is no verdict; write one of {WORDS}.")
    author = " ".join(tidy(who.author(author)).split())
    if not author:
        raise UserError("A verdict needs to say whose it is; give your name.")
    pick = {"left": -1, "right": 1, "both": 0, "neither": 0, "skip": None}[said]
    verdict = Verdict(
        date=files.now(),
        author=author,
        question=question.id,
        judge=question.judge,
        pair=question.pair.key,
        claim=question.wording,
        prompt_id=question.pair.prompt_id,
        draw=question.pair.draw,
        said=said,
        # Turned back at once: what is kept speaks of the pair's own sides, whichever stood on the left.
        pick=-pick if pick and question.turned else pick,
    )
    jsonl.append(path_of(study), verdict.model_dump())
    return verdict


def latest(given: Sequence[Verdict], author: str) -> dict[str, Said]:
    """What one person last said, by question."""
    return {verdict.question: verdict.said for verdict in given if verdict.author == author}


def table(asked: Sequence[Question], done: Mapping[str, Said]) -> pd.DataFrame:
    """Questions as a table to fill in, whose last column is the verdict; those given already stand in it."""
    rows = [(q.id, q.claim, q.prompt, q.left, q.right, done.get(q.id, "")) for q in asked]
    return pd.DataFrame(rows, columns=["question", "claim", "prompt", "left", "right", "said"])


def take(study: Study, asked: Sequence[Question], filled: pd.DataFrame, author: str) -> int:
    """Write down what a filled table says that this person has not said yet; all of it or nothing."""
    author = who.author(author)
    absent = {"question", "said"} - {*filled.columns}
    if absent:
        raise UserError(f"The table has no column '{min(absent)}'; fill in the one that was written for it.")
    known, done = {question.id: question for question in asked}, latest(read(study), author)
    new: list[tuple[Question, Said]] = []
    for name, word in zip(filled["question"], filled["said"].str.strip().str.lower(), strict=True):
        if name not in known:
            raise UserError(f"'{name}' is no question of study '{study.name}' now; have the table written again.")
        if word and word not in get_args(Said):
            raise UserError(f"'{word}' on question '{name}' is no verdict; write one of {WORDS}.")
        if word and done.get(name) != word:
            new.append((known[name], word))
    for question, said in new:
        tell(study, question, said, author)
    return len(new)


# Which questions.


def questions(study: Study, a: str = "", b: str = "", number: int = USUAL) -> list[Question]:
    """So many questions on a comparison, drawn from what its latest judge said; the same whenever it is asked."""
    if not LEAST <= number <= MOST:
        raise UserError(f"{number} questions are too few or too many; take {LEAST} to {MOST}.")
    a, b = study.sides(a, b)
    kept = judging.lines(study)
    judges = judging.judges(kept)
    if not judges:
        raise UserError(f"Study '{study.name}' has no judge to check yet; 'verify {study.name}' asks one.")
    standing = (f for f in findings.load(study) if (f.a, f.b) == (a, b) and not f.rejected)
    claims = {finding.wording: finding.claim for finding in standing}
    pairs = {(pair.prompt_id, pair.draw): pair for pair in judging.verifying(study, a, b)}
    judged = units([*pairs.values()], [line for line in kept if line["judge"] == judges[-1]])
    judged = judged[judged["claim"].isin(claims)]
    if judged.empty:
        raise UserError(f"The judge has not judged a finding of '{study.name}' that stands; verify one first.")
    out = []
    for row in drawn(judged, study.settings.seed, number).itertuples():
        pair, wording = pairs[str(row.prompt_id), int(row.draw)], str(row.claim)
        turned = chance(study.settings.seed, "left", wording, pair.key) < 0.5
        left, right = (pair.right, pair.left) if turned else (pair.left, pair.right)
        name = files.content_hash(["question", wording, pair.key], 10)
        out.append(Question(name, claims[wording], pair.prompt, left, right, turned, wording, pair, judges[-1]))
    return out


def units(pairs: Sequence[Pair], lines: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """What one judge said of each claim and pair in both orders together, where both verdicts are there."""
    paired = verdicts.pairs(judging.table(pairs, lines))
    return paired.loc[paired["pick"].notna() & (paired["kind"] == verdicts.BETWEEN), [*UNIT, "pick"]]


def drawn(judged: pd.DataFrame, seed: int, number: int) -> pd.DataFrame:
    """A sample of what was judged, spread over claims and over the judge's verdicts on each.

    Within a claim a verdict gets questions as the root of its number of pairs: rare ones would else hardly
    occur, and the common one, where a wrong verdict weighs most, is asked about most. Places go one by one to
    whichever is furthest behind its share (Sainte-Laguë), so that more questions hold all of fewer.
    """
    # One draw of a prompt: pairs of the same prompt tell little more than one of them.
    table = _shuffled(judged, seed, "draw").drop_duplicates(["claim", "prompt_id"])
    table = _shuffled(table, seed, "order")
    cell = table.groupby(["claim", "pick"])
    root = np.sqrt(cell["chance"].transform("size"))
    of_claim = np.sqrt(cell.size()).groupby("claim").sum()
    behind = (cell.cumcount() + 0.5) / (root / table["claim"].map(of_claim))
    # Rounded: cells of one size in different claims tie, whatever a machine makes of the last bit.
    table = table.assign(behind=behind.round(9)).sort_values(["behind", "chance", *UNIT]).head(number)
    table = _shuffled(table.assign(block=np.arange(len(table)) // BLOCK), seed, "mixed")
    return table.sort_values("block", kind="stable")[[*UNIT, "pick"]].reset_index(drop=True)


def _shuffled(table: pd.DataFrame, seed: int, why: str) -> pd.DataFrame:
    chances = [chance(seed, why, *map(str, row)) for row in table[UNIT].to_numpy()]
    return table.assign(chance=np.array(chances, np.float64)).sort_values(["chance", *UNIT])


def chance(seed: int, *what: str) -> float:
    """A number from 0 to 1 that hangs on nothing but these: the same on every machine and after any restart."""
    digest = hashlib.blake2b(files.canonical([seed, *what]).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


# What the verdicts stand for.


def given(
    pairs: Sequence[Pair], lines: Sequence[dict[str, Any]], said: Sequence[Verdict], judge: str
) -> pd.DataFrame:
    """The verdicts that count on these pairs, as `correction` reads them; several people's are averaged.

    Lines of all judges, since pairs that were drawn by what another judge said stand for what they were drawn
    from.
    """
    columns = [*UNIT, "verdict", "pick", "weight"]
    # By person, question and texts, the latest word; who skips takes an earlier verdict back.
    last = {(one.author, one.claim, one.pair): one for one in said}
    places = {pair.key: (pair.prompt_id, pair.draw) for pair in pairs}
    rows = [
        (one.claim, *places[one.pair], float(one.pick), one.judge)
        for one in last.values()
        if one.pick is not None and one.pair in places
    ]
    table = pd.DataFrame(rows, columns=[*UNIT, "verdict", "judge"])
    parts = []
    for drawer, asked in table.groupby("judge", sort=True):
        population = units(pairs, [line for line in lines if line["judge"] == drawer])
        once = asked.groupby(UNIT, as_index=False)["verdict"].mean()
        parts.append(weighed(population, once))
    if not parts:
        return pd.DataFrame(columns=columns)
    now = units(pairs, [line for line in lines if line["judge"] == judge])
    full = pd.concat(parts).drop(columns="pick").merge(now, on=UNIT)
    both = full.groupby(UNIT, as_index=False).agg({"verdict": "mean", "pick": "first", "weight": "max"})
    return both[columns]


def weighed(judged: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """How many prompts of its claim each verdict stands for: those that got the same verdict, over those asked."""
    part = 1 / judged.groupby(["claim", "prompt_id"])["pick"].transform("size")
    prompts = judged.assign(part=part).groupby(["claim", "pick"])["part"].sum().rename("weight")
    table = asked.merge(judged, on=UNIT).join(prompts, on=["claim", "pick"])
    return table.assign(weight=table["weight"] / table.groupby(["claim", "pick"])["weight"].transform("size"))


def authors(said: Sequence[Verdict]) -> list[str]:
    """Who gave verdicts, the most first."""
    return [author for author, _ in Counter(verdict.author for verdict in said).most_common()]
