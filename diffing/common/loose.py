"""Values of JSON that others wrote, taken as the kind that is asked for; of another kind they count as absent."""

import json
from typing import Any

from diffing.common import columns


def record(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def words(value: Any) -> str:
    """A value as text; numbers and lists as JSON."""
    if value is None:
        return ""
    return columns.clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
