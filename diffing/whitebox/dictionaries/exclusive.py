"""Which latents one model has alone, and what of them a change with nothing to find shows too.

Whose a latent is comes from latent scaling, ν with its interval: how much of it the other model has where it
fires. A crosscoder's decoder must not write it on the other side either, but where it writes is never enough. Two
nulls answer two questions. The same dictionary, fed with a null pair, tells what of a latent any change brings:
what is little there is this change's own, but a dictionary always fires most on what it was trained on, so it does
not tell that the latent means anything. Dictionaries trained in the same way on null pairs tell how many exclusive
latents come of nothing at all; that is a claim about numbers, not about any one of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from diffing.common.arrays import Bools, Floats
from diffing.common.errors import UserError
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.latents import BLOCKS, SIDES, Seen, interval

MOST = 0.25
"""Share of a latent that the other model may have, by either end of ν's interval: a quarter is far from what a
shared one has (1) and what is amplified twofold (1/2), and far above what chance leaves of nothing."""
LEAST = 0.5
"""Share of a latent that its own model must have, by the low end of β's interval."""
WRITTEN = 0.2
"""Length of a crosscoder's decoder on the other side, in lengths of its own: the published bound (Δnorm 0.9). A
direction that one model turned is written on both sides, and neither has what the other writes."""
SEEN = 0.5
"""Share of what a latent takes that a null may show: a half would be the pair's half and the null's."""


def exclusive(table: pd.DataFrame) -> pd.Series:
    """Of a table of `latents.measured`: whose alone each latent is, `base` or `variant`, or empty."""
    own = np.where(table["side"] == "variant", table["beta_variant_low"], table["beta_base_low"])
    if "leaning" not in table:
        # A difference that takes away is written against what the base has.
        own = np.where(table["side"] == "variant", own, -table["beta_base_high"])
    nu = np.maximum(table["nu_low"].abs(), table["nu_high"].abs())
    # Comparisons with what is no number are false: a latent that fired in too few texts is nobody's.
    mine: Bools = (nu < MOST).to_numpy() & (own > LEAST)
    if "leaning" in table:
        shorter, longer = table[["length_base", "length_variant"]].agg(["min", "max"], axis=1).to_numpy().T
        mine &= shorter <= WRITTEN * longer
    return pd.Series(np.where(mine, table["side"], ""), table.index, name="exclusive")


def counts(own: pd.DataFrame, nulls: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """How many latents are exclusive in a pair's dictionary and in those trained alike on nulls, a row each.

    `p` stands in the pair's row: the chance of as many, were the pair one more null. With n nulls it is never less
    than 1 of n + 1. Where a table says which latents are `stable`, `again` counts these of all that fire, and
    `own` those that are exclusive too.
    """
    rows = []
    for name, table in {"pair": own, **nulls}.items():
        whose, fires = exclusive(table), table["frequency"] > 0
        row = {"name": name, "alive": int(fires.sum()), **{side: int((whose == side).sum()) for side in SIDES}}
        if "stable" in table:
            row |= {"again": int((fires & table["stable"]).sum())}
            row |= {"own": int(((whose != "") & table["stable"]).sum())}
        rows.append(row)
    told = pd.DataFrame(rows)
    total = told["base"] + told["variant"]
    told["p"] = np.nan
    told.loc[0, "p"] = (total >= total[0]).sum() / len(total)
    return told


class Amounts(NamedTuple):
    """What each latent takes of some activations: its mean activation times the length it writes."""

    amount: Floats
    low: Floats
    """95 % over documents."""
    high: Floats


def amounts(dictionary: Dictionary, batches: Iterable[Seen]) -> Amounts:
    """What latents take of a pair's activations, or of a null's: the dictionary is the same."""
    latents, device = dictionary.shape.latents, dictionary.decoder.device
    sums = torch.zeros(BLOCKS, latents, dtype=torch.float64, device=device)
    tokens = torch.zeros(BLOCKS, dtype=torch.float64, device=device)
    for seen in batches:
        found = dictionary.encode(seen.pairs)
        block = torch.from_numpy(np.asarray(seen.document, np.int64) % BLOCKS).to(device)
        tokens.index_add_(0, block, torch.ones_like(block, dtype=torch.float64))
        sums.view(-1).index_add_(0, block[found.row] * latents + found.latent, found.value.double())
    if not float(tokens.sum()):
        raise UserError("There are no activations to hold latents against; give some texts.")
    length = dictionary.towards()[1].double().norm(dim=1)
    sums, tokens = sums[tokens > 0] * length, tokens[tokens > 0]
    without = torch.cat([tokens.sum()[None], tokens.sum() - tokens])[:, None]
    means = torch.cat([sums.sum(0, keepdim=True), sums.sum(0, keepdim=True) - sums]) / without
    return Amounts(*interval(means.cpu().numpy()))


def beside(own: Amounts, nulls: Sequence[tuple[str, Amounts]]) -> pd.DataFrame:
    """What a pair's latents take beside what nulls show of the same ones, a row a latent.

    `shown` is the most that any null shows, as a share of the low end of what the pair's takes, `null` is which
    one, and `specific` is whether that is little enough. The same weights twice prove nothing and are left out.
    """
    others = [(name, amount) for name, amount in nulls if name != "same"]
    table = pd.DataFrame({"latent": np.arange(len(own.amount)), "amount": own.amount, "amount_low": own.low})
    table["amount_high"] = own.high
    if not others:
        return table.assign(null_high=np.nan, shown=np.nan, null="", specific=False)
    theirs = np.stack([amount.amount for _, amount in others])
    table["null_high"] = theirs.max(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shown = np.where(own.low > 0, table["null_high"] / own.low, np.inf)
    table["shown"] = np.where(own.amount > 0, shown, np.nan)
    table["null"] = np.array([name for name, _ in others])[theirs.argmax(0)]
    table["specific"] = table["shown"] < SEEN
    return table
