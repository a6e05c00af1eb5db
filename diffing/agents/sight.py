"""What an agent may read of a study: discovery prompts and the answers to them, held-out ones only if opened.

The one place that decides it; whatever hands texts, tokens or ids to an agent asks here. Promises that an id of a
held-out prompt is answered word for word as one that does not exist, and that a prompt of which no split is known
is closed. Figures that a study's tests counted over held-out prompts are no secret and do not come from here. A
study that holds no prompts back (`held_out` of 0) is open whole: there is nothing in it to see too early.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import pandas as pd

from diffing.common.arrays import Array
from diffing.common.errors import UserError
from diffing.reader.encodings import Encodings
from diffing.study import prompts, responses
from diffing.study.study import Study

CLOSED = "(this speaks of a held-out prompt; a person can read it in the job's log)"
"""What stands in place of words that may not be told."""
QUOTED = 40
"""Characters of a prompt's beginning by which a text is known to quote it."""
FEW = 12
"""Characters under which a beginning is that of any sentence."""


class OfPrompt(Protocol):
    """Anything that names a pair of answers by its prompt: an example, a row of changes."""

    @property
    def prompt_id(self) -> str: ...


Named = TypeVar("Named", bound=OfPrompt)


class Pair(NamedTuple):
    """Both checkpoints' answers to a prompt, as one draw of each."""

    prompt_id: str
    draw: int
    prompt: str
    """As a person reads it, turn by turn where it is a conversation."""
    category: str
    split: str
    text_a: str
    text_b: str
    flag_a: str
    flag_b: str
    excluded: str
    """Why the pair counts in no test; empty where it does."""


@dataclass(frozen=True)
class Sight:
    """What is open: discovery prompts, and all others too where `held_out`."""

    held_out: bool = False

    def prompts(self, study: Study) -> pd.DataFrame:
        """The prompts that may be read, asked now or not."""
        table = study.prompts()
        return table if self.held_out else table[prompts.discovery(table)].reset_index(drop=True)

    def ids(self, study: Study) -> frozenset[str]:
        return frozenset(self.prompts(study)["id"])

    def rows(self, study: Study, table: pd.DataFrame) -> pd.DataFrame:
        """Those rows of a table whose `prompt_id` may be told; one that the study has no longer is of no split."""
        return table[table["prompt_id"].isin(self.ids(study))].reset_index(drop=True)

    def answers(self, study: Study) -> pd.DataFrame:
        """The answers that may be read, failures and all, in the columns of `responses.COLUMNS`."""
        return self.rows(study, study.responses())

    def measures(self, study: Study) -> pd.DataFrame:
        return self.rows(study, study.measures())

    def pairs(self, study: Study, a: str, b: str) -> pd.DataFrame:
        """Both sides' answers by prompt and draw, as `study.pairs` has them."""
        return self.rows(study, study.pairs(a, b))

    def documents(self, encodings: Encodings) -> Array:
        """Which rows of the encodings are of answers that may be read and were."""
        table = encodings.documents
        return np.flatnonzero(table["prompt_id"].isin(self.ids(encodings.study)) & (table["error"] == ""))

    def named(self, study: Study, pairs: Sequence[Named]) -> list[Named]:
        """Those examples that may be told, in their order."""
        known = self.ids(study)
        return [pair for pair in pairs if pair.prompt_id in known]

    def pair(self, study: Study, prompt_id: str, draw: int, a: str, b: str) -> Pair:
        """One pair of answers; a `UserError` where its prompt may not be read or there is none."""
        table = self.prompts(study).set_index("id")
        if prompt_id not in table.index:
            raise self._absent(study, prompt_id)
        prompt = table.loc[prompt_id]
        # Not `study.pairs`, which leaves out what is not asked any more and was answered once.
        rows = study.responses()
        rows = rows[rows["prompt_id"] == prompt_id]
        both = responses.pairs(rows, pd.DataFrame({"id": [prompt_id], "active": [True]}), a, b).set_index("draw")
        if draw not in both.index:
            there = ", ".join(str(number) for number in both.index)
            raise UserError(f"Prompt '{prompt_id}' has no draw {draw}; it has {there}.")
        row = both.loc[draw]
        sides = (str(row[name]) for name in ("text_a", "text_b", "flag_a", "flag_b", "excluded"))
        return Pair(prompt_id, draw, prompts.shown(prompt), str(prompt["category"]), str(prompt["split"]), *sides)

    def without_ids(self, study: Study, text: str) -> str:
        """Outside words, such as a job's error; those that name or quote a closed prompt are left out whole."""
        return CLOSED if self.names_closed(study, text) else text

    def names_closed(self, study: Study, text: str) -> bool:
        """Whether a text names a closed prompt by its id, or quotes how it begins."""
        return self.closing(study)(text)

    def closing(self, study: Study) -> Callable[[str], bool]:
        """The same of any number of texts, for which prompts are read once."""
        if self.held_out:
            return lambda _: False
        table = study.prompts()
        closed = table[~prompts.discovery(table)]
        quoted = [
            *closed["id"],
            *(begun for words in closed["text"] if len(begun := words.strip()[:QUOTED]) >= FEW),
        ]
        beginnings = [" ".join(each.split()) for each in quoted]

        def names(text: str) -> bool:
            said = " ".join(text.split())
            return any(each in said for each in beginnings)

        return names

    def _absent(self, study: Study, prompt_id: str) -> UserError:
        # One sentence for both: that an id is held out would already say that there is such a prompt.
        closed = "" if self.held_out else " (held-out prompts are closed here)"
        return UserError(
            f"Study '{study.name}' has no prompt '{prompt_id[:40]}' that may be read{closed}; "
            "search finds those that may."
        )
