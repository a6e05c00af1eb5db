"""The columns of the table: each feature's frequency, difference, tests, interval and verdict.

Works on a tally, and so the same for SAE features and surface probes. Promises that whatever decides which
features are tested stays the same when the two sides of any prompt are exchanged. Families, probe ties and
categories are other modules'.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray
from scipy.special import ndtri, stdtrit

from diffing.common import stats
from diffing.common.arrays import Array, Bools, Floats, Ints
from diffing.diff import tally
from diffing.diff.amounts import Amounts
from diffing.diff.length import Adjusted
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Shown
from diffing.diff.tally import Leads, Tally, View

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
OF_BASE = 0.25
"""They may be no more than this share of how often both sides show it either: from 2 to 4 in a hundred is twice.

At a share of 20 % a quarter is five answers in a hundred, so above it the other margin is the narrower one.
"""
OF_AMOUNT = 0.1
"""Differences of an amount that count as none, as a share of its mean: a tenth more words. Chosen by eye."""
NEARLY_ALL = 0.95
"""Shares of both sides from which on presence cannot differ by more than its margin, so that amounts must tell."""
POWER = 0.8
"""Chance of being confirmed that `needed` asks for: the usual one."""

FAR = 20
"""Times as many prompts from which on it is not said how many: nobody will ask them."""

VIEWS: dict[View, str] = {
    "whole": "",
    "beginning": "_equal_length",
    "ending": "_equal_length_tail",
}
"""What is counted, and the suffix of its columns."""
CUTS = [name for name in VIEWS.values() if name]


def table(shown: Shown, pairing: Pairing, counted: Bools | None = None) -> tuple[pd.DataFrame, Tally]:
    """A row for each feature, and the tally that it was computed from.

    `counted` is given where they are probes, and says which are nothing but amounts. A probe's amount is how often
    it occurs in an answer, a feature's the rate of its tokens.
    """
    tallied = tally.count(shown, pairing, VIEWS)
    fit = tallied.fit.result()
    columns = _shares(shown, pairing, tallied) | _tested(tallied, fit)
    columns |= dict(zip(("delta_adjusted", "adjusted_low", "adjusted_high"), fit, strict=True))
    columns |= _amounts("rate", tallied.rate) | _amounts("mean", tallied.strength)
    name, amount = ("rate", tallied.rate) if counted is None else ("mean", tallied.strength)
    columns |= dict(zip(("change", "change_low", "change_high"), change(amount, 0.95), strict=True))
    least = np.minimum(columns["frequency_a"], columns["frequency_b"])
    by_amount = (least >= NEARLY_ALL) | (False if counted is None else counted)
    columns["judged_by"] = np.where(by_amount, "amount", "presence").astype(object)
    # Two one-sided tests at 5 % each are one interval of 90 %.
    low, high = interval(pairing, tallied.prompts, *tallied.views["whole"].of(), 0.90)
    base = (columns["frequency_a"] + columns["frequency_b"]) / 2
    of_presence = verdict(columns["q"], low, high, base)
    of_amount = amount_verdict(columns[f"q_{name}"], *change(amount, 0.90)[1:])
    columns["verdict"] = np.where(by_amount, of_amount, of_presence)
    columns |= {"peak_a": tallied.peak["a"], "peak_b": tallied.peak["b"]}
    columns |= replication(tallied.views["whole"], pairing)
    return pd.DataFrame(columns), tallied


def _shares(shown: Shown, pairing: Pairing, tallied: Tally) -> dict[str, Any]:
    """How often each side shows it, and the difference with its interval."""
    n = tallied.prompts
    # Without prompts nothing is known: a share of 0 would claim that something was looked at.
    nothing = np.nan if n == 0 else 0.0
    frequency_a, frequency_b = (tallied.frequency[side] + nothing for side in "ab")
    more_a, more_b = tallied.views["whole"].of()
    ci_low, ci_high = interval(pairing, n, more_a, more_b, 0.95)
    low_a, high_a = stats.wilson(frequency_a, max(n, 1))
    low_b, high_b = stats.wilson(frequency_b, max(n, 1))
    return {
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


def _amounts(name: str, amount: Amounts) -> dict[str, Any]:
    """Means of an amount, and its signed-rank test."""
    nothing = np.nan if amount.prompts == 0 else 0.0
    coins = amount.coins()
    p = coins.p(LEAST)
    return {
        f"{name}_a": amount.sums["a"] / max(amount.prompts, 1) + nothing,
        f"{name}_b": amount.sums["b"] / max(amount.prompts, 1) + nothing,
        f"lean_{name}": coins.lean + nothing,
        f"p_{name}": p,
        f"q_{name}": stats.benjamini_hochberg(p),
    }


def change(amount: Amounts, level: float) -> tuple[Floats, Floats, Floats]:
    """The mean difference of an amount as a share of its mean on both sides, with its interval.

    NaN where no answer has any.
    """
    n = amount.prompts
    if n < 2:
        return tuple(np.full(len(amount.squares), np.nan) for _ in range(3))  # type: ignore[return-value]
    difference = (amount.sums["b"] - amount.sums["a"]) / n
    mean = (amount.sums["a"] + amount.sums["b"]) / (2 * n)
    # One prompt more each way that differs by the whole mean, as for shares: without them an amount that happened
    # never to differ would get an interval of no width.
    variance = (amount.squares + 2 * mean**2) / n - difference**2
    half = stdtrit(n - 1, (1 + level) / 2) * np.sqrt(np.maximum(variance, 0) / (n - 1))
    share = np.divide(1.0, mean, out=np.full(len(mean), np.nan), where=mean > 0)
    return difference * share, (difference - half) * share, (difference + half) * share


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


def _tested(tallied: Tally, fit: Adjusted) -> dict[str, Any]:
    """Presence in all views: testable, p and q, and whether the difference survives equal length."""
    n = tallied.prompts
    p = {VIEWS[view]: presence_p(leads, LEAST) for view, leads in tallied.views.items()}
    delta = {VIEWS[view]: difference(leads, n) for view, leads in tallied.views.items()}
    q = {"": stats.benjamini_hochberg(p[""])}
    # Both cuts answer one question, so they are corrected as one family of tests.
    joint = stats.benjamini_hochberg(np.concatenate([p[name] for name in CUTS]))
    q |= dict(zip(CUTS, np.split(joint, len(CUTS)), strict=True))
    p["_rarefied"] = tallied.rarefied.coins().p(LEAST)
    q["_rarefied"] = stats.benjamini_hochberg(p["_rarefied"])
    delta["_rarefied"] = tallied.rarefied.sum / n if n else delta[""]
    columns: dict[str, Any] = {"testable": ~np.isnan(p[""]), "p": p[""], "q": q[""]}
    for name in ("_rarefied", *CUTS):
        columns |= {f"delta{name}": delta[name], f"p{name}": p[name], f"q{name}": q[name]}
    columns["survives_equal_length"] = survives(delta, q, fit)
    return columns


def survives(delta: dict[str, Floats], q: dict[str, Floats], fit: Adjusted) -> ExtensionArray:
    """Whether a difference is more than length, by view's suffix; blank where it is no difference.

    As many random tokens must show it too, the same way, and so must the line at like lengths, by its interval,
    where one can be drawn; and neither end of the answers may show the contrary.
    """
    way = np.sign(delta[""])
    kept = at_equal_length(way, delta["_rarefied"], q["_rarefied"], fit.low, fit.high)
    for name in CUTS:
        kept &= ~((np.sign(delta[name]) == -way) & (q[name] < LEVEL))
    column = pd.array(kept, dtype="boolean")
    # Written so that a q of NaN, not tested, asks nothing either.
    column[~(q[""] < LEVEL)] = pd.NA
    return column


def at_equal_length(way: Array, delta: Array, q: Array, low: Array, high: Array) -> Bools:
    """Whether a difference is there among as many random tokens (`delta`, `q`), the same way, and on the line at
    like lengths (`low` to `high`), where one can be drawn.

    What stands in clumps, as the items of one list, comes and goes with whole lines: random tokens of a longer
    answer show it more surely than as many tokens in a row. The line knows no tokens.
    """
    line = np.where(way > 0, low, -high)
    return np.asarray((np.sign(delta) == way) & (q < LEVEL) & (np.isnan(line) | (line > 0)), bool)


def verdict(q: Floats, low: Floats, high: Floats, base: Floats) -> NDArray[np.object_]:
    """What can be said of a difference in presence, from its 90 % interval and how often both sides show it.

    `differs`; `no change` if the interval lies inside both margins; `too rare to tell` if it lies inside the one
    that hangs on no base rate; else `cannot tell`.
    """
    none = (low >= -EQUIVALENT) & (high <= EQUIVALENT)
    small = (low >= -OF_BASE * base) & (high <= OF_BASE * base)
    words = np.where(none & small, "no change", np.where(none, "too rare to tell", "cannot tell"))
    return np.where(q < LEVEL, "differs", words).astype(object)


def amount_verdict(q: Floats, low: Floats, high: Floats) -> NDArray[np.object_]:
    """The same of a difference in amount, from its 90 % interval as a share of the mean."""
    none = (low >= -OF_AMOUNT) & (high <= OF_AMOUNT)
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
    words = np.where(confirmed, "yes", np.where(np.isnan(p_held), "too few", "not confirmed"))
    # What Benjamini and Hochberg's rule would ask of one more.
    level = LEVEL * min(1.0, (confirmed.sum() + 1) / max(np.isfinite(one_sided).sum(), 1))
    more_a, more_b = (more.sum(axis=1) for more in leads.of(discovery))
    ahead, behind = np.where(delta > 0, more_b, more_a), np.where(delta > 0, more_a, more_b)
    return {
        "p_discovery": p,
        "q_discovery": q,
        "replicated": np.where(selected, words, "").astype(object),
        "delta_discovery": delta,
        "delta_heldout": delta_held,
        "discordant_heldout": sum(more.sum(axis=1) for more in leads.of(held)),
        "needed": np.where(selected & ~confirmed, needed(ahead, behind, level), np.nan),
    }


def needed(ahead: Ints, behind: Ints, level: float) -> Floats:
    """Differing prompts on which a one-sided sign test finds, with `POWER`, a lead as large as among these.

    `ahead` of them lean the claimed way and `behind` the other. The usual normal approximation (Noether 1987); NaN
    where they do not lean that way.
    """
    # One prompt more each way, as in the intervals: what was chosen for its difference looks larger than it is.
    share = (ahead + 1) / (ahead + behind + 2)
    spread = ndtri(1 - level) / 2 + ndtri(POWER) * np.sqrt(share * (1 - share))
    lead = np.where(ahead > behind, share - 0.5, np.nan)
    # Fewer prompts than this cannot reach the level however they fall.
    prompts: Floats = np.ceil(np.maximum((spread / lead) ** 2, -np.log2(level)))
    return prompts


def margin(base: Floats | float) -> Floats:
    """What a difference in presence must lie within to count as none, by how often both sides show it."""
    # A tenth of a point at least: of what nobody shows nothing would be little enough.
    return np.maximum(np.minimum(EQUIVALENT, OF_BASE * np.asarray(base)), 1e-3)


def times(low: float, high: float, margin: float) -> float:
    """How many times as many prompts would tell, were the difference just what it is here.

    An interval narrows with the root of their number. It must leave out 0, or lie within the margin.
    """
    middle, half = abs(low + high) / 2, (high - low) / 2
    room = max(middle, margin - middle)
    return float((half / room) ** 2) if room > 0 else np.nan


def to_ask(prompts: float, asked: int) -> int | None:
    """So many prompts for a reader; None where it is told, or so many more that nobody will ask them."""
    if pd.isna(prompts) or prompts > FAR * asked:
        return None
    # To ten: it is a reckoning from one sample's difference.
    return max(10 * round(prompts / 10), asked + 10)
