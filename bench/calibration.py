"""Are the diff's figures what they say? Simulated studies, 1,000 for each scenario, as one table.

Run with `python -m bench.calibration [--studies 1000] [--scenario i …] [--draws 3 …]`; `docs/method.md` holds the
result: 1,000 studies with one draw a side, 1,000 more with two, three and four in turn. Each study has features
of realistic frequency (most are rare), prompts that pull features along together, answers of random length, and
events placed token by token. The diff sees only what it would see of real answers.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from typing import NamedTuple

import numpy as np
import pandas as pd
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from bench import unlike
from diffing.common.arrays import Array
from diffing.diff import groups, measure, pairing, separability
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Flat

LEVELS = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.5)


@dataclass
class Plan:
    """What one simulated study is like; the defaults are two equal sides."""

    prompts: int = 120
    features: int = 250
    draws: int = 1
    categories: int = 4
    length: float = 150.0
    """Median answer length in tokens on A."""
    longer: float = 1.0
    """How many times as long B's answers are."""
    spread: float = 0.5
    """Standard deviation of log length; half its variance is the prompt's own."""
    prompt_effect: float = 1.2
    """Standard deviation of a feature's log rate over prompts."""
    shared: float = 0.7
    """Correlation of that effect within a clump of features."""
    clump: int = 5
    endings: float = 0.0
    """Share of features that occur only in an answer's last three tokens."""
    effect: Array | None = None
    """Change of each feature's log rate on B, the same for all prompts or prompts × features."""


class Simulated(NamedTuple):
    """A study as the diff sees it, and what it was made from."""

    shown: Flat
    pairs: Pairing
    base: Array
    """Each feature's log rate per token."""
    ending: Array
    """Which features occur at endings only."""


def simulate(plan: Plan, random: np.random.Generator) -> Simulated:
    """Draw a study."""
    n, f, r = plan.prompts, plan.features, plan.draws
    # Shares of answers that show a feature: from one in two hundred to nearly all, most of them small.
    typical = 0.005 * (0.95 / 0.005) ** random.beta(1.0, 1.3, f)
    base = np.log(-np.log1p(-typical) / plan.length) - plan.prompt_effect**2 / 4
    ending = random.random(f) < plan.endings
    clumps = random.normal(size=(n, -(-f // plan.clump))).repeat(plan.clump, axis=1)[:, :f]
    own = random.normal(size=(n, f))
    taste = plan.prompt_effect * (np.sqrt(plan.shared) * clumps + np.sqrt(1 - plan.shared) * own)
    long = random.normal(size=n) * plan.spread * np.sqrt(0.5)
    effect = np.zeros(f) if plan.effect is None else plan.effect
    lengths, columns, counts = [], [], []
    for side in range(2):
        for _ in range(r):
            tokens = plan.length * np.exp(long + random.normal(size=n) * plan.spread * np.sqrt(0.5))
            tokens = np.maximum(5, tokens * (plan.longer if side else 1.0)).astype(np.int64)
            rate = np.exp(base + taste + side * effect)
            # What stands only at the end has as many chances in a short answer as in a long one.
            mean = rate * np.where(ending, plan.length, tokens[:, None])
            number = random.poisson(np.minimum(mean, 50.0))
            lengths.append(tokens)
            columns.append(number)
            counts.append(np.minimum(number, np.where(ending, 3, tokens[:, None])))
    number = np.stack(counts).reshape(2 * r * n, f)
    length = np.concatenate(lengths)
    return Simulated(_arrays(number, length, ending, random), _pairs(plan, length), base, ending)


def _arrays(number: Array, length: Array, ending: Array, random: np.random.Generator) -> Flat:
    """Flat arrays from counts of events: positions uniform over the answer, or over its last three tokens."""
    row, column = np.nonzero(number)
    count = number[row, column]
    owner = np.repeat(np.arange(len(row)), count)
    span = np.where(ending[column], 3, length[row])[owner]
    place = (random.random(len(owner)) * span).astype(np.int64) + length[row][owner] - span
    strength = random.gamma(2.0, 1.0, len(owner))
    starts = np.cumsum(count) - count
    reduced = {name: op.reduceat(place, starts) for name, op in (("first", np.minimum), ("last", np.maximum))}
    return Flat(
        n_features=number.shape[1],
        indptr=np.concatenate([[0], np.cumsum((number > 0).sum(axis=1))]),
        feature=column,
        count=count,
        first=reduced["first"],
        last=reduced["last"],
        peak=np.maximum.reduceat(strength, starts),
    )


def _pairs(plan: Plan, length: Array) -> Pairing:
    n, r = plan.prompts, plan.draws
    ids = np.array([f"{i:05}" for i in range(n)])
    table = pd.DataFrame({"id": ids, "tags": ""})
    table["category"] = np.array([f"c{i % plan.categories}" for i in range(n)])
    # Three of ten are held out, in every category alike.
    table["split"] = np.where(np.arange(n) // plan.categories % 10 < 3, "held-out", "discovery")
    document = np.arange(2 * r * n).reshape(2, r, n).transpose(0, 2, 1).reshape(2, -1)
    pairs = pd.DataFrame({"prompt_id": ids.repeat(r), "draw": np.tile(np.arange(r), n), "excluded": ""})
    for side, documents in zip("ab", document, strict=True):
        pairs[f"flag_{side}"], pairs[f"doc_of_{side}"] = "", documents
        pairs[f"tokens_of_{side}"] = length[documents]
    return pairing.from_table(pairs, table)


def diffed(shown: Flat, pairs: Pairing, seed: int) -> pd.DataFrame:
    """The table with the heterogeneity's columns, as a diff has it."""
    table, tallied = measure.table(shown, pairs)
    return table.assign(**groups.heterogeneity(tallied.views["whole"], pairs, table["testable"].to_numpy(), seed))


class Figures:
    """Hits and tries of each figure, study by study."""

    def __init__(self) -> None:
        self.hits: dict[str, list[float]] = defaultdict(list)
        self.tries: dict[str, list[float]] = defaultdict(list)

    def add(self, name: str, hits: float, tries: float = 1) -> None:
        self.hits[name].append(hits)
        self.tries[name].append(tries)

    def share(self, name: str) -> tuple[float, float]:
        """Hits over tries, and 1.96 standard errors of it: studies are independent, features in them are not."""
        hits, tries = np.array(self.hits[name]), np.array(self.tries[name])
        if not tries.sum():
            return np.nan, np.nan
        share = hits.sum() / tries.sum()
        return float(share), float(1.96 * np.sqrt(np.sum((hits - share * tries) ** 2)) / tries.sum())


FAMILIES = {
    "plain": ("p", "q"),
    "rate": ("p_rate", "q_rate"),
    "strength": ("p_mean", "q_mean"),
    "heterogeneity": ("p_heterogeneity", "q_heterogeneity"),
    "random tokens": ("p_rarefied", "q_rarefied"),
    "discovery half": ("p_discovery", "q_discovery"),
}


def equal_sides(figures: Figures, draws: int, random: np.random.Generator) -> None:
    """(i) Exchangeable sides: no family of tests may find anything in more than 5 % of studies."""
    shown, pairs, *_ = simulate(Plan(draws=draws), random)
    table = diffed(shown, pairs, int(random.integers(2**31)))
    cuts = ["_equal_length", "_equal_length_tail"]
    p_of = {name: table[p].to_numpy() for name, (p, _) in FAMILIES.items()}
    q_of = {name: table[q].to_numpy() for name, (_, q) in FAMILIES.items()}
    p_of["equal length"] = np.concatenate([table[f"p{cut}"] for cut in cuts])
    q_of["equal length"] = np.concatenate([table[f"q{cut}"] for cut in cuts])
    few = simulate(Plan(draws=draws, features=40, clump=4), random)
    probes, _ = measure.table(few.shown, few.pairs, np.zeros(40, dtype=bool))
    p_of["probes"], q_of["probes"] = probes["p"].to_numpy(), probes["q"].to_numpy()
    for name, p in p_of.items():
        _add_family(figures, name, p, q_of[name])
    figures.add("replicated: any q < 0.05", float((table["replicated"] == "yes").any()))
    apart = separability.separability(shown, pairs, int(random.integers(2**31)), permutations=99)
    figures.add("separability: any q < 0.05", float(apart.p <= 0.05))


def _add_family(figures: Figures, name: str, p: Array, q: Array) -> None:
    """Whether a family of tests that has nothing to find finds anything, and how often its p are small."""
    figures.add(f"{name}: any q < 0.05", float(np.nanmin(q, initial=1.0) < 0.05))
    made = p[~np.isnan(p)]
    for level in LEVELS:
        figures.add(f"{name}: P(p <= {level}) / {level}", float(np.sum(made <= level)) / level, len(made))


def longer_answers(figures: Figures, draws: int, random: np.random.Generator) -> None:
    """(ii) B is longer, nothing else: differences must not survive equal length."""
    plan = Plan(draws=draws, prompts=200, longer=2.2, spread=0.3, endings=0.15)
    shown, pairs, _, ending = simulate(plan, random)
    table, _ = measure.table(shown, pairs)
    plain = table["q"] < 0.05
    survives = table["survives_equal_length"].fillna(False).astype(bool)
    figures.add("differing plainly, of those tested", float(plain.sum()), float(table["testable"].sum()))
    figures.add("surviving, of those that differ plainly", float(survives.sum()), float(plain.sum()))
    figures.add("studies with any survivor", float(survives.any()))
    for name, kind in (("features at endings", ending), ("other features", ~ending)):
        tested = float(table["testable"][kind].sum())
        figures.add(f"{name} surviving, of those tested", float(survives[kind].sum()), tested)
    rate = table.loc[~ending, "p_rate"].dropna()
    figures.add("P(p <= 0.05) / 0.05 of other features' rates", float(np.sum(rate <= 0.05)) / 0.05, len(rate))


def planted(figures: Figures, draws: int, random: np.random.Generator) -> None:
    """(iii) One feature in ten differs: false discoveries, and power beside an independent computation."""
    plan = Plan(draws=draws)
    true = random.random(plan.features) < 0.1
    plan.effect = np.where(
        true, random.choice([-1.0, 1.0], plan.features) * random.uniform(0.5, 2, plan.features), 0
    )
    shown, pairs, *_ = simulate(plan, random)
    table, _ = measure.table(shown, pairs)
    found = (table["q"] < 0.05).to_numpy()
    figures.add("mean false discovery proportion", float(np.sum(found & ~true)) / max(1, found.sum()))
    figures.add("mean false discovery proportion, rate", _false(table["q_rate"], true))
    cuts = [table[f"q_equal_length{end}"] for end in ("", "_tail")]
    figures.add("mean false discovery proportion, equal length", _false(pd.concat(cuts), np.tile(true, 2)))
    replicated = (table["replicated"] == "yes").to_numpy()
    figures.add("false, of those replicated", float(np.sum(replicated & ~true)), float(replicated.sum()))
    tested = true & table["testable"].to_numpy()
    figures.add("power", float(np.sum(found & true)), float(tested.sum()))
    # With several draws McNemar's test can only ask which side leads on a prompt, not by how much.
    rows = table[table["testable"]]
    leads = zip(rows["discordant_a"], rows["discordant_b"], strict=True)
    p = [mcnemar([[0, a], [b, 0]]).pvalue for a, b in leads]
    reference = multipletests(p, method="fdr_bh")[0] if len(p) else np.empty(0, bool)
    figures.add("power of statsmodels", float(np.sum(reference & true[rows.index])), float(tested.sum()))


def _false(q: "pd.Series[float]", true: Array) -> float:
    found = (q < 0.05).to_numpy()
    return float(np.sum(found & ~true)) / max(1, int(found.sum()))


def one_category(figures: Figures, draws: int, random: np.random.Generator) -> None:
    """(iv) Some features rise in one category and fall in the others, with nothing in total."""
    plan = Plan(draws=draws, prompts=160, spread=0.0, prompt_effect=0.5)
    true = np.arange(plan.features) < 12
    here = np.arange(plan.prompts) % plan.categories == 0
    shown, pairs, *_ = simulate(plan, random)
    # Shares of the planted features: 0.75 against 0.25 in one category, 0.42 against 0.58 in the three others.
    shown = _with_shares(shown, pairs, here, true, random)
    table = diffed(shown, pairs, int(random.integers(2**31)))
    found = (table["q_heterogeneity"] < 0.05).to_numpy()
    plain = (table["q"] < 0.05).to_numpy()
    figures.add("found by heterogeneity", float(np.sum(found & true)), float(true.sum()))
    figures.add("found by the plain difference", float(np.sum(plain & true)), float(true.sum()))
    figures.add("mean false discovery proportion", float(np.sum(found & ~true)) / max(1, found.sum()))


def _with_shares(shown: Flat, pairs: Pairing, here: Array, true: Array, random: np.random.Generator) -> Flat:
    """The planted features drawn anew, by the prompt's category and the side."""
    grid = np.zeros((len(shown.indptr) - 1, shown.n_features), dtype=np.int64)
    grid[np.repeat(np.arange(len(grid)), np.diff(shown.indptr)), shown.feature] = shown.count
    category = pairs.prompts["category"].to_numpy()[pairs.row] == "c0"
    for documents, shares in ((pairs.a, (0.25, 7 / 12)), (pairs.b, (0.75, 5 / 12))):
        share = np.where(category, *shares)[:, None]
        grid[np.ix_(documents, np.flatnonzero(true))] = random.random((len(documents), true.sum())) < share
    assert here.sum() * 4 == len(here)
    length = np.full(len(grid), 150)
    return _arrays(grid, length, np.zeros(shown.n_features, bool), random)


def unlike_categories(figures: Figures, draws: int, random: np.random.Generator) -> None:
    """(vi) Categories of unlike sizes and spreads with one mean: heterogeneity may find nothing."""
    for name, mean in unlike.MEANS.items():
        found = unlike.tested(mean, draws, random)
        _add_family(figures, name, found.p, found.q)
        alone = np.where(found.alone, found.p, np.nan), np.where(found.alone, found.q, np.nan)
        if mean == 0:
            _add_family(figures, "those in one category only", *alone)


def coverage(figures: Figures, draws: int, random: np.random.Generator) -> None:
    """(v) Do 95 % intervals hold the true difference, by how many prompts are expected to differ?"""
    plan = Plan(draws=draws, prompts=int(random.choice([60, 120, 300])), spread=0.0)
    plan.effect = random.choice([0.0, 0.7, -0.7, 1.5], plan.features)
    shown, pairs, base, _ = simulate(plan, random)
    table, _ = measure.table(shown, pairs)
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    rate = plan.length * np.exp(base[:, None] + plan.prompt_effect * node)
    absent_a, absent_b = np.exp(-rate), np.exp(-rate * np.exp(plan.effect)[:, None])
    true = (absent_a - absent_b) @ weight
    equal = sum(_binomial(draws, k, 1 - absent_a) * _binomial(draws, k, 1 - absent_b) for k in range(draws + 1))
    expected = plan.prompts * (1 - equal @ weight)
    holds = ((table["ci_low"] <= true) & (true <= table["ci_high"])).to_numpy()
    for low, high in ((0, 2), (2, 5), (5, 10), (10, 20), (20, 50), (50, np.inf)):
        here = (expected >= low) & (expected < high)
        name = f"{low} to {high:.0f}" if high < np.inf else f"{low} and more"
        figures.add(f"coverage, {name} discordant prompts expected", float(holds[here].sum()), float(here.sum()))


def _binomial(n: int, k: int, share: Array) -> Array:
    return np.asarray(comb(n, k) * share**k * (1 - share) ** (n - k))


Scenario = Callable[[Figures, int, np.random.Generator], None]
SCENARIOS: dict[str, Scenario] = {
    "i": equal_sides,
    "ii": longer_answers,
    "iii": planted,
    "iv": one_category,
    "v": coverage,
    "vi": unlike_categories,
}
DRAWS = {"1 draw": (1,), "2 to 4 draws": (2, 3, 4)}
"""What stands apart in the tables; studies take turns where there are several numbers."""


def run(scenario: str, draws: Sequence[int], studies: int, seed: int = 0) -> Figures:
    """One scenario's figures over many studies."""
    figures = Figures()
    for number in range(studies):
        r = draws[number % len(draws)]
        SCENARIOS[scenario](figures, r, np.random.default_rng([seed, r, number]))
    return figures


def table(columns: dict[str, Figures]) -> pd.DataFrame:
    """Figures as text with 1.96 standard errors; a family's figures side by side where the names have families."""
    cells: dict[str, dict[str, str]] = defaultdict(dict)
    for draws, figures in columns.items():
        for name in figures.hits:
            share, error = figures.share(name)
            family, _, figure = name.rpartition(": ")
            ratio = " / " in name
            cell = f"{share:.2f} ± {error:.2f}" if ratio else f"{100 * share:.1f} ± {100 * error:.1f} %"
            row, column = (f"{family}, {draws}", figure) if family else (name, draws)
            cells[row][column] = cell
    return pd.DataFrame.from_dict(cells, orient="index").fillna("")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--scenario", nargs="*", default=list(SCENARIOS))
    parser.add_argument("--draws", nargs="*", type=int, help="Only these, each in a column of its own.")
    asked = parser.parse_args()
    wanted = {f"{r} draws": (r,) for r in asked.draws} if asked.draws else DRAWS
    for scenario in asked.scenario:
        start = time.process_time()
        found = table({name: run(scenario, draws, asked.studies) for name, draws in wanted.items()})
        took = time.process_time() - start
        print(f"\n{SCENARIOS[scenario].__doc__} ({asked.studies} studies a column, {took:.0f} s of CPU)\n")
        print("| | " + " | ".join(found.columns) + " |")
        print("|---" * (1 + len(found.columns)) + "|")
        for row, cells in found.iterrows():
            print(f"| {row} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
