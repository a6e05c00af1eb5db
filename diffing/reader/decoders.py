"""Decoders of SAEs as the diff maps them: float16, a file a reader, its checksum after the array.

Needs no torch to be read. A damaged file is noticed when it is opened, and made anew by `encode`.
"""

import logging
import mmap
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diffing.common import damage, files, seals
from diffing.common.arrays import Array
from diffing.common.damage import Damaged

if TYPE_CHECKING:
    from diffing.reader.passes import ReaderLike

logger = logging.getLogger(__name__)


def path_of(reader_key: str) -> Path:
    return files.cache_dir("decoders") / f"{reader_key}.npy"


def opened(reader_key: str, again: str) -> Array | None:
    """The decoder [features, width] by memory map, or None where the reader gave none."""
    path = path_of(reader_key)
    if not path.exists():
        return None
    with damage.reading(path, again):
        if not sound(path):
            raise ValueError("its sum does not fit: it is not what was written")
        array: Array = np.load(path, mmap_mode="r")
        return array


def sound(path: Path) -> bool:
    """Whether a stored decoder is what was written; an older version's has no checksum at its end."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = len(data) - seals.LENGTH
        if data[end : end + len(seals.MARK)] != seals.MARK:
            return True
        with memoryview(data) as view:
            return zlib.crc32(view[:end]) == int.from_bytes(view[-4:], "little")


def save(reader: "ReaderLike") -> None:
    """Keep the SAE's decoder where the diff can map it, unless it is there."""
    if not _there(reader.key):
        keep(reader.key, halved(reader))


def halved(reader: "ReaderLike") -> Array:
    """A reader's decoder as it is kept: directions only, so half precision is enough."""
    decoder: Array = reader.decoder().half().cpu().numpy()
    return decoder


def keep(reader_key: str, decoder: Array) -> None:
    """The same of a decoder that another machine has sent, unless it is there."""
    if _there(reader_key):
        return
    with files.replacing(path_of(reader_key)) as temporary:
        with temporary.open("wb") as file:
            np.save(file, decoder)
        with temporary.open("ab") as file:
            file.write(seals.stamp(zlib.crc32(temporary.read_bytes())))


def _there(reader_key: str) -> bool:
    path = path_of(reader_key)
    if path.is_dir():
        raise Damaged(path, "a folder stands in its place", "move it away and run encode again")
    try:
        return path.exists() and sound(path) and bool(np.load(path, mmap_mode="r").size)
    except (OSError, ValueError, EOFError) as error:
        logger.warning("The stored decoder is damaged (%s) and is made anew", error)
        return False
