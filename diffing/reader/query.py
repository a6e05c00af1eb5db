"""Ask the data: features by what they are called or fire on, answers by their features, and what goes together.

Searches give tables, best first; `feature_examples` gives plain data to show. Reads what is stored: promises that
no reader is loaded, and that a correlation's p takes account of having looked at all features. Takes labels from
the caller, so that any set of them can be searched.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from rapidfuzz import fuzz
from scipy import sparse

from diffing.common.arrays import Array, Bools, Floats
from diffing.common.errors import UserError
from diffing.reader.encodings import Encodings
from diffing.reader.records import Encoding
from diffing.study import responses
from diffing.study.study import Study

SUPPORT = 5
"""Documents that must show both before their correlation is looked at.

Two rare things that meet once or twice have the highest information of all. Five was chosen by eye.
"""
HITS = 3
"""Active tokens on a text that a feature needs to be found by it: one or two may be chance (chosen by eye)."""
ALIKE = 60
"""Similarity of words, in percent, from which a label is found by them.

Chosen by eye: a letter missing and a plural pass, words that merely share letters do not.
"""


def by_label(labels: Mapping[int, str], text: str, most: int = 50) -> pd.DataFrame:
    """Features whose label has the words, or words much like them: feature, label, likeness in percent."""
    wanted = " ".join(text.lower().split())
    rows = []
    for feature, label in labels.items():
        lower = " ".join(label.lower().split())
        # A part of a word is what people type first, and word by word it is like nothing yet.
        likeness = 100.0 if wanted and wanted in lower else fuzz.token_set_ratio(wanted, lower)
        rows.append({"feature": feature, "label": label, "likeness": likeness})
    table = pd.DataFrame(rows, columns=["feature", "label", "likeness"])
    alike = table[table["likeness"] >= ALIKE] if wanted else table.head(0)
    # By number where labels are as like, so that the order does not hang on the caller's.
    order = alike.sort_values(["likeness", "feature"], ascending=[False, True])
    return order.head(most).reset_index(drop=True)


def by_tokens(encodings: Encodings, text: str, most: int = 50, among: Array | None = None) -> pd.DataFrame:
    """Features that fire where a text stands, capitals or not, by how much more than on tokens at large.

    `share` is the part of the feature's active tokens that touch the text, `chance` the part of all tokens that
    do, `covers` the part of the text's tokens that the feature is active on. `among` narrows where is looked,
    which is in documents whose positions are kept.
    """
    if not text:
        raise UserError("There is no text to look for; give a word or a few characters.")
    pattern = re.compile(re.escape(text), re.IGNORECASE)
    hits, active = np.zeros(encodings.n_features), np.zeros(encodings.n_features)
    touched = tokens = 0
    for document in np.flatnonzero(encodings.held) if among is None else among[encodings.held[among]]:
        answer, record = encodings.texts[document], encodings.encoding(int(document))
        active[record.feature] += record.count
        tokens += len(record.ids)
        spans = [match.span() for match in pattern.finditer(answer)]
        if spans and len(record.ids):
            on = _touching(record, np.array(spans))
            touched += int(on.sum())
            # As whole numbers: `add` of truth values would only say whether there is any.
            hits[record.feature] += np.add.reduceat(on[record.position].astype(np.int64), record.starts()[:-1])
    features = np.flatnonzero(hits >= HITS)
    table = pd.DataFrame(
        {
            "feature": features,
            "hits": hits[features].astype(np.int64),
            "share": hits[features] / active[features],
            "covers": hits[features] / max(touched, 1),
            "chance": touched / max(tokens, 1),
        }
    )
    # The harmonic mean of both shares: a feature should fire there and little elsewhere, and there as a rule.
    best = 2 * table["share"] * table["covers"] / (table["share"] + table["covers"])
    table = table[table["share"] > table["chance"]].assign(best=best)
    return table.sort_values(["best", "feature"], ascending=[False, True]).drop(columns="best").head(most)


def _touching(record: Encoding, spans: Array) -> Bools:
    """Which tokens share a character with one of the spans."""
    # A token that shares a character with the next one may end behind it; a search needs ascending ends.
    ends = np.maximum.accumulate(record.spans[:, 1])
    low = np.searchsorted(ends, spans[:, 0], side="right")
    high = np.searchsorted(record.spans[:, 0], spans[:, 1], side="left")
    # Plus one where a stretch opens, minus one behind it: stretches may overlap.
    edges = np.zeros(len(record.spans) + 1, dtype=np.int64)
    np.add.at(edges, low, 1)
    # A span between two tokens, or behind what the reader was fed, opens and closes at one place.
    np.add.at(edges, np.maximum(high, low), -1)
    return np.asarray(np.cumsum(edges)[:-1] > 0)


def between(encodings: Encodings, left: int, right: int, most: int = 50) -> pd.DataFrame:
    """Features that two documents differ by, rare and strong ones first.

    Ordered by the difference of peaks, as a share of the larger of the two, times the log of how rare the
    feature is among all documents.
    """
    sides = []
    for document, side in ((left, "left"), (right, "right")):
        record = encodings.summary(document)
        columns = {f"count_{side}": record.counts.astype(np.int64), f"peak_{side}": record.peak}
        sides.append(pd.DataFrame({"feature": record.feature.astype(np.int64), **columns}).set_index("feature"))
    table = sides[0].join(sides[1], how="outer").fillna(0).reset_index()
    documents = np.bincount(encodings.feature, minlength=encodings.n_features)[table["feature"]]
    # One more on both sides: what every document shows weighs nothing, and nothing is divided by zero.
    rarity = np.log((len(encodings.documents) + 1) / (documents + 1))
    larger = np.maximum(table["peak_left"].abs(), table["peak_right"].abs())
    table["documents"] = documents
    table["weight"] = (table["peak_right"] - table["peak_left"]).abs() / larger * rarity
    # The gaps that the join left and `fillna` closed made them floats.
    counts = {name: table[name].astype(np.int64) for name in ("count_left", "count_right")}
    table = table.assign(**counts).sort_values(["weight", "feature"], ascending=[False, True])
    return table.head(most).reset_index(drop=True)


def documents(encodings: Encodings, weights: Mapping[int, float], most: int = 50) -> pd.DataFrame:
    """Documents by a weighted sum of features, each as a share of its strongest activation anywhere."""
    score, features = np.zeros(len(encodings.documents)), np.zeros(len(encodings.documents), np.int64)
    for feature, weight in weights.items():
        rows = encodings.occurrences(feature)
        strongest = rows["peak"].abs().max() if len(rows) else 1.0
        score[rows["document"]] += weight * rows["peak"].abs() / strongest
        features[rows["document"]] += 1
    table = encodings.documents[responses.KEY].assign(document=np.arange(len(score)), score=score, shown=features)
    table = table[table["shown"] > 0].sort_values(["score", "document"], ascending=[False, True])
    return table.head(most).reset_index(drop=True)


def of_feature(encodings: Encodings, feature: int) -> Bools:
    """Which documents show a feature."""
    shows = np.zeros(len(encodings.documents), dtype=bool)
    shows[encodings.occurrences(feature)["document"]] = True
    return shows


def correlated(
    encodings: Encodings, shows: Bools, permutations: int = 199, most: int = 50, seed: int = 0
) -> pd.DataFrame:
    """Features that documents show together with a given set of documents, by normalised pointwise information.

    The null exchanges prompts within each checkpoint and draw, so that neither checkpoints nor a prompt's several
    answers feign a correlation; p is the share of permutations whose best feature of all does as well.
    """
    table = encodings.documents
    good = (table["error"] == "").to_numpy()
    # Counts of documents fit float32 to the last one (up to 2**24), in half the memory.
    matrix = encodings.matrix()
    matrix = sparse.csr_array((np.ones(matrix.nnz, np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)
    totals = np.asarray(matrix.sum(axis=0), dtype=np.float64).ravel()
    target = shows & good
    together = np.asarray(target.astype(np.float32) @ matrix, dtype=np.float64)
    number, size = int(good.sum()), int(target.sum())
    likeness = npmi(together, totals, size, number)
    eligible = np.flatnonzero(together >= SUPPORT)
    best = np.full(permutations, -1.0)
    # A stream of its own beside those of groups (5) and separability (3), which share the study's seed.
    random = np.random.default_rng([seed, 7])
    for turn in range(permutations if len(eligible) else 0):
        counts = np.asarray(_shuffled(table, target, random).astype(np.float32) @ matrix, dtype=np.float64)
        null = npmi(counts, totals, size, number)[counts >= SUPPORT]
        best[turn] = null.max(initial=-1.0)
    order = eligible[np.argsort(-likeness[eligible], kind="stable")][:most]
    # Equal counts are a tie, whatever the logarithm's last bits say.
    beaten = np.array([np.sum(best >= likeness[f] - 1e-12) for f in order], dtype=np.float64)
    return pd.DataFrame(
        {
            "feature": order,
            "together": together[order].astype(np.int64),
            "npmi": likeness[order],
            "p": (1 + beaten) / (1 + permutations),
        }
    )


def _shuffled(table: pd.DataFrame, target: Bools, random: np.random.Generator) -> Bools:
    """The target after its prompts changed places, all of a prompt's documents together."""
    prompts, prompt = np.unique(table["prompt_id"].to_numpy(), return_inverse=True)
    slot = table.groupby(["checkpoint", "draw"], sort=True).ngroup().to_numpy()
    grid = np.zeros((len(prompts), slot.max() + 1), dtype=bool)
    grid[prompt, slot] = target
    return np.asarray(grid[random.permutation(len(prompts))][prompt, slot])


def npmi(together: Floats, left: Floats | int, right: Floats | int, number: int) -> Floats:
    """log(p(xy) / p(x)p(y)) / -log p(xy): 1 where two never occur apart, 0 at independence, -1 never together."""
    # Never together is -1 by definition; until then any small number keeps the logarithm finite.
    both = np.maximum(together, 1e-12) / number
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(both * number * number / (np.asarray(left, float) * right)) / -np.log(both)
    # Both in every document: 0 / 0, and they never occur apart.
    value = np.where(both >= 1, 1.0, value)
    return np.asarray(np.where(np.asarray(together) > 0, value, -1.0))


def feature_examples(
    study: Study, feature: int, top: int = 5, held_out: bool = False, quantiles: bool = False
) -> dict[str, Any]:
    """For each checkpoint how many answers show the feature, and the strongest of them piece by piece.

    Held-out prompts stay hidden unless asked for. `quantiles` draws over the whole range, not from the top.
    """
    encodings = Encodings.open(study)
    split = study.prompts().set_index("id")["split"]
    allowed = np.ones(len(encodings), bool)
    if not held_out:
        # An answer whose prompt the study no longer has is of no split, and so not held out.
        allowed = (encodings.documents["prompt_id"].map(split) != "held-out").to_numpy()
    among = np.flatnonzero(allowed)
    occurrences = encodings.occurrences(feature)["document"].to_numpy()
    sides = []
    for checkpoint in study.checkpoints:
        own = (encodings.documents["checkpoint"] == checkpoint.key).to_numpy() & allowed
        encoded = own & (encodings.documents["error"] == "").to_numpy()
        if quantiles:
            table = encodings.quantiles(feature, checkpoint.key, top, study.settings.seed, among)
        else:
            table = encodings.top(feature, checkpoint.key, top, among)
        sides.append(
            {
                "checkpoint": checkpoint.key,
                "name": checkpoint.name,
                "documents": int(encoded.sum()),
                "active": int(encoded[occurrences].sum()),
                "examples": [example(encodings, feature, row) for row in table.to_dict("records")],
            }
        )
    return {"feature": feature, "reader": encodings.reader_key, "held_out": held_out, "sides": sides}


def example(encodings: Encodings, feature: int, row: dict[str, Any]) -> dict[str, Any]:
    """One document of a feature as plain data: `pieces` are (text, activation)."""
    document = int(row["document"])
    pieces = encodings.tokens(document).pieces(encodings.dense(document, feature))
    return {
        "prompt_id": row["prompt_id"],
        "draw": int(row["draw"]),
        "peak": float(row["peak"]),
        "count": int(row["count"]),
        "pieces": [[text, float(value)] for text, value in pieces],
    }
