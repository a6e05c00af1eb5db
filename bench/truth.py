"""Does a diff tell the truth where the truth is known? `python -m bench.truth [--studies 200] [--only NAME …]`.

Answers are made up (`answers`), exchanged (`exchange`) and changed in a known way (`plants`), encoded with the
starter reader and diffed; each scenario counts how often the diff said what is so. `--study NAME` takes a study's
first two checkpoints instead of made-up answers, `--home FOLDER` is where studies and encodings are and stay.
Prints one table, which `docs/method.md` quotes. Not looked at here: several draws (but for the sample),
language models' labels and judgements, and readers other than the starter.
"""

import argparse
import dataclasses
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench import answers, plants, unlike
from bench.answers import Answers
from bench.apart import Apart, matched, told_apart
from bench.exchange import Sides, exchanged
from bench.lines import HEAD, Line, averaged, pooled, rows, share
from diffing import Study
from diffing.diff import answer, anything, compute, measure, separability, summary
from diffing.diff.stored import DiffSettings
from diffing.models.providers import Checkpoint
from diffing.study import responses, sample
from diffing.study.study import folder_of

PROMPTS = 240
SHARES = (0.5, 0.75, 0.9, 0.99)
"""Of pairs that tie."""
REAL = 260
"""Prompts of a real study that are changed and encoded anew: with long answers more take too long."""


class Asked(NamedTuple):
    """What is measured, and how often."""

    answers: Answers
    studies: int = 200
    seed: int = 0
    own: str = ""
    """The study that the answers are from, where they are."""

    @property
    def encoded(self) -> int:
        """Repeats of what must be encoded anew: one for twenty studies that need not."""
        return max(1, self.studies // 20)


def compared(name: str, prompts: pd.DataFrame, sides: dict[str, list[str]]) -> Study:
    """An encoded study of these answers, in place of an earlier one of that name."""
    name = f"truth-{name}"
    shutil.rmtree(folder_of(name), ignore_errors=True)
    study = Study.create(name, [Checkpoint(key=key, name=key, source="import") for key in sides], prompts)
    ids = study.prompts()["id"].tolist()
    rows = [
        {"prompt_id": prompt, "checkpoint": key, "draw": 0, "text": told, "flag": responses.flag(told, "stop", "")}
        for key, texts in sides.items()
        for prompt, told in zip(ids, texts, strict=True)
    ]
    study.add_responses(pd.DataFrame(rows))
    study.run("encode")
    return study


def diffed(study: Study, a: str, b: str) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """All tables and the summary."""
    return compute.measured(study, study.encodings(), a, b, DiffSettings(), lambda *_: None)


# The scenarios.


def nulls(asked: Asked) -> list[Line]:
    """Sides exchanged by coins: no view, and not all together, may find anything in more than 5 % of studies."""
    if asked.own:
        return _nulls(asked, "real answers", Sides(Study.open(asked.own)))
    study = compared("null", asked.answers.prompts, {"a": asked.answers.first, "b": asked.answers.second})
    return _nulls(asked, "made-up answers", Sides(study))


def nulls_of_sample(asked: Asked) -> list[Line]:
    """The same of the sample: two draws, and answers in which much differs before sides are exchanged."""
    return _nulls(asked, "the sample", Sides(encoded_sample()))


def encoded_sample() -> Study:
    study = Study.open(sample.ensure().name)
    study.run("encode")
    return study


def _nulls(asked: Asked, name: str, sides: Sides) -> list[Line]:
    hits: dict[str, int] = defaultdict(int)
    for number in range(asked.studies):
        pairs = exchanged(sides.pairs, np.random.default_rng([asked.seed, 3, number]))
        for view, says in _says(sides, pairs, number).items():
            hits[view] += says
    return [share(f"{name} exchanged: {view}", hits[view], asked.studies, most=0.05, chance=True) for view in hits]


def _says(sides: Sides, pairs: Any, seed: int) -> dict[str, bool]:
    """Which families of tests say anything."""
    told = sides.compared(pairs, seed)
    says: dict[str, bool] = {}
    for kind, table in told.tables.items():
        for family, columns in anything.FAMILIES.items():
            q = np.concatenate([table[column].to_numpy(dtype=np.float64) for column in columns])
            # A family without a test is none: categories may be too small for any.
            if not np.isnan(q).all():
                says[f"{kind}, {family}"] = bool((q < measure.LEVEL).any())
        says[f"{kind}, discovery prompts"] = bool((table["q_discovery"] < measure.LEVEL).any())
        says[f"{kind}, replicated"] = bool((table["replicated"] == "yes").any())
    says["separability"] = separability.separability(sides.shown, pairs, seed, 99).p <= measure.LEVEL
    says["any habit"] = bool(len(sides.habits(told, pairs)))
    says["all views together"] = anything.of(told.tables)["says"] == "differs"
    return says


def identical(asked: Asked) -> list[Line]:
    """The same answers twice: nothing is said, but that they are the same."""
    same = asked.answers.first
    study = compared("identical", asked.answers.prompts, {"a": same, "b": same})
    stored = compute.compute(study, "a", "b")
    told, n = stored.summary, len(same)
    words = f"The answers are identical on {n:,} of {n:,} prompts."
    said = answer.sentence(stored)
    silent = told["separability"]["auc"] is None and told["anything"]["p"] is None and stored.habits.empty
    return [
        share("identical answers: no AUC, no test, no habit", int(silent), 1, least=1),
        share("identical answers: the headline says so", int(words == summary.identical(told)), 1, least=1),
        share("identical answers: the answer says so", int(words[1:].rstrip(".") in said), 1, least=1),
    ]


def sentence(asked: Asked) -> list[Line]:
    """One sentence in 35 % of B's answers, on sides exchanged by a coin, is one habit."""
    first, others = plants.SENTENCES[0], plants.SENTENCES[1:]
    every = [first] * asked.encoded + [others[number % len(others)] for number in range(asked.encoded)]
    sides, changed = {}, {}
    for place, plant in enumerate(every):
        random = np.random.default_rng([asked.seed, 4, place])
        turn = random.random(len(asked.answers.first)) < 0.5
        both = [*zip(asked.answers.first, asked.answers.second, strict=True)]
        sides[f"a{place}"] = [pair[int(t)] for pair, t in zip(both, turn, strict=True)]
        b = [pair[1 - int(t)] for pair, t in zip(both, turn, strict=True)]
        sides[f"b{place}"], changed[place] = plants.planted(b, [plant], "b", random)
    study = compared("sentence", asked.answers.prompts, sides)
    found = [told_apart(study, f"a{place}", f"b{place}", {"b": changed[place]}) for place in range(len(every))]
    lines = []
    for name, some in (("the closing offer", found[: asked.encoded]), ("other sentences", found[asked.encoded :])):
        one = sum(told.habits == 1 for told in some)
        lines.append(share(f"one planted sentence, {name}: one habit", one, len(some), least=0.9))
        right = sum(told.found == 1 for told in some)
        lines.append(share(f"one planted sentence, {name}: that habit is it", right, len(some), least=0.9))
    return lines


def ten_habits(asked: Asked) -> list[Line]:
    """Ten habits, five more on each side, each in answers of its own choice."""
    number = max(1, asked.encoded // 2)
    sides, changed = {}, {}
    for place in range(number):
        random = np.random.default_rng([asked.seed, 5, place])
        for side, texts in (("a", asked.answers.first), ("b", asked.answers.second)):
            sides[f"{side}{place}"], changed[f"{side}{place}"] = plants.planted(texts, plants.HABITS, side, random)
    study = compared("habits", asked.answers.prompts, sides)
    found = [
        told_apart(study, f"a{n}", f"b{n}", {side: changed[f"{side}{n}"] for side in "ab"}) for n in range(number)
    ]
    return _ten("ten planted habits", found)


def ten_of_sample(_asked: Asked) -> list[Line]:
    """The ten that the sample's maker planted: sixty prompts, half of them discovery prompts."""
    sides = Sides(encoded_sample())
    rows = {prompt: row for row, prompt in enumerate(sides.pairs.prompts["id"])}
    true = np.zeros((len(rows), 10))
    for column, plant in enumerate(sample.planted()["planted"]):
        for prompt, side, _draw, _spans in plant["instances"]:
            true[rows[prompt], column] += (1 if side == "after" else -1) / sample.DRAWS
    return _ten("the sample's ten habits", [matched(sides, true)])


def _ten(name: str, found: list[Apart]) -> list[Line]:
    ten = [len(plants.HABITS)] * len(found)
    return [
        pooled(f"{name}: found", [told.found for told in found], ten, least=0.9),
        pooled(
            f"{name}: habits that are none of them",
            [told.false for told in found],
            [told.habits for told in found],
            most=0.05,
        ),
        pooled(
            f"{name}: habits said twice",
            [told.habits - told.found - told.false for told in found],
            [told.habits for told in found],
            most=0.1,
        ),
    ]


LAST = ("text after a list",)
"""Lines put behind the end change what stands last. That is what these probes are of, and so is no length."""


def length(asked: Asked) -> list[Line]:
    """B's answers are A's, shorter or longer by lines of the same kind: length, and nothing else."""
    number = max(1, asked.encoded // 2)
    ways = {"shorter": "body lines deleted", "longer": "body lines behind the end", "ended": "a second ending"}
    sides = {"a": asked.answers.first}
    for place in range(number):
        random = np.random.default_rng([asked.seed, 6, place])
        sides[f"shorter{place}"] = [plants.shorter(text, random) for text in asked.answers.first]
        # Lines of the other answer to the prompt, in four of five, so that there are several such studies.
        lent = zip(asked.answers.first, asked.answers.second, random.random(len(sides["a"])) < 0.8, strict=True)
        both = [(text, other if lends else "") for text, other, lends in lent]
        sides[f"longer{place}"] = [plants.longer(*pair) for pair in both]
        sides[f"ended{place}"] = [plants.ended(*pair) if pair[1] else pair[0] for pair in both]
    study = compared("length", asked.answers.prompts, sides)
    lines = []
    for way, words in ways.items():
        tables = [diffed(study, "a", f"{way}{place}")[0] for place in range(number)]
        every = [
            pd.concat([table["features"], table["probes"][~table["probes"]["probe"].isin(LAST)], table["phrases"]])
            for table in tables
        ]
        survive = [int(row["survives_equal_length"].fillna(False).sum()) for row in every]
        differ = [int((row["q"] < measure.LEVEL).sum()) for row in every]
        lines.append(pooled(f"length only, {words}: that survives", survive, differ, most=0.0025))
    return lines


def cuts(asked: Asked) -> list[Line]:
    """A says a sentence early, B more often but late in longer answers: the cuts contradict each other."""
    random = np.random.default_rng([asked.seed, 7])
    both = zip(asked.answers.first, asked.answers.second, strict=True)
    a, _ = plants.planted(asked.answers.first, [plants.EARLY], "a", random)
    b, _ = plants.planted([plants.stretched(*pair) for pair in both], [plants.LATE], "b", random)
    study = compared("cuts", asked.answers.prompts, {"a": a, "b": b})
    rows = pd.concat([diffed(study, "a", "b")[0][kind] for kind in ("features", "probes", "phrases")])
    against = np.zeros(len(rows), bool)
    for cut in measure.CUTS:
        turned = np.sign(rows[f"delta{cut}"]) == -np.sign(rows["delta"])
        against |= (turned & (rows[f"q{cut}"] < measure.LEVEL)).to_numpy()
    contrary = rows[against & (rows["q"] < measure.LEVEL)]
    survive = int(contrary["survives_equal_length"].fillna(False).sum())
    return [share("cuts that contradict each other: called more than length", survive, len(contrary), most=0)]


def categories(asked: Asked) -> list[Line]:
    """Categories of unlike sizes and variances, with one mean: heterogeneity has nothing to find."""
    lines = []
    for name, mean in unlike.MEANS.items():
        said = 0
        for number in range(asked.studies):
            found = unlike.tested(mean, 1, np.random.default_rng([asked.seed, 8, number]))
            said += bool(np.nanmin(found.q, initial=1.0) < measure.LEVEL)
        scenario = f"unlike category variances, {name}: heterogeneity"
        lines.append(share(scenario, said, asked.studies, most=0.05, chance=True))
    return lines


def ties(asked: Asked) -> list[Line]:
    """Most pairs show the same, though their texts are not the same: no side can be told."""
    study = compared("null", asked.answers.prompts, {"a": asked.answers.first, "b": asked.answers.second})
    sides, lines = Sides(study), []
    for part in SHARES:
        found = []
        for number in range(2 * asked.encoded):
            random = np.random.default_rng([asked.seed, 9, round(100 * part), number])
            pairs = exchanged(sides.pairs, random)
            same = random.permutation(len(pairs.row)) < part * len(pairs.row)
            alike = dataclasses.replace(pairs, b=np.where(same, pairs.a, pairs.b))
            found.append(separability.separability(sides.shown, alike, number, 1))
        for name in ("auc", "paired"):
            values = [getattr(one, name) for one in found]
            lines.append(averaged(f"ties of {100 * part:.0f} %: {name}", values, 0.48, 0.52))
    return lines


SCENARIOS: dict[str, Callable[[Asked], list[Line]]] = {
    "nulls": nulls,
    "nulls-of-sample": nulls_of_sample,
    "identical": identical,
    "sentence": sentence,
    "habits": ten_habits,
    "habits-of-sample": ten_of_sample,
    "length": length,
    "cuts": cuts,
    "categories": categories,
    "ties": ties,
}


def run(asked: Asked, only: Sequence[str] = ()) -> None:
    """Print the table, scenario by scenario."""
    # Of a study's own answers nothing is known of the sample or of simulated categories.
    left = {"nulls-of-sample", "habits-of-sample", "categories", "habits"} if asked.own else set()
    print(HEAD, flush=True)
    for name in only or [name for name in SCENARIOS if name not in left]:
        start = time.perf_counter()
        print(rows(SCENARIOS[name](asked)), flush=True)
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--only", nargs="*", choices=list(SCENARIOS), default=[])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--study", default="", help="take this encoded study's answers instead of made-up ones")
    parser.add_argument("--home", type=Path, help="where the studies and encodings are, and are kept")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["DIFFING_HOME"] = str(asked.home or temporary)
        if asked.study:
            made = answers.of_study(Study.open(asked.study), REAL, asked.seed)
        else:
            made = answers.written(PROMPTS, asked.seed)
        run(Asked(made, asked.studies, asked.seed, asked.study), asked.only)


if __name__ == "__main__":
    main()
