"""How many findings a study has, who wrote them, and how many of them a judge was asked about.

Counts what is in the study's two files and says it in a few words; how each finding stands, `evidence` tells.
"""

from typing import NamedTuple

from diffing.common.kept import Rests, kept
from diffing.common.words import count
from diffing.findings import findings, judging
from diffing.study.study import Study


class Judged(NamedTuple):
    """A study's findings, those that somebody rejected left out."""

    by_hand: int
    drafted: int
    judged: int
    """Of both, those whose very words some judge has given a verdict on."""

    @property
    def in_words(self) -> str:
        """Such as "10 drafted, none judged"; empty where there is no finding."""
        parts = [f"{self.drafted:,} drafted"] * bool(self.drafted)
        parts += [f"{self.by_hand:,} by hand"] * bool(self.by_hand)
        judged = f"{self.judged:,}" if self.judged else "none"
        return ", ".join([*parts, f"{judged} judged"]) if parts else ""

    @property
    def all_in_words(self) -> str:
        """The same where nothing beside it says what is counted."""
        written = self.by_hand + self.drafted
        return f"{count(written, 'finding')}: {self.in_words}" if written else ""


def of(study: Study) -> Judged:
    return Judged(*_counted(study))


def _rests(study: Study) -> Rests:
    return Rests(study.folder, None, [findings.path_of(study), judging.path_of(study)])


@kept(1, _rests)
def _counted(study: Study) -> list[int]:
    written = [each for each in findings.load(study) if not each.rejected]
    asked = {
        verdict["claim"] for line in judging.lines(study) for verdict in line["verdicts"] if not line["error"]
    }
    by_hand = sum(each.origin == "hand" for each in written)
    return [by_hand, len(written) - by_hand, sum(each.wording in asked for each in written)]
