"""Blind votes of people: which of two answers is better, and which shows something more.

Both answers stand without a name, on sides that a coin decides for each prompt by the study's seed. Votes stand in
the study's `votes.jsonl`, a line each, and one that was taken back stays there with the line that took it back. Of
one voter's votes on one question about one pair the last counts. Promises that a vote counts only for the very
texts it was given on, and that pairs come in an order that hangs on nothing which anybody has measured. What
follows from votes is `tally`'s.
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import pandas as pd
from pydantic import BaseModel, ValidationError

from diffing.common import files, jsonl, who
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.common.escape import tidy
from diffing.common.step import first_fault
from diffing.findings import judging, people
from diffing.findings.findings import wording
from diffing.findings.people import chance
from diffing.study.study import Study

Said = Literal["left", "right", "no difference"]
Act = Literal["vote", "undo"]
PICKS: dict[Said, int] = {"left": -1, "right": 1, "no difference": 0}


class Question(NamedTuple):
    """What is asked of each pair."""

    key: str
    """Of one wording: votes on other words are votes on another question."""
    words: str


BETTER = Question("better", "Which answer is better?")


def shows(what: str) -> Question:
    """The question which answer shows more of something; `what` ends a sentence whose subject is an answer."""
    what = " ".join(tidy(what).split())
    return Question(f"shows-{wording(what)}", f"Which shows ‘{what}’ more?")


class Pair(NamedTuple):
    """Two answers to one prompt, as a voter meets them."""

    prompt_id: str
    draw: int
    prompt: str
    left: str
    """Text of the answer on the left."""
    right: str
    turned: bool
    """Whether B's answer stands on the left. For `tell` alone."""
    held_out: bool
    key: str
    """Hash of the prompt and both texts, whichever stands on the left."""


class Vote(BaseModel):
    """A line of the file."""

    act: Act = "vote"
    date: str
    voter: str
    question: str
    words: str
    """The question as it was put."""
    prompt_id: str
    draw: int
    pair: str
    left: str
    """Key of the checkpoint whose answer stood on the left."""
    right: str
    said: Said
    seed: int
    """By which the sides were shuffled."""
    held_out: bool = False
    """Whether the prompt was a held-out one."""

    def pick(self, b: str) -> int:
        """1 where the vote is for checkpoint `b`, -1 where it is for the other one, 0 where for neither."""
        return PICKS[self.said] * (1 if self.right == b else -1)


def path_of(study: Study) -> Path:
    return study.folder / "votes.jsonl"


def pairs(study: Study, a: str = "", b: str = "", held_out: bool = False) -> list[Pair]:
    """One pair a prompt, in the order in which they are voted on; held-out prompts behind the others if asked for.

    Pairs with nothing to tell apart, the same text twice, are left out.
    """
    a, b = study.sides(a, b)
    out = []
    for split in ("discovery", "held-out") if held_out else ("discovery",):
        mixed = judging.pairs(study, a, b, split=split)
        # The prompt is the unit: of its draws a coin takes one, as a second one would tell little more.
        chosen: dict[str, tuple[float, judging.Pair]] = {}
        for pair in mixed:
            place = chance(study.settings.seed, "vote", pair.prompt_id, str(pair.draw))
            if pair.left != pair.right and place < chosen.get(pair.prompt_id, (2.0, pair))[0]:
                chosen[pair.prompt_id] = (place, pair)
        out += [_laid(study, a, b, pair, split == "held-out") for _, pair in chosen.values()]
    return out


def _laid(study: Study, a: str, b: str, pair: judging.Pair, held_out: bool) -> Pair:
    # By the smaller key, so that A and B changed over lay the same answer on the same side.
    first_left = chance(study.settings.seed, "sides", pair.prompt_id, str(pair.draw)) < 0.5
    turned = first_left != (a < b)
    left, right = (pair.right, pair.left) if turned else (pair.left, pair.right)
    key = key_of(pair.prompt, {a: pair.left, b: pair.right})
    return Pair(pair.prompt_id, pair.draw, pair.prompt, left, right, turned, held_out, key)


def key_of(prompt: str, texts: dict[str, str]) -> str:
    """What a vote is about: a prompt and the text of each checkpoint."""
    return files.content_hash(["vote", prompt, *sorted(texts.items())], 16)


def tell(study: Study, a: str, b: str, pair: Pair, question: Question, said: Said, voter: str) -> Vote | None:
    """Write a vote down at once; None where the voter has just said the same of the same."""
    if said not in get_args(Said):
        raise UserError(f"'{said}' is no vote; write one of {', '.join(get_args(Said))}.")
    voter = _named(who.author(voter))
    keys = (b, a) if pair.turned else (a, b)
    vote = Vote(
        date=files.now(),
        voter=voter,
        question=question.key,
        words=question.words,
        prompt_id=pair.prompt_id,
        draw=pair.draw,
        pair=pair.key,
        left=keys[0],
        right=keys[1],
        said=said,
        seed=study.settings.seed,
        held_out=pair.held_out,
    )
    with study.held():
        # A second click before the page is there anew says nothing new.
        if any(_slot(each) == _slot(vote) and each.said == said for each in standing(read(study))):
            return None
        jsonl.append(path_of(study), vote.model_dump())
    return vote


def undo(study: Study, a: str, b: str, voter: str) -> Vote:
    """Take a voter's last vote on these two checkpoints back, and say which it was."""
    voter = _named(who.author(voter))
    with study.held():
        mine = [each for each in _left(read(study)) if each.voter == voter and {each.left, each.right} == {a, b}]
        if not mine:
            raise UserError(f"'{voter}' has no vote to take back.")
        jsonl.append(path_of(study), mine[-1].model_copy(update={"act": "undo", "date": files.now()}).model_dump())
    return mine[-1]


def read(study: Study) -> list[Vote]:
    """All lines, the oldest first."""
    path = path_of(study)
    lines = jsonl.read(path)
    try:
        return [Vote.model_validate(line) for line in lines]
    except ValidationError as error:
        raise Damaged(path, f"a line is no vote: {first_fault(error)}") from error


def standing(lines: Iterable[Vote]) -> list[Vote]:
    """The votes that count: of each voter, question and pair the last that was not taken back."""
    return list({_slot(vote): vote for vote in _left(lines)}.values())


def _left(lines: Iterable[Vote]) -> list[Vote]:
    """Votes that were not taken back, in order; behind one that was, an earlier one counts again."""
    out: list[Vote] = []
    for line in lines:
        if line.act == "vote":
            out.append(line)
            continue
        place = next((at for at in reversed(range(len(out))) if _slot(out[at]) == _slot(line)), None)
        if place is not None:
            del out[place]
    return out


def _slot(vote: Vote) -> tuple[str, str, str]:
    return vote.voter, vote.question, vote.pair


def done(votes: Sequence[Vote], voter: str, questions: Collection[str]) -> dict[tuple[str, str], Said]:
    """What a voter has said to these questions, by question and pair."""
    voter = " ".join(tidy(voter).split())
    return {(v.question, v.pair): v.said for v in votes if v.voter == voter and v.question in questions}


def saw_held_out(votes: Iterable[Vote], voter: str) -> bool:
    """Whether somebody has voted on a held-out prompt, and so seen its answers; a vote taken back was seen too."""
    return any(vote.held_out and vote.voter == voter for vote in votes)


def held_out_seen(study: Study, author: str) -> bool:
    """Whether somebody has had held-out answers before their eyes, by checking the judge or by voting."""
    return author in people.authors(people.read(study)) or saw_held_out(read(study), author)


def table(study: Study, a: str = "", b: str = "") -> pd.DataFrame:
    """Every vote that counts on two checkpoints, a row each; votes on texts that have changed since are left out.

    `pick` is 1 for B, -1 for A, 0 for no difference.
    """
    a, b = study.sides(a, b)
    known = {key: (a, b) for key in _keys(study, a, b)}
    categories = study.prompts().set_index("id")["category"]
    rows = [
        {
            "question": vote.question,
            "words": vote.words,
            "voter": vote.voter,
            "date": vote.date,
            "prompt_id": vote.prompt_id,
            "category": str(categories.get(vote.prompt_id, "")),
            "draw": vote.draw,
            "held_out": vote.held_out,
            "left": "A" if vote.left == a else "B",
            "said": vote.said,
            "pick": vote.pick(b),
            "seed": vote.seed,
        }
        for vote in standing(read(study))
        if vote.pair in known
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


COLUMNS = (
    *("question", "words", "voter", "date", "prompt_id", "category", "draw", "held_out", "left", "said", "pick"),
    "seed",
)
"""Of the table of votes."""


def _keys(study: Study, a: str, b: str) -> set[str]:
    """Keys of all pairs as they are now, of all draws."""
    if not path_of(study).exists():
        return set()
    both = (pair for split in ("discovery", "held-out") for pair in judging.pairs(study, a, b, split=split))
    return {key_of(pair.prompt, {a: pair.left, b: pair.right}) for pair in both}


def _named(voter: str) -> str:
    voter = " ".join(tidy(voter).split())
    if not voter:
        raise UserError("A vote needs to say whose it is; give your name.")
    return voter
