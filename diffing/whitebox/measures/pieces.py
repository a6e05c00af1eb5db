"""Tokens in their contexts: where each moved most, and which word a piece of one stands for there.

Of the positions whose largest changes were kept, which are few. Promises the same contexts whatever the batches
were. The word is what the variant itself goes on to write, one likeliest piece after another, so it is a reading
of the piece and no evidence of its own.
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from diffing.common.arrays import Array, Ints
from diffing.whitebox.method import Check
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import Document

BEFORE = 16
"""Tokens of a context that the variant reads: it is asked for the rest of a word."""
AFTER = 6
"""Tokens that are shown of what the text goes on with."""
PIECES = 3
"""That are put behind a token at most: with it they make nearly every word of a small vocabulary."""
TOGETHER = 50
"""Contexts that are read at once."""
COLUMNS = {"token": np.int64, "document": np.int64, "position": np.int64, "gained": np.float64}
"""Position: where the token would stand."""


def contexts(rows: dict[str, Array], tokens: Ints, count: int) -> pd.DataFrame:
    """For each of the tokens the places at which its probability rose most and fell most."""
    if not rows:
        return pd.DataFrame({name: [] for name in COLUMNS}).astype(COLUMNS)
    wide = rows["moved"].shape[1]
    table = pd.DataFrame(
        {
            "token": rows["moved"].ravel(),
            "document": np.repeat(rows["document"], wide),
            "position": np.repeat(rows["position"], wide) + 1,
            "gained": rows["moved_by"].ravel(),
        }
    ).astype(COLUMNS)
    table = table[table["token"].isin(tokens) & (table["gained"] != 0)]
    # A small vocabulary's largest and least may be the same ones.
    table = table.drop_duplicates(["token", "document", "position"])
    table = table.assign(size=-table["gained"].abs(), up=table["gained"] > 0)
    table = table.sort_values(["token", "up", "size", "document", "position"])
    return table.groupby(["token", "up"]).head(count)[list(COLUMNS)].reset_index(drop=True)


def quoted(pair: Pair, documents: Sequence[Document], table: pd.DataFrame) -> pd.DataFrame:
    """With each row's token in words, what stands before its place and what stands there in its stead."""
    decode = pair.tokenizer.decode
    places = [
        (documents[document].ids, at) for document, at in zip(table["document"], table["position"], strict=True)
    ]
    return table.assign(
        text=[str(decode([token])) for token in table["token"]],
        before=[str(decode(list(ids[max(0, at - BEFORE) : at]), skip_special_tokens=True)) for ids, at in places],
        after=[str(decode(list(ids[at : at + AFTER]), skip_special_tokens=True)) for ids, at in places],
    )


def completed(pair: Pair, documents: Sequence[Document], table: pd.DataFrame, check: Check) -> list[str]:
    """The word that each row's token is part of, as the variant would have it; empty where it is part of none."""
    starts = [
        list(documents[row.document].ids[max(0, row.position - BEFORE) : row.position])
        for row in table.itertuples()
    ]
    given = [[*start, int(token)] for start, token in zip(starts, table["token"], strict=True)]
    written: list[list[int]] = []
    for begin in range(0, len(given), TOGETHER):
        written += continued(pair, given[begin : begin + TOGETHER], check)
    decode = pair.tokenizer.decode
    return [word_at(str(decode(start)), str(decode(whole))) for start, whole in zip(starts, written, strict=True)]


def continued(pair: Pair, ids: list[list[int]], check: Check) -> list[list[int]]:
    """Each with the variant's likeliest next pieces behind it."""
    with pair.variant(pair.dose.alpha, pair.dose.groups) as whole:
        for _ in range(PIECES):
            check()
            last = whole(ids, logits=True).last
            if last is None:
                raise RuntimeError("the pass was made with logits")
            ends = np.cumsum([len(row) for row in ids]) - 1
            likeliest = whole.logits(last[ends]).argmax(-1).tolist()
            ids = [[*row, token] for row, token in zip(ids, likeliest, strict=True)]
    return ids


def word_at(before: str, whole: str) -> str:
    """The word of a text that holds the first letter behind where another text, its beginning, ends."""
    # A letter of several bytes may be cut by the beginning's end, so only what both share is taken for it.
    edge = next(
        (n for n, (one, other) in enumerate(zip(before, whole, strict=False)) if one != other), len(before)
    )
    piece = re.match(r"\s*", whole[edge:])
    place = edge + (piece.end() if piece else 0)
    return next((found[0] for found in re.finditer(r"\w+", whole) if found.start() <= place < found.end()), "")
