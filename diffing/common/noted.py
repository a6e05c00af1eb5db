"""How many rows a file has, noted beside it: a file that was cut at the end of a row shows it in no row.

Promises nothing of files that nobody noted, as those of older versions.
"""

from pathlib import Path

from diffing.common import files


def note(path: Path, rows: int, size: int = -1) -> None:
    """Remember beside a file how many rows it holds at least: a cut at a line's end shows in no line."""
    files.write_text(place(path), f"{rows} {size}")


def rows(path: Path) -> int | None:
    """How many rows a file had when it was last written here; None where nobody noted it."""
    noted = of(path)
    return None if noted is None else noted[0]


def of(path: Path) -> tuple[int, int] | None:
    """Rows and size of a file as they were noted; a damaged note forbids nothing, an older file has none."""
    try:
        told, size = place(path).read_text(encoding="ascii").split()
        return int(told), int(size)
    except (OSError, ValueError):
        return None


def forget(path: Path) -> None:
    """Before a file gets shorter on purpose."""
    place(path).unlink(missing_ok=True)


def place(path: Path) -> Path:
    """Where a file's note stands."""
    return path.with_name(f".{path.name}.rows")
