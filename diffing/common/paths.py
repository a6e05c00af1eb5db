"""Paths as people write them. Loads nothing, as commands read them before anything else."""

from pathlib import Path

from diffing.common.errors import UserError


def expanded(path: str | Path) -> Path:
    """A path with the home that a `~` before it means in its place."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"'{path}' begins with the home of nobody here; write the whole path.") from None
