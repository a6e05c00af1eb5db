"""The folder in which a person lays files ready for agents: the only ones on this machine that an agent may name.

`inbox/` in the program's home. Promises that a name leads to a plain file in that folder and nowhere else. What
stands in such a file is for agents to read: whoever lays it there says so.
"""

from pathlib import Path

from diffing.common import files
from diffing.common.errors import UserError


def folder() -> Path:
    return files.home() / "inbox"


def names() -> list[str]:
    """Files that lie there; links lead elsewhere and are none."""
    here = folder()
    found = here.iterdir() if here.is_dir() else ()
    return sorted(path.name for path in found if path.is_file() and not path.is_symlink() and path.name[0] != ".")


def path_of(name: str) -> Path:
    """One of them."""
    if name not in names():
        there = ", ".join(names()) or "none"
        raise UserError(f"There is no file '{name[:100]}' in the folder 'inbox'; files there: {there[:400]}.")
    return folder() / name
