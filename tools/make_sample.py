"""Make the sample study's files from its marked base text: `python -m tools.make_sample`.

`base.jsonl` holds four interchangeable answers to each prompt, with marks `⟦behaviour|on‖off⟧` where a behaviour
can be switched. A seeded coin deals the answers to checkpoint and draw; then each behaviour is switched on in
a fixed number of answers a side, drawn within split and draw, independently of the other behaviours.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from scipy.stats import binomtest

from diffing.common import files, tables
from diffing.study import prompts, sample

Span = tuple[int, int]
MARK = re.compile(r"⟦(?P<name>\w+)\|(?P<on>[^‖⟧]*)(?:‖(?P<off>[^⟧]*))?⟧")
SENTENCE_GAP = re.compile(r'(?<=[\w)"`*%]\.)(?<!^\d\.)["”)*]* (?=[^\sa-z])', re.MULTILINE)
SIDES = (sample.BEFORE.key, sample.AFTER.key)
BALANCED = 0.2
"""Every behaviour that is not planted has a sign test over prompts with at least this p."""
LENGTH_GAP = 0.05
"""Largest relative difference between the sides' mean number of words."""


class Planted(NamedTuple):
    name: str
    description: str
    answers: tuple[int, int]
    """How many show it, of the 120 before and of the 120 after."""


PLANTED = {
    "numbered": Planted("numbered lists", "steps or points as a numbered list instead of prose", (24, 76)),
    "offer": Planted("closing offers", "the answer ends with an offer or a question to the user", (16, 104)),
    "bold": Planted("bold key terms", "key terms in bold", (24, 76)),
    "dash": Planted("em dashes", "em dashes instead of commas and colons", (20, 76)),
    "example": Planted("worked examples", "a sentence that starts with 'For example'", (20, 76)),
    "hedge": Planted("hedges", "'I think', 'probably', 'might' and their like", (108, 20)),
    "apology": Planted("apologies", "the answer opens with an apology", (64, 8)),
    "exclaim": Planted("exclamation marks", "exclamation marks instead of full stops", (72, 20)),
    "double": Planted("double spaces", "two spaces after a full stop", (72, 20)),
    "summary": Planted("summary lines", "a closing sentence that starts with 'In short'", (96, 12)),
}

UNPLANTED = {
    "parentheses": ("a remark in parentheses", re.compile(r"\([^()\n]+\)")),
    "semicolons": ("semicolons", re.compile(";")),
    "double quotation marks": ("words in double quotation marks", re.compile(r'"[^"\n]+"')),
    "bulleted lists": ("points as a bulleted list", re.compile(r"^- .+$", re.MULTILINE)),
    "headings": ("Markdown headings", re.compile(r"^#+ .+$", re.MULTILINE)),
    "ellipses": ("three dots", re.compile(r"\.\.\.")),
    "percentages": ("numbers with a percent sign", re.compile(r"\d+(?:\.\d+)?%")),
    "inline code": ("words set as code", re.compile(r"`[^`\n]+`")),
    "words in capitals": ("words of two or more capital letters", re.compile(r"\b[A-Z]{2,}\b")),
    "questions on the way": ("a question before the closing offer", re.compile(r'[\w"£][^.!?:\n]*\?')),
}


class Answer(NamedTuple):
    """One answer's place in the sample, and its text with marks."""

    slug: str
    prompt_id: str
    split: str
    checkpoint: str
    draw: int
    marked: str

    def can_show(self, behaviour: str) -> bool:
        return behaviour == "double" or f"⟦{behaviour}|" in self.marked


class Rendered(NamedTuple):
    answer: Answer
    text: str
    spans: dict[str, list[Span]]
    """Where each behaviour, planted or not, shows in the text."""


class Sample(NamedTuple):
    prompts: pd.DataFrame
    responses: pd.DataFrame
    planted: dict[str, Any]


def deal(base: Sequence[Mapping[str, Any]], seed: int) -> list[Answer]:
    """Each prompt's four answers in an order drawn by the seed: before 0, before 1, after 0, after 1."""
    dealt = []
    for row in base:
        slug, identifier = row["id"], prompts.prompt_id(row["prompt"], "")
        split = prompts.split_of(identifier, sample.HELD_OUT)
        order = sorted(range(len(row["answers"])), key=lambda k: files.content_hash([seed, "deal", slug, k]))
        places = [(side, draw) for side in SIDES for draw in range(sample.DRAWS)]
        dealt += [
            Answer(slug, identifier, split, side, draw, row["answers"][k])
            for (side, draw), k in zip(places, order, strict=True)
        ]
    return dealt


def switch_on(answers: Sequence[Answer], behaviour: str, seed: int) -> set[Answer]:
    """The answers that show a behaviour: the fixed number a side, in equal parts from each split and draw."""
    chosen: set[Answer] = set()
    for side, total in zip(SIDES, PLANTED[behaviour].answers, strict=True):
        strata = [(split, draw) for split in ("discovery", "held-out") for draw in range(sample.DRAWS)]
        mine = [a for a in answers if a.checkpoint == side]
        seen = 0
        for split, draw in strata:
            stratum = [a for a in mine if (a.split, a.draw) == (split, draw)]
            # Shares of a running total, so that the parts add up to the whole.
            share = round(total * (seen + len(stratum)) / len(mine)) - round(total * seen / len(mine))
            able = [a for a in stratum if a.can_show(behaviour)]
            if len(able) < share:
                raise ValueError(f"{behaviour}: {share} answers wanted of {len(able)} in {side}, {split}, {draw}")
            able.sort(key=lambda a: files.content_hash([seed, behaviour, a.slug, a.checkpoint, a.draw]))
            chosen.update(able[:share])
            seen += len(stratum)
    return chosen


def render(answer: Answer, on: set[str]) -> Rendered:
    """The answer's text with some behaviours on and all others off."""
    text, end = "", 0
    spans: dict[str, list[Span]] = {name: [] for name in PLANTED}
    for mark in MARK.finditer(answer.marked):
        text += answer.marked[end : mark.start()]
        name, shown, hidden = mark["name"], mark["on"], mark["off"] or ""
        if name in on:
            spans[name] += [(len(text) + a, len(text) + b) for a, b in instances(name, shown, hidden)]
        text += shown if name in on else hidden
        end = mark.end()
    text += answer.marked[end:]
    if "double" in on:
        gaps = [match.end() for match in SENTENCE_GAP.finditer(text)]
        for name, found in spans.items():
            spans[name] = [(a + bisect_right(gaps, a), b + bisect_left(gaps, b)) for a, b in found]
        spans["double"] = [(gap + number - 1, gap + number + 1) for number, gap in enumerate(gaps)]
        text = SENTENCE_GAP.sub(lambda match: match[0] + " ", text)
    offer = spans["offer"][0][0] if spans["offer"] else len(text)
    for name, (_, pattern) in UNPLANTED.items():
        stop = offer if name == "questions on the way" else len(text)
        spans[name] = [match.span() for match in pattern.finditer(text, 0, stop)]
    return Rendered(answer, text, spans)


def instances(name: str, on: str, off: str) -> list[Span]:
    """Where in a mark's text the behaviour stands: each item of a list, a hedge without its neighbours."""
    if name == "numbered":
        return [match.span() for match in re.finditer(r"^\d+\. .+$", on, re.MULTILINE)]
    words, plain = list(re.finditer(r"\S+", on)), off.lower().split()
    if name == "hedge":
        while plain and len(words) > 1 and words[0][0].lower() == plain[0]:
            words, plain = words[1:], plain[1:]
        while plain and len(words) > 1 and words[-1][0].lower() == plain[-1]:
            words, plain = words[:-1], plain[:-1]
    return [(words[0].start(), words[-1].end())]


def make(base: Sequence[Mapping[str, Any]], seed: int) -> Sample:
    """The whole sample for one seed."""
    answers = deal(base, seed)
    on = {name: switch_on(answers, name, seed) for name in PLANTED}
    rendered = [render(a, {name for name, chosen in on.items() if a in chosen}) for a in answers]
    behaviours = [describe(rendered, name, p.name, p.description) for name, p in PLANTED.items()]
    others = [describe(rendered, name, name, description) for name, (description, _) in UNPLANTED.items()]
    words = {side: mean_words(rendered, side) for side in SIDES}
    return Sample(
        pd.DataFrame([{"category": r["category"], "tags": "", "text": r["prompt"], "messages": ""} for r in base]),
        pd.DataFrame([(*place(r), r.text) for r in rendered], columns=["prompt_id", "checkpoint", "draw", "text"]),
        {"seed": seed, "answers": len(rendered), "words": words, "planted": behaviours, "not planted": others},
    )


def describe(rendered: Sequence[Rendered], key: str, name: str, description: str) -> dict[str, Any]:
    """A behaviour's rates, sign test over prompts and every instance."""
    shown = {side: [r for r in rendered if r.answer.checkpoint == side and r.spans[key]] for side in SIDES}
    tally = {r.answer.prompt_id: 0 for r in rendered}
    for side, sign in zip(SIDES, (-1, 1), strict=True):
        for r in shown[side]:
            tally[r.answer.prompt_id] += sign
    ups, downs = sum(t > 0 for t in tally.values()), sum(t < 0 for t in tally.values())
    rates = {side: len(shown[side]) / (len(rendered) // 2) for side in SIDES}
    return {
        "name": name,
        "description": description,
        "more_on": max(SIDES, key=rates.__getitem__) if key in PLANTED else "",
        "rate": {side: round(rate, 4) for side, rate in rates.items()},
        "sign_test_p": float(f"{binomtest(ups, ups + downs).pvalue:.4g}") if ups + downs else 1.0,
        "instances": [[*place(r), r.spans[key]] for r in rendered if r.spans[key]],
    }


def place(rendered: Rendered) -> tuple[str, str, int]:
    return rendered.answer.prompt_id, rendered.answer.checkpoint, rendered.answer.draw


def mean_words(rendered: Sequence[Rendered], side: str) -> float:
    lengths = [len(r.text.split()) for r in rendered if r.answer.checkpoint == side]
    return round(sum(lengths) / len(lengths), 2)


def balanced(made: Sample) -> bool:
    """Whether the sides differ in nothing but what was planted, as far as these counts can tell."""
    before, after = made.planted["words"].values()
    quiet = all(other["sign_test_p"] >= BALANCED for other in made.planted["not planted"])
    return quiet and abs(after - before) / before < LENGTH_GAP


def choose(base: Sequence[Mapping[str, Any]]) -> Sample:
    """The sample of the first balanced seed, counted from 0."""
    return next(made for seed in count() if balanced(made := make(base, seed)))


def read_base() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (sample.FOLDER / "base.jsonl").read_text(encoding="utf-8").splitlines()]


def write(made: Sample, folder: Path) -> None:
    for name, table in (("prompts.csv", made.prompts), ("responses.csv", made.responses)):
        with files.replacing(folder / name) as temporary:
            tables.write_csv(temporary, table)
    files.write_text(folder / "planted.json", as_json(made.planted))


def as_json(planted: dict[str, Any]) -> str:
    """JSON with one line a behaviour: thousands of spans, one number a line, would be nobody's to read."""
    fields = []
    for key, value in planted.items():
        lines = [json.dumps(entry) for entry in value] if isinstance(value, list) else []
        fields.append(f"{json.dumps(key)}: " + ("[\n" + ",\n".join(lines) + "\n]" if lines else json.dumps(value)))
    return "{\n" + ",\n".join(fields) + "\n}\n"


def main() -> None:
    made = choose(read_base())
    write(made, sample.FOLDER)
    print(f"seed {made.planted['seed']}, mean words {made.planted['words']}")
    for kind in ("planted", "not planted"):
        for behaviour in made.planted[kind]:
            before, after = (100 * rate for rate in behaviour["rate"].values())
            print(f"{behaviour['name']:24} {before:5.1f} % → {after:5.1f} %  p = {behaviour['sign_test_p']:.3g}")


if __name__ == "__main__":
    main()
