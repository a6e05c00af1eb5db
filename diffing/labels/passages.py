"""Passages that show a feature and passages that do not, to write a label from and to score it on.

Passages are windows of tokens from discovery prompts of one half, so that labels and scores share no prompt.
Promises that a passage offered as silent has the feature active on none of its tokens, that firing ones come from
the whole range of activation, and that the study's seed decides all choices. Where a study has fewer passages
than asked for, there are fewer.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import tee
from typing import Any, Literal, NamedTuple

import numpy as np

from diffing.common.arrays import Array
from diffing.reader.encodings import Encodings
from diffing.study import prompts
from diffing.study.study import Study

Half = Literal["write", "score"]
Kind = Literal["fires", "random", "tokens", "neighbour", "misplaced"]

WIDTHS = {"narrow": 32, "wide": 128}
"""Tokens in a passage: a sentence or two for what sets a feature off, a paragraph for where it stands; by eye."""
BEFORE = 0.75
"""Share of a passage that stands before the token it is about: a reader sees only what comes before."""
MARGIN = 8
"""Tokens on either side of a silent passage that are silent too, where there is room: else it might show
what fires just outside it. A quarter of a narrow passage."""
DECILES = 10
"""Parts of a feature's range: 10 passages to write from and 50 to score on divide evenly among them."""
DOCUMENTS = 400
"""Documents of a side looked at for a common feature, spread over its range: 40 for each tenth are enough."""
PER_DOCUMENT = 8
"""Passages taken from one document at most, so that one long answer does not make up a test alone."""
TOP_TOKENS, NEIGHBOURS = 12, 8
"""Tokens and features by which silent passages are made hard: further ones are hardly like it. Chosen by eye."""
SLICE = 8192
"""Decoder rows held as float32 at once: 128 MiB of rows that are 4,096 wide."""
OPEN, CLOSE = "⟦", "⟧"
"""Marks that answers hardly ever hold; where one does, it is shown as a plain bracket."""


class Context(NamedTuple):
    """One passage."""

    document: int
    prompt_id: str
    checkpoint: str
    draw: int
    start: int
    """Tokens [start, stop) of the answer."""
    stop: int
    text: str
    marks: tuple[tuple[int, int], ...]
    """Characters of `text` that are marked where marks are shown."""
    value: float
    """The feature's strongest activation here; 0 where it is silent."""
    kind: Kind
    decile: int = -1
    """Tenth of the firing passages by strength, 0 the weakest; -1 where it is silent."""

    @property
    def id(self) -> str:
        return f"{self.prompt_id}/{self.checkpoint}/{self.draw}/{self.start}-{self.stop}"

    @property
    def plain(self) -> str:
        """The text without anything that could pass for a mark."""
        return _unmarked(self.text)

    @property
    def marked(self) -> str:
        out, at = [], 0
        for start, stop in self.marks:
            out += [_unmarked(self.text[at:start]), OPEN, _unmarked(self.text[start:stop]), CLOSE]
            at = stop
        return "".join([*out, _unmarked(self.text[at:])])


class Finder:
    """Looks for passages of a study's discovery prompts of one half."""

    def __init__(self, study: Study, encodings: Encodings, half: Half) -> None:
        self.encodings = encodings
        self.seed = study.settings.seed
        self.half = half
        table = study.prompts()
        discovery = table.loc[table["active"] & prompts.discovery(table), "id"]
        chosen = {identifier for identifier in discovery if prompts.half_of(identifier) == half}
        documents = encodings.documents
        self._eligible = documents["prompt_id"].isin(chosen).to_numpy() & (documents["error"] == "").to_numpy()
        # Of the others nobody knows where in them a feature is silent.
        self._eligible &= encodings.held
        self._checkpoint = documents["checkpoint"].to_numpy(dtype=object)
        self._lengths = documents["tokens"].to_numpy(np.int64)
        self._prompt = documents["prompt_id"].to_numpy(dtype=object)
        self._draw = documents["draw"].to_numpy(np.int64)
        self._near: dict[int, list[int]] = {}
        # A feature's passages are looked for several times over, in the same documents; those of
        # itself and its neighbours on one side, (1 + 8) · 400, fit.
        self._active = lru_cache(maxsize=4096)(encodings.activations)
        self.top_tokens = lru_cache(maxsize=4)(self._top_tokens)

    def side(self, checkpoint: str) -> Array:
        """Numbers of the documents of one checkpoint that may be shown."""
        return np.flatnonzero(self._eligible & (self._checkpoint == checkpoint) & (self._lengths > 0))

    def firing(self, feature: int, checkpoint: str, count: int, width: int) -> list[Context]:
        """Passages that show the feature, equally many from each tenth of its range, strongest first."""
        random = self._random(feature, checkpoint, "fires")
        sites = [
            (document, position, value)
            for document in self._spread(feature, checkpoint, random)
            for position, value in self._sites(document, feature, width)
        ]
        # By magnitude: some SAEs have features that can be negative.
        sites.sort(key=lambda site: -abs(site[2]))
        tenths = np.array_split(np.arange(len(sites)), DECILES)
        used: Counter[str] = Counter()
        chosen: list[tuple[int, int]] = []
        queues = [list(random.permutation(tenth)) for tenth in tenths]
        # Round by round over the tenths, so that a short one is made up for by all others alike.
        while len(chosen) < min(count, len(sites)):
            for number, queue in enumerate(queues):
                if queue and len(chosen) < count:
                    # A prompt that has not been shown yet goes first.
                    best = min(queue, key=lambda i: used[self._prompt[sites[i][0]]])
                    queue.remove(best)
                    used[self._prompt[sites[best][0]]] += 1
                    chosen.append((int(best), DECILES - 1 - number))
        return [self._firing(sites[i][0], sites[i][1], feature, width, decile) for i, decile in sorted(chosen)]

    def silent(
        self, feature: int, checkpoint: str, count: int, width: int, kind: Kind, taken: Sequence[Context] = ()
    ) -> list[Context]:
        """Passages that do not show it: anywhere, at tokens that it often fires on, or where a neighbour fires.

        None of them shares a token with those in `taken`.
        """
        random = self._random(feature, checkpoint, kind)
        passages: list[Context] = []
        per_document: Counter[int] = Counter()
        covered: dict[int, list[tuple[int, int]]] = {}
        for context in taken:
            covered.setdefault(context.document, []).append((context.start, context.stop))
        candidates = self._places(feature, checkpoint, kind, width, random)
        # A first round takes few passages of each document and keeps its distance; later ones are less choosy.
        for margin, most in ((MARGIN, 2), (MARGIN, PER_DOCUMENT), (0, PER_DOCUMENT)):
            # Looked up only as far as they are needed, and kept for the next round.
            this_round, candidates = tee(candidates)
            for document, places in this_round:
                if len(passages) >= count:
                    return passages
                active = self._active(document, feature)[0]
                for position, marked in places:
                    start, stop = self._window(document, position, width)
                    near = (active >= start - margin) & (active < stop + margin)
                    here = covered.setdefault(document, [])
                    overlaps = any(start < high and low < stop for low, high in here)
                    if near.any() or overlaps or per_document[document] >= most:
                        continue
                    per_document[document] += 1
                    here.append((start, stop))
                    marks = np.array([p for p in marked if start <= p < stop], np.int64)
                    passages.append(self._context(document, start, stop, marks, 0.0, kind))
                    # On to the next document: the fewer of one, the less its topic decides.
                    break
        return passages[:count]

    def misplaced(
        self, feature: int, checkpoint: str, count: int, width: int, taken: Sequence[Context] = ()
    ) -> list[Context]:
        """Passages that show it, as many tokens marked as it fires on, none where it does; `taken` ones last."""
        random = self._random(feature, checkpoint, "misplaced")
        passages = []
        known = {(context.document, context.start) for context in taken}
        fresh = self.firing(feature, checkpoint, count + len(known), width)
        for context in sorted(fresh, key=lambda context: (context.document, context.start) in known)[:count]:
            document, start, stop = context.document, context.start, context.stop
            active = self._active(document, feature)[0]
            here = active[(active >= start) & (active < stop)]
            free = np.setdiff1d(np.arange(start, stop), here)
            # A token beside a firing one may well belong to what fires.
            apart = np.setdiff1d(free, np.concatenate([here - 1, here + 1]))
            free = apart if len(apart) else free
            if len(free):
                picked = np.sort(random.choice(free, min(len(here), len(free)), replace=False))
                passages.append(self._context(document, start, stop, picked, context.value, "misplaced"))
        return passages

    # Where to look.

    def _spread(self, feature: int, checkpoint: str, random: np.random.Generator) -> list[int]:
        """Documents of the side that show the feature, at most `DOCUMENTS`, from its whole range."""
        table = self.encodings.occurrences(feature, held=True)
        table = table[table["document"].isin(self.side(checkpoint))]
        # Stable here and below: equal strengths are common, and a tie must fall alike on every machine.
        order = np.argsort(-table["peak"].abs().to_numpy(), kind="stable")
        if len(order) > DOCUMENTS:
            order = np.array([random.choice(part) for part in np.array_split(order, DOCUMENTS)])
        return [int(document) for document in table["document"].to_numpy()[order]]

    def _sites(self, document: int, feature: int, width: int) -> Iterable[tuple[int, float]]:
        """Places in a document whose passages do not overlap, the strongest first."""
        positions, values = self._active(document, feature)
        taken: list[tuple[int, int]] = []
        for number in np.argsort(-np.abs(values), kind="stable"):
            start, stop = self._window(document, int(positions[number]), width)
            if any(start < high and low < stop for low, high in taken):
                continue
            taken.append((start, stop))
            # It may hold a stronger token too, whose own passage overlapped another.
            inside = values[(positions >= start) & (positions < stop)]
            yield int(positions[number]), float(max(inside, key=abs))
            if len(taken) == PER_DOCUMENT:
                return

    def _places(
        self, feature: int, checkpoint: str, kind: Kind, width: int, random: np.random.Generator
    ) -> Iterator[tuple[int, list[tuple[int, list[int]]]]]:
        """Documents in random order, and in each the places to try with the tokens to mark there."""
        documents = random.permutation(self.side(checkpoint))
        if kind == "neighbour":
            sides = set(documents.tolist())
            for other in self.neighbours(feature):
                table = self.encodings.occurrences(other, held=True)
                table = table[table["document"].isin(sides)]
                table = table.sort_values("peak", key=abs, ascending=False, kind="stable")
                for document in table["document"].head(DOCUMENTS).tolist():
                    positions, values = self._active(document, other)
                    order = np.argsort(-np.abs(values), kind="stable")[:PER_DOCUMENT]
                    yield document, [(int(p), positions.tolist()) for p in positions[order]]
            return
        wanted = self.top_tokens(feature) if kind == "tokens" else None
        for document in documents.tolist():
            active = self._active(document, feature)[0]
            if wanted is None:
                # Every start of a passage in which it is silent has the same chance.
                starts = np.arange(max(1, self._lengths[document] - width + 1))
                before = np.searchsorted(active, starts)
                free = starts[np.searchsorted(active, starts + width) == before]
                # Moved to the token from which `_window` comes back to this start.
                tries = random.permutation(free)[:PER_DOCUMENT] + int(BEFORE * width)
                tries = np.minimum(tries, self._lengths[document] - 1)
                if len(tries):
                    yield document, [(int(p), [int(p)]) for p in tries]
                continue
            positions = np.flatnonzero(np.isin(self.encodings.encoding(document).ids, wanted))
            quiet = random.permutation(np.setdiff1d(positions, active))
            if len(quiet):
                # More than are taken, as many lie too near a token on which it does fire.
                yield document, [(int(p), quiet.tolist()) for p in quiet[: 4 * PER_DOCUMENT]]

    def _top_tokens(self, feature: int) -> Array:
        """Ids of the tokens that carry most of the feature's activation, on any side."""
        table = self.encodings.occurrences(feature, held=True)
        table = table[self._eligible[table["document"].to_numpy()]]
        table = table.sort_values("peak", key=abs, ascending=False, kind="stable")
        ids, weights = [np.empty(0, np.int64)], [np.empty(0)]
        for document in table["document"].head(DOCUMENTS).tolist():
            positions, values = self._active(document, feature)
            ids.append(self.encodings.encoding(document).ids[positions].astype(np.int64))
            weights.append(np.abs(values).astype(float))
        kinds, place = np.unique(np.concatenate(ids), return_inverse=True)
        sums = np.bincount(place, np.concatenate(weights), minlength=len(kinds))
        return np.asarray(kinds[np.argsort(-sums, kind="stable")[:TOP_TOKENS]])

    def neighbours(self, feature: int) -> list[int]:
        """Features that write in nearly the same direction, and where none is known, that fire together."""
        if feature not in self._near:
            self.prepare([feature])
        return self._near[feature]

    def prepare(self, features: Sequence[int]) -> None:
        """Find the neighbours of many features in one pass over the decoder."""
        decoder = self.encodings.decoder()
        if decoder is None:
            likeness = np.array([self._together(feature) for feature in features])
        else:
            ours = _unit(decoder[list(features)])
            parts = [_unit(decoder[at : at + SLICE]) @ ours.T for at in range(0, len(decoder), SLICE)]
            likeness = np.concatenate(parts).T
        for feature, row in zip(features, likeness, strict=True):
            row[feature] = -np.inf
            nearest = np.argsort(-row, kind="stable")[:NEIGHBOURS]
            self._near[feature] = [int(other) for other in nearest if row[other] > 0]

    def _together(self, feature: int) -> Array:
        """How much the documents of each feature and of this one are the same (Jaccard)."""
        both = np.asarray((self._shown.T @ self._shown[:, [feature]]).todense()).ravel()
        sizes = np.asarray(self._shown.sum(axis=0)).ravel()
        # Features that no document shows have a union of 0.
        return np.asarray(both / np.maximum(sizes + sizes[feature] - both, 1))

    @cached_property
    def _shown(self) -> Any:
        matrix = self.encodings.matrix()[self._eligible]
        # Its products count documents, which a bool or a byte could not.
        return (abs(matrix) > 0).astype(np.int32).tocsc()

    # What is shown.

    def _window(self, document: int, position: int, width: int) -> tuple[int, int]:
        length = int(self._lengths[document])
        # At an end of the answer it is moved rather than cut, so that its length tells a judge nothing.
        start = max(0, min(position - int(BEFORE * width), length - width))
        return start, min(length, start + width)

    def _firing(self, document: int, position: int, feature: int, width: int, decile: int) -> Context:
        start, stop = self._window(document, position, width)
        positions, values = self._active(document, feature)
        inside = (positions >= start) & (positions < stop)
        strongest = float(max(values[inside], key=abs))
        return self._context(document, start, stop, positions[inside], strongest, "fires", decile)

    def _context(
        self, document: int, start: int, stop: int, marked: Array, value: float, kind: Kind, decile: int = -1
    ) -> Context:
        tokens = self.encodings.tokens(document)
        spans = tokens.spans
        # Tokens that are bytes of one character share its span: the last one need not end last.
        begin, end = int(spans[start][0]), int(spans[start:stop, 1].max())
        marks: list[tuple[int, int]] = []
        for low, high in (spans[position] for position in np.sort(marked)):
            low, high = max(int(low) - begin, marks[-1][1] if marks else 0), int(high) - begin
            # Neighbouring tokens stand in one pair of marks: easier to read, and fewer tokens to pay for.
            if marks and low == marks[-1][1]:
                low = marks.pop()[0]
            if low < high:
                marks.append((low, high))
        key = str(self._prompt[document]), str(self._checkpoint[document]), int(self._draw[document])
        return Context(document, *key, start, stop, tokens.text[begin:end], tuple(marks), value, kind, decile)

    def _random(self, feature: int, checkpoint: str, purpose: str) -> np.random.Generator:
        # A stream for each use, so that no choice hangs on which others were made before it. Characters go in as
        # numbers, since `hash` of a text differs from process to process.
        words = [self.half, checkpoint, purpose]
        return np.random.default_rng([self.seed, feature, *(ord(c) for word in words for c in word)])


def _unit(rows: Array) -> Array:
    rows = np.asarray(rows, np.float32)
    # A dead feature's row may be all zeros, which has no direction.
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6))


def _unmarked(text: str) -> str:
    return text.replace(OPEN, "[").replace(CLOSE, "]")
