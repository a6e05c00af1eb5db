"""Tables of latents as the rule for verdicts reads them, made up instead of measured: each as a test wants it."""

import numpy as np
import pandas as pd

from diffing.common.arrays import Floats
from diffing.whitebox.dictionaries import verdict


def tables(effects: Floats, spread: float = 0.1) -> dict[str, pd.DataFrame]:
    """A dictionary whose latents pass every test but that of nulls' own dictionaries."""
    count = len(effects)
    number = {"latent": np.arange(count)}
    measured = pd.DataFrame(number | {name: np.ones(count) for name in verdict.MEASURED if name != "latent"})
    measured["side"] = "variant"
    measured[["nu", "nu_low", "nu_high"]] = 0.0
    parts = {"measured": measured}
    for name, columns in verdict.TOLD.items():
        parts[name] = pd.DataFrame(number | {column: np.ones(count) for column in columns})
    parts["beside"]["specific"] = parts["stable"]["stable"] = True
    parts["causal"] = parts["causal"].assign(
        effect=effects, effect_low=effects - spread, effect_high=effects + spread, p_directions=0.05
    )
    return parts
