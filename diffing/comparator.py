"""A comparison in the form that LLM Comparator opens: one entry a pair of answers.

Follows the JSON format that the tool's read-me documents, which wants a number for every score and shows 0 as
"same". Nobody was asked which answer is better, so every score is 0 and a field beside it says so, row by row.
What differs stands in the custom fields.
"""

from typing import Any

from diffing import measure, pairing, prompts, surface
from diffing.report_facts import Facts
from diffing.report_text import moving
from diffing.tables import clean

FEATURES = 8
"""Families whose strongest activation stands beside each answer."""
PROBES = 8
"""Differing surface probes, those that differ most."""
UNJUDGED = ("which is better", "not judged; the score of 0 is a blank")
"""The field beside the score, and what it says of every pair."""


def build(facts: Facts) -> dict[str, Any]:
    """The whole file as plain values."""
    encodings = facts.encodings
    found = pairing.pair(facts.study, encodings.documents, facts.a.key, facts.b.key)
    peaks = {feature: encodings.peaks(feature) for feature in facts.top[:FEATURES]}
    counted = _counted(facts)
    rows = facts.prompts.set_index("id")
    texts = facts.pairs.set_index(["prompt_id", "draw"])
    schema = [
        {"name": UNJUDGED[0], "type": "category"},
        {"name": "prompt id", "type": "string"},
        {"name": "split", "type": "category"},
        {"name": "draw", "type": "number"},
        {"name": "reader's tokens", "type": "per_model_number"},
        *({"name": _name(facts, feature), "type": "per_model_number"} for feature in peaks),
        *({"name": f"counted: {name}", "type": "per_model_number"} for name in counted),
    ]
    examples = []
    for place in range(len(found.row)):
        a, b = int(found.a[place]), int(found.b[place])
        key = encodings.documents.iloc[a]
        prompt_id, draw = str(key["prompt_id"]), int(key["draw"])
        prompt, both = rows.loc[prompt_id], texts.loc[(prompt_id, draw)]
        text_a, text_b = clean(str(both["text_a"])), clean(str(both["text_b"]))
        fields: dict[str, Any] = {
            UNJUDGED[0]: UNJUDGED[1],
            "prompt id": prompt_id,
            "split": str(prompt["split"]),
            "draw": draw,
            "reader's tokens": [int(found.tokens_a[place]), int(found.tokens_b[place])],
        }
        fields |= {_name(facts, f): [round(float(of[a]), 3), round(float(of[b]), 3)] for f, of in peaks.items()}
        fields |= {
            f"counted: {name}": [surface.PROBES[name].count(text_a), surface.PROBES[name].count(text_b)]
            for name in counted
        }
        tags = [tag for tag in [prompt["category"], *str(prompt["tags"]).split(",")] if tag.strip()]
        examples.append(
            {
                "input_text": clean(prompts.shown(prompt)),
                "tags": [clean(str(tag)).strip() for tag in tags],
                "output_text_a": text_a,
                "output_text_b": text_b,
                "score": 0.0,
                "individual_rater_scores": [],
                "custom_fields": fields,
            }
        )
    return {
        "metadata": {
            "source_path": f"{facts.study.name}: no preference was judged, every score is 0",
            "custom_fields_schema": schema,
        },
        "models": [{"name": clean(facts.a.name)}, {"name": clean(facts.b.name)}],
        "examples": examples,
    }


def _name(facts: Facts, feature: int) -> str:
    label = " ".join(clean(facts.named[feature]).split())
    return f"#{feature} {label[:60]}"


def _counted(facts: Facts) -> list[str]:
    rows = sorted((row for side in "AB" for row in moving(facts, side)), key=lambda row: -abs(row["delta"]))
    return [str(row["probe"]) for row in rows if row["q"] < measure.LEVEL][:PROBES]
