"""How plainly a pair of answers shows a behaviour: what a reader must put up with to see it in a line of each.

For the order of examples alone. Promises a figure that hangs on the two texts and the marked places and on nothing
else, so that the same answers give the same order on every machine. The weights were chosen by eye on the first
pairs of three real studies: they say what is easier to read, and nothing of what is true.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diffing.common.arrays import Array, Bools, Floats, Ints
from diffing.probes import excerpts
from diffing.probes.scan import Scan

LINE = 140
"""Characters of each answer that a reader sees first: one line of a wide page, two of a narrow one."""
LATE = 800
"""Characters before a line from which it could stand anywhere: what it speaks of is then unknown."""
NOISY = 1 / 6
"""Share of signs among a line's characters from which it is code, a table or a formula to the eye."""
LONG = 2000
"""Characters of both answers that weigh as much as a line full of signs; twice as many are not read whole."""
UNLIKE = 3.0
"""How many times the other's length an answer may have before a reader thinks of that and of nothing else."""
BEFORE = ".!?:;\n*#>-•)"
"""What may stand before a word that begins with a capital where a sentence begins."""
READ = " .,;:!?'\"()-–—’“”…"
"""Signs that prose is written with."""


class Marks(NamedTuple):
    """Where texts show a behaviour, by text and then place."""

    document: Array
    start: Array
    end: Array

    @classmethod
    def of_scan(cls, scanned: Scan, number: int) -> "Marks":
        """Those of one of a scan's probes or phrases."""
        own = scanned.probe == number
        return cls(scanned.document[own], scanned.start[own], scanned.end[own])


class Texts:
    """Texts in one row of characters, with what each character is to the eye."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.lengths = np.array([len(text) for text in texts], np.int64)
        self._begins = np.concatenate([[0], np.cumsum(self.lengths)])
        # Halves of characters, as outside text may have, pass as what they are.
        whole = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        self._plain = np.array([chr(code).isalnum() or chr(code) in READ for code in range(128)])
        self._signs = np.concatenate([[0], np.cumsum(self._odd(whole))])
        self._whole = whole

    def _odd(self, codes: Array) -> Bools:
        """Signs and line breaks of ASCII: what code and markup are made of."""
        return np.asarray((codes < 128) & ~self._plain[np.minimum(codes, 127)])

    def noise(self, document: Array, begin: Array, end: Array) -> Floats:
        """How much of parts of texts is signs: 0 for prose, 1 for what nobody reads as such."""
        at = self._begins[document]
        begin, end = (np.clip(place, 0, self.lengths[document]) for place in (begin, end))
        share = (self._signs[at + end] - self._signs[at + begin]) / np.maximum(end - begin, 1)
        return np.asarray(np.minimum(share / NOISY, 1.0))

    def torn(self, document: Array, start: Array) -> Bools:
        """Whether a mark begins with a capital where no sentence begins: a name or a title, and not the words."""
        out = np.zeros(len(document), dtype=bool)
        for place, (number, mark) in enumerate(zip(document.tolist(), start.tolist(), strict=True)):
            begin = int(self._begins[number])
            first, second = (self._character(begin + mark + step) for step in (0, 1))
            back = mark - 1
            while back >= 0 and self._character(begin + back) == " ":
                back -= 1
            out[place] = (
                first.isupper() and second.islower() and back >= 0 and self._character(begin + back) not in BEFORE
            )
        return out

    def _character(self, at: int) -> str:
        return chr(int(self._whole[at])) if at < len(self._whole) else ""


class _Seen(NamedTuple):
    """The line of each text that a reader is shown, and what is wrong with it."""

    begin: Ints
    trouble: Floats


def effort(texts: Texts, marks: Sequence[Marks | None], sides: tuple[Array, Array], changed: Floats) -> Floats:
    """Pairs × behaviours: what it takes to see each of them; of what has no marks its answers' beginnings count.

    `sides` are both sides' texts by pair, `changed` the share of words in which a pair differs. Whichever side has
    marks is taken for the one that shows it.
    """
    a, b = sides
    size = np.minimum((texts.lengths[a] + texts.lengths[b]) / LONG, 2.0)
    ratio = np.abs(np.log(np.maximum(texts.lengths[a], 1) / np.maximum(texts.lengths[b], 1)))
    # Two answers that are nearly the same show a difference best.
    common = size + changed
    columns = []
    for each in marks:
        if each is None:
            lines = sum(texts.noise(side, np.zeros_like(side), np.full_like(side, LINE)) for side in sides)
            columns.append(common + lines)
            continue
        seen = _seen(texts, each)
        lines = sum(
            texts.noise(side, seen.begin[side], seen.begin[side] + LINE) + seen.trouble[side] for side in sides
        )
        columns.append(common + lines + (ratio > np.log(UNLIKE)))
    return np.column_stack(columns) if columns else np.zeros((len(a), 0))


def _seen(texts: Texts, marks: Marks) -> _Seen:
    """By text: where its line begins, and what its mark costs; nothing of texts without one."""
    begin, trouble = np.zeros(len(texts.lengths), np.int64), np.zeros(len(texts.lengths))
    documents, first = np.unique(marks.document, return_index=True)
    last = np.append(first, len(marks.document))[1:].tolist()
    chosen = np.zeros(len(documents), np.int64)
    for place, (number, start, stop) in enumerate(zip(documents.tolist(), first.tolist(), last, strict=True)):
        spans = list(zip(marks.start[start:stop].tolist(), marks.end[start:stop].tolist(), strict=True))
        begin[number] = excerpts.window(int(texts.lengths[number]), spans, LINE)[0]
        behind = [at for at, span in enumerate(spans) if span[0] >= begin[number]]
        chosen[place] = start + (behind[0] if behind else 0)
    at, end = marks.start[chosen].astype(np.int64), marks.end[chosen].astype(np.int64)
    late = np.minimum(begin[documents] / LATE, 1.0)
    cut = end > begin[documents] + LINE
    # A word is more than its mark: a sign beside it belongs to it.
    trouble[documents] = late + cut + texts.noise(documents, at - 1, end + 1) + texts.torn(documents, at)
    return _Seen(begin, trouble)
