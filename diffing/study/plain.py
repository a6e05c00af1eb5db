"""Which checkpoints a comparison stands for where one of them is made of others, and how that is told.

A change that was made larger shows what to look for, and not that the checkpoint itself does it. So findings of
such a comparison are verified on the plain checkpoints' answers. Promises that a comparison of nothing made stands
for itself, and that where the study cannot verify, one sentence says why.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from diffing.common.errors import UserError
from diffing.common.words import listed
from diffing.models import made
from diffing.study.study import Study


def sides(study: Study, a: str, b: str) -> tuple[str, str]:
    """The checkpoints on whose answers a finding of a comparison is verified."""
    before, after = _plain(study, a), _plain(study, b)
    if before == after and a != b:
        raise UserError(
            f"'{a}' and '{b}' both stand for checkpoint '{before}', of which nothing changed; a finding of theirs "
            "cannot be verified, so find it again between two plain checkpoints."
        )
    return before, after


def _plain(study: Study, key: str) -> str:
    checkpoint = study.checkpoint(key)
    if not made.is_made(checkpoint.source):
        return key
    part = made.parse(checkpoint.source).plain
    found = next((each.key for each in study.checkpoints if part in (each.key, each.source)), None)
    if found is None:
        raise UserError(
            f"'{key}' is made of others, and study '{study.name}' has no answers of the plain '{part}' to verify "
            "a finding on; make the study with that checkpoint too."
        )
    return found


class VerifiedOn(NamedTuple):
    """Whose answers the words of a comparison's findings are held against."""

    words: str = ""
    """In brackets; empty where they are the comparison's own."""
    lacking: str = ""
    """Why there are none."""


OWN = VerifiedOn()


def verified_on(study: Study, a: str, b: str) -> VerifiedOn:
    if not any(made.is_made(study.checkpoint(key).source) for key in (a, b)):
        return OWN
    try:
        return VerifiedOn(" (answers of {} and {}, which are plain)".format(*sides(study, a, b)))
    except UserError as error:
        return VerifiedOn(lacking=str(error).rstrip("."))


def note(study: Study, a: str, b: str) -> str:
    """What of a comparison is made, and what that means for its findings; empty where nothing is."""
    told = _made(study, {a: "A", b: "B"})
    if not told:
        return ""
    names = {each.key: each.name for each in study.checkpoints}
    try:
        plainly = " and ".join(names[key] for key in sides(study, a, b))
        rest = f"A finding counts only where new answers of {plainly}, which are plain, show it too."
    except UserError as error:
        rest = str(error)
    return f"{listed(told)}. {rest}"


def series_note(study: Study, keys: Sequence[str]) -> str:
    """Which checkpoints of a series are made, and of what; empty where none is."""
    told = _made(study, {key: study.checkpoint(key).name for key in keys})
    rest = "A change that only such a one shows was made larger, and is none of a plain checkpoint."
    return f"{listed(told)}. {rest}" if told else ""


def _made(study: Study, called: Mapping[str, str]) -> list[str]:
    """Of checkpoints by their keys, as they are called, those that are made, and of what."""
    names = {each.key: each.name for each in study.checkpoints}
    return [
        f"{name} is made: {made.parse(source).told(names)}"
        for key, name in called.items()
        if made.is_made(source := study.checkpoint(key).source)
    ]
