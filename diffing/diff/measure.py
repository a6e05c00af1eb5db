"""The columns of the table: each feature's frequency, difference, tests, interval and verdict.

Works on a tally, and so the same for SAE features and surface probes. Promises that whatever decides which
features are tested stays the same when the two sides of any prompt are exchanged. Families, probe ties and
categories are other modules'.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffing.common import nulls, stats
from diffing.common.arrays import Array, Floats, Ints
from diffing.diff import tally
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Shown
from diffing.diff.tally import Amounts, Leads, Tally, View

LEVEL = 0.05
"""False discovery rate that everything is called by: the usual one, and one for all, so that columns agree."""
LEAST = 6
"""Prompts that must differ before a feature is tested: under six no exact test can reach 0.05.

If all six lie one way, p is 2 / 64 = 0.03; with five it would be 0.06.
"""
LEAST_HELD_OUT = 5
"""The same for one-sided tests on held-out prompts: 1 / 32 = 0.03."""
EQUIVALENT = 0.05
"""Differences that count as none when the 90 % interval lies inside: five answers in a hundred. Chosen by eye."""

VIEWS: dict[View, str] = {
    "whole": "",
    "beginning": "_equal_length",
    "ending": "_equal_length_tail",
}
"""What is counted, and the suffix of its columns."""


def table(shown: Shown, pairing: Pairing) -> tuple[pd.DataFrame, Tally]:
    """A row for each feature, and the tally that it was computed from."""
    counted = tally.count(shown, pairing, VIEWS)
    n = counted.prompts
    # Without prompts nothing is known: a share of 0 would claim that something was looked at.
    nothing = np.nan if n == 0 else 0.0
    frequency_a, frequency_b = (counted.frequency[side] + nothing for side in "ab")
    more_a, more_b = counted.views["whole"].of()
    ci_low, ci_high = interval(pairing, n, more_a, more_b, 0.95)
    low_a, high_a = stats.wilson(frequency_a, max(n, 1))
    low_b, high_b = stats.wilson(frequency_b, max(n, 1))
    columns: dict[str, Any] = {
        "feature": np.arange(shown.n_features),
        "n_prompts": n,
        "frequency_a": frequency_a,
        "frequency_b": frequency_b,
        "low_a": low_a,
        "high_a": high_a,
        "low_b": low_b,
        "high_b": high_b,
        "delta": frequency_b - frequency_a,
        "ci_low": ci_low,
        "ci_high": ci_high,
        "log_odds": stats.log_odds_ratio(frequency_a, frequency_b, n),
        "discordant_a": more_a.sum(axis=1),
        "discordant_b": more_b.sum(axis=1),
    }
    columns |= _tested(counted)
    # Two one-sided tests at 5 % each are one interval of 90 %.
    columns["verdict"] = verdict(columns["q"], *interval(pairing, n, more_a, more_b, 0.90))
    for name, amount in (("rate", counted.rate), ("mean", counted.strength)):
        p = sign_flip(amount, LEAST)
        columns |= {
            f"{name}_a": amount.sums["a"] / max(n, 1) + nothing,
            f"{name}_b": amount.sums["b"] / max(n, 1) + nothing,
            f"p_{name}": p,
            f"q_{name}": stats.benjamini_hochberg(p),
        }
    columns |= {"peak_a": counted.peak["a"], "peak_b": counted.peak["b"]}
    columns |= replication(counted.views["whole"], pairing)
    return pd.DataFrame(columns), counted


def interval(pairing: Pairing, prompts: int, more_a: Ints, more_b: Ints, level: float) -> tuple[Floats, Floats]:
    """Bonett and Price's interval at one draw, the bootstrap over prompts at several; NaN without prompts."""
    if prompts == 0:
        return np.full(len(more_a), np.nan), np.full(len(more_a), np.nan)
    # One size: with one draw a prompt differs wholly or not at all.
    if pairing.sizes.tolist() == [pairing.unit]:
        return stats.bonett_price(more_a[:, 0], more_b[:, 0], prompts, level)
    draws = int(pairing.draws.max())
    return stats.bootstrap(pairing.sizes, more_a, more_b, prompts, pairing.unit, draws, level)


def difference(leads: Leads, prompts: int, cells: Array | slice = slice(None)) -> Floats:
    """Mean difference over prompts, from how often each side leads."""
    more_a, more_b = leads.of(cells)
    total = (more_b - more_a) @ leads.sizes
    return total / (leads.unit * prompts) if prompts else np.full(len(total), np.nan)


def presence_p(leads: Leads, least: int, cells: Array | slice = slice(None)) -> Floats:
    """Exact two-sided p of each feature's presence; NaN where fewer than `least` prompts differ."""
    more_a, more_b = leads.of(cells)
    p = np.full(len(more_a), np.nan)
    tested = np.flatnonzero((more_a + more_b).sum(axis=1) >= least)
    p[tested] = stats.presence(leads.sizes, more_a[tested], more_b[tested])
    return p


def _tested(counted: Tally) -> dict[str, Any]:
    """Presence in all views: testable, p and q, and whether the difference survives equal length."""
    n = counted.prompts
    p = {VIEWS[view]: presence_p(leads, LEAST) for view, leads in counted.views.items()}
    delta = {VIEWS[view]: difference(leads, n) for view, leads in counted.views.items()}
    q = {"": stats.benjamini_hochberg(p[""])}
    # Both cuts answer one question, so they are corrected as one family of tests.
    cuts = [name for name in VIEWS.values() if name]
    joint = stats.benjamini_hochberg(np.concatenate([p[name] for name in cuts]))
    q |= dict(zip(cuts, np.split(joint, len(cuts)), strict=True))
    columns: dict[str, Any] = {"testable": ~np.isnan(p[""]), "p": p[""], "q": q[""]}
    for name in cuts:
        columns |= {f"delta{name}": delta[name], f"p{name}": p[name], f"q{name}": q[name]}
    # In one of the cuts is enough: an ending is cut off by one of them, an opening by the other.
    same = [(np.sign(delta[name]) == np.sign(delta[""])) & (q[name] < LEVEL) for name in cuts]
    survives = pd.array(np.logical_or(*same), dtype="boolean")
    # Written so that a q of NaN, not tested, asks nothing either.
    survives[~(q[""] < LEVEL)] = pd.NA
    columns["survives_equal_length"] = survives
    return columns


def verdict(q: Floats, low: Floats, high: Floats) -> NDArray[np.object_]:
    """`differs`, `no change` (the 90 % interval lies inside the band that counts as none) or `cannot tell`."""
    none = (low >= -EQUIVALENT) & (high <= EQUIVALENT)
    return np.where(q < LEVEL, "differs", np.where(none, "no change", "cannot tell")).astype(object)


def replication(leads: Leads, pairing: Pairing) -> dict[str, Any]:
    """Selected on discovery prompts alone, then tested one-sided on the held-out ones."""
    split = pairing.cells["split"].to_numpy()
    size = pairing.cells["prompts"].to_numpy()
    discovery, held = split == "discovery", split == "held-out"
    p = presence_p(leads, LEAST, discovery)
    q = stats.benjamini_hochberg(p)
    delta = difference(leads, int(size[discovery].sum()), discovery)
    delta_held = difference(leads, int(size[held].sum()), held)
    selected = q < LEVEL
    p_held = presence_p(leads, LEAST_HELD_OUT, held)
    # Towards the other side there is nothing to replicate, and such a p can decide nothing.
    one_sided = np.where(np.sign(delta_held) == np.sign(delta), p_held / 2, 1.0)
    one_sided[~selected | np.isnan(p_held)] = np.nan
    # Corrected over what was selected alone: only that was asked again.
    confirmed = stats.benjamini_hochberg(one_sided) < LEVEL
    words = np.where(confirmed, "yes", np.where(np.isnan(p_held), "too few", "no"))
    return {
        "p_discovery": p,
        "q_discovery": q,
        "replicated": np.where(selected, words, "").astype(object),
        "delta_discovery": delta,
        "delta_heldout": delta_held,
    }


def sign_flip(amount: Amounts, least: int) -> Floats:
    """Exact two-sided sign-flip p of the rounded sum; NaN where fewer than `least` prompts differ in it."""
    counts, observed = amount.coins()
    p = np.full(len(counts), np.nan)
    tested = np.flatnonzero(counts.sum(axis=1) >= least)
    p[tested] = nulls.coin_tail(np.arange(1, counts.shape[1] + 1), counts[tested], observed[tested])
    return p
