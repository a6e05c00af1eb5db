"""Findings: claims about what changed, each with what it rests on, kept as a history that nothing is deleted from.

A study's `findings.jsonl` holds one change a line; a finding is the sum of its lines. Promises that ids never
change, that of two people who edit at once neither loses anything, and that what is written here is only what was
said: how far a finding got follows from evidence (`diffing.findings.evidence`) and stands in no file.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from diffing.common import files, jsonl, tables, who
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.common.escape import tidied, tidy
from diffing.common.step import first_fault
from diffing.findings.predicates import Predicate
from diffing.study.study import Study

Origin = Literal["hand", "sae", "baseline", "template", "inside"]
Side = Literal["a", "b"]
Kind = Literal["rule", "llm", "person"]


class Example(NamedTuple):
    """A pair of answers."""

    prompt_id: str
    draw: int


class Note(NamedTuple):
    """A remark."""

    date: str
    author: str
    text: str


class Finding(BaseModel):
    """A claim with all that was said about it."""

    model_config = ConfigDict(frozen=True)

    id: str
    a: str
    """Key of the checkpoint before."""
    b: str
    """Key of the checkpoint after."""
    claim: str
    """What an answer shows, in words that name no side: 'gives its steps as a numbered list'."""
    side: Side
    """The one that shows it more."""
    origin: Origin
    """Who found it: a person, a model reading features or answers, the plain template, or methods that look at
    weights."""
    author: str = ""
    author_kind: Kind = "person"
    created: str = ""
    reader: str = ""
    """Key of the reader that the features belong to."""
    features: tuple[int, ...] = ()
    probes: tuple[str, ...] = ()
    predicate: Predicate | None = None
    """What can be counted of it; None where only a judge can tell."""
    examples: tuple[Example, ...] = ()
    counter_examples: tuple[Example, ...] = ()
    notes: tuple[Note, ...] = ()
    held_out_seen: bool = False
    """Whether whoever wrote or edited it had held-out answers before their eyes."""
    rejected: str = ""
    """Why a person rejected it; empty where nobody did."""
    reason: str = ""
    """Why it may be reported in spite of what speaks against it, in a person's words."""
    answered: tuple[str, ...] = ()
    """Keys of the contradictions that the reason is about."""
    reported: str = ""
    """When it went into a report as a finding."""
    evidence: JsonValue = None
    """What its author was shown, so that it can be traced."""

    @property
    def written_by(self) -> str:
        """Its author, as people are told."""
        return "drafted from the counts" if self.origin == "template" else self.author

    @property
    def by_agent(self) -> bool:
        """Whether a program worded it that chose what to look at: no draft, of which there are so many at most."""
        return self.origin == "hand" and self.author_kind == "llm"

    @property
    def more(self) -> str:
        """Key of the checkpoint that shows it more."""
        return self.a if self.side == "a" else self.b

    @property
    def less(self) -> str:
        return self.b if self.side == "a" else self.a

    @property
    def sign(self) -> int:
        """The sign of B minus A, if the claim holds."""
        return -1 if self.side == "a" else 1

    @property
    def counts_what_it_says(self) -> bool:
        """Whether it says what is counted and nothing else; of other words a count is no test."""
        return self.predicate is not None and self.wording == wording(self.predicate.shown)

    @property
    def wording(self) -> str:
        """Hash of what a judge is asked: verdicts belong to it, and not to the id."""
        return wording(self.claim)


class Change(BaseModel):
    """A line of the history."""

    finding: str
    date: str
    author: str
    author_kind: Kind
    put: dict[str, JsonValue] = {}
    """Fields that get a new value."""
    add: dict[str, list[JsonValue]] = {}
    """Members added to lists: two people who add at once both succeed."""
    drop: dict[str, list[JsonValue]] = {}


LISTS = {"features", "probes", "examples", "counter_examples", "notes"}
"""Fields that are added to and dropped from member by member."""
FIXED = {"id", "a", "b", "side", "origin", "created"}
"""What no later change may touch: the id is made of it, and verdicts are read by it."""


def wording(claim: str) -> str:
    # White space says nothing to a judge, and must not cost new verdicts.
    return files.content_hash(["claim", " ".join(claim.split())], 12)


def pair_of(text: str) -> Example:
    """A pair as people and programs write it, PROMPT:DRAW; the first draw where none is named."""
    prompt_id, _, draw = text.strip().partition(":")
    number = tables.number(draw or "0")
    if number is None or not prompt_id:
        raise UserError(f"'{text[:80]}' names no pair of answers; write PROMPT:DRAW, such as 7364772401cd:0.")
    return Example(prompt_id, number)


def path_of(study: Study) -> Path:
    return study.folder / "findings.jsonl"


def add(
    study: Study,
    claim: str,
    side: Side,
    *,
    a: str = "",
    b: str = "",
    origin: Origin = "hand",
    author: str,
    author_kind: Kind = "person",
    predicate: Predicate | None = None,
    **fields: Any,
) -> Finding:
    """Write a new finding down, or add to the one that says the same (`same`) what it lacks."""
    claim = " ".join(tidy(claim).split())
    if not claim:
        raise UserError("A finding needs a claim; say what the answers show.")
    if side not in ("a", "b"):
        raise UserError(f"'{side}' is no side; write 'a' or 'b', whichever shows it more.")
    a, b = study.sides(a, b)
    told = predicate.model_dump(mode="json") if predicate else None
    identifier = _id(a, b, side, origin, claim)
    # Two people may write the same claim at once: the second adds to what the first made.
    with study.held():
        before = same(study, claim, side, a=a, b=b, origin=origin)
        if before is not None:
            identifier = before.id
            new = {
                name: members
                for name, members in fields.items()
                if name in LISTS and _fresh(before, name, members)
            }
            # What is to be counted of a claim that stands there already, unless something is.
            put: dict[str, Any] = {"predicate": told} if told and before.predicate is None else {}
            return change(study, identifier, author, author_kind, put=put, add=new) if put or new else before
        put = {"claim": claim, "side": side, "a": a, "b": b, "origin": origin, **fields}
        put |= {"predicate": told} if told else {}
        return change(study, identifier, author, author_kind, put=put | {"created": files.now()})


def same(
    study: Study, claim: str, side: Side, *, a: str = "", b: str = "", origin: Origin = "hand"
) -> Finding | None:
    """The finding that says the same of the same side by the same way; by hand it may be anybody's.

    Ways are told apart so that they can be compared; a person who writes what was drafted adds nothing new.
    """
    a, b = study.sides(a, b)
    claim = " ".join(tidy(claim).split())
    known, identifier = load(study), _id(a, b, side, origin, claim)
    by_id = next((finding for finding in known if finding.id == identifier), None)
    if by_id is not None or origin != "hand":
        return by_id
    mine = (finding for finding in known if (finding.a, finding.b, finding.side) == (a, b, side))
    return next((finding for finding in mine if finding.claim.lower() == claim.lower()), None)


def _id(a: str, b: str, side: Side, origin: Origin, claim: str) -> str:
    # Made of what is claimed, so that the same claim from a second draft is the same finding. Seven digits can be
    # typed, and are enough for the hundreds that a study may have.
    return "f" + files.content_hash(["finding", a, b, side, origin, claim.lower()], 7)


def revise(
    study: Study, finding: Finding, claim: str, wanted: Mapping[str, Sequence[Any]], author: str, reader: str
) -> Finding:
    """Write down only what differs from `finding` as its editor saw it, so that what others add meanwhile stays.

    `wanted`: what lists are to hold. `reader` is whose features are meant, should some be added. A claim that
    somebody else has worded anew meanwhile is not worded over.
    """
    claim = " ".join(tidy(claim).split())
    add = {name: [each for each in new if each not in getattr(finding, name)] for name, new in wanted.items()}
    drop = {name: [each for each in getattr(finding, name) if each not in new] for name, new in wanted.items()}
    put: dict[str, Any] = {"claim": claim} if claim and claim != finding.claim else {}
    if add.get("features"):
        put["reader"] = reader
    add, drop = ({name: new for name, new in lists.items() if new} for lists in (add, drop))
    if not (put or add or drop):
        return finding
    with study.held():
        now = get(study, finding.id).claim
        if "claim" in put and now not in (finding.claim, claim):
            raise UserError(f"Finding '{finding.id}' was reworded meanwhile ('{now[:80]}'); look at it again.")
        return change(study, finding.id, author, put=put, add=add, drop=drop)


def change(
    study: Study,
    identifier: str,
    author: str,
    author_kind: Kind = "person",
    *,
    put: dict[str, Any] | None = None,
    add: dict[str, Any] | None = None,
    drop: dict[str, Any] | None = None,
) -> Finding:
    """Add a line to a finding's history and give back what the finding now is."""
    author = who.author(author) if author_kind == "person" else author
    line = Change(
        finding=identifier,
        date=files.now(),
        author=tidy(author),
        author_kind=author_kind,
        put=plain(put or {}),
        add=plain(add or {}),
        drop=plain(drop or {}),
    )
    # Held between the check and the line, so that what was checked is what is written.
    with study.held():
        earlier = history(study, identifier)
        no_list, no_field = ({*line.add} | {*line.drop}) - LISTS, {*line.put} - {*Finding.model_fields}
        wrong = no_list | no_field | ({*line.put} & FIXED if earlier else {*line.put} & {"id"})
        if wrong:
            raise UserError(f"'{min(wrong)}' of a finding cannot be changed so; write a new finding.")
        after = folded([*earlier, line])
        if after is None:
            raise UserError(f"Study '{study.name}' has no finding '{identifier}'; 'findings' lists them.")
        jsonl.append(path_of(study), line.model_dump(exclude_defaults=True))
    return after


def reject(study: Study, identifier: str, why: str, author: str) -> Finding:
    """Say that a finding does not hold, and why; an empty `why` takes that back."""
    return change(study, identifier, author, put={"rejected": why.strip()})


def note(study: Study, identifier: str, text: str, author: str) -> Finding:
    author = who.author(author)
    return change(study, identifier, author, add={"notes": [[files.now(), author, text.strip()]]})


def load(study: Study) -> list[Finding]:
    """All findings as they stand, the oldest first."""
    lines: dict[str, list[Change]] = {}
    for line in _lines(study):
        lines.setdefault(line.finding, []).append(line)
    # One without its first line, which a person may have cut out of the file, claims nothing.
    stands = [folded(changes) for changes in lines.values()]
    return [finding for finding in stands if finding is not None]


def get(study: Study, identifier: str) -> Finding:
    for finding in load(study):
        if finding.id == identifier:
            return finding
    raise UserError(f"Study '{study.name}' has no finding '{identifier}'; 'findings {study.name}' lists them.")


def history(study: Study, identifier: str) -> list[Change]:
    """Everything that was ever done to a finding, the oldest first."""
    return [line for line in _lines(study) if line.finding == identifier]


def folded(changes: Sequence[Change]) -> Finding | None:
    """What a finding is after its changes; None where the first line, which says what it claims, is absent."""
    first = changes[0]
    if "claim" not in first.put:
        return None
    state: dict[str, Any] = {"id": first.finding, "author": first.author, "author_kind": first.author_kind}
    state["created"] = first.date
    for line in changes:
        state |= line.put
        for name in LISTS & ({*line.add} | {*line.drop}):
            # Dropped before added: who does both in one change wants it in.
            gone = {_key(member) for member in line.drop.get(name, [])}
            kept = [member for member in state.get(name, []) if _key(member) not in gone]
            known = {_key(member) for member in kept}
            state[name] = kept + [member for member in line.add.get(name, []) if _key(member) not in known]
    try:
        return Finding.model_validate(state)
    except ValidationError as error:
        raise UserError(f"Finding '{first.finding}' does not hold: {first_fault(error)}; mend it.") from error


def _lines(study: Study) -> list[Change]:
    path = path_of(study)
    lines = jsonl.read(path)
    try:
        return [Change.model_validate(tidied(line)) for line in lines]
    except ValidationError as error:
        raise Damaged(path, f"a line is no change: {first_fault(error)}") from error


def _fresh(finding: Finding, name: str, members: Sequence[Any]) -> bool:
    """Whether a list of the finding lacks any of these."""
    return not {_key(member) for member in members} <= {_key(member) for member in getattr(finding, name)}


def plain(value: dict[str, Any]) -> dict[str, Any]:
    """The same as JSON has it, pairs and tuples as lists, without control characters or halves of characters."""
    return dict(tidied(json.loads(files.canonical(value))))


def _key(member: Any) -> str:
    """What tells members of a list apart, whether they come from JSON or are tuples."""
    return files.canonical(member)
