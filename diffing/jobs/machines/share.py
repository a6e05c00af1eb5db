"""A share of a step's work: the parts whose keys fall to it, whoever deals and whenever.

The deal is by the key alone, so that machines which know nothing of each other deal alike, and a part stays in
its share when others are added. Does not promise shares of one size: of a thousand parts dealt to ten, some have
80 and some 120.
"""

import re
from typing import NamedTuple

from diffing.common import files
from diffing.common.errors import UserError

MOST = 100_000
"""Shares that can be asked for: more than any cluster has processors, and few enough to be listed."""


class Share(NamedTuple):
    """Share `number` of `of`, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Share":
        """A share as it is written: `3/16`."""
        found = re.fullmatch(r"\s*([0-9]{1,6})\s*/\s*([0-9]{1,6})\s*", text)
        number, of = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= of <= MOST:
            raise UserError(
                f"'{text}' is no share; write K/N with K from 1 to N and N up to {MOST:,}, as in 3/16."
            )
        return cls(number, of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def holds(self, key: str) -> bool:
        return dealt(key, self.of) == self.number


def dealt(key: str, of: int) -> int:
    """The number of the share, from 1, to which a part falls."""
    # Hashed once more: the keys of some steps are names.
    return int(files.content_hash(key), 16) % of + 1
