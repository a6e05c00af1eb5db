"""A study's answers compared again and again with the sides of prompts exchanged, so that nothing is to be found.

What an exchange cannot change is read once: texts, tokens, activations, the places of probes and phrases, and
which phrases are candidates. Promises the tables of features, probes and phrases that a diff of the exchanged
answers would have, and its habits. Left out are families, the noise band, shrinkage, e-values, groups' own tables,
and the view without truncated answers: nothing of them enters a test that is counted here.
"""

import copy
import dataclasses
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from diffing.common.arrays import Array, Bools, Floats
from diffing.diff import behaviours, compute, groups, measure, pairing, phrases, presence
from diffing.diff.behaviours import Found
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Shown, Stored
from diffing.diff.stored import DiffSettings
from diffing.probes import scan
from diffing.probes.learned import Learned
from diffing.probes.phrases import shown_by
from diffing.reader import firing
from diffing.reader.encodings import Encodings
from diffing.study import responses
from diffing.study.study import Study


class Compared(NamedTuple):
    """What a diff says of the sides."""

    tables: dict[str, pd.DataFrame]
    """features, probes and phrases"""
    said: phrases.Tested
    """The phrases with their places."""


def exchanged(pairs: Pairing, random: np.random.Generator) -> Pairing:
    """The two sides of each prompt in each other's place by a coin, all its draws together."""
    turned = (random.random(len(pairs.prompts)) < 0.5)[pairs.row]
    sides = ((pairs.a, pairs.b), (pairs.tokens_a, pairs.tokens_b))
    (a, b), (tokens_a, tokens_b) = ((np.where(turned, y, x), np.where(turned, x, y)) for x, y in sides)
    return dataclasses.replace(pairs, a=a, b=b, tokens_a=tokens_a, tokens_b=tokens_b)


class Sides:
    """Two checkpoints' encoded answers."""

    def __init__(self, study: Study, a: str = "", b: str = "", encodings: Encodings | None = None) -> None:
        settings = DiffSettings()
        self.encodings = encodings or Encodings.open(study)
        self.pairs = pairing.pair(study, self.encodings.documents, *study.sides(a, b))
        self.documents = np.unique(np.concatenate([self.pairs.a, self.pairs.b]))
        self.texts = responses.texts(study.responses(), self.encodings.documents.loc[self.documents])
        self.shown: Stored = presence.shown(
            self.encodings, self.documents, settings.threshold, settings.share_of_peak
        )
        self.tokens = firing.active(self.encodings, [], self.documents.tolist()).tokens
        self.scanned = scan.scan(self.texts)

    @cached_property
    def candidates(self) -> Learned:
        return phrases.learn(self.texts, self.among(self.pairs))

    def among(self, pairs: Pairing) -> Pairing:
        """The pairs as scans and tokens know them: of the paired documents alone, numbered from 0."""
        a, b = (np.searchsorted(self.documents, side) for side in (pairs.a, pairs.b))
        return dataclasses.replace(pairs, a=a, b=b)

    def compared(self, pairs: Pairing, seed: int) -> Compared:
        """The tables of features, probes and phrases, with the tests by category."""
        features, tallied = measure.table(self.shown, pairs)
        testable = features["testable"].to_numpy(dtype=bool)
        features = features.assign(**groups.heterogeneity(tallied.views["whole"], pairs, testable, seed))
        among = self.among(pairs)
        probes = compute.probe_table(presence.as_features(self.scanned, self.tokens), among, seed)
        said = phrases.table(self.turned(pairs), self.tokens, among, self.texts, seed)
        return Compared({"features": features, "probes": probes, "phrases": said.rows}, said)

    def turned(self, pairs: Pairing) -> Learned:
        """The candidates as they would have been learned from the exchanged sides."""
        here = pairs.prompts["split"].to_numpy()[pairs.row] == "discovery"
        first = np.unique(pairs.row[here], return_index=True)[1]
        sign = np.where(pairs.a[here] == self.pairs.a[here], 1, -1)[first]
        differences = (self.candidates.differences @ sparse.diags_array(sign, dtype=np.int64)).tocsr()
        return self.candidates._replace(differences=differences)

    def behaviours(self, compared: Compared, pairs: Pairing) -> Found:
        """Habits and behaviours; activations are read of what differs on discovery prompts alone."""
        features = compared.tables["features"]
        differ = features.loc[features["q_discovery"] < measure.LEVEL, "feature"].to_numpy(dtype=np.int64)
        fires = firing.active(self.encodings, differ.tolist(), self.documents.tolist(), self.shown.bar)
        # Words of features name what has no other name; here nobody reads them.
        named = {**compared.tables, "features": features.assign(tokens="")}
        return behaviours.of(named, fires, differ.tolist(), self.scanned, compared.said, self.among(pairs))

    def habits(self, compared: Compared, pairs: Pairing) -> pd.DataFrame:
        """The table of habits."""
        return self.behaviours(compared, pairs).habits

    def drawn(self, pairs: Pairing) -> "Sides":
        """The same answers, of which other prompts are compared: candidates are learned from these."""
        other = copy.copy(self)
        other.pairs = pairs
        other.__dict__.pop("candidates", None)
        return other

    def shows(self, kind: str, name: str) -> Bools:
        """Which answers show a feature, probe or phrase, by its name in the table of habits."""
        if kind == "phrase":
            return np.asarray(shown_by(self.texts, [phrases.read(name)])[:, 0])
        shown, number = (self.shown, int(name)) if kind == "feature" else (self._counted, scan.NAMES.index(name))
        documents = self.documents if kind == "feature" else np.arange(len(self.documents))
        return np.array([number in shown.document(document).feature for document in documents.tolist()], bool)

    @cached_property
    def _counted(self) -> Shown:
        return presence.as_features(self.scanned, self.tokens)

    def difference(self, shows: Array, pairs: Pairing) -> Floats:
        """By prompt: in which share of its draws B shows something, less A."""
        among = self.among(pairs)
        ahead = shows[among.b].astype(np.float64) - shows[among.a]
        return np.bincount(among.row, ahead / pairs.draws[among.row], len(pairs.prompts)).astype(np.float64)
