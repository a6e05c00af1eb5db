"""Bombs and large files: what each costs before it is refused, or while it is read.

    python -m bench.bounds

Each is read in a process of its own, which says its peak beside that of a process that only imported the reader.
Prints a table and ends with 1 where something took over 600 MB more, or over two seconds to be refused. Files are
made here and deleted after; the largest takes some 10 MB.
"""

import gzip
import json
import lzma
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

MOST_MB = 600
MOST_SECONDS = 2.0

CHILD = """
import json, resource, sys, time
from diffing.common import tables
from diffing.common.errors import UserError
began, said = time.monotonic(), ""
try:
    if sys.argv[1] != "nothing":
        from pathlib import Path
        said = f"read, {len(tables.read(Path(sys.argv[1]))):,} rows"
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
    path = folder / "deep.json"
    path.write_text("[" * 5_000_000, encoding="utf-8")
    yield "json, 5 M brackets", path


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
