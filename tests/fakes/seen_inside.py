"""What methods saw inside the two checkpoints of a study, written down without a model, and what nulls show."""

import math
from collections.abc import Sequence

import pandas as pd

from diffing.study.study import Study
from diffing.whitebox import results
from diffing.whitebox.results import Result
from diffing.whitebox.sight import seen
from diffing.whitebox.sight.evidence import COLUMNS

Rows = Sequence[tuple[str, str, float]]
"""Kind, text and figure of each thing."""
QUIET: Rows = [("token", "the", 0.2)]
"""What every null shows."""


def figures(rows: Rows) -> pd.DataFrame:
    """As a method leaves them, each known to a tenth."""
    told = [(kind, text, text, value, value * 0.9, value * 1.1, math.nan) for kind, text, value in rows]
    return pd.DataFrame(told, columns=list(COLUMNS))


def look(study: Study, nulls: int = 4, told: str = "a turned change", **methods: Rows) -> None:
    """Results of methods by their names, each beside nulls that show next to nothing."""
    base, variant = study.sides()
    asked = {"nulls": [f"rotated-{n}" for n in range(nulls)], "texts": {"source": "own"}}
    places = {}
    for name, rows in methods.items():
        places[name] = place = seen.folder_of(study, base, variant) / f"{name}-0"
        settings = {"method": name, "version": 1, "options": {"shown": 40, "file": "/srv/secret-place/texts"}}
        results.save(place, settings, Result({}, {}), figures(rows))
        for n, null in enumerate(asked["nulls"]):
            results.save(place / "nulls" / null, {"null": f"{told} {n}"}, Result({}, {}), figures(QUIET))
    seen.note(study, base, variant, places, asked | seen.state(study, base, variant, "own"))
