"""What every tool stands on: the server's terms, its purse, and the studies as they may be opened.

Promises that a study which was opened with held-out prompts is marked for good before anything of it is read: what
an agent has seen cannot be unseen by a restart, so each later claim of any agent in it says so.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from diffing import diff
from diffing.agents.purse import Purse
from diffing.agents.sight import Sight
from diffing.agents.terms import Terms
from diffing.agents.workshop import workspace
from diffing.agents.workshop.notebooks import Notebooks
from diffing.common import files
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.common.escape import tidy
from diffing.common.who import Person
from diffing.diff.stored import Diff
from diffing.study.study import Study

UNNAMED = "agent"
NAME = 60
"""Characters of a client's name in an author: it is the client's own word, and may be anything."""
SEEN = "held_out_read"
"""The file in a study that says that agents could read its held-out prompts, and since when."""


def signed(name: str) -> Person:
    """Who acts where a client of this name asks: what it may change is what an editor of a team may."""
    said = " ".join(tidy(name).split())[:NAME]
    return Person(f"agent {said}" if said else UNNAMED, "editor")


@dataclass(frozen=True)
class Desk:
    """One server's; cheap to make."""

    terms: Terms

    @property
    def sight(self) -> Sight:
        return self.terms.sight

    @cached_property
    def purse(self) -> Purse:
        return Purse(self.terms.max_dollars)

    @cached_property
    def notebooks(self) -> Notebooks:
        """Where agents' code runs, one a study; made with the first cell."""
        told = self.terms.workspace
        return Notebooks(self.sight, workspace.load(Path(told)) if told else None, self.terms.unwalled)

    def close(self) -> None:
        """End what runs here: kernels, where there are any. Jobs go on."""
        if "notebooks" in vars(self):
            self.notebooks.close()

    def opened(self, name: str) -> Study:
        study = Study.open(name)
        if self.sight.held_out and not (study.folder / SEEN).exists():
            files.write_text(study.folder / SEEN, f"{files.now()}\n")
        return study

    def compared(self, study: Study, a: str, b: str) -> Diff:
        """The stored comparison; a sentence in the agents' words where there is none."""
        a, b = study.sides(a, b)
        try:
            return diff.load(study, a, b)
        except Damaged:
            raise
        except UserError as error:
            # Said for people, with a command.
            raise UserError(
                f"Study '{study.name}' has no comparison of '{a}' and '{b}' yet; start the step 'diff' "
                "(after 'encode')."
            ) from error


def saw_held_out(study: Study, sight: Sight) -> bool:
    """Whether agents can have seen held-out answers of a study, now or at any time before."""
    return sight.held_out or (study.folder / SEEN).exists()
