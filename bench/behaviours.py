"""Do behaviours tell the truth? `python -m bench.behaviours [--studies 200] [--study NAME …] [--only NAME …]`.

Four questions, each a few lines of the table that `docs/method.md` quotes: how often a study without a difference
shows any behaviour, how often a behaviour's interval holds the truth, how many behaviours of a study with planted
habits are none of them, and what is shown where only length differs. Answers are made up, the sample's, or those
of `--study`s that lie in `--home`; the truth of the last is that of all their prompts, of which some are drawn.
Not looked at: behaviours that a language model named.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from bench import answers, plants
from bench.apart import ALIKE
from bench.exchange import Sides, exchanged
from bench.lines import HEAD, Line, pooled, rows, share
from bench.truth import PROMPTS, Asked, compared, encoded_sample
from diffing import Study
from diffing.common.arrays import Array
from diffing.diff import pairing
from diffing.diff.behaviours import LENGTH

DRAWN = 300
"""Prompts drawn from a study's for one look at intervals."""
HELD_OUT = 0.3
"""Of these, the share that is held out."""


def nulls(asked: Asked, name: str, sides: Sides) -> list[Line]:
    """Sides exchanged by coins: any confirmed behaviour is a false one, and every difference is truly 0."""
    says, inside, intervals = 0, [], []
    for number in range(asked.studies):
        pairs = exchanged(sides.pairs, np.random.default_rng([asked.seed, 11, number]))
        found = sides.behaviours(sides.compared(pairs, number), pairs).behaviours
        says += bool((found["confirmed"] == "yes").any())
        known = found[found["ci_low"].notna()]
        inside.append(int(((known["ci_low"] <= 0) & (known["ci_high"] >= 0)).sum()))
        intervals.append(len(known))
    return [
        share(f"{name} exchanged: any behaviour", says, asked.studies, most=0.05, chance=True),
        pooled(f"{name} exchanged: intervals that hold 0", inside, intervals, least=0.93),
    ]


def intervals(asked: Asked, study: Study) -> list[Line]:
    """Some of a study's prompts drawn and split anew: intervals against the difference on all its prompts."""
    whole, inside, number = Sides(study), [], []
    keys = study.sides("", "")
    table = pairing.table(study, whole.encodings.documents, *keys)
    prompts = study.prompts()
    for repeat in range(asked.studies // 5):
        random = np.random.default_rng([asked.seed, 12, repeat])
        drawn = prompts.iloc[np.sort(random.choice(len(prompts), min(DRAWN, len(prompts)), replace=False))]
        split = np.where(random.random(len(drawn)) < HELD_OUT, "held-out", "discovery")
        pairs = pairing.from_table(table[table["prompt_id"].isin(drawn["id"])], drawn.assign(split=split))
        sides = whole.drawn(pairs)
        found = sides.behaviours(sides.compared(pairs, repeat), pairs).behaviours
        asked_of = found[found["ci_low"].notna() & (found["kind"] != "place") & (found["category"] == "")]
        held = [
            row.ci_low <= true(whole, str(row.by), str(row.source)) <= row.ci_high for row in asked_of.itertuples()
        ]
        inside.append(sum(held))
        number.append(len(held))
    return [pooled(f"{study.name}: intervals that hold the difference on all prompts", inside, number, least=0.93)]


def true(sides: Sides, by: str, source: str) -> float:
    """B minus A over all prompts; of length as a share of the mean of both."""
    if source == LENGTH:
        words = np.array([len(text.split()) for text in sides.texts], np.float64)
        among = sides.among(sides.pairs)
        a, b = words[among.a].mean(), words[among.b].mean()
        return float((b - a) / ((a + b) / 2))
    return float(sides.difference(sides.shows(by, source), sides.pairs).mean())


def planted(asked: Asked) -> list[Line]:
    """Ten habits, each in answers of its own choice: behaviours that are none of them."""
    false, unexplained, number, found = [], [], [], []
    worded: list[tuple[int, int]] = []
    sides, changed = {}, {}
    repeats = max(1, asked.encoded // 2)
    for place in range(repeats):
        random = np.random.default_rng([asked.seed, 5, place])
        for side, texts in (("a", asked.answers.first), ("b", asked.answers.second)):
            sides[f"{side}{place}"], changed[f"{side}{place}"] = plants.planted(texts, plants.HABITS, side, random)
    study = compared("habits", asked.answers.prompts, sides)
    for place in range(repeats):
        one = Sides(study, f"a{place}", f"b{place}")
        table = one.behaviours(one.compared(one.pairs, 0), one.pairs).behaviours
        # Sentences make answers longer: that length differs is true.
        sure = table[(table["confirmed"] == "yes") & (table["kind"] != "amount")]
        like, joint = _like(one, sure, study, changed[f"a{place}"], changed[f"b{place}"])
        none = like.max(axis=1, initial=0.0) < ALIKE
        unexplained.append(int(np.sum(joint < ALIKE)))
        said = (sure["by"] != "feature").to_numpy()
        worded.append((int(np.sum(none & said)), int(said.sum())))
        false.append(int(np.sum(none)))
        found.append(int(np.sum(like.max(axis=0, initial=0.0) >= ALIKE)))
        number.append(len(sure))
    ten = [len(plants.HABITS)] * repeats
    shares = [wrong / max(of, 1) for wrong, of in zip(unexplained, number, strict=True)]
    return [
        pooled("ten planted habits: behaviours that none of them alone explains", false, number, most=0.05),
        pooled("ten planted habits: behaviours that all of them do not explain", unexplained, number, most=0.05),
        pooled(
            "of the first, those with words of their own",
            [w for w, _ in worded],
            [n for _, n in worded],
            most=0.05,
        ),
        Line(
            "of the second, mean share of a study",
            f"mean of {repeats}",
            float(np.mean(shares)),
            np.nan,
            np.nan,
            0,
            0.05,
        ),
        pooled("ten planted habits: shown", found, ten, least=0.9),
    ]


def _like(sides: Sides, sure: pd.DataFrame, study: Study, a: Array, b: Array) -> tuple[Array, Array]:
    """Behaviours × plants: correlation over prompts of what changed; and of each with all plants together.

    Apologies and hedges, say, both bring "I" with them: that is of neither alone, and of nothing else.
    """
    order = {prompt: row for row, prompt in enumerate(study.prompts()["id"])}
    at = [order[prompt] for prompt in sides.pairs.prompts["id"]]
    sources = zip(sure["by"], sure["source"], strict=True)
    moved = [sides.difference(sides.shows(*source), sides.pairs) for source in sources]
    if not moved:
        return np.zeros((0, a.shape[1])), np.zeros(0)
    change = b[at].astype(float) - a[at].astype(float)
    alone = np.abs(np.corrcoef(np.array(moved), change.T)[: len(moved), len(moved) :])
    every = np.column_stack([np.ones(len(change)), change])
    fitted = every @ np.linalg.lstsq(every, np.array(moved).T, rcond=None)[0]
    return np.asarray(alone), np.asarray(np.sqrt(fitted.var(axis=0) / np.var(moved, axis=1)))


def length(asked: Asked) -> list[Line]:
    """B's answers are A's with body lines taken out or put behind: nothing but length may be shown."""
    sides = {"a": asked.answers.first}
    ways = ("shorter", "longer")
    repeats = max(1, asked.encoded // 2)
    for place in range(repeats):
        random = np.random.default_rng([asked.seed, 6, place])
        both = zip(asked.answers.first, asked.answers.second, random.random(len(sides["a"])) < 0.8, strict=True)
        sides[f"shorter{place}"] = [plants.shorter(text, random) for text in asked.answers.first]
        sides[f"longer{place}"] = [plants.longer(text, other if lends else "") for text, other, lends in both]
    study = compared("behaviours-length", asked.answers.prompts, sides)
    lines = []
    for way in ways:
        told = others = 0
        for place in range(repeats):
            one = Sides(study, "a", f"{way}{place}")
            table = one.behaviours(one.compared(one.pairs, 0), one.pairs).behaviours
            sure = table[table["confirmed"] == "yes"]
            told += bool((sure["kind"] == "amount").any())
            others += bool((sure["kind"] != "amount").any())
        lines.append(share(f"length only, {way}: length is shown", told, repeats, least=1))
        lines.append(share(f"length only, {way}: anything else is shown", others, repeats, most=0))
    return lines


def null_of_made_up(asked: Asked) -> list[Line]:
    study = compared("null", asked.answers.prompts, {"a": asked.answers.first, "b": asked.answers.second})
    return nulls(asked, "made-up answers", Sides(study))


def null_of_sample(asked: Asked) -> list[Line]:
    return nulls(asked, "the sample", Sides(encoded_sample()))


SCENARIOS: dict[str, Callable[[Asked], list[Line]]] = {
    "nulls": null_of_made_up,
    "nulls-of-sample": null_of_sample,
    "planted": planted,
    "length": length,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--only", nargs="*", choices=list(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--study", nargs="*", default=[], help="encoded studies in --home to draw prompts from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--home", type=Path, help="where the studies and encodings are, and are kept")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["DIFFING_HOME"] = str(asked.home or temporary)
        made = Asked(answers.written(PROMPTS, asked.seed), asked.studies, asked.seed)
        print(HEAD, flush=True)
        for name in asked.only:
            print(rows(SCENARIOS[name](made)), flush=True)
        for name in asked.study:
            study = Study.open(name)
            print(rows([*nulls(made, name, Sides(study)), *intervals(made, study)]), flush=True)


if __name__ == "__main__":
    main()
