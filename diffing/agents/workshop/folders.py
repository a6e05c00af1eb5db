"""A study's workshop: the folders in which an agent's code works, outside the study and known to it alone.

`shared/` holds what the code reads (the study's tables, repositories, files, packages), `work/` what it writes,
`own/` what its Python keeps for itself. Promises that a study that was renamed finds its workshop again, that a
copy of a study gets one of its own, and that what lies in one outlives the server. Starts nothing.
"""

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from diffing.common import damage, files
from diffing.study.study import Study

FOLDER = "workshops"
"""Of the home folder: not of the studies, which hold what the code may not see."""
OWNER = "owner.json"
LINKS = ("data", "repos", "files")
"""What `work/` shows of `shared/`."""


class Workshop(NamedTuple):
    """The folders of one study's workshop."""

    folder: Path

    @property
    def number(self) -> str:
        """What the study's notebook calls it."""
        return self.folder.name

    @property
    def shared(self) -> Path:
        return self.folder / "shared"

    @property
    def data(self) -> Path:
        return self.shared / "data"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def own(self) -> Path:
        return self.folder / "own"


def root() -> Path:
    return files.home() / FOLDER


def of(study: Study, number: str) -> Workshop:
    """The workshop of that number if it is the study's, or a new one."""
    if number and Path(number).name == number and (root() / number).is_dir():
        found = Workshop(root() / number)
        owner = _owner(found)
        # One whose study is gone was renamed: this study has its notebook. Of a copy the first owner is still
        # there.
        if owner == study.name or not (files.studies_dir() / owner / "study.toml").exists():
            return _ready(found, study)
    return _ready(Workshop(root() / secrets.token_hex(4)), study)


def _owner(found: Workshop) -> str:
    path = found.folder / OWNER
    with damage.reading(path, "remove it"):
        return str(files.read_json(path)["study"])


def _ready(found: Workshop, study: Study) -> Workshop:
    for folder in (root(), found.folder, found.shared, found.work, found.own):
        folder.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
    files.write_json(found.folder / OWNER, {"study": study.name})
    for name in LINKS:
        link = found.work / name
        # The code may have put something else there: that is its own affair.
        if not os.path.lexists(link):
            link.symlink_to(Path("..") / "shared" / name)
    return found
