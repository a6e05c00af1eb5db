"""What the report says of measures."""

import dataclasses

import pandas as pd

from diffing.report import measured
from diffing.report.facts import Facts


def test_without_measures_it_says_nothing(gathered: Facts) -> None:
    assert (measured.sentences(gathered), measured.table(gathered).rows) == ([], [])


def test_measures_are_said_in_a_sentence_and_a_row(gathered: Facts) -> None:
    table = gathered.prompts.head(9)
    values = {gathered.a.key: [0.0] * 8 + [1.0], gathered.b.key: [1.0] * 9}
    rows = [
        {"prompt_id": each, "checkpoint": key, "draw": 0, "name": "accuracy", "value": value}
        for key, some in values.items()
        for each, value in zip(table["id"], some, strict=True)
    ]
    gathered.study.add_measures(pd.DataFrame(rows))
    facts = dataclasses.replace(gathered)
    assert measured.sentences(facts) == ["accuracy 11\u00a0% → 100\u00a0%, q = 0.008: differs."]
    first = measured.table(facts).rows[0]
    assert first[:4] + first[5:8] == ["accuracy", "all", "11\u00a0%", "100\u00a0%", "9", "0.008", "differs"]
    (gathered.study.folder / "measures.parquet").unlink()
