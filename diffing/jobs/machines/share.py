"""A share of a step's work: the parts whose keys fall to it, whoever deals and whenever.

The deal of many is by the key alone, so that machines which know nothing of each other deal alike, and a part
stays in its share when others are added. Does not promise shares of one size: of a thousand parts dealt to ten,
some have 80 and some 120. Of few parts, such as organisms, that would leave shares empty: they are dealt as cards
are, which holds as long as all are told the same parts.
"""

import re
from collections.abc import Iterable
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

    def cards(self, keys: Iterable[str]) -> list[str]:
        """Of few parts, all known to everybody, this share's: dealt one by one, so that shares differ by one."""
        return [key for key, number in cards(keys, self.of).items() if number == self.number]


def dealt(key: str, of: int) -> int:
    """The number of the share, from 1, to which a part falls."""
    # Hashed once more: the keys of some steps are names.
    return int(files.content_hash(key), 16) % of + 1


def cards(keys: Iterable[str], of: int) -> dict[str, int]:
    """The share to which each of few parts falls, in their order."""
    wanted = list(keys)
    # By their names: who asks for the same in another order deals alike.
    place = {key: number for number, key in enumerate(sorted(set(wanted)))}
    return {key: place[key] % of + 1 for key in wanted}
