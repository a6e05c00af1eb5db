"""The answer in a few figures: what a diff says on one line, with everything that its figures hang on.

Promises plain values that JSON can hold once they have gone through `plain`: what is not known is null. Makes no
test of its own.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.words import count
from diffing.diff import anything, measure
from diffing.diff.pairing import Pairing
from diffing.diff.stored import DiffSettings
from diffing.diff.tally import Leads


def of(
    pairs: Pairing, features: pd.DataFrame, probes: pd.DataFrame, leads: Leads, apart: Mapping[str, Any]
) -> dict[str, Any]:
    """Counts of prompts, tests and differences, families, separability, and what could not have been seen."""
    n, tested = len(pairs.prompts), int(features["testable"].sum())
    more_a, more_b = leads.of()
    # A prompt that differs in one draw of r counts for 1/r squared: what it adds to the difference's variance.
    discordance = (more_a + more_b) @ (leads.sizes / leads.unit) ** 2 / max(n, 1)
    # The median: a few features that truly differ do not move it (`docs/method.md`).
    background = float(np.median(discordance[features["testable"]])) if tested else math.nan
    heads = features[(features["feature"] == features["family"]) & (features["q"] < measure.LEVEL)]
    survive = int(heads["survives_equal_length"].fillna(False).sum())
    # Where no pair was truncated there is no such column, and nothing to leave out.
    untruncated = features.get("q_untruncated", features["q"])
    return {
        "prompts": n,
        "discovery": int((pairs.prompts["split"] == "discovery").sum()),
        "draws": int(pairs.draws.max(initial=0)),
        "pairs": len(pairs.row),
        "pairs_truncated": int(pairs.truncated.sum()),
        "identical": int(pairs.identical.sum()),
        "excluded": pairs.excluded,
        "tested": tested,
        "tested_rate": int(features["p_rate"].notna().sum()),
        "tested_rarefied": int(features["p_rarefied"].notna().sum()),
        "tested_equal_length": int(features[["p_equal_length", "p_equal_length_tail"]].notna().sum().sum()),
        "tested_heterogeneity": int(features["p_heterogeneity"].notna().sum()),
        "tested_probes": int(probes["testable"].sum()),
        "differing": int((features["q"] < measure.LEVEL).sum()),
        "differing_untruncated": int((untruncated < measure.LEVEL).sum()),
        "differing_rate": int((features["q_rate"] < measure.LEVEL).sum()),
        "survive_equal_length": int(features["survives_equal_length"].fillna(False).sum()),
        "families": len(heads),
        "families_surviving": survive,
        "share_surviving": survive / len(heads) if len(heads) else None,
        "verdicts": features.loc[features["testable"], "verdict"].value_counts().to_dict(),
        "separability": dict(apart),
        "background_discordance": background,
        "smallest_detectable": stats.smallest_detectable(n, tested, background) if tested else None,
        "tokens_a": float(pairs.tokens_a.mean()) if len(pairs.row) else None,
        "tokens_b": float(pairs.tokens_b.mean()) if len(pairs.row) else None,
    }


def shows(settings: DiffSettings) -> str:
    """When an answer shows a feature, in words."""
    threshold, share = settings.threshold, settings.share_of_peak
    bars = [f"{threshold:g}"] * (threshold > 0 or share == 0)
    bars += [f"{share:.0%} of the feature's strongest one in both checkpoints' answers"] * (share > 0)
    return f"strongest activation over the answer's tokens above {' and '.join(bars)}, averaged over draws"


def plain(value: Any) -> Any:
    """The same as JSON has it: what is not a finite number is null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def answer(facts: dict[str, Any]) -> str:
    """A diff's summary as one sentence that claims no more than was found."""
    families, survive, tested = facts["families"], facts["families_surviving"], facts["tested"]
    if not families:
        alone = f"no feature differs after correction over {tested:,} tests"
    else:
        # What length alone makes is the larger part of most diffs, and so does not come first.
        differ = count(families, "family of features that differs does", "families of features that differ do")
        alone = f"{survive:,} of {differ} so at equal length too (q < 0.05, {tested:,} features tested)"
    whole = anything.in_words(facts.get("anything"))
    if not whole:
        # A diff of an older version, which had no test over all views.
        return f"{alone}{'' if families else '; that does not prove no change'}."
    return f"{whole} By presence alone, a single view, {alone}."


def identical(facts: dict[str, Any]) -> str:
    """On how much of the study both sides gave one answer, as a sentence; empty where nowhere."""
    # A diff of an earlier version did not count them.
    same = facts.get("identical", 0)
    if not same:
        return ""
    if facts["draws"] == 1:
        return f"The answers are identical on {same:,} of {count(facts['prompts'], 'prompt')}."
    return f"The answers are identical in {same:,} of {count(facts['pairs'], 'pair')}."


def cannot_tell(facts: dict[str, Any]) -> str:
    """Why it cannot be said how well the sides are told apart; empty where it can."""
    apart = facts["separability"]
    # A diff of an earlier version gave no reason, and had one only.
    return "" if apart.get("auc") is not None else apart.get("reason") or "there are too few prompts"
