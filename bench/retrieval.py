"""Answers found by a property: by labels, by examples and by feedback, beside BM25, on 200 labelled answers.

`python -m bench.retrieval` prints the table in docs/concepts.md. The answers lie in `tests/fixtures/retrieval`,
where a README says who wrote and labelled them. Average precision is over the answers that nobody judged: with
examples, without these. Intervals and differences come from resampling answers; the null exchanges which of them
have a property. How many features a choice by examples has (30) and how they are weighed was chosen on these
answers.
"""

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from diffing.common.arrays import Floats, Ints
from diffing.common.errors import UserError
from diffing.common.files import PROJECT
from diffing.concepts import bm25, chosen, ranking, search
from diffing.concepts.matrix import Matrix
from diffing.concepts.search import Ground
from diffing.probes.weighed import Weights
from diffing.reader import encode
from diffing.study import collection
from tests.fakes.watch import Watch

ANSWERS = PROJECT / "tests" / "fixtures" / "retrieval" / "answers.csv"
QUERIES = {
    "prices": "mentions prices in dollars or euros",
    "sorry": "apologises with the word sorry",
    "doctor": "says to see a doctor",
    "email": "mentions an email",
    "rain": "speaks of rain",
    "restates": "starts by restating the question",
    "offers": "ends with an offer to help further",
    "hedged_refusal": "hedges before refusing",
    "one_sentence": "answers in one sentence where a list was possible",
    "double_spaces": "two spaces after a full stop",
}
"""As a person would ask; the first five are of words, the others of what no word says."""
DRAWS, EACH, BOOTSTRAPS, JUDGED = 20, 5, 400, 10


class Labelled(NamedTuple):
    """The collection, and which of its answers have what."""

    ground: Ground
    has: pd.DataFrame


def made(path: Path = ANSWERS) -> Labelled:
    """The answers as a collection, read by the starter, in the home of now."""
    study = collection.read(path, "retrieval", {"text": "text"})
    encode.run(study, encode.Options(), Watch())
    ground = Ground(study)
    asked = study.prompts().set_index("id").loc[ground.matrix.answers["prompt_id"], "text"]
    return Labelled(ground, pd.read_csv(path).set_index("prompt").loc[asked, [*QUERIES]].reset_index(drop=True))


def precision(scores: Floats, has: Ints, rows: Ints) -> float:
    """Average precision of a ranking of some rows; equal scores in an order drawn once."""
    jitter = np.random.default_rng(0).random(len(scores))
    hits = has[rows[np.lexsort([jitter[rows], -scores[rows]])]]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits == 1].mean())


def by_labels(ground: Ground, query: str) -> Floats:
    """Scores by labels; of nothing where no label shares a word."""
    try:
        return scored(ground.matrix, chosen.by_labels(ground.study, query))
    except UserError:
        return np.zeros(len(ground.texts))


def scored(table: Matrix, picked: chosen.Chosen) -> Floats:
    features = ranking.weighted(table, picked)
    return Weights.of(features).scores(table.peaks) if features else np.zeros(len(table.answers))


def words(ground: Ground) -> Matrix:
    """The same answers by their words in place of features: what the examples alone are worth."""
    terms = [set(bm25.terms(text)) for text in ground.texts]
    number = {term: n for n, term in enumerate(sorted(set().union(*terms)))}
    rows = [row for row, own in enumerate(terms) for _ in own]
    columns = [number[term] for own in terms for term in sorted(own)]
    peaks = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (len(terms), len(number)))
    return Matrix(ground.matrix.answers, peaks, peaks.astype(np.int32))


def examples(has: Ints, seed: int) -> tuple[Ints, Ints]:
    """As many answers with a property as without, drawn at random."""
    random = np.random.default_rng(seed)
    yes, no = (random.choice(np.flatnonzero(has == which), EACH, replace=False) for which in (1, 0))
    return yes, no


def after_feedback(ground: Ground, query: str, has: Ints, rounds: int) -> tuple[Floats, dict[int, bool]]:
    """Scores after a person said yes or no to the first ten, again and again; and to whom."""
    said: dict[int, bool] = {}
    scores, first = by_labels(ground, query), None
    if scores.any():
        first = chosen.by_labels(ground.study, query)
    else:
        scores, first = ground.words.scores(query), search.choose(ground, query, "examples")
    for _ in range(rounds):
        new = [int(row) for row in ranking.ranked(scores) if int(row) not in said][:JUDGED]
        said |= {row: bool(has[row]) for row in new}
        picked = search.reweighted(ground, first, said)
        scores = scored(ground.matrix, picked) if len(picked.features) else scores
    return scores, said


def resampled(ways: dict[str, list[tuple[Floats, Ints]]], has: Ints) -> pd.DataFrame:
    """Each way's precision, averaged over its draws, in resamples of the answers; each draw has its own rows."""
    random, number = np.random.default_rng(1), len(has)
    out = []
    for _ in range(BOOTSTRAPS):
        often = np.bincount(random.integers(0, number, number), minlength=number)
        line = {}
        for name, draws in ways.items():
            parts = [np.repeat(rows, often[rows]) for _, rows in draws]
            line[name] = np.mean(
                [precision(s, has, r) for (s, _), r in zip(draws, parts, strict=True) if has[r].any()]
            )
        out.append(line)
    return pd.DataFrame(out)


def measured(name: str, labelled: Labelled, of_words: Matrix) -> dict[str, str]:
    """One line of the table."""
    ground, query, has = labelled.ground, QUERIES[name], labelled.has[name].to_numpy(np.int64)
    everyone = np.arange(len(has))
    plain, own = ground.words.scores(query), by_labels(ground, query)
    ways: dict[str, list[tuple[Floats, Ints]]] = {"BM25": [(plain, everyone)], "labels": [(own, everyone)]}
    for way in ("examples", "BM25 on the same", "words by the same examples"):
        ways[way] = []
    for draw in range(DRAWS):
        yes, no = examples(has, draw)
        left = np.setdiff1d(everyone, [*yes, *no])
        ways["examples"].append((scored(ground.matrix, chosen.by_examples(ground.matrix, yes, no)), left))
        ways["words by the same examples"].append((scored(of_words, chosen.by_examples(of_words, yes, no)), left))
        ways["BM25 on the same"].append((plain, left))
    for rounds in (1, 2):
        scores, said = after_feedback(ground, query, has, rounds)
        ways[f"feedback on {rounds * JUDGED}"] = [(scores, np.setdiff1d(everyone, [*said]))]
    boot = resampled(ways, has)
    line = {"property": name.replace("_", " "), "share": f"{100 * has.mean():.0f} %"}
    for way, draws in ways.items():
        if way == "BM25 on the same":
            continue
        there = [precision(scores, has, rows) for scores, rows in draws if has[rows].any()]
        low, high = boot[way].quantile([0.025, 0.975])
        # Two rounds may have found all that there are.
        line[way] = f"{np.mean(there):.2f} [{low:.2f}, {high:.2f}]" if there else "all found"
    low, high = (boot["examples"] - boot["BM25 on the same"]).quantile([0.025, 0.975])
    line["examples − BM25"] = f"{low:+.2f} to {high:+.2f}"
    return line


def null(labelled: Labelled) -> str:
    """What examples find where nobody has anything in common: labels of every property, exchanged."""
    random, beyond, got, chance = np.random.default_rng(2), 0, [], []
    for turn in range(60):
        name = [*QUERIES][turn % len(QUERIES)]
        has = random.permutation(labelled.has[name].to_numpy(np.int64))
        yes, no = examples(has, turn)
        left = np.setdiff1d(np.arange(len(has)), [*yes, *no])
        picked = chosen.by_examples(labelled.ground.matrix, yes, no, seed=turn)
        beyond += bool(picked.beyond_null)
        got.append(precision(scored(labelled.ground.matrix, picked), has, left))
        chance.append(np.mean([precision(random.random(len(has)), has, left) for _ in range(20)]))
    gap = np.array(got) - np.array(chance)
    half = 1.96 * gap.std(ddof=1) / np.sqrt(len(gap))
    return (
        f"Null, 60 exchanges: average precision {np.mean(got):.3f}, of random orders {np.mean(chance):.3f}, "
        f"difference {gap.mean():+.3f} ± {half:.3f}; features beyond the null in {beyond} of 60."
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["DIFFING_HOME"] = home
        labelled = made()
        of_words = words(labelled.ground)
        lines = [measured(name, labelled, of_words) for name in QUERIES]
        print("| " + " | ".join(lines[0]) + " |\n|" + "---|" * len(lines[0]))
        for line in lines:
            print("| " + " | ".join(line.values()) + " |")
        print("\n" + null(labelled))


if __name__ == "__main__":
    main()
