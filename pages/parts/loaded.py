"""A stored diff as pages hold it: what it found, and what its features are called, read where that is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from diffing import labels
from diffing.common.damage import Damaged
from diffing.diff import noise, selection
from diffing.diff.answer import Behaviour
from diffing.diff.stored import Diff
from diffing.study.study import Study
from pages.parts import address


@dataclass(frozen=True)
class Loaded:
    """A diff with the names of its features."""

    study: Study
    diff: Diff
    outdated: bool
    """Whether answers or encodings have changed since."""

    @cached_property
    def table(self) -> pd.DataFrame:
        """`diff.features` with `label`, `named_by` (person, llm, rule) and `score`: all of them."""
        return self._named(self.diff.features)

    def some(self, features: Sequence[int]) -> pd.DataFrame:
        """The rows of a few features with the same columns, in their order: names of thousands take a while."""
        numbers = {feature: place for place, feature in enumerate(features)}
        rows = self.diff.features[self.diff.features["feature"].isin(numbers)]
        return self._named(rows.sort_values("feature", key=lambda column: column.map(numbers)))

    def _named(self, features: pd.DataFrame) -> pd.DataFrame:
        try:
            return labels.named(self.study, features, self.diff.a, self.diff.b, self.diff.probes)
        except Damaged as error:
            address.lost(str(error))

    def beyond_noise(self, each: Behaviour) -> bool:
        """Whether a behaviour's share differs by more than features' shares do between draws of one checkpoint.

        Not of what is no share, and of nothing where there is one draw. The band is of all prompts; on the fewer
        that a behaviour is measured on chance moves a share more, as the root of their number has it.
        """
        if each.kind in ("amount", "place") or not each.prompts:
            return False
        band = noise.of_features(self.diff.noise, np.array([(each.share_a + each.share_b) / 2]))
        return bool(abs(each.delta) > band[0] * (self.diff.summary["prompts"] / each.prompts) ** 0.5)

    def row(self, text: str) -> "pd.Series | None":
        """The row of the feature whose number a text is; None where there is none."""
        number = address.number(text, below=int(self.table["feature"].max()) + 1)
        return None if number is None else selection.row_of(self.table, number)
