"""Folders that one machine makes whole and many may look at: what workers leave for whoever joins it.

A folder is written aside, in `making`, gets a manifest with a checksum of its own, and then its place among the
`sealed` ones by one rename: on a network disk, where no lock holds, whatever stands there is whole, and nobody
writes into another's. A killed worker leaves its folder in `making`. What stands in a manifest, and in the files
beside it, is each step's own to say.
"""

import json
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from diffing.common import damage, files, seals
from diffing.jobs.machines.seen import BEATS

MANIFEST = "manifest.json"
SEALED, MAKING, ASIDE = "sealed", "making", "damaged"
"""Of what several make together: whole folders, those being written, and those in which something was wrong."""
FORSAKEN = 3600.0
"""Seconds after which an unsealed folder that nobody touched has no owner: who works seals it within a minute, or
touches it (`Making`)."""

Sum = tuple[int, int]
"""Size and CRC-32 of a file."""


def begun(root: Path, name: str) -> Path:
    """A folder to write into; its name is to be unlike any other worker's."""
    folder = root / MAKING / name
    folder.mkdir(mode=files.PRIVATE_FOLDER, parents=True)
    return folder


def unlike(name: str) -> str:
    """A name that no two workers ever have."""
    return f"{name}-{secrets.token_hex(6)}"


def written(path: Path, data: Any) -> Sum:
    """Bytes on the disk, and their sum."""
    with open(path, "wb", opener=files.private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return len(data), zlib.crc32(data)


def sum_of(path: Path) -> Sum:
    """A file's sum as it lies on the disk, 16 MB at a time."""
    crc = size = 0
    with path.open("rb") as file:
        while part := file.read(2**24):
            crc, size = zlib.crc32(part, crc), size + len(part)
    return size, crc


def seal(root: Path, making: Path, name: str, manifest: Mapping[str, Any]) -> Path | None:
    """Give a folder its place; None, and it goes, where one of that name is there."""
    written(making / MANIFEST, json.dumps(seals.sealed(dict(manifest))).encode())
    place = root / SEALED / name
    place.parent.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
    try:
        # Into no folder that is there: a rename takes the place of an empty one alone, and a sealed one never is.
        making.rename(place)
    except OSError:
        if not place.exists():
            raise
        shutil.rmtree(making)
        return None
    return place


def folders(root: Path) -> list[Path]:
    """All sealed ones by name."""
    return sorted(path for path in (root / SEALED).glob("*") if path.is_dir())


def manifest_of(folder: Path) -> Any:
    """What its manifest says, verified."""
    path = folder / MANIFEST
    with damage.reading(path, "move the folder away"):
        return seals.opened(json.loads(path.read_bytes()))


def read(folder: Path, name: str, wanted: Sum) -> bytes:
    """One of its files, verified."""
    path = folder / name
    with damage.reading(path, "move the folder away"):
        data = path.read_bytes()
        if (len(data), zlib.crc32(data)) != wanted:
            raise ValueError("its sum does not fit: it is not what was written")
    return data


def set_aside(root: Path, folder: Path) -> Path:
    """Out of the sealed ones: what is in it stays for whoever wants to look."""
    place = root / ASIDE / f"{folder.name}-{secrets.token_hex(2)}"
    place.parent.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
    folder.rename(place)
    return place


def remove(folders: Sequence[Path]) -> None:
    """Take sealed folders away, each at one stroke as all others see it."""
    for folder in folders:
        gone = folder.parents[1] / MAKING / f"gone-{folder.name}"
        gone.parent.mkdir(mode=files.PRIVATE_FOLDER, exist_ok=True)
        # Another one that joins may have been quicker.
        with suppress(FileNotFoundError):
            folder.rename(gone)
            shutil.rmtree(gone)


def put_away(root: Path, merged: Sequence[Path]) -> None:
    """What is merged goes, and so does what killed workers left long ago; what was set aside stays."""
    remove([folder for folder in merged if folder.exists()])
    now = time.time()
    for left in (root / MAKING).glob("*"):
        dates = [path.stat().st_mtime for path in (left, *left.rglob("*"))]
        if now - max(dates) > FORSAKEN:
            shutil.rmtree(left, ignore_errors=True)
    for path in (root / BEATS).glob("*.json"):
        # Who still works, the same share a second time for one, tells of itself again.
        path.unlink(missing_ok=True)
    for place in (root / SEALED, root / MAKING, root / BEATS, root):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
