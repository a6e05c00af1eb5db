"""The table of phrases: all candidates learned from discovery prompts are tested, those kept are its rows.

Every column is `measure`'s, over the family of all candidates: a q says what it says of a feature, however few
phrases are shown. Knows no encodings; `compute` stores the table.
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diffing.common.arrays import Array, Floats
from diffing.diff import groups, measure, presence
from diffing.diff.pairing import Pairing
from diffing.diff.tally import Leads, Tally
from diffing.probes import learned
from diffing.probes.learned import Learned, Pairs
from diffing.probes.phrases import Phrase
from diffing.probes.scan import Scan
from diffing.reader.firing import Tokens

OWN = ("phrase", "form", "also")
"""Columns beside those that probes have: for a person, for a program, and what else it stands for."""


def discovery(pairing: Pairing) -> Pairs:
    """The paired answers to discovery prompts, of a pairing whose documents are numbered from 0."""
    here = pairing.prompts["split"].to_numpy()[pairing.row] == "discovery"
    prompt = np.unique(pairing.row[here], return_inverse=True)[1]
    return Pairs(
        text=np.concatenate([pairing.a[here], pairing.b[here]]),
        prompt=np.concatenate([prompt, prompt]),
        sign=np.repeat(np.array([-1, 1]), len(prompt)),
    )


def learn(texts: Sequence[str], pairing: Pairing) -> Learned:
    """Candidates, from a pairing whose documents are the texts."""
    return learned.learn(texts, discovery(pairing), measure.LEVEL)


class Tested(NamedTuple):
    """What came of the candidates."""

    rows: pd.DataFrame
    """Of the kept phrases, by p on discovery prompts."""
    tested: int
    """Candidates that were tested with them."""
    spans: Scan
    """The kept phrases' places, numbered as the rows are."""


def table(candidates: Learned, tokens: Tokens, pairing: Pairing, texts: Sequence[str], seed: int) -> Tested:
    """Test all candidates, and keep the phrases that are shown."""
    scanned = presence.as_features(candidates.spans, tokens, np.zeros(len(candidates.phrases), bool))
    whole, tallied = measure.table(scanned, pairing)
    chosen = learned.kept(candidates, _evidence(tallied, pairing))
    numbers = np.array([choice.candidate for choice in chosen], np.int64)
    rows = whole.drop(columns="feature").iloc[numbers].reset_index(drop=True)
    rows = rows.assign(**_between_groups(tallied.views["whole"], numbers, pairing, seed))
    seen = np.zeros(len(texts), bool)
    seen[discovery(pairing).text] = True
    phrases = [_written(candidates, choice.candidate, texts, seen) for choice in chosen]
    rows.insert(0, "phrase", [phrase.shown for phrase in phrases])
    rows["form"] = [json.dumps(phrase.form, ensure_ascii=False) for phrase in phrases]
    rows["also"] = ["; ".join(other.shown for other in choice.also) for choice in chosen]
    rows = rows.astype(dict.fromkeys(OWN, object))
    return Tested(rows, int(whole["testable"].sum()), of_some(candidates.spans, numbers))


def of_some(scanned: Scan, numbers: Array) -> Scan:
    """Of some candidates alone, renumbered."""
    order = np.full(int(max(scanned.probe.max(initial=-1), numbers.max(initial=-1))) + 1, -1, np.int64)
    order[numbers] = np.arange(len(numbers))
    keep = np.flatnonzero(order[scanned.probe] >= 0)
    return dataclasses.replace(
        scanned,
        document=scanned.document[keep],
        probe=order[scanned.probe[keep]].astype(np.int16),
        start=scanned.start[keep],
        end=scanned.end[keep],
    )


def _evidence(tallied: Tally, pairing: Pairing) -> Floats:
    """By candidate: its p on discovery prompts, and at least that of one of the two cuts to equal length there.

    Where one side's answers are longer, all common words differ: they would fill the list.
    """
    here = pairing.cells["split"].to_numpy() == "discovery"
    whole, first, last = (measure.presence_p(tallied.views[view], 1, here) for view in measure.VIEWS)
    cut = np.fmin(first, last)
    return np.asarray(np.where(np.isnan(whole), np.nan, np.maximum(whole, np.where(np.isnan(cut), 1.0, cut))))


def _between_groups(leads: Leads, numbers: Array, pairing: Pairing, seed: int) -> dict[str, Any]:
    """Heterogeneity of the kept alone: they were chosen by split and side, and never by group."""
    some = Leads(leads.sizes, leads.unit, leads.more_a[:, numbers], leads.more_b[:, numbers])
    return groups.heterogeneity(some, pairing, np.ones(len(numbers), bool), seed)


def _written(candidates: Learned, number: int, texts: Sequence[str], seen: Array) -> Phrase:
    return learned.written(candidates.phrases[number], number, candidates, texts, seen)


def read(form: Any) -> Phrase:
    """A phrase from the table's column `form`."""
    return Phrase.of(json.loads(form))
