"""Answers found by a property that a person says in a sentence, the best first, and kept as a probe if wanted.

A sentence becomes weighted features (`chosen`), which rank the answers (`ranking`); people's yes and no change the
weights (`feedback`). Looks at answers to discovery prompts alone unless told otherwise, since what is found may
become a probe that held-out prompts are to test; of a collection at all texts. Beside it stand two rankings that
know no features: BM25 over the texts and, where installed, a sentence embedding. Promises that a search costs
nothing but what a language model takes that was asked to choose.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from diffing import labels
from diffing.common.arrays import Floats, Ints
from diffing.common.errors import UserError
from diffing.common.step import Progress
from diffing.concepts import bm25, chosen, embedding, feedback, matrix, ranking
from diffing.concepts.chosen import By, Chosen
from diffing.concepts.matrix import Matrix
from diffing.labels.history import Label
from diffing.models.questions import Asking
from diffing.probes import own_probes, weighed
from diffing.probes.own_probes import OwnProbe
from diffing.probes.weighed import Property, Weights
from diffing.reader.encodings import Encodings
from diffing.study import responses
from diffing.study.study import Study

PRIOR = 3.0
"""Examples that the first choice counts for once there is feedback: after as many yes both weigh the same."""
RARE = 0.1
"""Share of answers that have a property where nobody's yes and no say from which score on."""
ENOUGH = 3
"""Yes, and no, from which on they set the threshold."""


class Ground:
    """A study's answers as a search needs them, read once for any number of searches."""

    def __init__(self, study: Study, held_out: bool = False, checkpoints: Sequence[str] | None = None) -> None:
        self.study, self.held_out = study, held_out
        whole = matrix.of(study, checkpoints)
        # Of a collection nothing is tested later.
        shown = np.ones(len(whole.answers), bool)
        if not (held_out or study.one_sided):
            shown = (whole.answers["split"] == "discovery").to_numpy(dtype=bool)
        self.matrix: Matrix = whole if shown.all() else whole.only(shown)
        if self.matrix.answers.empty:
            raise UserError(
                f"Study '{study.name}' has no answers to discovery prompts; search held-out ones too "
                "with --held-out."
            )
        self.encodings = Encodings.open(study)

    @cached_property
    def texts(self) -> list[str]:
        return responses.texts(self.study.responses(), self.matrix.answers)

    @cached_property
    def words(self) -> bm25.Index:
        return bm25.Index(self.texts)

    @property
    def known(self) -> dict[int, Label]:
        """Labels as they stand now."""
        return labels.current(self.study)


@dataclass(frozen=True)
class Found:
    """One search's outcome."""

    ground: Ground
    chosen: Chosen
    property: Property
    scores: Floats
    """Of every answer of the ground."""
    said: dict[int, bool]
    """Feedback by row."""
    words: Floats
    """Scores of BM25."""
    alike: Floats | None
    """Likeness in a sentence embedding; None where it was not asked."""

    @cached_property
    def order(self) -> list[int]:
        """Rows, the best first."""
        return [int(row) for row in ranking.ranked(self.scores)]

    def table(self, most: int | None = None) -> pd.DataFrame:
        """A row an answer, the best first, with its places in the rankings beside."""
        rows = self.order[:most]
        answers = self.ground.matrix.answers.iloc[rows]
        table = answers[[*responses.KEY, "category", "tokens"]].reset_index(drop=True)
        table.insert(0, "rank", np.arange(1, len(rows) + 1))
        table.insert(1, "score", self.scores[rows])
        table["shows it"] = self.scores[rows] >= self.property.threshold
        table["said"] = [{True: "yes", False: "no", None: ""}[self.said.get(row)] for row in rows]
        table["bm25 rank"] = _places(self.words)[rows]
        if self.alike is not None:
            table["embedding rank"] = _places(self.alike)[rows]
        return table

    def export(self) -> pd.DataFrame:
        """The table of all answers with their texts."""
        return self.table().assign(text=[self.ground.texts[row] for row in self.order])

    def listed(self, most: int) -> list[dict[str, Any]]:
        """The best answers as plain data, each with its name, its marked text and what features add."""
        rows = []
        for row, told in zip(self.order[:most], self.table(most).to_dict("records"), strict=True):
            why = self.evidence(row)
            marked = "".join(f"«{text}»" if size else text for text, size in why["pieces"]).replace("»«", "")
            answer = feedback.named((str(told["prompt_id"]), str(told["checkpoint"]), int(told["draw"])))
            plain = {
                "rank": int(told["rank"]),
                "score": round(float(told["score"]), 3),
                "answer": answer,
                "category": str(told["category"]),
                "bm25 rank": int(told["bm25 rank"]),
                "said": told["said"],
            }
            rows.append(plain | {"marked": marked, "features": why["features"]})
        return rows

    def evidence(self, row: int) -> dict[str, Any]:
        """Why one answer scores: its text in pieces with how much each speaks for the property, and what features
        add."""
        ground, weights = self.ground, Weights.of(self.property.features)
        document = int(ground.matrix.answers["document"].iloc[row])
        value = weighed.marks(ground.encodings, document, weights)
        pieces = ground.encodings.tokens(document).pieces(value) if len(value) else [(ground.texts[row], 0.0)]
        parts = ranking.shares(ground.matrix, row, weights, self.chosen)
        return {
            "pieces": [[text, float(size)] for text, size in pieces],
            "features": [{"feature": p.feature, "label": p.label, "adds": round(p.adds, 4)} for p in parts],
        }


def choose(
    ground: Ground,
    sentence: str,
    by: By = "labels",
    asking: Asking | None = None,
    progress: Progress | None = None,
    model: str = embedding.MODEL,
) -> Chosen:
    """Features for a sentence, without anybody's feedback; `examples` has none of these."""
    if by == "labels":
        return chosen.by_labels(ground.study, sentence)
    if by == "embedding":
        return chosen.by_embedding(ground.study, sentence, model)
    if by == "model":
        if asking is None or progress is None:
            raise UserError("No model is named to choose features; name one with --model.")
        return chosen.by_model(ground.study, sentence, asking, progress)
    empty = pd.DataFrame(columns=["feature", "weight", "label", "why"])
    return Chosen(sentence, "examples", empty)


def find(ground: Ground, first: Chosen, embedded: str = "") -> Found:
    """Rank the answers by a choice and what people have said since; `embedded` names a model to rank beside it."""
    said = feedback.of(ground.study, first.sentence, ground.matrix.answers, ground.texts)
    picked = reweighted(ground, first, said)
    if picked.features.empty:
        raise UserError(
            f"No example of “{first.sentence}” is named yet; say yes to an answer, or choose features by labels."
        )
    features = ranking.weighted(ground.matrix, picked)
    if not features:
        raise UserError(f"No answer shows any of the features for “{first.sentence}”; say it in other words.")
    scores = Weights.of(features).scores(ground.matrix.peaks)
    threshold, set_by = threshold_of(scores, said)
    kept = Property(
        sentence=feedback.plain(first.sentence),
        reader=ground.encodings.reader_key,
        features=features,
        threshold=threshold,
        set_by=set_by,
        chosen_by=in_words(picked, said),
    )
    alike = embedding.likeness(first.sentence, ground.texts, embedded) if embedded else None
    return Found(ground, picked, kept, scores, said, ground.words.scores(first.sentence), alike)


def reweighted(ground: Ground, first: Chosen, said: dict[int, bool]) -> Chosen:
    """A choice with what examples say, as it is where there are none.

    Of no alone one learns what to turn away from, which makes no choice by itself.
    """
    yes, no = ([row for row, has in said.items() if has is wanted] for wanted in (True, False))
    if not yes and (not no or first.features.empty):
        return first
    shown = chosen.by_examples(ground.matrix, yes or no, no if yes else (), first.sentence, ground.known)
    if not yes:
        shown = replace(shown, features=shown.features.assign(weight=-shown.features["weight"]))
    if first.features.empty:
        return shown
    trust = PRIOR / (PRIOR + len(yes or no))
    parts = [
        table.features.assign(weight=part * table.features["weight"] / table.features["weight"].abs().max())
        for table, part in ((first, trust), (shown, 1 - trust))
    ]
    both = pd.concat(parts, ignore_index=True)
    merged = both.groupby("feature", sort=False).agg(
        weight=("weight", "sum"), label=("label", "first"), why=("why", "; ".join)
    )
    merged = merged.reset_index().sort_values("weight", key=lambda w: -w.abs(), kind="stable")
    return replace(shown, by=first.by, features=merged.reset_index(drop=True), cost=first.cost)


def threshold_of(scores: Floats, said: dict[int, bool]) -> tuple[float, Any]:
    """From which score on an answer has the property, and what says so.

    By feedback: where it parts yes and no best. The same verdicts shaped the weights, so it parts others less
    well.
    """
    yes = np.array([scores[row] for row, has in said.items() if has])
    no = np.array([scores[row] for row, has in said.items() if not has])
    if len(yes) < ENOUGH or len(no) < ENOUGH:
        # Not under what anything at all scores, where few answers show any of the features.
        lowest = float(scores[scores > 0].min(initial=np.inf))
        return max(float(np.quantile(scores, 1 - RARE)), min(lowest, float(scores.max()))), "quantile"
    known = np.unique(np.concatenate([yes, no]))
    between = np.concatenate([known[:1], (known[1:] + known[:-1]) / 2])
    balanced = [(yes >= cut).mean() + (no < cut).mean() for cut in between]
    return float(between[int(np.argmax(balanced))]), "feedback"


def in_words(picked: Chosen, said: dict[int, bool]) -> str:
    """How features were chosen, for whoever reads it later."""
    yes = sum(said.values())
    told = f"by {picked.by}"
    if yes:
        examples = f"{yes} answers that have it and {len(said) - yes} that do not"
        told = f"by {examples}" if picked.by == "examples" else f"{told} and {examples}"
    return told


def save(found: Found, name: str, says: str, author: str) -> OwnProbe:
    """Keep what was found as a probe of the study, which is tested as any other."""
    told: dict[str, Any] = {"says": says, "author": author}
    seen = found.ground.held_out and not found.ground.study.one_sided
    probe = own_probes.made(name, features=found.property, held_out_seen=seen, **told)
    return own_probes.add(found.ground.study, probe)


def _places(scores: Floats) -> Ints:
    """The place of each answer in a ranking, from 1; 0 for those that score nothing."""
    places = np.empty(len(scores), np.int64)
    places[ranking.ranked(scores)] = np.arange(1, len(scores) + 1)
    return np.where(scores > 0, places, 0)
