"""The file for LLM Comparator: in the form that its read-me documents."""

from typing import Any

import jsonschema

from diffing.common import files
from tests.fakes import report_study
from tests.fakes.report_study import Made


def test_llm_comparator_takes_the_file(made: Made) -> None:
    study, out = made
    told = files.read_json(out / "llm_comparator.json")
    jsonschema.validate(told, COMPARATOR)
    assert len(told["examples"]) == report_study.PROMPTS - 1
    fields = {one["name"]: one["type"] for one in told["metadata"]["custom_fields_schema"]}
    for example in told["examples"]:
        assert set(example["custom_fields"]) == set(fields)
        assert (example["score"], example["custom_fields"]["which is better"][:10]) == (0, "not judged")
        for name, value in example["custom_fields"].items():
            assert isinstance(value, list) == fields[name].startswith("per_model"), name
    ids = {example["custom_fields"]["prompt id"]: example["input_text"] for example in told["examples"]}
    texts = study.prompts().set_index("id")["text"]
    assert ids == {prompt_id: texts[prompt_id] for prompt_id in ids}


VALUE: dict[str, Any] = {
    "anyOf": [
        {"type": ["number", "string"]},
        {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "items": {"type": ["number", "boolean", "string", "null"]},
        },
    ]
}
TYPES = (
    *("number", "category", "text", "string", "image_path", "image_byte"),
    *("per_model_boolean", "per_model_number", "per_model_category"),
)
COMPARATOR: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["metadata", "models", "examples"],
    "properties": {
        "metadata": {
            "type": "object",
            "required": ["source_path", "custom_fields_schema"],
            "properties": {
                "source_path": {"type": "string"},
                "custom_fields_schema": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "type"],
                        "properties": {"name": {"type": "string"}, "type": {"enum": list(TYPES)}},
                    },
                },
            },
        },
        "models": {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        },
        "examples": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [
                    "input_text",
                    "tags",
                    "output_text_a",
                    "output_text_b",
                    "score",
                    "individual_rater_scores",
                    "custom_fields",
                ],
                "properties": {
                    "input_text": {"type": "string"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "output_text_a": {"type": "string"},
                    "output_text_b": {"type": "string"},
                    "score": {"type": "number", "minimum": -1.5, "maximum": 1.5},
                    "individual_rater_scores": {"type": "array"},
                    "custom_fields": {"type": "object", "additionalProperties": VALUE},
                },
            },
        },
    },
}
"""The format as the tool's read-me describes it."""
