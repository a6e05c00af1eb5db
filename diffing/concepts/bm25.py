"""Texts ranked by the words that they share with a query (Okapi BM25), in any language with spaces between words.

Endings of English words are cut, so that "hedges" finds "hedging". Promises that texts without a word of the query
score 0.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from diffing.common.arrays import Floats

SATURATION, LENGTH = 1.5, 0.75
"""Okapi's k1 and b as most engines set them."""
WORD = re.compile(r"\w+(?:['’]\w+)?")
# What stands in any request to find something, and in any description of text.
STOPS = frozenset(
    WORD.findall(
        "a an and are as at be by do does for from has have how in into is it its of on or that the their them "
        "they this to was were what when where which who whose why will with answer answers response responses "
        "text texts mention mentions say says speak speaks talk talks tell tells use uses word words"
    )
)
# Longest first; what is cut must leave a stem of three letters.
ENDINGS = WORD.findall("ations ation ingly ments ment ness edly ings ies ing ers als est ed er es ly al s e y")
STEM = 3


def terms(text: str) -> list[str]:
    """A text's words in small letters, without those that say nothing and without their endings."""
    return [stem(word) for word in WORD.findall(text.lower()) if word not in STOPS]


def stem(word: str) -> str:
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= STEM:
            cut = word.removesuffix(ending)
            # "stopping" is of "stop".
            return cut[:-1] if len(cut) > STEM and cut[-1] == cut[-2] and cut[-1] not in "aeiouls" else cut
    return word


class Index:
    """Texts, counted once for any number of queries."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._numbers: dict[str, int] = {}
        rows, columns, counts, sizes = [], [], [], []
        for number, text in enumerate(texts):
            found = Counter(terms(text))
            sizes.append(found.total())
            for term, count in found.items():
                rows.append(number)
                columns.append(self._numbers.setdefault(term, len(self._numbers)))
                counts.append(count)
        shape = (len(texts), max(len(self._numbers), 1))
        often = sparse.csc_matrix((np.array(counts, np.float64), (rows, columns)), shape)
        lengths = np.array(sizes, np.float64)
        mean = lengths.mean() if lengths.any() else 1.0
        slack = SATURATION * (1 - LENGTH + LENGTH * lengths / mean)
        having = np.diff(often.indptr)
        rarity = np.log1p((len(texts) - having + 0.5) / (having + 0.5))
        often.data = often.data * (SATURATION + 1) / (often.data + slack[often.indices])
        self._weights = sparse.csc_matrix(often.multiply(rarity))

    def scores(self, query: str) -> Floats:
        """How well each text fits, 0 for those that share no word."""
        columns = [self._numbers[term] for term in dict.fromkeys(terms(query)) if term in self._numbers]
        return np.asarray(self._weights[:, columns].sum(axis=1), np.float64).ravel()
