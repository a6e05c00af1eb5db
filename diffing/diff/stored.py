"""A diff on disk: its settings, its tables read when first asked for, and whether it is still true.

Stored as `diffs/<hash>/` in the study, where the hash is of the two keys, the reader and the settings. Promises
that a diff knows when the prompts, answers or encodings it was made from have changed, and that a damaged table is
said to be one. Computes nothing: `compute` does.
"""

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import sleep
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from diffing.common import damage, files
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.common.kept import kept
from diffing.diff import measure, ranking
from diffing.diff.sampling import MEMORY
from diffing.reader.encodings import Encodings
from diffing.reader.places import as_options
from diffing.reader.unread import rests
from diffing.study import responses
from diffing.study.study import Study

GAP = 0.05
"""Seconds after which a folder that another process is just replacing is there again: two renames."""

VERSION = 2
"""Of the folders' names, which stay what they were, so that links to stored diffs go on working."""
OF_OLDER = "This diff was computed by an older method, and some of its figures meant something else"
"""What is said wherever such a diff is shown; a remedy follows."""
METHOD = 6
"""Raised when the same settings give other figures than before, or figures that mean something else."""

NO_PHRASES = pd.DataFrame(
    {name: pd.Series(dtype=object) for name in ("phrase", "form", "also", "verdict", "replicated")}
    | {
        name: pd.Series(dtype=float)
        for name in ("frequency_a", "frequency_b", "delta", "ci_low", "ci_high", "p", "q")
    }
    | {"survives_equal_length": pd.Series(dtype="boolean")}
)
"""What a diff has that was made before phrases were learned: no row, and the columns that are asked for."""
NO_HABITS = pd.DataFrame(
    columns=["habit", "lead", "kind", "name", "p", "delta", "share", "correlation", "left", "own"]
)
"""The same before habits were told apart."""
NO_BEHAVIOURS = pd.DataFrame(columns=["behaviour", "habit", "kind", "name", "by", "source", "side", "confirmed"])
"""The same before these were asked of held-out prompts."""
NO_CHANGES = pd.DataFrame(columns=["prompt_id", "draw", "split", "category", "changed"])
"""The same before it was kept what each pair shows."""

logger = logging.getLogger(__name__)


class DiffSettings(BaseModel):
    """Everything that a diff's figures hang on beside the answers, the reader and the study's seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: float = Field(default=0.0, ge=0)
    """An answer shows a feature if its strongest activation is above this."""
    share_of_peak: float = Field(default=0.3, ge=0, lt=1)
    """The same bar as a share of the feature's strongest activation in both checkpoints' answers.

    Weak activations are what labels do not describe. At 0.3 a feature that falls on something countable is shown
    by the answers that have it more exactly than at 0, and above it ever fewer differences are found
    (`docs/method.md`).
    """
    family_overlap: float = Field(default=0.5, gt=0, le=1)
    """Jaccard overlap of token positions from which features are one family."""
    family_cosine: float = Field(default=-1.0, ge=-1, le=1)
    """Least cosine of their decoder directions; -1 asks for none (`docs/method.md` says why)."""
    details: int = Field(default=500, ge=0)
    """Features that get category rows and nearest probes: those with the smallest p in any view.

    More than anybody reads; for all of a large dictionary they would take longer than the rest of the diff.
    """
    permutations: int = Field(default=200, ge=19)
    """Permutations behind the separability's null: 200 reach a p of 0.005, and under 19 none is as low as 0.05."""
    memory: float = Field(default=MEMORY, ge=0.5, le=1024, allow_inf_nan=False)
    """Gigabytes that the diff may take, and so how many prompts are looked at word by word (`sampling`)."""

    def told(self) -> dict[str, Any]:
        """What a diff's folder is named by: it is the diff of these settings, whatever memory it was made in."""
        return self.model_dump(exclude={"memory"})


OLDER = (DiffSettings(share_of_peak=0.0),)
"""What the usual settings were in earlier versions, the latest first."""


@dataclass(frozen=True)
class Diff:
    """A stored diff; tables are read when first asked for."""

    folder: Path
    a: str
    b: str
    settings: DiffSettings
    summary: dict[str, Any]

    @cached_property
    def features(self) -> pd.DataFrame:
        """A row for each feature of the reader; `docs/method.md` explains the columns."""
        return self._table("features")

    @cached_property
    def probes(self) -> pd.DataFrame:
        """The same columns for each surface probe."""
        return self._table("probes")

    @cached_property
    def phrases(self) -> pd.DataFrame:
        """The same columns for each phrase that was learned and kept, and its form; empty in an older diff."""
        return self._table("phrases") if "tested_phrases" in self.summary else NO_PHRASES

    @cached_property
    def habits(self) -> pd.DataFrame:
        """What was found to be one habit: a row for each lead and member; empty in an older diff."""
        return self._table("habits") if (self.folder / "habits.parquet").exists() else NO_HABITS

    @cached_property
    def behaviours(self) -> pd.DataFrame:
        """What changed, in order, each with its figures on held-out prompts; empty in an older diff."""
        there = (self.folder / "behaviours.parquet").exists()
        return self._table("behaviours") if there else NO_BEHAVIOURS

    @cached_property
    def changes(self) -> pd.DataFrame:
        """A row for each pair with how much both answers show of each behaviour; empty in an older diff."""
        return self._table("changes") if (self.folder / "changes.parquet").exists() else NO_CHANGES

    @cached_property
    def categories(self) -> pd.DataFrame:
        """Differences by category and tag, in long form, for the features with details."""
        return self._table("categories")

    @cached_property
    def noise(self) -> pd.DataFrame:
        """The noise band by bin of frequency; empty with one draw."""
        return self._table("noise")

    def _table(self, name: str) -> pd.DataFrame:
        return files.read_parquet(self.folder / f"{name}.parquet", again(self.folder, self.a, self.b))

    def check(self) -> None:
        """Read all tables; `Damaged` where one is not what was written, or gone."""
        tables = (self.features, self.probes, self.phrases, self.habits, self.behaviours, self.changes)
        for table in (*tables, self.categories, self.noise):
            assert table is not None

    def top(self, number: int, by: str = "delta") -> pd.DataFrame:
        """The leads of the families with q < 0.05, by the end of their interval that is nearer to 0 (`ranking`).

        `by` names the difference: `delta`, `delta_equal_length`, `delta_equal_length_tail` or `rate`.
        """
        table = self.features[self.features["feature"] == self.features["family"]]
        differs = table["q_rate" if by == "rate" else by.replace("delta", "q")] < measure.LEVEL
        return ranking.ordered(table[differs], by).head(number)

    @property
    def older(self) -> bool:
        """Whether it was computed by an earlier method, under which some figures meant something else."""
        return int(self.summary.get("method", 2)) < METHOD

    def outdated(self, study: Study) -> bool:
        """Whether prompts, answers or encodings have changed since."""
        return bool(self.summary["inputs"] != inputs_now(study))


def again(folder: Path, a: str, b: str) -> str:
    """How a damaged diff is made anew."""
    return damage.anew(f"diff {folder.parents[1].name} --a {a} --b {b}")


def folder_of(study: Study, a: str, b: str, settings: DiffSettings) -> Path:
    content = [VERSION, a, b, study.settings.reader.model_dump(), study.settings.seed, settings.told()]
    # The text is not named: diffs of it lie where they lay before there were channels.
    content += [study.channel] if study.channel != "text" else []
    return study.folder / "diffs" / files.content_hash(content)


def inputs_of(study: Study, encodings: Encodings) -> str:
    """A hash of all tables that a diff of the study is computed from."""
    prompts = study.prompts().astype(str)
    answers = study.responses()[[*responses.KEY, "text", "flag"]]
    documents = encodings.documents
    # Sums of the rows' hashes, so that rows in another order are the same content.
    sums = [str(pd.util.hash_pandas_object(t, index=False).sum()) for t in (prompts, answers, documents)]
    return files.content_hash([encodings.reader_key, *sums])


@kept(VERSION, rests)
def inputs_now(study: Study) -> str:
    """The same hash of what the study holds now."""
    return inputs_of(study, Encodings.open(study))


def up_to_date(study: Study, a: str, b: str, settings: DiffSettings | None = None) -> Diff | None:
    """The stored diff, if there is one and nothing it was made from has changed."""
    try:
        if not (folder_of(study, a, b, settings or DiffSettings()) / "summary.json").exists():
            return None
        stored = load(study, a, b, settings)
        stored.check()
    except Damaged as error:
        logger.warning("The diff is computed anew: %s", error)
        return None
    return None if stored.older or stored.outdated(study) else stored


def load(study: Study, a: str, b: str, settings: DiffSettings | None = None) -> Diff:
    """A stored diff, or a `UserError` that says how to make it.

    With the usual settings one of an earlier version is found, whose usual settings were others.
    """
    usual = settings is None
    settings = settings or DiffSettings()
    folder = folder_of(study, a, b, settings)
    if usual and not (folder / "summary.json").exists():
        older = next((each for each in OLDER if (folder_of(study, a, b, each) / "summary.json").exists()), None)
        settings, folder = (settings, folder) if older is None else (older, folder_of(study, a, b, older))
    if not folder.exists() and next(folder.parent.glob(".old-*"), None):
        sleep(GAP)
    if not (folder / "summary.json").exists():
        raise UserError(
            f"Study '{study.name}' has no diff of '{a}' and '{b}' with these settings yet; "
            f"run `python -m diffing diff {study.name} --a {a} --b {b}{as_options(study)}`."
        )
    summary = files.read_json(folder / "summary.json", again(folder, a, b))
    if not isinstance(summary, dict) or "inputs" not in summary:
        raise Damaged(folder / "summary.json", "it is no summary of a diff", again(folder, a, b))
    return Diff(folder, a, b, settings, summary)
