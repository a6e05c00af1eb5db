"""What a study has cost: a line for every reply that was billed, whatever became of it.

The file `spendings.jsonl` only grows. Promises that a reply counts once, however often it is read again, and that
one that was replaced by a newer one, or was of no use, still counts. A study older than this file begins it with
what its answers cost; until then that sum is all that is known.
"""

from functools import cached_property

import pandas as pd

from diffing.common import files, jsonl
from diffing.study.study import Study

LENGTH = 16
"""Digits of a reply's key that tell it from all others of a study."""


class Spendings:
    """The ledger of one study, for one who writes in it."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.path = study.folder / "spendings.jsonl"

    @cached_property
    def _known(self) -> set[str]:
        with self.study.held():
            if not self.path.exists() and (before := _of_answers(self.study)):
                jsonl.append(self.path, {"key": "", "cost": before, "date": files.now()})
        return {str(line["key"]) for line in jsonl.read(self.path)}

    def add(self, key: str, dollars: float) -> None:
        """Write down a reply that was paid for, unless it stands there already."""
        short = files.content_hash(key, LENGTH)
        if short not in self._known:
            self._known.add(short)
            jsonl.append(self.path, {"key": short, "cost": dollars, "date": files.now()})


def total(study: Study, answers: pd.DataFrame | None = None) -> float:
    """Dollars that a study's replies cost, as far as anybody told; `answers` where they are at hand."""
    path = study.folder / "spendings.jsonl"
    if not path.exists():
        return _of_answers(study) if answers is None else float(answers["cost"].sum())
    # Once by its key: two steps that wait for one reply at once both write it down.
    return float(sum({line["key"]: line["cost"] for line in jsonl.read(path)}.values()))


def _of_answers(study: Study) -> float:
    return float(study.responses()["cost"].sum())
