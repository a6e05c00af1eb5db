"""A dictionary's first latents as rows for people: figures, what each writes, and where it is strongest.

First are those that write the largest shares of the models' difference. Reads the tables that lie beside a
dictionary and loads no weights. Promises nothing about which latents are real.
"""

from typing import Any, NamedTuple

import pandas as pd

from diffing.study.study import Study
from diffing.whitebox.dictionaries import shelf

BEFORE, AFTER = 8, 4
"""Tokens of a passage around its own: what stands before tells more, as most models read from the left."""
CAUTION = (
    "A share says how much of the models' difference a latent writes, on texts that were not learnt from. It does "
    "not say that the change is about it: dictionaries of changes with nothing to find have such latents too."
)


class Latent(NamedTuple):
    """One latent."""

    latent: int
    figures: dict[str, Any]
    """Its row of `latents`; None where a figure is none."""
    writes: tuple[str, ...]
    passage: str
    """Around where it is strongest, of texts that were learnt from where there are such."""

    @property
    def share(self) -> float:
        return float(self.figures["share"])

    @property
    def frequency(self) -> float:
        """Share of tokens on which it fires."""
        return float(self.figures["frequency"])

    def beta(self, side: str) -> str:
        """How much of it a model has where it fires, in words: 1 is all that it says."""
        value, low, high = (self.figures.get(f"beta_{side}{end}") for end in ("", "_low", "_high"))
        if value is None:
            return "–"
        return f"{value:.2f}" + ("" if low is None or high is None else f" ({low:.2f} to {high:.2f})")


def first(study: Study, name: str, most: int) -> list[Latent]:
    """Of a dictionary so many, those first that write most."""
    table = shelf.table(study, name, "latents")
    tokens, passages = shelf.table(study, name, "tokens"), shelf.table(study, name, "passages")
    rows = table[table["share"] > 0].nlargest(most, "share").to_dict("records")
    return [_latent({str(key): value for key, value in row.items()}, tokens, passages) for row in rows]


def _latent(row: dict[str, Any], tokens: pd.DataFrame, passages: pd.DataFrame) -> Latent:
    latent = int(row["latent"])
    writes = tokens[(tokens["latent"] == latent) & (tokens["of"] == "written")].sort_values("rank")["text"]
    own = passages[passages["latent"] == latent].sort_values(["held_out", "value"], ascending=[True, False])
    passage = ""
    if len(own):
        strongest = own.iloc[0]
        at = int(strongest["position"] - strongest["start"])
        passage = "".join(strongest["tokens"][max(0, at - BEFORE) : at + AFTER]).strip().replace("\n", " ")
    # JSON has no word for a number that is none.
    figures = {key: None if value != value else value for key, value in row.items()}
    return Latent(latent, figures, tuple(text.strip() for text in writes), passage)
