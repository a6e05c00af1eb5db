"""Scores that other tools gave to the answers (`measures`), compared over the pairs that have one on both sides.

A prompt's draws are averaged, and prompts tested by the diff's exact signed ranks; all measures of a study are one
family of tests. Promises that a score on one side alone counts for nothing. Does not know what a score is worth,
but for which way is better where its tool said so.
"""

import math

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.arrays import Floats
from diffing.gate import paired
from diffing.gate.paired import Paired
from diffing.study.study import Study


def table(study: Study, a: str, b: str) -> pd.DataFrame:
    """A row for each measure that both checkpoints have: means, difference, interval, p and q."""
    numbers = study.measures()
    prompts = study.prompts().set_index("id")
    split = prompts.loc[prompts["active"], "split"]
    rows = []
    for name, mine in numbers[numbers["prompt_id"].isin(split.index)].groupby("name", sort=True):
        wide = mine.pivot(index=["prompt_id", "draw"], columns="checkpoint", values="value")
        if not {a, b} <= {*wide.columns}:
            continue
        by_prompt = wide[[a, b]].dropna().groupby("prompt_id").mean()
        if len(by_prompt):
            held = (split.reindex(by_prompt.index) == "held-out").to_numpy()
            rows.append({"measure": str(name), "higher": _higher(mine), **_figures(by_prompt, held)})
    found = pd.DataFrame(rows, columns=["measure", "higher", *FIGURES])
    for ending in ("", "_heldout"):
        found[f"q{ending}"] = stats.benjamini_hochberg(found[f"p{ending}"].to_numpy(np.float64))
    return found


FIGURES = (
    "kind",
    "n_prompts",
    "mean_a",
    "mean_b",
    "delta",
    "ci_low",
    "ci_high",
    "p",
    "delta_heldout",
    "p_heldout",
)


def _higher(mine: pd.DataFrame) -> bool | None:
    """Whether more of it is better; None where nobody said."""
    said = mine["higher_is_better"].dropna()
    return bool(said.iloc[0]) if len(said) else None


def _figures(by_prompt: pd.DataFrame, held: "np.ndarray") -> dict[str, object]:
    values: Floats = by_prompt.to_numpy(np.float64)
    mean_a, mean_b = values.mean(axis=0)
    # What lies between 0 and 1 is read as a share; of anything else the change is told as a share of its mean.
    share = bool((values >= 0).all() and (values <= 1).all())
    scale = 1.0 if share else abs(mean_a + mean_b) / 2
    difference = (values[:, 1] - values[:, 0]) / scale if scale else np.full(len(values), np.nan)
    whole = paired.of(difference) if scale else Paired()
    part = paired.of(difference[held]) if scale else Paired()
    return {
        "kind": "share" if share else "amount",
        "n_prompts": len(values),
        "mean_a": float(mean_a),
        "mean_b": float(mean_b),
        "delta": whole.mean,
        "ci_low": whole.mean - whole.half,
        "ci_high": whole.mean + whole.half,
        "p": whole.p,
        "delta_heldout": part.mean if len(values) else math.nan,
        "p_heldout": part.p,
    }
