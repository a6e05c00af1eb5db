"""Whether certainty is what it says: `python -m bench.certainty [--streams 2000]`.

Looks at streams of prompts after each one, and counts how often an e-value or an interval is ever wrong; shrinks
differences whose truth is known. `docs/method.md` quotes what it prints. What is said of whole studies in which
nothing differs is for `bench.truth`.
"""

import argparse

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.arrays import Array
from diffing.diff import evalues, shrinkage


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
    parser.add_argument("--streams", type=int, default=2000)
    asked = parser.parse_args()
    for table in (looking(asked.streams, 500), enough(), shrinking(40)):
        print(table.to_string(index=False, float_format=lambda value: f"{value:.5g}"), "\n")


if __name__ == "__main__":
    main()
