"""The floor of a file of summaries: the activation of each feature under which its answers keep counts and peaks.

It stands at the file's head, so that a file says all about itself and can be moved or merged without its index.
What a floor is for, `summaries` says; this knows how one is chosen and how it is written. Promises that a damaged
head is noticed: without it the file's records mean something else.
"""

import zlib
from typing import Any

import numpy as np

from diffing.common.arrays import Array
from diffing.reader.summaries import COMPRESSED

FLOOR = 0.3
"""Share of the peak at which a comparison's bar lies as a rule: lower shares need more kept of every answer."""
MARK = b"answers1"
"""What a file of summaries begins with; the number is its format's."""
HEAD = len(MARK) + 3 * 4
"""Bytes before the floor itself: the mark, its length, its checksum, and how many features it is of."""


def chosen(strongest: Array) -> Array:
    """From the strongest activation of each feature by checkpoint (checkpoints x features).

    Two checkpoints are compared over a share of the stronger of both, and no two of them have less than the second
    weakest.
    """
    second = np.sort(strongest, axis=0)[min(1, len(strongest) - 1)]
    return np.asarray(np.float32(FLOOR) * second.astype(np.float32), np.float32)


def head(floor: Array) -> bytes:
    """The floor as it stands at the head of a file, in whole words of four bytes."""
    packed = COMPRESSED.compress(np.ascontiguousarray(floor, "<f4").tobytes(), asbytes=True)
    numbers = np.array([len(packed), zlib.crc32(packed), len(floor)], "<u4").tobytes()
    data: bytes = MARK + numbers + packed
    return data + bytes(-len(data) % 4)


def length(start: bytes) -> int:
    """How long a file's head is, by its first `HEAD` bytes; 0 where it is none."""
    if len(start) < HEAD or start[: len(MARK)] != MARK:
        return 0
    packed = int(np.frombuffer(start, "<u4", 1, len(MARK))[0])
    return HEAD + packed + -(HEAD + packed) % 4


def read(data: Any) -> Array:
    """The floor at a file's head; raises `ValueError` where it is not what was written."""
    start = bytes(data[:HEAD])
    if not length(start):
        raise ValueError("it does not begin as a file of summaries does")
    size, check, features = np.frombuffer(start, "<u4", 3, len(MARK)).tolist()
    packed = bytes(data[HEAD : HEAD + size])
    if len(packed) < size or zlib.crc32(packed) != check:
        raise ValueError("its head is not what was written")
    floor: Array = np.frombuffer(COMPRESSED.decompress(packed, 4 * features), "<f4")
    return floor
