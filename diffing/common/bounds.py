"""How much of a file is taken in: unpacked as a stream, counted, and given up beyond a limit.

Promises that no file, however it is packed and whatever it claims of itself, takes more memory than its limit
allows, and one sentence where it would. A person who has the memory raises all limits with `DIFFING_LARGEST_FILE`,
in megabytes. Reads nothing of what a file says.
"""

import codecs
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from diffing.common.errors import UserError

LARGEST = 250_000_000
"""Bytes of a file once unpacked: 100,000 answers of 2,500 characters; what is read of it stands in memory once or
twice, which stays below 600 MB."""
MOST_ROWS = 1_000_000
"""Rows of a table: ten times the largest study that was tried."""
MOST_COLUMNS = 1_000
"""Columns of a table: in JSON lines, each row could bring names of its own."""
MOST_CELLS = 15_000_000
"""Cells of a table: an empty one takes 8 bytes, so these take 120 MB before they hold anything."""
LONGEST_ROW = 8_000_000
"""Characters of one row: an answer of a million fits, each of them escaped; the worst JSON of this size (objects
inside each other) takes 0.3 GB while it is read."""
RATIO = 200
"""How many times its packed size a file may have: text packs to a tenth, a table of equal rows to a hundredth, and
a bomb to a thousandth."""
FREE = 32_000_000
"""Bytes that a file may unpack to whatever the ratio: a short file may well repeat itself."""
OWN = 16
"""How much larger a file of a study may be than one that is brought: many imports end in it."""
PACKED = 16_384
"""Bytes unpacked at a time: few, so that what they unpack to is seen soon."""
PIECE = 1_000_000
"""Bytes of a piece that comes out: what is held at once beside the rows."""
MOST_PARTS = 20_000
"""Packed parts that may stand behind each other in one file, as parallel packers leave them; empty ones cost time
and give nothing."""
XZ_MEMORY = 100_000_000
"""Bytes that unpacking `.xz` may take: its strongest preset takes 65 MB, a made-up header asks for 4 GB."""
VARIABLE = "DIFFING_LARGEST_FILE"

FAULTS = (OSError, EOFError, lzma.LZMAError, zlib.error)
"""What unpacking raises on a file that was not packed so, or was cut."""


class Limits(NamedTuple):
    """What a file may have, all in proportion to its size."""

    size: int
    rows: int
    columns: int
    cells: int
    row: int
    """Characters of one row."""


def limits(times: int = 1) -> Limits:
    """The limits of this process; `times` as large where the file is the study's own."""
    told = os.environ.get(VARIABLE, "")
    if told and not (told.isdecimal() and 0 < len(told) < 8 and int(told)):
        raise UserError(f"{VARIABLE} is '{told}'; set it to a whole number of megabytes, or unset it.")
    share = times * max(1.0, int(told or 0) * 1e6 / LARGEST)
    scaled = (int(limit * share) for limit in (LARGEST, MOST_ROWS, MOST_COLUMNS, MOST_CELLS, LONGEST_ROW))
    return Limits(*scaled)


def too_large(name: str, most: Limits) -> UserError:
    return UserError(
        f"'{name}' holds more than {most.size / 1e6:,.4g} MB once unpacked; split it, or set {VARIABLE} to more "
        "megabytes."
    )


def too_long(name: str, line: int, most: Limits) -> UserError:
    return UserError(f"'{name}' has a row of more than {most.row:,} characters at line {line}; cut or drop it.")


def opened(path: Path, packing: str, most: Limits) -> io.BufferedReader:
    """The file's bytes, unpacked: a stream that ends in a `UserError` where it would pass the limit."""
    size = path.stat().st_size
    if size > most.size:
        raise too_large(path.name, most)
    if packing and size * RATIO > FREE:
        # Before the first row: of a bomb of whole rows, reading them takes ten times as long as unpacking.
        for _ in pieces(path, packing, most):
            pass
    return io.BufferedReader(Stream(pieces(path, packing, most)), PIECE)


def text(path: Path, packing: str, most: Limits, ends: str = "") -> IO[str]:
    """The same as text with its line breaks as they are; a byte that is no UTF-8 raises `UnicodeDecodeError`.

    `ends`: what ends a line, any line break where it is empty.
    """
    # Spreadsheets begin a UTF-8 file with a mark, which would become part of the first column's name.
    return io.TextIOWrapper(opened(path, packing, most), encoding="utf-8-sig", newline=ends)


def line_of_fault(path: Path, packing: str, most: Limits) -> int:
    """The first line that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    for piece in pieces(path, packing, most):
        waiting = len(decoder.getstate()[0])
        try:
            line += decoder.decode(piece).count("\n")
        except UnicodeDecodeError as error:
            return line + piece[: max(0, error.start - waiting)].count(b"\n")
    return line


def pieces(path: Path, packing: str, most: Limits) -> Iterator[bytes]:
    """The file's bytes, unpacked, in pieces."""
    with path.open("rb") as file:
        yield from unpacked(file, path.name, packing, most)


def unpacked(file: IO[bytes], name: str, packing: str, most: Limits) -> Iterator[bytes]:
    """The same of what is open already."""
    taken = size = 0

    def more() -> bytes:
        nonlocal taken
        data = file.read(PACKED)
        taken += len(data)
        return data

    for piece in UNPACK[packing](more):
        size += len(piece)
        if packing and size > FREE and size > RATIO * taken:
            raise UserError(
                f"'{name}' unpacks to more than {RATIO} times its size, as no table does; bring it unpacked if it "
                "is meant."
            )
        if size > most.size:
            raise too_large(name, most)
        yield piece


def _plain(more: Callable[[], bytes]) -> Iterator[bytes]:
    while data := more():
        yield data


def _packed(fresh: Callable[[], Any], more: Callable[[], bytes], rest: Callable[[Any], bytes]) -> Iterator[bytes]:
    """Parts packed one behind the other, whatever packed them; zeros between and behind them are filling."""
    parts, unpacker, data = 0, None, more()
    while data or unpacker is not None:
        if unpacker is None:
            data = data.lstrip(b"\0") or more().lstrip(b"\0")
            if not data:
                # Nothing but filling so far: there may be more of it.
                data = more()
                continue
            parts += 1
            if parts > MOST_PARTS:
                raise OSError(f"it is packed in more than {MOST_PARTS:,} parts")
            unpacker = fresh()
        piece = unpacker.decompress(data, PIECE)
        if piece:
            yield piece
        if unpacker.eof:
            data, unpacker = unpacker.unused_data or more(), None
            continue
        data = rest(unpacker)
        if not data and len(piece) < PIECE:
            data = more()
            if not data:
                raise EOFError("it ends before its end")


def _gz(more: Callable[[], bytes]) -> Iterator[bytes]:
    # 31: with gzip's own header, and no other.
    yield from _packed(lambda: zlib.decompressobj(31), more, lambda unpacker: unpacker.unconsumed_tail)


def _xz(more: Callable[[], bytes]) -> Iterator[bytes]:
    # This one keeps to itself what it has not unpacked yet.
    yield from _packed(lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY), more, lambda _: b"")


UNPACK: dict[str, Callable[[Callable[[], bytes]], Iterator[bytes]]] = {".gz": _gz, ".xz": _xz, "": _plain}
"""By a file's last suffix; the last one, for files that are not packed, hands the bytes on as they are."""


class Stream(io.RawIOBase):
    """Pieces as a file."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = memoryview(next(self._source, b""))
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
