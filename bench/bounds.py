"""Bombs and large files: what each costs before it is refused, or while it is read.

    python -m bench.bounds

Each is read in a process of its own, which says its peak beside that of a process that only imported the reader.
Prints a table and ends with 1 where something took over 600 MB more, or over two seconds to be refused. Files are
made here and deleted after; the largest takes some 10 MB.
"""

import gzip
import json
import lzma
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from diffing.study.logs import zipped

MOST_MB = 600
MOST_SECONDS = 2.0

HEADER = json.dumps({"version": 2, "eval": {"model": "m", "task": "t"}})

CHILD = """
import json, resource, sys, time
from diffing.common import tables
from diffing.common.errors import UserError
from diffing.study import imports
began, said = time.monotonic(), ""
try:
    if sys.argv[1] != "nothing":
        from pathlib import Path
        path = Path(sys.argv[1])
        log = path.suffix == ".eval"
        rows = imports.load_all([path]).responses if log else tables.read(path)
        said = f"read, {len(rows):,} rows"
except UserError as error:
    said = str(error)
seconds = time.monotonic() - began
# Kilobytes on Linux.
peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1e3
print(json.dumps([said, seconds, peak]))
"""


class Outcome(NamedTuple):
    """What one file cost."""

    said: str
    seconds: float
    peak: float
    """Megabytes, of the process or of the one that it reads in."""


def repeated(stream: Any, piece: bytes, size: int) -> None:
    for _ in range(size // len(piece)):
        stream.write(piece)


def bombs(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files of a gigabyte once unpacked, each of a few megabytes at most."""
    piece = b'x,"' + b"a" * 1_000_000 + b'"\n'
    rows = b'{"prompt": "a"}\n' * 60_000
    for name, part in (("csv.gz", piece), ("csv.xz", piece), ("jsonl.gz", rows)):
        path = folder / f"bomb.{name}"
        packed = gzip.open(path, "wb", 1) if name.endswith("gz") else lzma.open(path, "wb", preset=0)  # noqa: SIM115
        with packed as stream:
            if name.startswith("csv"):
                stream.write(b"id,prompt\n")
            repeated(stream, part, 1_000_000_000)
        yield f"{name}, 1 GB", path
    path = folder / "bomb.parquet"
    column = pa.array(["an answer"]).dictionary_encode()
    same = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), column.dictionary)
    with pq.ParquetWriter(path, pa.schema([("prompt", same.type)])) as writer:
        for _ in range(30):
            writer.write_table(pa.table({"prompt": same}))
    yield "parquet, 30 M equal rows", path
    for packing, what in ((zipfile.ZIP_DEFLATED, "deflate"), (zipfile.ZIP_STORED, "Zstandard")):
        path = folder / "bomb.eval"
        with zipfile.ZipFile(path, "w", packing, compresslevel=1) as whole:
            whole.writestr("header.json", HEADER)
            with whole.open("samples/1_epoch_1.json", "w", force_zip64=True) as stream:
                if packing == zipfile.ZIP_DEFLATED:
                    repeated(stream, b" " * 1_000_000, 1_000_000_000)
                else:
                    with pa.CompressedOutputStream(pa.PythonFile(stream, "w"), "zstd") as packed:
                        repeated(packed, b" " * 1_000_000, 1_000_000_000)
        if packing == zipfile.ZIP_STORED:
            as_zstandard(path)
        yield f"eval, 1 GB in {what}", path
    path = folder / "names.eval"
    with zipfile.ZipFile(path, "w") as whole:
        whole.writestr("header.json", HEADER)
        for number in range(300_000):
            whole.writestr(zipfile.ZipInfo(f"samples/{number:050d}_epoch_1.json"), b"")
    yield "eval, 300,000 empty entries", path
    path = folder / "deep.json"
    path.write_text("[" * 5_000_000, encoding="utf-8")
    yield "json, 5 M brackets", path


def as_zstandard(path: Path) -> None:
    """Have both records of the last entry say that it is packed by Zstandard."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, data.index(b"samples/") - 30 + 8, zipped.ZSTANDARD)
    struct.pack_into("<H", data, data.rindex(b"samples/") - 46 + 10, zipped.ZSTANDARD)
    path.write_bytes(data)


def honest(folder: Path) -> Iterator[tuple[str, Path]]:
    """Large files that are what they say.

    Written piece by piece: a process begins with the peak of the one that started it.
    """
    texts = (f"Question {number}: " + "why does it rain so much here " * 70 for number in range(200_000))
    path = folder / "answers.jsonl.gz"
    with gzip.open(path, "wt", 1, encoding="utf-8") as stream:
        for text in islice(texts, 100_000):
            stream.write(json.dumps({"prompt": text, "response": text[:200]}) + "\n")
    yield "jsonl.gz, 100,000 answers", path
    path = folder / "answers.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as whole:
        whole.writestr("header.json", HEADER)
        for number in range(100_000):
            said = f"Answer {number}: " + "because of the sea and the wind " * 20
            turns = [{"role": "assistant", "content": said}]
            sample = {"id": number, "epoch": 1, "input": f"Question {number}?", "messages": turns, "events": turns}
            sample |= {"output": {"completion": said}, "scores": {"match": {"value": "C"}}}
            whole.writestr(f"samples/{number}_epoch_1.json", json.dumps(sample))
    yield "eval, 100,000 samples", path
    path = folder / "answers.parquet"
    with pq.ParquetWriter(path, pa.schema([("prompt", pa.string())])) as writer:
        for _ in range(100):
            writer.write_table(pa.table({"prompt": list(islice(texts, 1_000))}))
    yield "parquet, 100,000 answers", path


def read(path: str) -> Outcome:
    done = subprocess.run([sys.executable, "-c", CHILD, path], capture_output=True, text=True, check=False)
    try:
        return Outcome(*json.loads(done.stdout))
    except ValueError:
        return Outcome(f"ended with {done.returncode}: {done.stderr.strip()[-80:]}", 0.0, 0.0)


def main() -> None:
    idle, bad = read("nothing"), 0
    print("| file | packed | seconds | MB above idle | outcome |\n|---|---:|---:|---:|---|")
    with tempfile.TemporaryDirectory() as name:
        for kind in (bombs, honest):
            for what, path in kind(Path(name)):
                began = read(str(path))
                above = began.peak - idle.peak
                refused = kind is bombs
                bad += above > MOST_MB or (refused and (began.seconds > MOST_SECONDS or "read" in began.said[:5]))
                size = f"{path.stat().st_size / 1e6:.2g} MB"
                print(f"| {what} | {size} | {began.seconds:.2f} | {above:,.0f} | {began.said[:120]} |", flush=True)
                path.unlink()
    print(f"Idle takes {idle.peak:,.0f} MB; {bad} beyond {MOST_MB} MB or {MOST_SECONDS:g} s.")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
