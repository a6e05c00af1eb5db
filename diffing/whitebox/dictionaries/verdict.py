"""Which latents are real: a plain verdict for each, what it rests on, and `judged.parquet` beside the dictionary.

A latent is called real when a null change shows little of it (`exclusive.beside`), a second training finds it
again (`stable`), it does more than a push of its size (`causal`), and what it does exceeds what the strongest
latent of any dictionary trained on a null does there, by the rule of `sight.evidence`: each null takes the
pair's place once, with a dictionary of its own. Whichever of these is missing, nothing is claimed. Whether one
model has a latent alone is told beside the verdict and is no part of it: what is made stronger is as real as
what is new.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from diffing.common import files
from diffing.whitebox.dictionaries.causal import COLUMNS
from diffing.whitebox.dictionaries.exclusive import exclusive
from diffing.whitebox.dictionaries.judged import JUDGED
from diffing.whitebox.sight import evidence

REAL, IN_NULLS, UNSTABLE, IDLE, WAITING = VERDICTS = (
    "real",
    "seen in nulls too",
    "not stable",
    "no effect of its own",
    "not compared yet",
)
RARE = 0.05
"""Chance of as large an effect by a push of the latent's size below which the latent is said to do something."""
MEASURED = (
    "latent",
    "side",
    "frequency",
    "beta_base",
    "beta_base_low",
    "beta_base_high",
    "beta_variant",
    "beta_variant_low",
    "beta_variant_high",
    "nu",
    "nu_low",
    "nu_high",
)
"""Columns of `latents.measured` that are told again."""
TOLD = {
    "beside": ("amount", "amount_low", "amount_high", "null_high", "shown", "null", "specific"),
    "stable": ("match", "mutual", "cosine", "cosine_chance", "together", "together_chance", "stable"),
    "causal": COLUMNS[1:],
}
"""And of the others', by what made them."""
YES, WORDS = ("mutual", "specific", "stable", "above"), ("null", "raises")
"""Of all columns those that say yes or no, and those of words: what was not done is no, and nothing."""


def judged(
    measured: pd.DataFrame,
    beside: pd.DataFrame | None = None,
    stable: pd.DataFrame | None = None,
    causal: pd.DataFrame | None = None,
    nulls: Sequence[tuple[str, pd.DataFrame]] = (),
) -> pd.DataFrame:
    """A row a latent, the strongest of the real ones first.

    `measured` is of `latents`, the others of the modules of their names, None where that was not done; `nulls` are
    the tables of `causal` of dictionaries trained alike on nulls. `strength` is by how many of the nulls' own
    differences a latent's effect exceeds them.
    """
    table = measured[list(MEASURED)].copy()
    table.insert(1, "exclusive", exclusive(measured))
    for name, part in {"beside": beside, "stable": stable, "causal": causal}.items():
        columns = list(TOLD[name])
        if part is None:
            table[columns] = np.nan
        else:
            table = table.merge(part[["latent", *columns]], on="latent", how="left", validate="1:1")
    table = table.merge(_against(table, nulls), on="latent", how="left", validate="1:1")
    for name in YES:
        table[name] = table[name].eq(True).astype(bool)
    for name in WORDS:
        table[name] = table[name].astype(object).where(table[name].notna(), "").astype(str)
    table["verdict"] = _verdicts(table, beside is not None, stable is not None, len(nulls))
    order = table.assign(
        rank=table["verdict"].map(VERDICTS.index),
        force=table["strength"].fillna(0.0),
        much=table["effect_low"].fillna(-np.inf),
    )
    by = ["rank", "force", "much", "amount"]
    found = order.sort_values(by, ascending=[True, False, False, False], kind="stable")
    return found.drop(columns=["rank", "force", "much"]).reset_index(drop=True)


def _against(table: pd.DataFrame, nulls: Sequence[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """What latents do beside what the strongest latent of each null's own dictionary does."""
    tried = table[table["effect"].notna()]
    things = pd.DataFrame(
        {
            "kind": "latent",
            "key": tried["latent"].astype(str),
            "text": tried["latent"].astype(str),
            "figure": tried["effect"],
            "low": tried["effect_low"],
            "high": tried["effect_high"],
            "held_out": np.nan,
        }
    )
    # Latents of two dictionaries are not each other's: each is held against the strongest of all.
    theirs = [(name, things.assign(figure=strongest(null))) for name, null in nulls]
    found = evidence.judged(things, theirs).table
    columns = {"null_high": "null_effect", "bar": "null_apart", "strength": "strength", "above": "above"}
    told = found[list(columns)].astype(np.float64).rename(columns=columns)
    return told.assign(latent=found["key"].astype(np.int64))


def strongest(causal: pd.DataFrame) -> float:
    """What the strongest latent of a table does; 0 where none does anything, or fires at all."""
    effects = causal["effect"].dropna()
    return max(0.0, float(effects.max())) if len(effects) else 0.0


def _verdicts(table: pd.DataFrame, beside: bool, stable: bool, nulls: int) -> list[str]:
    """In the order in which the tests are made: the first that a latent fails names it."""

    specific, again, above = (table[name].to_numpy(bool) for name in ("specific", "stable", "above"))
    tried = table["effect"].notna().to_numpy()
    idle = ~(table["p_directions"].to_numpy(np.float64) <= RARE) | ~(table["effect_low"].to_numpy(np.float64) > 0)
    tests = [
        (np.full(len(table), not beside), WAITING),
        (~specific, IN_NULLS),
        (np.full(len(table), not stable), WAITING),
        (~again, UNSTABLE),
        (~tried, WAITING),
        (idle, IDLE),
        (np.full(len(table), nulls < evidence.LEAST), WAITING),
        (~above, IN_NULLS),
    ]
    found = np.full(len(table), REAL, dtype=object)
    for failed, said in reversed(tests):
        found[failed] = said
    return [str(said) for said in found]


def candidates(measured: pd.DataFrame, beside: pd.DataFrame, stable: pd.DataFrame | None, most: int) -> list[int]:
    """Latents that are worth trying: those that passed so far, exclusive ones first, by what they take."""
    table = beside.assign(own=(exclusive(measured) != "").to_numpy())
    passed = table["specific"].to_numpy(bool)
    if stable is not None:
        passed = passed & stable["stable"].to_numpy(bool)
    order = table[passed].sort_values(["own", "amount_low"], ascending=False, kind="stable")
    return [int(latent) for latent in order["latent"].head(most)]


def save(folder: Path, table: pd.DataFrame) -> None:
    """Put it beside the dictionary."""
    files.write_parquet(folder / JUDGED, table)


def load(folder: Path) -> pd.DataFrame | None:
    """What was judged of a dictionary; None where nothing was."""
    path = folder / JUDGED
    return files.read_parquet(path) if path.is_file() else None


def said(table: pd.DataFrame) -> Mapping[str, int]:
    """How many latents that fire at all got each verdict."""
    counts = table.loc[table["frequency"] > 0, "verdict"].value_counts()
    return {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS}
