"""Every label that a study's features ever had, what people said of them, and which one stands.

The history is a file of JSON lines that only grows; a line is a label, or an event about one: a score, accepting,
rejecting, a comment, a star. Promises that two people writing at once lose nothing, that what a person wrote or
accepted outranks any machine's until a person says otherwise, and that a label keeps its scores. Labels that
ship with an SAE or were imported come before all others and are not copied into the file.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from diffing.common import damage, files, jsonl, who
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.common.escape import tidied, tidy
from diffing.common.step import first_fault
from diffing.study.study import Study

Kind = Literal["rule", "llm", "person"]
EXPORTED = [
    *("feature", "label", "description", "not_about", "confidence"),
    *("author", "author_kind", "date", "score", "evidence"),
]
"""Columns of a table of labels as other tools and other studies get it."""


class Label(BaseModel):
    """A feature's description with all that is needed to judge it."""

    model_config = ConfigDict(frozen=True)

    label: str
    """A few words; empty takes back the labels before it."""
    description: str = ""
    not_about: str = ""
    """What it does not mean, though it might be taken to."""
    confidence: Literal["", "low", "medium", "high"] = ""
    """Its author's own; a score says more."""
    author: str
    """A person's name, a model's, or the rule's."""
    author_kind: Kind
    evidence: JsonValue = None
    """What it was written from."""
    date: str = ""
    """Empty where a rule makes it anew each time."""
    score: dict[str, JsonValue] | None = None
    """How it did when scored blind; None where it has not been."""
    prompt_version: str = ""
    """Which wording of the question a model answered."""
    cost: float | None = None
    """Dollars that writing it took."""
    id: str = ""
    """Drawn when it is written into a history."""

    @property
    def key(self) -> str:
        """What events name it by; labels that no history holds are named by their content."""
        # Not by its score: an event must find the label that it was about after that was scored again.
        return self.id or files.content_hash([self.label, self.description, self.author, self.date], 12)

    def detection(self, side: str) -> tuple[float, float] | None:
        """Balanced accuracy of its blind detection on one checkpoint, and the lower end of the interval."""
        # Looked at part by part: other programs may write into a history, and one odd score must not end a page.
        by_side = (self.score or {}).get("detection")
        share = by_side.get(side) if isinstance(by_side, dict) else None
        if not isinstance(share, dict):
            return None
        balanced, low = share.get("balanced"), share.get("low")
        if not isinstance(balanced, int | float) or not isinstance(low, int | float):
            return None
        return float(balanced), float(low)


class Record(Label):
    """A line of a study's label history that is a label."""

    feature: int
    sae: str
    """Which SAE's feature it is: a feature's number means nothing in another SAE."""


class Event(BaseModel):
    """A line of a study's label history that is about a label, or about the feature where it names none."""

    model_config = ConfigDict(frozen=True)

    event: Literal["score", "accept", "reject", "comment", "star", "unstar"]
    feature: int
    sae: str
    about: str = ""
    """Key of the label."""
    author: str
    date: str
    text: str = ""
    """A comment, or the reason."""
    score: dict[str, JsonValue] | None = None


@dataclass
class Dossier:
    """All that is known of one feature's name."""

    labels: list[Label] = field(default_factory=list)
    """Oldest first, each with its latest score."""
    status: dict[str, Literal["accepted", "rejected"]] = field(default_factory=dict)
    """What people last said of a label, by its key."""
    comments: list[Event] = field(default_factory=list)
    """Comments, and reasons given with another event, oldest first."""
    starred: bool = False
    current: Label | None = None
    """The label that stands; None leaves the feature to its lexical description."""


def path_of(study: Study) -> Path:
    return study.folder / "labels.jsonl"


def imported_dir(study: Study) -> Path:
    """Holds a table for each source that labels were imported from."""
    return study.folder / "imported_labels"


def read(study: Study, sae: str) -> list[Record | Event]:
    """The study's own lines about one SAE, oldest first."""
    path = path_of(study)
    lines = jsonl.read(path)
    try:
        return [line_of(line) for line in lines if line.get("sae") == sae]
    except ValidationError as error:
        raise Damaged(path, f"a line is no label: {first_fault(error)}") from error


def line_of(line: dict[str, Any]) -> Record | Event:
    # Lines of older versions may hold what none is written with any more.
    line = tidied(line)
    return Event.model_validate(line) if "event" in line else Record.model_validate(line)


def imported(study: Study, sae: str) -> Iterator[tuple[int, Label]]:
    """Labels of one SAE that were imported into the study, source by source in the order of import."""
    # Of several sources the one imported last stands.
    for _, path, table in sorted(_sources(study), key=lambda source: source[0]):
        with damage.reading(path):
            of = table.attrs["sae"]
        if of == sae:
            for row in table.to_dict("records"):
                # Checked when it was imported; there may be many thousands.
                yield int(row.pop("feature")), Label.model_construct(**row)


def put_imported(study: Study, name: str, table: pd.DataFrame) -> None:
    """Store a source's table, as the one imported last; to be called under the study's lock."""
    imported_dir(study).mkdir(mode=files.PRIVATE_FOLDER, exist_ok=True)
    table.attrs["rank"] = 1 + max((rank for (rank, *_), *_ in _sources(study)), default=0)
    files.write_parquet(imported_dir(study) / f"{name}.parquet", table)


def _sources(study: Study) -> Iterator[tuple[tuple[int, int, str], Path, pd.DataFrame]]:
    """Each imported table with its place among them: the rank that it was given."""
    for path in imported_dir(study).glob("*.parquet"):
        table = files.read_parquet(path)
        with damage.reading(path):
            rank = int(table.attrs.get("rank", 0))
        # Those of older versions have none: they come first, by the date of the file, which a copy may lose.
        yield (rank, 0 if rank else path.stat().st_mtime_ns, path.name), path, table


def dossiers(lines: Iterable[Record | Event], before: Iterable[tuple[int, Label]] = ()) -> dict[int, Dossier]:
    """Each feature's dossier; `before` are labels that come before the history."""
    order: dict[int, list[Record | Event | Label]] = {}
    for feature, label in before:
        order.setdefault(feature, []).append(label)
    for line in lines:
        order.setdefault(line.feature, []).append(line)
    return {feature: _dossier(entries) for feature, entries in order.items()}


def _dossier(entries: Sequence[Record | Event | Label]) -> Dossier:
    made = Dossier()
    labels: dict[str, Label] = {}
    standing: dict[str, bool] = {}
    """Keys that nobody took back, the latest last, and whether a person stands behind them."""
    for entry in entries:
        if isinstance(entry, Event):
            _take(entry, made, labels, standing)
        elif entry.label:
            labels[entry.key] = entry
            standing[entry.key] = entry.author_kind == "person"
        else:
            # An empty label stays in the list, so that one sees who took the others back.
            labels[entry.key] = entry
            standing.clear()
    made.labels = list(labels.values())
    # A person's word before any machine's, a model's before a rule's, and of equals the latest.
    ranked = [
        (backed, labels[key].author_kind != "rule", place) for place, (key, backed) in enumerate(standing.items())
    ]
    if ranked:
        made.current = labels[list(standing)[max(ranked)[2]]]
    return made


def _take(line: Event, made: Dossier, labels: dict[str, Label], standing: dict[str, bool]) -> None:
    if line.text:
        made.comments.append(line)
    if line.event in ("star", "unstar"):
        made.starred = line.event == "star"
    if line.about not in labels:
        # About the feature itself, or a label that shipped or was imported and is there no more.
        return
    if line.event == "score":
        labels[line.about] = labels[line.about].model_copy(update={"score": line.score})
    elif line.event == "accept":
        made.status[line.about] = "accepted"
        # Taken out first: an old key would keep its old place, and what was accepted last must come last.
        standing.pop(line.about, None)
        standing[line.about] = True
    elif line.event == "reject":
        made.status[line.about] = "rejected"
        standing.pop(line.about, None)


# Writing.


def add(study: Study, sae: str, feature: int, label: Label) -> Record:
    """Put a label into the history."""
    if label.author_kind == "person":
        label = label.model_copy(update={"author": who.author(label.author)})
    # Drawn at random rather than counted: two people who write at once would count to the same number.
    drawn = {"date": label.date or files.now(), "id": label.id or secrets.token_hex(6)}
    record = Record(feature=feature, sae=sae, **tidied({**label.model_dump(), **drawn}))
    jsonl.append(path_of(study), record.model_dump(mode="json"))
    return record


def tell(
    study: Study,
    sae: str,
    feature: int,
    event: Literal["score", "accept", "reject", "comment", "star", "unstar"],
    author: str,
    about: str = "",
    text: str = "",
    score: dict[str, JsonValue] | None = None,
) -> Event:
    """Put an event into the history."""
    if event in ("score", "accept", "reject") and not about:
        raise ValueError(f"'{event}' is about a label and must name it")
    if event != "score":
        # A judge scores; all else is a person's word.
        author = who.author(author)
    line = Event(
        event=event,
        feature=feature,
        sae=sae,
        about=about,
        author=tidy(author),
        date=files.now(),
        text=tidy(text),
        score=score,
    )
    jsonl.append(path_of(study), line.model_dump(mode="json", exclude_none=True))
    return line


def edit(study: Study, sae: str, feature: int, label: str, author: str, description: str = "") -> Record:
    """A person's own label, which stands from now on."""
    if not label.strip():
        raise UserError(f"The label of feature {feature} is empty; write one, or reject the one it has.")
    written = Label(label=label.strip(), description=description.strip(), author=author, author_kind="person")
    return add(study, sae, feature, written)


def scores(score: Mapping[str, Any] | None) -> dict[str, str]:
    """A label's scores by kind and side, never one figure."""
    in_words = {}
    for method in ("detection", "fuzzing"):
        for side, share in ((score or {}).get(method) or {}).items():
            # A side on which one of the two kinds of passage is missing has no score.
            known = share["balanced"] is not None
            interval = f"({share['low']:.2f}–{share['high']:.2f})" if known else ""
            in_words[f"{method} {side}"] = f"{share['balanced']:.2f} {interval}" if known else "–"
    return in_words
