"""A comparison in the form that LLM Comparator opens: one entry a pair of answers.

Follows the JSON format that the tool's read-me documents, which wants a number for every score and shows 0 as
"same". Nobody was asked which answer is better, so every score is 0 and a field beside it says so, row by row.
What differs stands in the custom fields.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from diffing.common.tables import clean
from diffing.diff import pairing, ranking
from diffing.probes import near
from diffing.report.facts import Facts
from diffing.report.text import moving
from diffing.study import prompts

FEATURES = 8
"""Families whose strongest activation stands beside each answer: each is a column of the tool. Chosen
by eye."""
PROBES = 8
"""Differing surface probes, in the order of `ranking`; as many, for the same reason."""
FIELDS = {"which is better": "category", "prompt id": "string", "split": "category", "draw": "number"}
"""What stands beside each pair, and the tool's name for its kind."""
UNJUDGED = "not judged; the score of 0 is a blank"
"""What the first field says of every pair."""
TOKENS = "reader's tokens"


def build(facts: Facts) -> dict[str, Any]:
    """The whole file as plain values."""
    documents = facts.encodings.documents
    paired = pairing.pair(facts.study, documents, facts.a.key, facts.b.key)
    peaks = {_name(facts, feature): facts.encodings.peaks(feature) for feature in facts.top[:FEATURES]}
    counted = {f"counted: {name}": near.PROBES[name] for name in _counted(facts)}
    rows = facts.prompts.set_index("id")
    texts = facts.pairs.set_index(["prompt_id", "draw"])
    examples = []
    for place, (a, b) in enumerate(zip(paired.a.tolist(), paired.b.tolist(), strict=True)):
        prompt_id, draw = str(documents["prompt_id"].iloc[a]), int(documents["draw"].iloc[a])
        both = [clean(str(texts.loc[(prompt_id, draw), f"text_{side}"])) for side in "ab"]
        numbers: dict[str, list[Any]] = {TOKENS: [int(paired.tokens_a[place]), int(paired.tokens_b[place])]}
        # Three places can be read, and last bits may differ between machines.
        numbers |= {name: [round(float(peak[a]), 3), round(float(peak[b]), 3)] for name, peak in peaks.items()}
        numbers |= {name: [probe.count(text) for text in both] for name, probe in counted.items()}
        examples.append(_example(rows.loc[prompt_id], draw, both, numbers))
    return {
        "metadata": {
            "source_path": f"{facts.study.name}: no preference was judged, every score is 0",
            "custom_fields_schema": [
                *({"name": name, "type": kind} for name, kind in FIELDS.items()),
                *({"name": name, "type": "per_model_number"} for name in (TOKENS, *peaks, *counted)),
            ],
        },
        "models": [{"name": clean(facts.a.name)}, {"name": clean(facts.b.name)}],
        "examples": examples,
    }


def _example(prompt: pd.Series, draw: int, both: list[str], numbers: Mapping[str, list[Any]]) -> dict[str, Any]:
    """One pair of answers; `numbers` hold A's and B's."""
    tags = [tag for tag in [prompt["category"], *str(prompt["tags"]).split(",")] if tag.strip()]
    values: tuple[Any, ...] = (UNJUDGED, str(prompt.name), str(prompt["split"]), draw)
    return {
        "input_text": clean(prompts.shown(prompt)),
        "tags": [clean(str(tag)).strip() for tag in tags],
        "output_text_a": both[0],
        "output_text_b": both[1],
        "score": 0.0,
        "individual_rater_scores": [],
        "custom_fields": {**dict(zip(FIELDS, values, strict=True)), **numbers},
    }


def _name(facts: Facts, feature: int) -> str:
    # The name of a column; the number keeps two apart that begin alike.
    label = " ".join(clean(facts.named[feature]).split())
    return f"#{feature} {label[:60]}"


def _counted(facts: Facts) -> list[str]:
    names = [row["probe"] for side in "AB" for row in moving(facts, side)]
    return [str(name) for name in ranking.ordered(facts.probes.loc[names])["probe"]][:PROBES]
