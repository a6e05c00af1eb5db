"""Phrases learned from answers to discovery prompts: which sequences of symbols are worth a test.

A candidate is an opening, an ending, the first words of the last sentence (one to four symbols each) or a sequence
anywhere (one to five) that at least `LEAST` discovery answers show. Of candidates that differ alike on every
discovery prompt one stands for all: that which says most. Candidates that differ on too few prompts to be called,
were all of them to lean one way, are dropped.

Promises that all this looks at how answers to discovery prompts differ and never at which side is which:
exchanging the sides of any prompt changes no candidate. So the tests of all candidates are one honest family, on
all prompts and on held-out ones alike. `kept` then chooses by the p of discovery prompts which of the tested are
shown; the others stay in the family that is corrected for.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from diffing.common.arrays import Array, Bools, Floats, Ints
from diffing.probes import symbols
from diffing.probes.phrases import KINDS, Phrase, commonest
from diffing.probes.scan import Scan
from diffing.probes.symbols import Symbols

LEAST = 6
"""Discovery answers that must show a candidate, and discovery prompts that must differ in it: under six no exact
test can reach 0.05."""
ANYWHERE, AT_EDGES = 5, 4
"""Longest candidates: a clause's worth of words, and what a person takes in of a beginning or an end."""
KEPT = 60
"""Phrases kept of all that were tested: more than anybody reads. Chosen by eye."""
ALIKE = 0.8
"""Correlation of two candidates' differences over discovery prompts from which one of them stands for both."""
AS_MUCH = 0.9
"""Share of the best one's net prompts that another of its group must have to stand for it. Chosen by eye."""
ALSO = 6
"""Other members of a group that are named beside it."""


class Pairs(NamedTuple):
    """The paired answers to discovery prompts, one after another."""

    text: Ints
    """Its number among all texts."""
    prompt: Ints
    """Its prompt's number, from 0."""
    sign: Ints
    """1 for B, -1 for A."""


class Grams(NamedTuple):
    """Sequences of one kind and length: which begins at which symbol."""

    kind: str
    length: int
    code: Array
    place: Array
    shown: tuple[Array, Array]
    """Sequences and the texts that show them, each pair once."""

    @property
    def size(self) -> int:
        """How many sequences there are."""
        return int(self.code.max(initial=-1)) + 1

    def first(self) -> Array:
        """By sequence, a place at which it begins."""
        places = np.zeros(self.size, np.int64)
        places[self.code[::-1]] = self.place[::-1]
        return places


class Learned(NamedTuple):
    """All candidates, and where they stand in all texts."""

    phrases: list[Phrase]
    differences: Any
    """Sparse candidates × discovery prompts: in how many draws more B shows it than A."""
    like: list[list[Phrase]]
    """By candidate: others that differ alike on every discovery prompt."""
    spans: Scan
    """Every place of every candidate, with its number where a scan of probes has the probe's."""


def learn(texts: Sequence[str], pairs: Pairs, level: float) -> Learned:
    """Candidates from the paired texts, looked for in all of them."""
    read = symbols.read(texts)
    owner = read.owners()
    shown = np.zeros(len(texts), bool)
    shown[pairs.text] = True
    batches, rows, which = [], [], []
    for batch, grams in enumerate(_grams(read, owner, shown)):
        differing = _differences(grams, pairs, len(texts))
        enough = np.flatnonzero(np.diff(differing.indptr) >= LEAST)
        batches.append(grams)
        rows.append(differing[enough])
        which.append(np.column_stack([np.full(len(enough), batch), enough]))
    differences, place = sparse.vstack(rows, format="csr"), np.concatenate(which)
    order, ends = _alike(differences, place, batches)
    heads = order[np.concatenate([[0], ends[:-1]])] if len(ends) else order
    good = np.flatnonzero(_callable(np.diff(differences.indptr)[heads], level))
    # By kind, length and alphabet, and no longer by a random mark that hangs on the sides.
    good = good[np.lexsort(place[heads[good]].T[::-1])]
    like = [order[ends[n - 1] + 1 if n else 1 : ends[n]][:ALSO] for n in good.tolist()]
    heads, first = heads[good], [grams.first() for grams in batches]

    def phrases(some: Array) -> list[Phrase]:
        return [_phrase(read, batches[b], int(first[b][code])) for b, code in place[some].tolist()]

    return Learned(
        phrases(heads),
        differences[heads],
        [phrases(others) for others in like],
        _spans(read, owner, batches, place[heads]),
    )


def _grams(read: Symbols, owner: Array, shown: Bools) -> Iterator[Grams]:
    """All sequences that enough discovery answers show, by kind and length."""
    edges = read.edges
    for kind in ("opening", "last sentence"):
        yield from _from_edge(kind, edges[kind], read, owner, shown)
    yield from _to_edge(edges["ending"], read, owner, shown)
    yield from _anywhere(read, owner, shown)


def _from_edge(kind: str, edge: Array, read: Symbols, owner: Array, shown: Bools) -> Iterator[Grams]:
    place = edge[edge >= 0]
    code = read.cased[place].astype(np.int64)
    for length in range(1, AT_EDGES + 1):
        yield (grams := _common(kind, length, code, place, owner, shown))
        # What follows must be of the same text.
        inside = (grams.place + length < len(owner)).nonzero()[0]
        inside = inside[owner[grams.place[inside] + length] == owner[grams.place[inside]]]
        place = grams.place[inside]
        code = _joined(grams.code[inside], read.cased[place + length])


def _to_edge(edge: Array, read: Symbols, owner: Array, shown: Bools) -> Iterator[Grams]:
    place = edge[edge >= 0]
    code = read.cased[place].astype(np.int64)
    for length in range(1, AT_EDGES + 1):
        yield (grams := _common("ending", length, code, place, owner, shown))
        inside = np.flatnonzero(grams.place >= 1)
        inside = inside[owner[grams.place[inside] - 1] == owner[grams.place[inside]]]
        place = grams.place[inside] - 1
        code = _joined(grams.code[inside], read.cased[place])


def _anywhere(read: Symbols, owner: Array, shown: Bools) -> Iterator[Grams]:
    """Longer sequences are made of two shorter ones that are common themselves: no other can be common."""
    place = np.arange(len(owner))
    code = read.folded.astype(np.int64)
    for length in range(1, ANYWHERE + 1):
        yield (grams := _common("anywhere", length, code, place, owner, shown))
        at = np.full(len(owner) + 1, -1, np.int64)
        at[grams.place] = grams.code
        inside = np.flatnonzero(at[grams.place + 1] >= 0)
        inside = inside[owner[grams.place[inside] + 1] == owner[grams.place[inside]]]
        place = grams.place[inside]
        code = _joined(grams.code[inside], at[place + 1])


def _joined(left: Array, right: Array) -> Array:
    """One number for each pair of numbers, from 0."""
    numbers: Array = np.unique(left.astype(np.int64) << 32 | right, return_inverse=True)[1]
    return numbers


def _common(kind: str, length: int, code: Array, place: Array, owner: Array, shown: Bools) -> Grams:
    """Those of the sequences that at least `LEAST` discovery answers show, numbered from 0."""
    texts = max(len(shown), 1)
    # Sorted here: `np.unique` hashes whole numbers, which took five times as long on a million of them.
    pairs = np.sort(code * texts + owner[place])
    once = pairs[np.diff(pairs, prepend=-1) > 0]
    which, text = once // texts, once % texts
    enough = np.bincount(which[shown[text]], minlength=int(code.max(initial=-1)) + 1) >= LEAST
    number = np.cumsum(enough) - 1
    here, there = np.flatnonzero(enough[code]), np.flatnonzero(enough[which])
    return Grams(
        kind,
        length,
        number[code[here]].astype(np.int32),
        place[here].astype(np.int32),
        (number[which[there]], text[there]),
    )


def _differences(grams: Grams, pairs: Pairs, texts: int) -> Any:
    """Sparse sequences × discovery prompts: in how many draws more B shows it than A."""
    prompt, sign = np.full(texts, -1), np.zeros(texts, np.int64)
    prompt[pairs.text], sign[pairs.text] = pairs.prompt, pairs.sign
    code, text = grams.shown
    here = prompt[text] >= 0
    shape = (grams.size, int(pairs.prompt.max(initial=-1)) + 1)
    table = sparse.coo_array((sign[text[here]], (code[here], prompt[text[here]])), shape=shape).tocsr()
    table.eliminate_zeros()
    return table


def _alike(differences: Any, place: Array, batches: list[Grams]) -> tuple[Array, Array]:
    """Candidates ordered so that those which differ alike on every prompt stand together, the most telling first.

    Also where each group of them ends.
    """
    # Alike is told by a sum over prompts of the difference times a random number of 64 bits.
    weight = np.random.default_rng(0).integers(-(2**62), 2**62, differences.shape[1])
    marks = differences @ weight
    kinds = [*KINDS]
    rank = np.array([[kinds.index(grams.kind), -grams.length] for grams in batches])[place[:, 0]]
    order = np.lexsort([place[:, 1], rank[:, 1], rank[:, 0], marks])
    return order, np.flatnonzero(np.diff(marks[order], append=0) != 0) + 1 if len(order) else order


def _phrase(read: Symbols, grams: Grams, first: int) -> Phrase:
    """The sequence that begins at a symbol."""
    numbers = read.folded if grams.kind == "anywhere" else read.cased
    return Phrase(grams.kind, tuple(read.names[n] for n in numbers[first : first + grams.length].tolist()))


def telling(phrase: Phrase) -> tuple[int, int, tuple[str, ...]]:
    """An order in which phrases that say more stand first."""
    return [*KINDS].index(phrase.kind), -len(phrase.symbols), phrase.symbols


def _callable(differing: Array, level: float) -> Bools:
    """Which candidates could be called at all, by the number of prompts that differ.

    If all lean one way, p is 2 to the power of 1 - differing. Of the first `KEPT` the last is called from level ·
    KEPT / tested on; counting only those that can reach this makes fewer tests (Tarone 1990).
    """
    for least in range(LEAST, int(differing.max(initial=0)) + 1):
        if 2.0 ** (1 - least) * np.sum(differing >= least) <= level * KEPT:
            return np.asarray(differing >= least)
    return np.zeros(len(differing), bool)


def _spans(read: Symbols, owner: Array, batches: list[Grams], place: Array) -> Scan:
    """Every occurrence of the wanted sequences, by text, then candidate, then place."""
    parts = [np.empty((0, 3), np.int64)]
    for batch, grams in enumerate(batches):
        wanted = np.flatnonzero(place[:, 0] == batch)
        number = np.full(grams.size, -1, np.int64)
        number[place[wanted, 1]] = wanted
        here = np.flatnonzero(number[grams.code] >= 0)
        first = grams.place[here]
        parts.append(np.column_stack([number[grams.code[here]], first, first + grams.length - 1]))
    candidate, first, last = np.concatenate(parts).T
    text = owner[first]
    order = np.argsort(text.astype(np.int64) * max(len(place), 1) + candidate, kind="stable")
    first, last = first[order], last[order]
    return Scan(
        texts=len(read.lengths),
        lengths=read.lengths,
        document=text[order],
        probe=candidate[order].astype(np.int32),
        start=read.start[first].astype(np.int32),
        end=read.end[last].astype(np.int32),
    )


class Choice(NamedTuple):
    """A phrase that is kept, and the others that it stands for."""

    candidate: int
    also: list[Phrase]


def kept(learned: Learned, evidence: Floats) -> list[Choice]:
    """At most `KEPT` candidates by their p on discovery prompts, each for all that differ on nearly the same.

    `evidence` has each candidate's p, NaN where it was not tested.
    """
    table, prompts = learned.differences, learned.differences.shape[1]
    # No cosines: two things that nearly all of B's answers do point the same way without being one.
    mean = np.asarray(table.sum(axis=1)).ravel() / max(prompts, 1)
    spread = np.sqrt(np.maximum(np.asarray((table * table).sum(axis=1)).ravel() - prompts * mean**2, 0.0))
    ranks = [telling(phrase) for phrase in learned.phrases]
    order = sorted(np.flatnonzero(~np.isnan(evidence)).tolist(), key=lambda n: (evidence[n], ranks[n]))
    groups: list[list[int]] = []
    leads, heads = np.zeros((KEPT, prompts)), np.zeros(KEPT, np.int64)
    for number in order:
        here = slice(table.indptr[number], table.indptr[number + 1])
        prompt, difference = table.indices[here], table.data[here]
        head = heads[: len(groups)]
        shared = leads[: len(groups), prompt] @ difference - prompts * mean[head] * mean[number]
        # What all prompts differ in has no spread: two of these are alike, and no other is.
        both = spread[head] * spread[number]
        near = np.where(both > 0, shared / np.where(both > 0, both, 1.0), (spread[head] == spread[number]) * 1.0)
        if len(groups) and near.max() >= ALIKE:
            groups[int(near.argmax())].append(number)
        elif len(groups) < KEPT:
            leads[len(groups), prompt] = difference
            heads[len(groups)] = number
            groups.append([number])
    net = np.abs(np.asarray(table.sum(axis=1)).ravel())
    return [_stands(learned, group, net, ranks) for group in groups]


def _stands(learned: Learned, group: list[int], net: Array, ranks: list[Any]) -> Choice:
    """Of a group the one that says most among those with about as much evidence."""
    strong = [number for number in group if net[number] >= AS_MUCH * net[group[0]]]
    head = min(strong, key=ranks.__getitem__)
    others = [learned.phrases[number] for number in group if number != head]
    return Choice(head, [*learned.like[head], *others][:ALSO])


def written(phrase: Phrase, number: int, learned: Learned, texts: Sequence[str], shown: Bools) -> Phrase:
    """The phrase as most discovery answers write it."""
    spans = learned.spans
    here = np.flatnonzero(spans.probe == number)
    here = here[shown[spans.document[here]]]
    cuts = [texts[spans.document[at]][spans.start[at] : spans.end[at]] for at in here.tolist()]
    return Phrase(phrase.kind, phrase.symbols, commonest(cuts))
