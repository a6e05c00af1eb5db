"""Measures in the report: scores and other numbers by answer that came with a log, a sentence and a row each.

Promises the figures of `diffing.diff.measures`, and nothing where a study has no measures.
"""

from diffing.common.words import small
from diffing.diff import measured, measures
from diffing.report.facts import Facts
from diffing.report.tables import Table

HEAD = [
    "measure",
    "category",
    "A",
    "B",
    "B − A [95 %]",
    "prompts",
    "q",
    "verdict",
    "two runs",
    "unpaired z",
    "its p",
]


def sentences(facts: Facts) -> list[str]:
    """What can be said of each."""
    rows = facts.measures[facts.measures["category"] == measures.ALL].to_dict("records")
    beside = [[part for part in (measured.noise(row), measured.by_task(row)) if part] for row in rows]
    return [f"{'; '.join([measured.told(row), *more])}." for row, more in zip(rows, beside, strict=True)]


def table(facts: Facts) -> Table:
    """All of them, then those of several categories by category."""
    return Table(
        HEAD,
        [
            [
                str(row["measure"]),
                str(row["category"]) or "all",
                measured.figure(row["mean_a"], row["kind"]),
                measured.figure(row["mean_b"], row["kind"]),
                measured.spread(row),
                f"{row['n_prompts']:,}",
                small(row["q"]),
                str(row["verdict"]),
                measured.band(row),
                "–" if row["z_unpaired"] != row["z_unpaired"] else f"{row['z_unpaired']:.2f}".replace("-", "−"),
                "–" if row["p_unpaired"] != row["p_unpaired"] else small(row["p_unpaired"]),
            ]
            for row in facts.measures.to_dict("records")
        ],
    )
