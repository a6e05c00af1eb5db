"""A claim's own count: what its predicate says of held-out answers, with an exact test of its own.

The features that led to a claim have figures of theirs; these are the claim's. Promises that discovery prompts are
not looked at, that the tests are those of the diff (`measure.table`, one row for each predicate), and that claims
are corrected for together. Does not promise that the predicate says what the words say: that is for whoever reads
both, and they stand side by side.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.words import share, small
from diffing.diff import measure, pairing
from diffing.diff.presence import Flat
from diffing.findings.predicates import Predicate
from diffing.study import responses
from diffing.study.settings import load_settings
from diffing.study.study import Study


class Counted(NamedTuple):
    """A predicate on held-out answers of A and B."""

    prompts: int
    amount: bool
    """Whether the figures are amounts in an answer and not shares of answers."""
    a: float
    """Share of A's answers that show it; of an amount its mean."""
    b: float
    low: float
    """95 % interval of the difference of shares; NaN of an amount."""
    high: float
    more_a: int
    """Prompts on which A shows it more often; of an amount they are not counted."""
    more_b: int
    p: float
    """NaN where too few prompts differ to tell anything."""
    q: float
    """After Benjamini and Hochberg, over all that were counted together."""

    @property
    def delta(self) -> float:
        return self.b - self.a

    @property
    def size(self) -> float:
        """The difference as a share, of answers or of the larger amount: what claims are put in order by."""
        return self.delta / max(self.a, self.b, 1e-9) if self.amount else self.delta

    def holds(self, sign: int) -> bool:
        """Whether the held-out answers bear out that B (1) or A (-1) shows it more."""
        return bool(self.q < measure.LEVEL and np.sign(self.delta) == sign)

    def contrary(self, sign: int) -> bool:
        """Whether they show that it is the other way round."""
        return bool(self.q < measure.LEVEL and np.sign(self.delta) == -sign)

    @property
    def words(self) -> str:
        """Both figures and how sure they are, in half a sentence."""
        sure = "too few prompts differ to tell" if np.isnan(self.q) else f"q = {small(self.q)}"
        if self.amount:
            return f"{self.a:,.3g} → {self.b:,.3g} an answer on {self.prompts:,} new prompts, {sure}"
        sides = sorted((("A", self.more_a), ("B", self.more_b)), key=lambda side: -side[1])
        ahead = " and ".join(f"{side} shows it more on {number:,}" for side, number in sides)
        return f"{share(self.a)} → {share(self.b)} of answers on {self.prompts:,} new prompts ({ahead}), {sure}"


def count(study: Study, a: str, b: str, predicates: Sequence[Predicate]) -> list[Counted | None]:
    """Each predicate's figures; None of what this version cannot count."""
    known = [predicate for predicate in predicates if predicate.known]
    stamp = tuple(_state(study.folder / name) for name in (*responses.FILES, "prompts.csv"))
    forms = tuple(predicate.model_dump_json() for predicate in known)
    counted = iter(_count(str(study.folder), a, b, forms, stamp))
    return [next(counted) if predicate.known else None for predicate in predicates]


def _state(path: Path) -> tuple[int, int] | None:
    # The size too: two changes may fall into one tick of the clock.
    state = path.stat() if path.exists() else None
    return (state.st_mtime_ns, state.st_size) if state else None


# Some comparisons with their claims; a few kilobytes each.
@lru_cache(maxsize=16)
def _count(folder: str, a: str, b: str, forms: tuple[str, ...], _stamp: Any) -> list[Counted]:
    """`count`, once for each state of the answers: pages ask far more often than these change."""
    if not forms:
        return []
    study = Study(Path(folder), load_settings(Path(folder) / "study.toml"))
    predicates = [Predicate.model_validate_json(form) for form in forms]
    return from_pairs(responses.kept(study.pairs(a, b)), study.prompts(), predicates)


def from_pairs(pairs: pd.DataFrame, prompts: pd.DataFrame, predicates: Sequence[Predicate]) -> list[Counted]:
    """The same from pairs of answers (`text_a`, `text_b`), of which those to held-out prompts count."""
    held = prompts[prompts["split"] == "held-out"]
    pairs = pairs[pairs["prompt_id"].isin(held["id"])].reset_index(drop=True)
    texts = [*pairs["text_a"], *pairs["text_b"]]
    # Words stand for tokens: no reader has to have read these answers.
    words = np.array([max(1, len(text.split())) for text in texts], dtype=np.int64)
    n = len(pairs)
    pairs = pairs.assign(doc_of_a=np.arange(n), doc_of_b=n + np.arange(n))
    pairs = pairs.assign(tokens_of_a=words[:n], tokens_of_b=words[n:])
    table, _ = measure.table(_shown(texts, words, predicates), pairing.from_table(pairs, held))
    p = np.where([each.amount for each in predicates], table["p_mean"], table["p"])
    q = stats.benjamini_hochberg(p)
    return [
        Counted(
            prompts=int(row.n_prompts),
            amount=predicate.amount,
            a=float(row.mean_a if predicate.amount else row.frequency_a),
            b=float(row.mean_b if predicate.amount else row.frequency_b),
            low=float("nan") if predicate.amount else float(row.ci_low),
            high=float("nan") if predicate.amount else float(row.ci_high),
            more_a=int(row.discordant_a),
            more_b=int(row.discordant_b),
            p=float(p[place]),
            q=float(q[place]),
        )
        for place, (predicate, row) in enumerate(zip(predicates, table.itertuples(), strict=True))
    ]


def _shown(texts: Sequence[str], words: Any, predicates: Sequence[Predicate]) -> Flat:
    """Documents × predicates in the shape of features."""
    grid = np.array([[predicate.count(text) for predicate in predicates] for text in texts], dtype=np.int64)
    grid = grid.reshape(len(texts), len(predicates))
    row, column = np.nonzero(grid)
    amount = grid[row, column]
    # All over the answer: what is cut at equal length is not asked for here.
    return Flat(
        n_features=len(predicates),
        indptr=np.searchsorted(row, np.arange(len(texts) + 1)),
        feature=column,
        count=amount,
        first=np.zeros(len(row), np.int64),
        last=words[row] - 1,
        peak=amount.astype(np.float32),
    )
