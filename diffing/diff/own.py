"""A study's own probes tested: how often both sides show each, on discovery and on held-out prompts apart.

The tests are those of the built-in probes (`measure.table`), over the same pairs and the reader's tokens. Own
probes are a family of their own: their q is corrected over them alone, and no other table's q hangs on them.
Promises that an expression that takes too long costs its own row only. Keeps nothing: for some hundred answers it
takes less than a second.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common import files, stats
from diffing.common.arrays import Bools, Floats, Ints
from diffing.common.errors import UserError
from diffing.diff import measure, pairing, presence
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Flat
from diffing.diff.tally import Leads
from diffing.probes import excerpts, own_probes, weighed
from diffing.probes.excerpts import Excerpt
from diffing.probes.own import Rule
from diffing.probes.own_probes import OwnProbe
from diffing.probes.rules import Span
from diffing.probes.scan import Scan
from diffing.reader import firing
from diffing.reader.encodings import Encodings
from diffing.reader.firing import Tokens
from diffing.study import responses
from diffing.study.study import Study

SPLITS = {"discovery": "discovery", "held-out": "heldout"}
"""Parts of the prompts, and how their columns end."""
HEAD = ["probe", "says", "counts", "kind", "author", "date", "held_out_seen"]
"""What a row says before its figures."""
PATIENCE, EACH = 10.0, 0.005
"""Seconds for one rule over all answers: so many, and some more for each. A sound expression takes 20 to 50 µs an
answer; 5 ms is a hundred times that, and without an end to it a bad one could take a second for every answer."""
TOGETHER = 5
"""Times as long for all rules of a study, whose file may have come from somebody who means it ill."""
LINE = 140
"""Characters of an answer that a line shows: one of a page."""

PRESENCE = ["n_prompts", "frequency_a", "frequency_b", "delta", "ci_low", "ci_high", "p", "q"]
"""Of `measure.table`, what hangs on which answers show a thing and on nothing else."""
Places = list[list[Span]]
"""By answer, where it has something."""


class Answers(NamedTuple):
    """The paired answers of two sides, as own probes are counted in them."""

    pairing: Pairing
    """Documents numbered as `texts` are."""
    texts: list[str]
    tokens: Tokens
    documents: pd.DataFrame
    """Prompt, checkpoint and draw of each text."""
    seen: Encodings
    """What the reader saw in all answers of the study."""
    numbers: Ints
    """Of each text among these."""


class Tested(NamedTuple):
    """Own probes with their figures, and where each has its places."""

    table: pd.DataFrame
    places: dict[str, Places]
    """By name; absent where counting took too long."""


class Line(NamedTuple):
    """One place in an answer, with what stands around it."""

    prompt_id: str
    draw: int
    excerpt: Excerpt


def answers(study: Study, a: str, b: str) -> Answers:
    """The answers to compare; a `UserError` where the reader has not read them yet."""
    encodings = Encodings.open(study)
    pairs = pairing.pair(study, encodings.documents, a, b)
    used = np.unique(np.concatenate([pairs.a, pairs.b]))
    renumbered = dataclasses.replace(pairs, a=np.searchsorted(used, pairs.a), b=np.searchsorted(used, pairs.b))
    documents = encodings.documents.iloc[used][responses.KEY].reset_index(drop=True)
    texts = responses.texts(study.responses(), encodings.documents.iloc[used])
    return Answers(renumbered, texts, firing.tokens(encodings, used.tolist()), documents, encodings, used)


def discovery(read: Answers) -> Answers:
    """Those to discovery prompts alone: for whoever still words a probe."""
    pairs = read.pairing
    kept: Bools = (pairs.prompts["split"] == "discovery").to_numpy(dtype=bool)[pairs.row]
    return read._replace(pairing=pairs.only(kept))


def places(rule: Rule, texts: Sequence[str]) -> Places:
    """Where each text has what a rule looks for; a `UserError` where that takes too long."""
    begun, most = time.monotonic(), _patience(texts)
    found = []
    for number, text in enumerate(texts):
        if time.monotonic() - begun > most:
            raise UserError(
                f"Looking for /{rule.text}/ took {most:.0f} s for {number:,} of {len(texts):,} answers; write it "
                "without repetitions inside repetitions."
            )
        found.append(rule.spans(text))
    return found


def _patience(texts: Sequence[str]) -> float:
    return PATIENCE + EACH * len(texts)


def test(read: Answers, probes: Sequence[OwnProbe]) -> Tested:
    """Rules and properties tested as one family; `fault` says of a row without figures why it has none.

    A property has no amount and none of the cuts: what a part of an answer would score is not known.
    """
    found, faults = dict[str, Places](), dict[str, str]()
    until = time.monotonic() + TOGETHER * _patience(read.texts)
    for probe in probes:
        if probe.question is not None:
            continue
        if time.monotonic() > until:
            faults[probe.name] = "The probes before it took too long; remove those that have no figures."
            continue
        try:
            found[probe.name] = _places(probe, read)
        except UserError as error:
            faults[probe.name] = str(error)
    counted = [probe for probe in probes if probe.name in found]
    whole = figures(read, [*found.values()])
    of_property = np.array([probe.features is not None for probe in counted], dtype=bool)
    if of_property.any():
        kept = whole.columns.isin(
            [*PRESENCE, *(f"{name}_{part}" for name in PRESENCE for part in SPLITS.values())]
        )
        whole = whole.mask(of_property[:, None] & ~kept[None, :])
        whole.loc[of_property, "judged_by"] = "presence"
    table = pd.concat([heads(counted), whole], axis=1).assign(fault="")
    failed = heads([probe for probe in probes if probe.name in faults]).assign(fault=[*faults.values()])
    return Tested(pd.concat([table, failed], ignore_index=True) if faults else table, found)


def _places(probe: OwnProbe, read: Answers) -> Places:
    if probe.features is not None:
        return weighed.places(probe.features, read.seen, read.numbers.tolist())
    assert probe.rule is not None
    return places(probe.rule, read.texts)


def table(study: Study, a: str = "", b: str = "") -> pd.DataFrame:
    """A row for each own rule of a study with its figures; questions are `diffing.findings.asking`'s."""
    return test(answers(study, *study.sides(a, b)), own_probes.load(study)).table


def heads(probes: Sequence[OwnProbe]) -> pd.DataFrame:
    """What is said of probes before their figures."""
    rows = [(p.name, p.saying, p.shown, p.kind, p.author, p.date, p.held_out_seen) for p in probes]
    return pd.DataFrame(rows, columns=HEAD).astype(dict.fromkeys(HEAD[:-1], object))


def figures(read: Answers, found: Sequence[Places]) -> pd.DataFrame:
    """The columns of `measure.table`, a row for each list of places, and the same of each split by itself."""
    none = np.zeros(len(found), bool)
    flat = presence.as_features(scanned(read.texts, found), read.tokens, none)
    rows, tallied = measure.table(flat, read.pairing, none)
    shares = _shares(flat, read)
    leads = tallied.views["whole"]
    for split, ending in SPLITS.items():
        apart = _apart(leads, read.pairing, split, shares)
        rows = rows.assign(**{f"{name}_{ending}": column for name, column in apart.items()})
    return rows.drop(columns="feature")


def _apart(leads: Leads, pairs: Pairing, split: str, shares: Mapping[str, Floats]) -> dict[str, Floats]:
    """Shares, interval and test on the prompts of one split."""
    cells = (pairs.cells["split"] == split).to_numpy(dtype=bool)
    prompts = int(pairs.cells.loc[cells, "prompts"].sum())
    low, high = measure.interval(pairs, prompts, *leads.of(cells), 0.95)
    p = measure.presence_p(leads, measure.LEAST, cells)
    mine = (pairs.prompts["split"] == split).to_numpy(dtype=bool)
    nothing = np.full(len(p), np.nan)
    frequency = {side: share[mine].mean(axis=0) if prompts else nothing for side, share in shares.items()}
    return {
        "n_prompts": np.full(len(p), prompts),
        "frequency_a": frequency["a"],
        "frequency_b": frequency["b"],
        "delta": measure.difference(leads, prompts, cells),
        "ci_low": low,
        "ci_high": high,
        "p": p,
        "q": stats.benjamini_hochberg(p),
    }


def _shares(flat: Flat, read: Answers) -> dict[str, Floats]:
    """By side, prompts × probes: the share of a prompt's draws that show each."""
    shown = np.zeros((len(read.texts), flat.n_features), bool)
    shown[np.repeat(np.arange(len(read.texts)), np.diff(flat.indptr)), flat.feature] = True
    pairs = read.pairing
    out = {}
    for side, documents in (("a", pairs.a), ("b", pairs.b)):
        sums = np.zeros((len(pairs.prompts), flat.n_features))
        np.add.at(sums, pairs.row, shown[documents])
        out[side] = sums / np.maximum(pairs.draws, 1)[:, None]
    return out


def scanned(texts: Sequence[str], found: Sequence[Places]) -> Scan:
    """Places in the form in which built-in probes are scanned: by text, then probe, then place."""
    flat = [
        (text, probe, *span)
        for text in range(len(texts))
        for probe, by_text in enumerate(found)
        for span in by_text[text]
    ]
    columns = np.array(flat, np.int64).reshape(-1, 4).T
    return Scan(len(texts), np.array([len(text) for text in texts], np.int64), *columns)


# Answers that show it.


def lines(read: Answers, found: Places, side: str, most: int = 3) -> list[Line]:
    """Places in one side's answers to discovery prompts, one a prompt; first where the other side has none."""
    shown = _looked_at(read, found)
    mine, other = ("a", "b") if side == "a" else ("b", "a")
    here = shown[shown[mine]].sort_values([other, "order"]).drop_duplicates("prompt_id").head(most)
    out = []
    for row in here.to_dict("records"):
        text = read.texts[row[f"document_{side}"]]
        first = found[row[f"document_{side}"]][:1]
        out.append(Line(str(row["prompt_id"]), int(row["draw"]), excerpts.around(text, first, LINE)))
    return out


def example(read: Answers, found: Places, more: str) -> Line | None:
    """A pair of answers to a discovery prompt that shows it on one side, and on that alone where there is one."""
    return next(iter(lines(read, found, more, 1)), None)


def _looked_at(read: Answers, found: Places) -> pd.DataFrame:
    """Pairs of discovery prompts, and which of their answers show it, in an order that hangs on ids alone."""
    pairs = discovery(read).pairing
    has = np.array([bool(spans) for spans in found], dtype=bool)
    table = pd.DataFrame(
        {
            "prompt_id": pairs.prompts["id"].to_numpy()[pairs.row],
            "draw": read.documents["draw"].to_numpy()[pairs.a],
            "document_a": pairs.a,
            "document_b": pairs.b,
            "a": has[pairs.a],
            "b": has[pairs.b],
        }
    )
    # By hash, or the examples would all be of the category that comes first.
    return table.assign(order=[files.content_hash(["example", str(each)]) for each in table["prompt_id"]])
