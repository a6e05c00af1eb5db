"""A study renamed, duplicated, deleted and put back.

What is deleted goes to a folder beside the studies and can be put back from there; emptying that is left to its
owner. Promises that nothing is touched while a job of the study runs, that no study takes another's place, and
that a copy is whole or not there. Does not change links or commands in which somebody has written the old name.
"""

import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from diffing.common import damage, files, who
from diffing.common.errors import UserError
from diffing.study import study
from diffing.study.settings import load_settings, text_of
from diffing.study.study import Exists, Study, folder_of

TRASH = ".trash"
"""Hidden, so that what lies in it is no study to anybody who lists them."""
BEHIND = ("jobs", "study.lock", *files.LEFT)
"""What a copy does not take along: who worked on the other one, and what killed processes left there."""


class Deleted(NamedTuple):
    """A study in the trash."""

    name: str
    when: str
    """When it was deleted, as files are dated."""
    folder: Path


def rename(old: str, new: str) -> Study:
    """Give a study another name."""
    folder, target = _idle(old), _free(new)
    with study.held(folder):
        _still_idle(folder)
        _move(folder, target)
    return _named(target)


def duplicate(name: str, new: str) -> Study:
    """A copy of a study under another name, without its jobs; what the cache holds is shared by both."""
    folder, target = _idle(name), _free(new)
    with study.held(folder), files.fresh_folder(folder.parent, ".new-") as fresh:
        copy = fresh / target.name
        try:
            shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(*BEHIND), symlinks=True)
            _write_name(copy, target.name)
            _move(copy, target)
        except (OSError, shutil.Error) as error:
            raise UserError(f"Study '{name}' could not be copied: {damage.reason(error)}.") from error
    return Study.open(new)


def delete(name: str) -> Deleted:
    """Move a study to the trash."""
    folder = _idle(name)
    moment = datetime.now(UTC)
    # A folder for each, as two of one name may be deleted in one second.
    room = folder.parent / TRASH / f"{moment:%Y%m%dT%H%M%S.%f}"
    with study.held(folder):
        _still_idle(folder)
        room.mkdir(mode=files.PRIVATE_FOLDER, parents=True)
        _move(folder, room / name)
    return Deleted(name, moment.isoformat(timespec="seconds"), room / name)


def deleted() -> list[Deleted]:
    """What lies in the trash, the latest first."""
    found = []
    for path in sorted((files.studies_dir() / TRASH).glob("*/*/study.toml"), reverse=True):
        try:
            moment = datetime.strptime(path.parents[1].name, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
        except ValueError:
            # Somebody else's folder.
            continue
        found.append(Deleted(path.parent.name, moment.isoformat(timespec="seconds"), path.parent))
    return found


def latest(name: str) -> Deleted:
    """The study of that name that was deleted last."""
    found = next((each for each in deleted() if each.name == name), None)
    if found is None:
        known = ", ".join(dict.fromkeys(each.name for each in deleted())) or "nothing"
        raise UserError(f"No study '{name}' was deleted; in the trash there is {known}.")
    return found


def restore(found: Deleted, new: str = "") -> Study:
    """Put a deleted study back, under another name where its own is taken by now."""
    # No lock asks here: what lies in the trash is no study yet.
    who.needs_editor()
    target = _free(new or found.name)
    _move(found.folder, target)
    found.folder.parent.rmdir()
    return _named(target)


def busy(folder: Path) -> bool:
    """Whether a job of a study runs: its worker holds its lock for as long as it lives."""
    return any(files.is_locked(lock) for lock in folder.glob("jobs/*/lock"))


def _idle(name: str) -> Path:
    """A study's folder; refused while a job of it runs."""
    folder = folder_of(name)
    if not (folder / "study.toml").exists():
        known = ", ".join(study.names()) or "none yet"
        raise UserError(f"There is no study '{name}'; studies here: {known}.")
    _still_idle(folder)
    return folder


def _still_idle(folder: Path) -> None:
    if busy(folder):
        name = folder.name
        raise UserError(f"A job of study '{name}' is running; wait for it or cancel it ('jobs {name}' shows it).")


def _free(name: str) -> Path:
    """Where a study of a new name will lie."""
    folder = folder_of(name)
    if folder.exists():
        raise Exists(name)
    return folder


def _move(folder: Path, target: Path) -> None:
    try:
        # Fails where a folder with something in it has come to stand there meanwhile.
        folder.rename(target)
    except OSError as error:
        if target.exists():
            raise Exists(target.name) from error
        raise UserError(f"Study '{folder.name}' could not be moved: {damage.reason(error)}.") from error


def _named(folder: Path) -> Study:
    """The study that has come to lie there, which says so in its settings too."""
    # Damaged settings stay as they are: the folder has its new name, and opening it says what is wrong.
    with suppress(UserError):
        _write_name(folder, folder.name)
    return Study.open(folder.name)


def _write_name(folder: Path, name: str) -> None:
    settings = load_settings(folder / "study.toml")
    files.write_text(folder / "study.toml", text_of(settings.model_copy(update={"name": name})))
