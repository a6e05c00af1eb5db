"""A study's own probes: rules, questions and properties with names that people have added, kept with the study.

They stand in the study's `own_probes.jsonl`, a line a change; nothing is taken out of the file. Promises that no
two of a study share a name or look for the same, that of several who add at once none loses anything, and that a
file of probes is taken in whole or not at all. Counts nothing: `diffing.diff.own` does, and a question is answered
by `diffing.findings.asking`.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from diffing.common import files, jsonl, outfile, tables, who
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.common.escape import tidy
from diffing.common.step import Settings, first_fault
from diffing.common.words import between_commas
from diffing.probes.own import Rule
from diffing.probes.probes import PROBES
from diffing.probes.rules import Span
from diffing.probes.weighed import Property
from diffing.study.study import Study

MOST = 200
"""Own probes of a study. Each costs some 20 ms at 1,600 answers and makes the correction harder for the others;
more words than that are learned as phrases."""
NAME = re.compile(r"[^\W_](?:[\w .,'’()+-]{0,38}[\w)+])?")
"""What a name may be: it stands in addresses, commands and sentences."""
MARK = "own:"
"""What stands before a name where probes of both kinds may be named."""

Kind = Literal["words", "phrase", "regex", "question", "property"]


class Question(Settings):
    """What a judge is asked of each answer."""

    text: str = Field(min_length=3, max_length=300)
    judge: str = Field(min_length=1, max_length=300)
    """Who answers, written as a checkpoint is: `openrouter:google/gemini-2.5-flash` or `URL#NAME`."""


class OwnProbe(Settings):
    """A rule, a question or a property with a name."""

    name: str
    says: str = Field(default="", max_length=120)
    """What an answer does that shows it, as the end of a sentence: 'apologises'. A person's words, which claim
    more than is counted; empty: what is counted."""
    rule: Rule | None = None
    question: Question | None = None
    features: Property | None = None
    author: str = Field(default="", max_length=80)
    date: str = Field(default="", max_length=40)
    held_out_seen: bool = False
    """Whether whoever wrote it had held-out answers before their eyes."""

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        plain = unicodedata.normalize("NFC", " ".join(name.split()))
        if not NAME.fullmatch(plain):
            raise ValueError("use at most 40 letters, digits, spaces and .,'()+-, a letter or digit first")
        if plain.casefold() in BUILT_IN:
            raise ValueError(f"'{plain}' is a built-in probe")
        return plain

    @field_validator("says", "author")
    @classmethod
    def _one_line(cls, text: str) -> str:
        return " ".join(tidy(text).split())

    @model_validator(mode="after")
    def _one_thing(self) -> "OwnProbe":
        if sum(each is not None for each in (self.rule, self.question, self.features)) != 1:
            raise ValueError("it needs a rule or a question, or features, and one alone")
        return self

    @property
    def kind(self) -> Kind:
        if self.features is not None:
            return "property"
        return "question" if self.rule is None else self.rule.kind

    @property
    def form(self) -> str:
        """What it looks for, the same text for the same thing."""
        return files.canonical(
            self.model_dump(mode="json", include={"rule", "question", "features"}, exclude_defaults=True)
        )

    @property
    def shown(self) -> str:
        """What is counted, as the end of a sentence whose subject is an answer."""
        if self.question is not None:
            return f"is answered yes to “{self.question.text}”"
        if self.features is not None:
            return self.features.shown
        return self._rule().shown

    @property
    def saying(self) -> str:
        """The person's own words for that, or what is counted where there are none."""
        return self.says or self.shown

    def spans(self, text: str) -> list[Span]:
        """Where a text has it; a question's places are known only to who has its answers, and a property's to who
        has what the reader saw."""
        return self._rule().spans(text) if self.rule is not None else []

    def _rule(self) -> Rule:
        assert self.rule is not None
        return self.rule


BUILT_IN = {name.casefold() for name in PROBES}


class Change(BaseModel):
    """A line of the file."""

    name: str
    date: str
    author: str
    probe: OwnProbe | None = None
    """None where it was removed."""


def path_of(study: Study) -> Path:
    return study.folder / "own_probes.jsonl"


def load(study: Study) -> list[OwnProbe]:
    """All own probes of a study, in the order in which they were added."""
    path, kept = path_of(study), dict[str, OwnProbe]()
    for record in jsonl.read(path):
        try:
            change = Change.model_validate(record)
        except ValidationError as error:
            raise Damaged(path, f"a line is no own probe: {first_fault(error)}") from error
        kept.pop(change.name.casefold(), None)
        if change.probe is not None:
            kept[change.name.casefold()] = change.probe
    return [*kept.values()]


def get(study: Study, name: str) -> OwnProbe:
    """The probe of that name, in small letters or capitals, with or without `own:` before it."""
    wanted = name.removeprefix(MARK).strip().casefold()
    for probe in load(study):
        if probe.name.casefold() == wanted:
            return probe
    raise UserError(f"Study '{study.name}' has no own probe '{name}'; 'probe list {study.name}' lists them.")


def made(name: str, **fields: Any) -> OwnProbe:
    """A probe from what a person has typed, or a `UserError` that says what is wrong with it."""
    try:
        return OwnProbe(name=name, **fields)
    except ValidationError as error:
        raise UserError(f"Own probe '{name[:60]}' cannot be: {first_fault(error)}; change it.") from error


def rule_of(words: str = "", phrase: str = "", regex: str = "") -> Rule | None:
    """A rule as a person types it, words with commas between; None where nothing is typed."""
    typed = {kind: text for kind, text in (("words", words), ("phrase", phrase), ("regex", regex)) if text}
    if len(typed) > 1:
        raise UserError("One probe looks for one thing; give words, a phrase or an expression.")
    for kind, text in typed.items():
        listed = tuple(between_commas(text))
        form: dict[str, Any] = {"words": listed} if kind == "words" else {"text": text}
        try:
            return Rule.model_validate({"kind": kind, **form})
        except ValidationError as error:
            raise UserError(f"This is no rule: {first_fault(error)}; change it.") from error
    return None


def add(study: Study, probe: OwnProbe) -> OwnProbe:
    """Keep a probe with the study; what comes back is dated."""
    return _add(study, [probe])[0]


def _add(study: Study, new: Sequence[OwnProbe], again: bool = False) -> list[OwnProbe]:
    """Keep all of them, or none where one cannot be kept; `again` leaves out those that are there already."""
    with study.held():
        known = load(study)
        names = {probe.name.casefold(): probe for probe in known}
        forms = {probe.form: probe for probe in known}
        added = []
        for probe in new:
            same = names.get(probe.name.casefold())
            if again and same is not None and same.form == probe.form:
                continue
            if same is not None:
                raise UserError(
                    f"Study '{study.name}' has an own probe '{same.name}' already; choose another name."
                )
            if probe.form in forms:
                other = forms[probe.form].name
                raise UserError(
                    f"Own probe '{other}' looks for the same as '{probe.name}'; one of them is enough."
                )
            # A file says whose its probes were; in a team they stand under the name of who brings them.
            by = who.author("" if again else probe.author) or probe.author
            dated = probe.model_copy(update={"date": probe.date or files.now(), "author": by})
            names[dated.name.casefold()] = forms[dated.form] = dated
            added.append(dated)
        if len(known) + len(added) > MOST:
            raise UserError(f"Study '{study.name}' would have more than {MOST} own probes; remove some first.")
        for probe in added:
            _write(study, probe.name, probe.author, probe)
    return added


def remove(study: Study, name: str, author: str) -> OwnProbe:
    """Have a probe counted no more; its lines stay in the file, and a question's answers stay paid for."""
    with study.held():
        probe = get(study, name)
        _write(study, probe.name, who.author(author), None)
    return probe


def _write(study: Study, name: str, author: str, probe: OwnProbe | None) -> None:
    # The study's own files are closed to others when it is next written to.
    files.tighten(study.folder)
    line = Change(name=name, date=files.now(), author=tidy(author), probe=probe)
    jsonl.append(path_of(study), line.model_dump(mode="json", exclude_defaults=True))


# Files of probes, to take to another study.


def written(probes: Sequence[OwnProbe]) -> str:
    """Probes as the text of a file, which `taken` reads."""
    listed = [probe.model_dump(mode="json", exclude_defaults=True) for probe in probes]
    return json.dumps(listed, indent=1, ensure_ascii=True) + "\n"


def export(study: Study, path: Path) -> int:
    """Write all own probes of a study into a file; how many."""
    probes = load(study)
    if not probes:
        raise UserError(f"Study '{study.name}' has no own probe to write; add one first.")
    with outfile.replacing(path) as temporary:
        temporary.write_text(written(probes), encoding="utf-8")
    return len(probes)


def take(study: Study, path: Path) -> list[OwnProbe]:
    """Take in the probes of a file that the study lacks: all of them, or none where one cannot be kept."""
    return _add(study, read(path), again=True)


def read(path: Path) -> list[OwnProbe]:
    """The probes in a file that `export` wrote."""
    probes: list[OwnProbe] = []
    with tables.document(path) as document:
        if document.kind != "list":
            raise UserError(f"'{path.name}' is no list of own probes; bring a file that `probe export` wrote.")
        for number, (_, value) in enumerate(document.members(), start=1):
            if number > MOST:
                raise UserError(f"'{path.name}' holds more than {MOST} own probes; split it.")
            try:
                probes.append(OwnProbe.model_validate(value))
            except ValidationError as error:
                raise UserError(
                    f"Probe {number} in '{path.name}' cannot be: {first_fault(error)}; mend it."
                ) from error
    return probes
