"""The list of what changed as every face shows it, in blocks and in one order: confirmed first, the rest apart.

Promises that nothing stands among what was confirmed on held-out prompts that was not, and that each block keeps
the diff's own order.
"""

from collections.abc import Sequence
from typing import NamedTuple

from diffing.diff.answer import Behaviour

WHY = {
    "may be length": "may be length alone",
    "too few": "too few new prompts differ to tell",
    "not confirmed": "it did not come again on new prompts",
}
"""Why something is not confirmed, by what a behaviour says of itself."""


class Blocks(NamedTuple):
    """Behaviours by what became of them."""

    confirmed: list[Behaviour]
    """With words of their own."""
    by_features: list[Behaviour]
    """Confirmed too, and only features tell of them."""
    may_be_length: list[Behaviour]
    """With words of their own."""
    length_by_features: list[Behaviour]
    leads: list[Behaviour]
    """What held-out prompts did not confirm; not length itself, of which the sentence says what became of it."""

    @property
    def told(self) -> list[Behaviour]:
        """What was not confirmed and has words."""
        return [*self.may_be_length, *(each for each in self.leads if each.said)]

    @property
    def rest(self) -> list[Behaviour]:
        """All that was not confirmed."""
        return [*self.may_be_length, *self.length_by_features, *self.leads]


def of(listed: Sequence[Behaviour]) -> Blocks:
    """Each behaviour in the one block that it belongs to."""
    yes, length = ([each for each in listed if each.confirmed == word] for word in ("yes", "may be length"))
    leads = [each for each in listed if each.confirmed in ("not confirmed", "too few") and each.kind != "amount"]
    return Blocks(
        [each for each in yes if each.said],
        [each for each in yes if not each.said],
        [each for each in length if each.said],
        [each for each in length if not each.said],
        leads,
    )
