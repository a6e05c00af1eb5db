"""What was judged of a dictionary, where it lies: verdicts, counts beside those of nulls, and a sentence.

Read without the libraries that weights need. Promises that a judgement is called outdated where the dictionary
was trained anew, where what it was trained on changed, or where the judging gives other numbers since; and that
the sentence counts latents that are exclusive and were found again, and says so where training was too short for
a second one to find much again: then nearly every latent looks exclusive. Judges nothing: `judging` does.
"""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from diffing.common import damage, files
from diffing.common.errors import UserError
from diffing.common.step import first_fault
from diffing.common.words import count, listed
from diffing.study.study import Study
from diffing.whitebox.dictionaries import shelf

VERSION = 1
"""Raised when the same dictionary and nulls would be judged otherwise."""
JUDGED, COUNTS, ABOUT = "judged.parquet", "judged-counts.parquet", "judged.json"
AGAIN = "judge it again"
SETTLED = 0.1
"""Share of the latents that fire which a second training has to find again, so that what is exclusive can be
told. Of a planted pair's 80, after 20,000 tokens none was found again and 39 were called exclusive though none was
planted; after 200,000 tokens of those called so 35 were found again, and all but two were planted."""
USUAL = 5
"""Dictionaries that are trained where nobody names nulls: another of the pair, and two of each of two nulls."""
REAL = "real"
"""The verdict of a latent that passed every test."""


class About(BaseModel):
    """What a judgement rests on."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int
    key: str
    """A hash of all that changes a number."""
    mark: str
    """Of the training that was judged."""
    nulls: tuple[str, ...]
    """In words, in the order of the rows behind the pair's own."""
    texts: int
    """That no dictionary learnt from."""
    tokens: int
    answers: bool
    """Whether these were answers to held-out prompts."""
    options: dict[str, Any]
    date: str


class Judgement(NamedTuple):
    """Of a dictionary."""

    about: About
    table: pd.DataFrame
    """A row a latent, as `verdict.judged` has them."""
    counts: pd.DataFrame
    """The pair's dictionary first, then those trained alike on each null, `told` in words."""
    outdated: str

    @property
    def settled(self) -> bool:
        """Whether training was long enough for a second one to find something again."""
        own = self.counts.iloc[0]
        return bool(own["again"] >= max(1.0, SETTLED * own["alive"]))

    @property
    def real(self) -> int:
        return int((self.table["verdict"] == REAL).sum())

    @property
    def first(self) -> pd.DataFrame:
        """Latents that were tried in the models, in the order of their verdicts."""
        return self.table[self.table["effect"].notna()]

    @property
    def counted(self) -> list[dict[str, Any]]:
        """Rows for people: the pair's dictionary first, then each null's."""
        names = ("alive", "again", "own", "base", "variant")
        titles = ("fire", "found again", "exclusive and found again", "the base's alone", "the variant's alone")
        table = self.counts[["told", *names]].rename(
            columns={"told": "of", **dict(zip(names, titles, strict=True))}
        )
        return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]

    def rows(self, most: int) -> list[dict[str, Any]]:
        """Rows for people of the first latents that were tried: what they do beside what nulls' latents do."""
        return [
            {"latent": int(row["latent"]), "verdict": row["verdict"], "alone in": row["exclusive"] or "–"}
            | {"found again": "yes" if row["stable"] else "no", "effect": _figure(row["effect"])}
            | {"most in nulls": _figure(row["null_effect"]), "p of random latents": _figure(row["p_latents"])}
            | {"p of random directions": _figure(row["p_directions"]), "makes likelier": row["raises"]}
            for row in self.first.head(most).to_dict("records")
        ]

    @property
    def sentence(self) -> str:
        """What it comes to."""
        own, nulls = self.counts.iloc[0], self.counts.iloc[1:]
        alive = count(int(own["alive"]), "latent")
        if not self.settled:
            return (
                f"Training was too short to tell: a second one finds {int(own['again']):,} of {alive} again, so "
                "that one model seems to have nearly any of them alone. Train on more tokens, or with fewer "
                "latents."
            )
        mine = int(own["own"])
        others = listed(f"{int(n):,} ({told})" for n, told in zip(nulls["own"], nulls["told"], strict=True))
        more = "more than any null has" if mine > int(nulls["own"].max()) else "no more than nulls have"
        said = f"Of {alive} that fire, {mine:,} are exclusive and stable (one model has them alone, and a second "
        said += f"training finds them again); dictionaries trained alike on nulls have {others}: {more}. "
        real = "No latent is" if not self.real else f"{count(self.real, 'latent')} {_are(self.real)}"
        return f"{said}{real} real by every test."


def _figure(value: float) -> str:
    """Three digits, as anybody reads; a dash where a figure is none."""
    return "–" if pd.isna(value) else f"{value:.3g}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def about(study: Study, name: str) -> About | None:
    """What the judgement of a dictionary rests on; None where there is none."""
    path = shelf.folder(study, name) / ABOUT
    if not path.is_file():
        return None
    try:
        return About.model_validate(files.read_json(path, AGAIN))
    except ValidationError as error:
        raise damage.Damaged(path, first_fault(error), AGAIN) from error


def of(study: Study, name: str) -> Judgement | None:
    """What was judged of a dictionary; None where nothing was."""
    told = about(study, name)
    if told is None:
        return None
    folder = shelf.folder(study, name)
    table, counts = (files.read_parquet(folder / file, AGAIN) for file in (JUDGED, COUNTS))
    return Judgement(told, table, counts, _outdated(study, name, told))


def needed(study: Study, name: str) -> Judgement:
    """The same, and a sentence where nothing was judged."""
    found = of(study, name)
    if found is None:
        shelf.facts(study, name)
        raise UserError(
            f"Dictionary '{name}' of study '{study.name}' is not judged yet; run 'dictionary {study.name} --judge "
            f"{name}'."
        )
    return found


def _outdated(study: Study, name: str, told: About) -> str:
    if told.version != VERSION:
        return "Latents are judged in another way since then."
    if told.mark != shelf.mark(shelf.facts(study, name)):
        return "The dictionary was trained anew since then."
    return shelf.outdated(study, name)


def save(folder: Path, told: About, table: pd.DataFrame, counts: pd.DataFrame) -> None:
    """Put a judgement beside its dictionary, in the place of an earlier one."""
    # What tells that it is there goes first and comes last: killed in between, nobody takes a part for all of it.
    (folder / ABOUT).unlink(missing_ok=True)
    files.write_parquet(folder / JUDGED, table)
    files.write_parquet(folder / COUNTS, counts)
    files.write_json(folder / ABOUT, told.model_dump(mode="json"))
