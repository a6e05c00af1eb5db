"""Answers made up for measuring: varied words, lists, headings and code in categories of unlike sizes and styles.

Two checkpoints that do not differ answer each prompt once. What a prompt is about, and how its category likes to
be answered, is the same for both; lengths, words and ornaments are drawn anew for each answer. Promises the same
answers for the same seed. The sentences mean nothing: they have the forms of real answers, and no model wrote
them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.study import responses
from diffing.study.study import Study


def _words(listed: str) -> list[str]:
    return listed.split()


NOUNS = _words(
    """
    account answer area bench book bread bridge budget camera chapter choice city coffee committee contract
    course deadline dough drawer editor engine essay evening exercise family field filter fire floor forest
    fridge garden glass goal greenhouse guide guitar harbour harvest heater house idea income index invoice
    island journey kitchen ladder lamp language lawn lesson letter library list loan machine map market meal
    meeting melody mirror model morning motor museum neighbour net notebook number office onion orchard oven
    package page paint park path phone plan plant platform poem printer product puzzle question rack radio
    railway reader recipe record report river roof room rope rule salad sauce schedule school screen script
    season seed server shelf shop signal song soup stage station stone story street student summer sweater table
    task teacher team tent theatre ticket tool town trail train tree value vase vegetable village wallet wall
    water week weekend wheel window winter word
    """
)
VERBS = _words(
    """
    adjust arrange build carry change check choose clean collect compare cover cut describe draw explain find
    fix gather hold improve join keep label learn lift measure mix move name open order paint plan prepare
    protect read remove repair replace return review save send share show sort start store study test track trim
    turn use warm wash weigh write
    """
)
ACTS = _words(
    """
    affects allows changes covers decides explains follows guides helps holds improves limits makes matches
    needs protects reaches replaces saves shapes shows slows steadies supports tells uses warms
    """
)
KINDS = _words(
    """
    bright broad calm careful cheap clear cold common complete dark deep dry early empty even fair fine firm
    flat fresh full general gentle good hard heavy high important large late light local long main narrow new
    old open plain quick quiet rare ready regular rich round rough safe sharp short simple slow small soft solid
    special steady strong sweet tall thick thin usual warm wide wild young
    """
)
WAYS = ["at once", "by hand", "in small steps", "with care", "now and then", "before noon", "without haste"]
WAYS += ["in the evening", "as a rule", "over a few days", "in one go", "on most days", "at first", "in the end"]
UNITS = _words("minutes hours days weeks metres grams litres pages people euros")

Draw = np.random.Generator
Sentence = Callable[["Words"], str]


class Words:
    """Draws words, most often those of the prompt's own topic."""

    def __init__(self, topic: list[str], random: Draw) -> None:
        self._topic, self._random = topic, random

    def _of(self, words: list[str]) -> str:
        # The n-th word is about n times as rare as the first, as in any language.
        return words[min(int(len(words) ** self._random.random()), len(words)) - 1]

    @property
    def noun(self) -> str:
        own = self._random.random() < 0.7
        return self._topic[int(self._random.integers(len(self._topic)))] if own else self._of(NOUNS)

    @property
    def verb(self) -> str:
        return self._of(VERBS)

    @property
    def acts(self) -> str:
        return self._of(ACTS)

    @property
    def kind(self) -> str:
        return self._of(KINDS)

    @property
    def way(self) -> str:
        return self._of(WAYS)

    @property
    def number(self) -> str:
        return f"{int(self._random.integers(2, 60))} {self._of(UNITS)}"


FRAMES: list[Sentence] = [
    lambda w: f"The {w.noun} {w.acts} the {w.kind} {w.noun}.",
    lambda w: f"You can {w.verb} the {w.noun} {w.way}.",
    lambda w: f"It helps to {w.verb} the {w.kind} {w.noun} before you {w.verb} the {w.noun}.",
    lambda w: f"Most people {w.verb} the {w.noun} {w.way}, and that {w.acts} the {w.noun}.",
    lambda w: f"A {w.kind} {w.noun} takes about {w.number}.",
    lambda w: f"If the {w.noun} is {w.kind}, {w.verb} the {w.noun} first.",
    lambda w: f"This is because the {w.noun} {w.acts} every {w.kind} {w.noun}.",
    lambda w: f"In practice, the {w.noun} and the {w.noun} are {w.kind}.",
    lambda w: f"When you {w.verb} the {w.noun}, keep the {w.noun} {w.kind}.",
    lambda w: f"There are {w.number} between the {w.noun} and the {w.noun}.",
    lambda w: f"Do not {w.verb} the {w.noun} until the {w.noun} is {w.kind}.",
    lambda w: f"Without a {w.kind} {w.noun} nobody can {w.verb} the {w.noun} {w.way}.",
    lambda w: f"Try to {w.verb} it {w.way}; the {w.noun} {w.acts} the rest.",
    lambda w: f"The {w.kind} {w.noun} (about {w.number}) {w.acts} the {w.noun}.",
    lambda w: f"I would {w.verb} the {w.noun} {w.way}.",
    lambda w: f"Why does the {w.noun} matter? It {w.acts} the {w.noun}.",
    lambda w: f"That's why we {w.verb} the {w.kind} {w.noun} {w.way}.",
    lambda w: f"As a result, it {w.acts} the {w.noun} by {w.number}.",
    lambda w: f"Both the {w.noun} and the {w.kind} {w.noun} can {w.verb} it.",
    lambda w: f'People call it a "{w.kind} {w.noun}", and it {w.acts} the {w.noun}.',
    lambda w: f"Perhaps the {w.noun} is too {w.kind} to {w.verb} {w.way}.",
    lambda w: f"However, a {w.noun} that is {w.kind} {w.acts} the {w.noun}!",
    lambda w: f"The {w.noun} — {w.kind} or not — {w.acts} the {w.noun}.",
    lambda w: f"For instance, {w.verb} the {w.noun} for {w.number}.",
]
OPENINGS: list[Sentence] = [
    lambda w: f"Here is how to {w.verb} the {w.noun}:",
    lambda w: f"Sure! Let's {w.verb} the {w.noun}.",
    lambda w: f"That depends on the {w.noun}.",
    lambda w: f"There are a few ways to {w.verb} a {w.noun}.",
    lambda w: f"A {w.noun} is a {w.kind} {w.noun}.",
]
CLOSINGS: list[Sentence] = [
    lambda w: f"In the end, the {w.noun} {w.acts} the {w.noun}.",
    lambda w: f"Would you like to {w.verb} the {w.noun} next?",
    lambda w: f"Good luck with the {w.noun}!",
    lambda w: f"In short, {w.verb} the {w.noun} {w.way}.",
]


class Style(NamedTuple):
    """How a category is answered."""

    share: float
    """Of the prompts: categories are of unlike sizes."""
    blocks: tuple[str, ...]
    """Kinds of blocks, common ones several times."""
    median: float
    """Blocks of an answer."""


STYLES = {
    "explain": Style(0.32, ("prose", "prose", "prose", "heading"), 3.0),
    "how-to": Style(0.25, ("numbers", "prose", "numbers", "bold list"), 2.5),
    "ideas": Style(0.18, ("bold list", "bullets", "prose"), 2.5),
    "code": Style(0.12, ("code", "prose", "code", "numbers"), 2.5),
    "letters": Style(0.08, ("prose", "prose"), 2.0),
    "facts": Style(0.05, ("prose",), 1.2),
}


class Answers(NamedTuple):
    """Two checkpoints' answers to the same prompts."""

    prompts: pd.DataFrame
    """text and category"""
    first: list[str]
    second: list[str]


def written(prompts: int, seed: int = 0) -> Answers:
    """Answers of two checkpoints that do not differ."""
    random = np.random.default_rng([seed, 1])
    names = list(STYLES)
    shares = np.array([style.share for style in STYLES.values()])
    ends = np.rint(prompts * np.cumsum(shares / shares.sum())).astype(int)
    category = np.repeat(names, np.diff(ends, prepend=0))
    rows, both = [], []
    for number, name in enumerate(category.tolist()):
        topic = random.choice(NOUNS, 6, replace=False).tolist()
        rows.append({"text": f"Question {number}: the {topic[0]} and the {topic[1]}?", "category": name})
        taste = random.gamma(0.6, size=len(FRAMES)) + 0.02
        length = float(np.exp(random.normal(0, 0.35)))
        both.append([_answer(STYLES[name], topic, taste / taste.sum(), length, random) for _ in range(2)])
    first, second = (list(side) for side in zip(*both, strict=True))
    return Answers(pd.DataFrame(rows), first, second)


def of_study(study: Study, most: int, seed: int = 0) -> Answers:
    """The first draws of a study's first two checkpoints, of so many prompts at most."""
    a, b = study.sides("", "")
    kept = responses.kept(study.pairs(a, b)).drop_duplicates("prompt_id")
    if len(kept) > most:
        kept = kept.iloc[np.sort(np.random.default_rng([seed, 2]).choice(len(kept), most, replace=False))]
    table = study.prompts().set_index("id").loc[kept["prompt_id"], ["text", "category"]].reset_index(drop=True)
    return Answers(table, kept["text_a"].tolist(), kept["text_b"].tolist())


def _answer(style: Style, topic: list[str], taste: np.ndarray, length: float, random: Draw) -> str:
    words = Words(topic, random)
    number = max(1, round(style.median * length * float(np.exp(random.normal(0, 0.3)))))
    blocks = [_block(str(random.choice(style.blocks)), words, taste, random) for _ in range(number)]
    if random.random() < 0.35:
        blocks.insert(0, _one(OPENINGS, words, random))
    if random.random() < 0.35:
        blocks.append(_one(CLOSINGS, words, random))
    return "\n\n".join(blocks)


def _one(sentences: list[Sentence], words: Words, random: Draw) -> str:
    return sentences[int(random.integers(len(sentences)))](words)


def _sentences(most: int, words: Words, taste: np.ndarray, random: Draw) -> str:
    chosen = random.choice(len(FRAMES), int(random.integers(1, most + 1)), p=taste)
    return " ".join(FRAMES[number](words) for number in chosen.tolist())


def _block(kind: str, words: Words, taste: np.ndarray, random: Draw) -> str:
    items = range(1, int(random.integers(3, 7)))
    between = "\n\n" if random.random() < 0.2 else "\n"
    if kind == "numbers":
        return between.join(f"{number}. {_sentences(1, words, taste, random)}" for number in items)
    if kind == "bullets":
        return between.join(f"- {_sentences(1, words, taste, random)}" for _ in items)
    if kind == "bold list":
        return between.join(
            f"- **{words.kind.capitalize()} {words.noun}:** {_sentences(1, words, taste, random)}" for _ in items
        )
    if kind == "code":
        lines = "\n".join(f"{words.noun} = {words.verb}({words.noun}, {len(items)})" for _ in items)
        return f"```python\n{lines}\n```"
    prose = _sentences(5, words, taste, random)
    return f"## The {words.noun}\n\n{prose}" if kind == "heading" else prose
