"""Zip archives as logs are packed: entries read as streams, counted against the limits, nothing written anywhere.

Promises that an archive takes no more memory than its limit, whatever it claims, that every entry's checksum is
verified, and one sentence on what is wrong. Knows the packings stored, deflate and Zstandard, the last through
Arrow, since this Python's own library lacks it.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from diffing.common import bounds
from diffing.common.bounds import Limits
from diffing.common.errors import UserError

MAGIC = b"PK\x03\x04"
EMPTY = b"PK\x05\x06"
END = 22
"""Bytes of the record at an archive's end; a log has no comment behind it."""
DIRECTORY = 25_000_000
"""Bytes of the list of entries, which stands in memory ten times as large: 250,000 entries of 100 bytes."""
STORED, DEFLATED, ZSTANDARD = 0, 8, 93
HIDDEN = 1
"""The flag of an entry that is locked by a password."""


class Archive:
    """An open archive and how much of it was unpacked so far."""

    def __init__(self, file: IO[bytes], name: str, most: Limits) -> None:
        self.name, self.most, self.size = name, most, 0
        self._file = file
        self._length = file.seek(0, io.SEEK_END)
        self._check_directory()
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, struct.error, ValueError) as error:
            raise self._broken(error) from error
        self.entries = {info.filename: info for info in self._zip.infolist()}
        """By name; of two of one name the later one, as every reader has it."""

    def _check_directory(self) -> None:
        """Before the list of entries is read: its size stands at the archive's end."""
        tail = self._tail(END, 0)
        if not tail.startswith(EMPTY) or tail[-2:] != b"\0\0":
            raise self._broken("its end is missing")
        size = int.from_bytes(tail[12:16], "little")
        pointer = self._tail(20, END)
        if pointer.startswith(b"PK\x06\x07"):
            large = self._tail(56, END + 20)
            size = max(size if size < 2**32 - 1 else 0, int.from_bytes(large[40:48], "little"))
        share = self.most.size / bounds.LARGEST
        if size > DIRECTORY * max(1.0, share):
            raise UserError(
                f"'{self.name}' has more entries than a log may have; split it, or set {bounds.VARIABLE} to more "
                "megabytes."
            )

    def _tail(self, length: int, behind: int) -> bytes:
        """Bytes that stand so far before the end."""
        start = self._length - behind - length
        if start < 0:
            return b""
        self._file.seek(start)
        return self._file.read(length)

    @contextmanager
    def text(self, name: str) -> Iterator[IO[str]]:
        """An entry's text, as a stream."""
        info = self.entries[name]
        if self.size + info.file_size > self.most.size:
            # As it says itself; what says less than it holds is seen while it is unpacked.
            raise bounds.too_large(self.name, self.most)
        # Of a hundred thousand small entries, each would set aside a megabyte.
        held = min(bounds.PIECE, max(bounds.PACKED, info.file_size))
        raw = io.BufferedReader(bounds.Stream(self._pieces(info)), held)
        with io.TextIOWrapper(raw, encoding="utf-8", newline="") as stream:
            try:
                yield stream
            except UnicodeDecodeError as error:
                raise UserError(
                    f"'{self.name}' holds text that is not UTF-8 in its entry '{name[:80]}'; write it again."
                ) from error

    def _pieces(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        if info.flag_bits & HIDDEN:
            raise UserError(f"'{self.name}' is locked by a password; unpack it and pack it without one.")
        found = 0
        try:
            with self._opened(info) as stream:
                while piece := stream.read(bounds.PIECE):
                    self.size += len(piece)
                    if self.size > self.most.size:
                        raise bounds.too_large(self.name, self.most)
                    if self.size > bounds.FREE and self.size > bounds.RATIO * self._length:
                        raise UserError(
                            f"'{self.name}' unpacks to more than {bounds.RATIO} times its size, as no log does; "
                            "bring it unpacked if it is meant."
                        )
                    found = zlib.crc32(piece, found)
                    yield piece
        except (*bounds.FAULTS, zipfile.BadZipFile, struct.error, pa.ArrowException, MemoryError) as error:
            raise self._broken(error) from error
        if found != info.CRC:
            raise self._broken("an entry is not what was written")

    @contextmanager
    def _opened(self, info: zipfile.ZipInfo) -> Iterator[Any]:
        if info.compress_type in (STORED, DEFLATED):
            with self._zip.open(info) as stream:
                yield stream
        elif info.compress_type == ZSTANDARD:
            self._file.seek(info.header_offset)
            header = self._file.read(30)
            if len(header) < 30 or not header.startswith(MAGIC):
                raise OSError("an entry is not where it should be")
            names, extra = struct.unpack("<HH", header[26:30])
            start = info.header_offset + 30 + names + extra
            packed = io.BufferedReader(bounds.Stream(self._slice(start, info.compress_size)), bounds.PACKED)
            # An empty one has no packing at all.
            if not info.compress_size:
                yield io.BytesIO()
                return
            with pa.CompressedInputStream(pa.PythonFile(packed, "r"), "zstd") as stream:
                yield stream
        else:
            raise UserError(
                f"'{self.name}' is packed in a way that is not read here (method {info.compress_type}); write it "
                "again with a current version of the tool."
            )

    def _slice(self, start: int, length: int) -> Iterator[bytes]:
        while length > 0:
            # Another entry may have been read meanwhile.
            self._file.seek(start)
            piece = self._file.read(min(bounds.PACKED, length))
            if not piece:
                raise EOFError("it ends before its end")
            start, length = start + len(piece), length - len(piece)
            yield piece

    def _broken(self, why: object) -> UserError:
        told = " ".join(str(why).split())[:200] or type(why).__name__
        return UserError(f"'{self.name}' cannot be unpacked ({told}); fetch or write it again.")


@contextmanager
def opened(path: Path, most: Limits) -> Iterator[Archive]:
    if path.stat().st_size > most.size:
        raise bounds.too_large(path.name, most)
    with path.open("rb") as file:
        yield Archive(file, path.name, most)
