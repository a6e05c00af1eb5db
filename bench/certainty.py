"""Whether certainty is what it says: `python -m bench.certainty [--study sample --repeats 200]`.

Exchanges the two sides of a study's prompts by coins, so that nothing is to be found in real answers, and counts
how often each view and the one test over all views find something; looks at streams of prompts after each one, and
counts how often an e-value or an interval is ever wrong; shrinks differences whose truth is known.
`docs/method.md` quotes what it prints. The study must be encoded.
"""

import argparse
import dataclasses
from collections import Counter

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.arrays import Array
from diffing.diff import evalues, gate, groups, measure, pairing, presence, shrinkage
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Shown
from diffing.probes import scan
from diffing.reader import firing
from diffing.reader.encodings import Encodings
from diffing.study import responses
from diffing.study.study import Study


class Sides:
    """A study's answers, to be compared again and again with sides exchanged."""

    def __init__(self, study: Study) -> None:
        encodings = Encodings.open(study)
        self.pairs = pairing.pair(study, encodings.documents, *study.sides())
        documents = np.unique(np.concatenate([self.pairs.a, self.pairs.b]))
        texts = responses.texts(study.responses(), encodings.documents.loc[documents])
        self.shown: Shown = presence.shown(encodings, documents)
        tokens = firing.active(encodings, [], documents.tolist()).tokens
        self.counted: Shown = presence.as_features(scan.scan(texts), tokens)
        self.number = documents

    def exchanged(self, random: np.random.Generator) -> Pairing:
        """The two sides of each prompt in each other's place by a coin, all its draws together."""
        turn = random.random(len(self.pairs.prompts))[self.pairs.row] < 0.5
        swap = {
            name + side: np.where(turn, getattr(self.pairs, name + other), getattr(self.pairs, name + side))
            for name in ("", "tokens_")
            for side, other in ("ab", "ba")
        }
        return dataclasses.replace(self.pairs, **swap)

    def tables(self, pairs: Pairing, seed: int) -> dict[str, pd.DataFrame]:
        """The tables of features and probes, with the tests by category."""
        scanned = dataclasses.replace(
            pairs, a=np.searchsorted(self.number, pairs.a), b=np.searchsorted(self.number, pairs.b)
        )
        out = {}
        for name, shown, of in (("features", self.shown, pairs), ("probes", self.counted, scanned)):
            table, tallied = measure.table(shown, of)
            testable = table["testable"].to_numpy(dtype=bool)
            out[name] = table.assign(**groups.heterogeneity(tallied.views["whole"], of, testable, seed))
        return out


def exchanging(study: Study, repeats: int, seed: int = 0) -> Counter[str]:
    """How many of so many studies without a difference each view finds something in at 5 %, and all together."""
    sides, random, found = Sides(study), np.random.default_rng(seed), Counter[str]()
    for _ in range(repeats):
        told = gate.of(sides.tables(sides.exchanged(random), int(random.integers(2**31))))
        said = {view["view"]: view["p"] < gate.LEVEL for view in told["views"]}
        found.update(name for name, finds in said.items() if finds)
        found["any view"] += any(said.values())
        found["all views together"] += told["says"] == "differs"
    return found


def looking(streams: int, prompts: int, seed: int = 0) -> pd.DataFrame:
    """Streams of prompts that differ by chance alone, looked at after each: the share ever wrong."""
    rows = []
    for discordant in (0.05, 0.2, 0.5, 1.0):
        d = _differences(streams, prompts, discordant / 2, discordant / 2, seed)
        a, b = (d < 0).cumsum(axis=1), (d > 0).cumsum(axis=1)
        rows.append(
            {
                "prompts that differ": discordant,
                "e-value ever 20": (evalues.presence(a, b) >= 20).any(axis=1).mean(),
                "exact p ever below 0.05": (stats.mcnemar(a, b) < 0.05).any(axis=1).mean(),
                "exact p at the end": (stats.mcnemar(a[:, -1], b[:, -1]) < 0.05).mean(),
                "interval ever without the truth": _ever_missed(d, 0.0),
            }
        )
    return pd.DataFrame(rows)


def _differences(streams: int, prompts: int, more_a: float, more_b: float, seed: int) -> Array:
    random = np.random.default_rng(seed).random((streams, prompts))
    return np.where(random < more_a, -1, np.where(random < more_a + more_b, 1, 0))


def _ever_missed(d: Array, true: float) -> float:
    """Whether a bet against the truth ever won: then the interval did not hold it."""
    values, ever = np.array([-1.0, 0.0, 1.0]), np.zeros(len(d), dtype=bool)
    number = np.stack([(d == value).cumsum(axis=1) for value in values])
    for sign in (1, -1):
        gain = np.log(1 + evalues.BETS[:, None] * ((sign * values - sign * true) / (sign * true + 1))[None, :])
        for look in range(d.shape[1]):
            ever |= np.exp(number[:, :, look].T @ gain.T) @ evalues.STAKES >= 2 / evalues.LEVEL
    return float(ever.mean())


def enough(level: float = evalues.LEVEL) -> pd.DataFrame:
    """Prompts until an interval around no difference lies inside a margin, at its expected counts."""
    rows = []
    for discordant in (0.0, 0.05, 0.1, 0.3, 0.5):
        row = {"prompts that differ": discordant}
        for margin in (0.05, 0.1, 0.2):
            tried = np.unique(np.geomspace(10, 20_000, 400).round().astype(np.int64))
            counts = np.stack([tried * discordant / 2, tried * (1 - discordant), tried * discordant / 2], axis=1)
            low, _ = evalues.sequence(np.array([-1.0, 0.0, 1.0]), counts, -1, 1, level)
            row[f"± {100 * margin:.0f} points"] = int(tried[np.argmax(low > -margin)])
        rows.append(row)
    return pd.DataFrame(rows)


def shrinking(seeds: int) -> pd.DataFrame:
    """Shrunk against raw differences where the truth is known, averaged over simulated studies."""
    return pd.DataFrame([_shrunk(np.random.default_rng(seed)) for seed in range(seeds)]).mean().to_frame("mean").T


def _shrunk(random: np.random.Generator, features: int = 3000, prompts: int = 400) -> dict[str, float]:
    """One feature in five differs, by six points or so; 2 to 25 prompts in a hundred differ by chance."""
    true = np.where(random.random(features) < 0.2, random.normal(0, 0.06, features), 0.0)
    chance = random.uniform(0.02, 0.25, features)
    up, down = chance / 2 + np.maximum(true, 0), chance / 2 + np.maximum(-true, 0)
    b = random.binomial(prompts, up)
    a = random.binomial(prompts - b, down / (1 - up))
    low, high = stats.bonett_price(a, b, prompts)
    table = pd.DataFrame({"n_prompts": prompts, "delta": (b - a) / prompts, "ci_low": low, "ci_high": high})
    table = table.assign(testable=a + b >= 6, true=up - down)
    table = table.assign(**shrinkage.columns(table))[table["testable"]]
    first = table.loc[table["delta"].abs().nlargest(100).index]
    side, sure = np.sign(first["delta"]), table[table["lfsr"] < 0.05]
    return {
        "mean squared error, raw": ((table["delta"] - table["true"]) ** 2).mean(),
        "shrunk": ((table["delta_shrunk"] - table["true"]) ** 2).mean(),
        "first 100 too large by, raw": (side * (first["delta"] - first["true"])).mean(),
        "by, shrunk": (side * (first["delta_shrunk"] - first["true"])).mean(),
        "lfsr < 0.05: wrong sign": (np.sign(sure["delta"]) != np.sign(sure["true"])).mean(),
        "as it says": sure["lfsr"].mean(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="sample")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--streams", type=int, default=2000)
    asked = parser.parse_args()
    for table in (looking(asked.streams, 500), enough(), shrinking(40)):
        print(table.to_string(index=False, float_format=lambda value: f"{value:.5g}"), "\n")
    found = exchanging(Study.open(asked.study), asked.repeats)
    for name, number in found.most_common():
        print(f"{name}: {number} of {asked.repeats} ({100 * number / asked.repeats:.1f} %)")


if __name__ == "__main__":
    main()
