"""Seventy-five files that nobody should bring: bombs, broken packing, broken kinds, odd text, and odd names.

Each is small enough for a test whose limits are small too; `bench.bounds` has the bombs at their full size.
"""

import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Make = Callable[[], bytes]

PLAIN = b"prompt,checkpoint,response\nHi,a,Hello.\nHi,b,Hey.\n"
GREEDY = [
    # Of all ways to look for what repeats, the one whose tables are quickly made for a dictionary of a gigabyte.
    {"id": lzma.FILTER_LZMA2, "dict_size": 2**30, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3, "nice_len": 3}
]
RECORD = {"prompt": "Hi", "checkpoint": "a", "response": "Hello."}


def table(*rows: tuple[str, str, str], head: str = "prompt,checkpoint,response") -> bytes:
    file = io.StringIO(newline="")
    file.write(f"{head}\n")
    csv.writer(file).writerows(rows)
    return file.getvalue().encode("utf-8", "surrogatepass")


def line(**fields: object) -> bytes:
    return json.dumps(RECORD | fields).encode() + b"\n"


def parquet(frame: pd.DataFrame | pa.Table, **how: object) -> bytes:
    file = io.BytesIO()
    whole = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame)
    pq.write_table(whole, file, **how)
    return file.getvalue()


def answers(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"prompt": ["Hi", "Hi"], "checkpoint": ["a", "b"], "response": ["x", "y"]} | columns)


def same_text(size: int, rows: int) -> bytes:
    """One text that is named many times."""
    words = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * size]))
    one = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["a"]))
    return parquet(pa.table({"prompt": words, "checkpoint": one, "response": one}))


def pandas_note(note: bytes) -> bytes:
    return parquet(pa.Table.from_pandas(answers()).replace_schema_metadata({b"pandas": note}))


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as folder:
        folder.writestr("../../evil.csv", bytes(1_000_000))
    return file.getvalue()


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


PACKED: dict[str, Make] = {
    "zeros.csv.gz": lambda: gzip.compress(bytes(5_000_000)),
    "zeros.csv.xz": lambda: lzma.compress(bytes(5_000_000)),
    "zeros.tsv.gz": lambda: gzip.compress(bytes(5_000_000)),
    "spaces.jsonl.gz": lambda: gzip.compress(b" " * 5_000_000),
    "spaces.json.xz": lambda: lzma.compress(b" " * 5_000_000),
    "rows.csv.gz": lambda: gzip.compress(b"prompt,checkpoint,response\n" + b"Hi,a,b\n" * 500_000),
    "rows.jsonl.gz": lambda: gzip.compress(line() * 100_000),
    "rows.jsonl.xz": lambda: lzma.compress(b"{}\n" * 2_000_000),
    "lines.txt.gz": lambda: gzip.compress(b"a\n" * 2_000_000),
    "zeros.parquet.gz": lambda: gzip.compress(bytes(5_000_000)),
    "late.csv.gz": lambda: (
        gzip.compress(table(("Hi", "a", np.random.default_rng(0).bytes(30_000).hex())))
        + gzip.compress(bytes(5_000_000))
    ),
    "twice.csv.gz": lambda: gzip.compress(gzip.compress(PLAIN)),
    "parts.csv.gz": lambda: gzip.compress(b"") * 3_000 + gzip.compress(PLAIN),
    "two-parts.csv.gz": lambda: gzip.compress(PLAIN[:30]) + gzip.compress(PLAIN[30:]),
    "filled.csv.gz": lambda: gzip.compress(PLAIN) + bytes(100_000),
    "cut.csv.gz": lambda: gzip.compress(PLAIN)[:-9],
    "cut.csv.xz": lambda: lzma.compress(PLAIN)[:-9],
    "tail.csv.gz": lambda: gzip.compress(PLAIN) + b"more",
    "tail.csv.xz": lambda: lzma.compress(PLAIN) + b"more",
    "sum.csv.gz": lambda: flipped(gzip.compress(PLAIN), -6),
    "no-gzip.csv.gz": lambda: PLAIN,
    "no-xz.jsonl.xz": lambda: PLAIN,
    "empty.csv.gz": lambda: b"",
    "greedy.csv.xz": lambda: lzma.compress(PLAIN, filters=GREEDY),
    "other.csv.bz2": lambda: b"BZh9" + bytes(100),
    "other.csv.zst": lambda: b"\x28\xb5\x2f\xfd" + bytes(100),
    "folder.zip": zipped,
}
"""Packed well, badly, or too well."""

TEXTS: dict[str, Make] = {
    "empty.csv": lambda: b"",
    "header.csv": lambda: b"prompt,checkpoint,response\n",
    "zeros.csv": lambda: bytes(1_000),
    "unclosed.csv": lambda: b'prompt,checkpoint,response\n"Hi,a,' + b"x\n" * 200_000,
    "one-line.csv": lambda: b"x" * 500_000,
    "one-cell.csv": lambda: table(("Hi", "a", "y" * 500_000)),
    "wide.csv": lambda: b",".join(b"c%d" % number for number in range(100)) + b"\n" + b"," * 99 + b"\n",
    "commas.csv": lambda: b"," * 100_000 + b"\n",
    "ragged.csv": lambda: PLAIN + b"Bye,a\n",
    "twice.csv": lambda: b"prompt,prompt,response\nHi,a,b\n",
    "latin.csv": lambda: PLAIN + b"caf\xe9,a,b\n",
    "utf-16.csv": lambda: PLAIN.decode().encode("utf-16"),
    "half.csv": lambda: table(("Hi \ud800", "a", "x")),
    "controls.csv": lambda: table(("\x1b]0;title\x07\x00", "a", "\x9b31m"), ("\u202eIH", "b", "\u2066x")),
    "formula.csv": lambda: table(("=1+1", "@c", "-2+3"), ("=1+1", "+d", "=cmd|' /C calc'!A0")),
    "old-mac.csv": lambda: PLAIN.replace(b"\n", b"\r"),
    "names.csv": lambda: table(("Hi", "../../x", "1"), ("Hi", "<script>", "2"), ("Hi", "a" * 5_000, "3")),
    "same-key.csv": lambda: table(("Hi", "a b", "1"), ("Hi", "a-b", "2")),
    "draw.csv": lambda: table(("Hi", "a", "1"), head="prompt,draw,response").replace(b"Hi,a", b"Hi,\xc2\xb2"),
    "draw-digits.csv": lambda: (
        b"prompt,checkpoint,response,draw\nHi,a,x," + b"9" * 5_000 + b"\nHi,b,y,999999999999999999\n"
    ),
    "talk.csv": lambda: b"messages,checkpoint,response\n" + b"[" * 50_000 + b",a,x\n",
    "talk-digits.csv": lambda: b"messages,checkpoint,response\n" + b"9" * 5_000 + b",a,x\n",
    "binary.txt": lambda: bytes(range(256)) * 10,
    "breaks.txt": lambda: b"\n" * 300_000,
    "program.xlsx": lambda: b"PK\x03\x04",
}
"""Plain text and tables."""

JSONS: dict[str, Make] = {
    "deep.jsonl": lambda: b"[" * 100_000 + b"\n",
    "deep.json": lambda: b'{"a":' * 30_000 + b"1" + b"}" * 30_000,
    "deep-value.jsonl": lambda: b'{"prompt": "Hi", "messages": ' + b"[" * 900 + b"]" * 900 + b"}\n",
    "digits.json": lambda: b'[{"prompt": ' + b"9" * 5_000 + b"}]",
    "digits.jsonl": lambda: b'{"prompt": ' + b"9" * 5_000 + b"}\n",
    "surrogate-key.jsonl": lambda: b'{"\\ud800": "x", "prompt": "Hi", "checkpoint": "a", "response": "y"}\n',
    "surrogate-keys.json": lambda: b'[{"\\ud800": 1, "\\ud801": 2, "prompt": "Hi"}]',
    "surrogates.jsonl": lambda: line(response="\ud800") + line(checkpoint="b", response="\udfff\ud800"),
    "many-keys.jsonl": lambda: b"".join(json.dumps({f"k{n}": n}).encode() + b"\n" for n in range(3_000)),
    "not-finite.jsonl": lambda: b'{"prompt": NaN, "checkpoint": Infinity, "response": -Infinity}\n',
    "long-value.json": lambda: b'[{"prompt": "' + b"x" * 500_000 + b'"}]',
    "no-end.json": lambda: b"[" + json.dumps(RECORD).encode() + b"," * 50_000,
    "scalar.json": lambda: b"1",
    "numbers.json": lambda: b"[" + b"1," * 50_000 + b"1]",
    "two.json": lambda: json.dumps([RECORD]).encode() * 2,
}
"""JSON that is too much, or none."""

PARQUETS: dict[str, Make] = {
    "equal.parquet": lambda: parquet(pd.DataFrame({"prompt": ["x"] * 300_000})),
    "same-text.parquet": lambda: same_text(1_000_000, 1_000),
    "noise.parquet": lambda: b"PAR1" + bytes(1_000) + b"\xff\xff\xff\x7fPAR1",
    "cut.parquet": lambda: parquet(answers())[:-20],
    "note.parquet": lambda: pandas_note(b'{"index_columns": [1], "columns": 7}'),
    "nested.parquet": lambda: parquet(answers(deep=[[[["x"]]] * 2, None])),
    "latin.parquet": lambda: parquet(
        pa.table({"prompt": pa.array([b"caf\xe9"]).view(pa.string()), "response": ["x"], "checkpoint": ["a"]})
    ),
    "time.parquet": lambda: parquet(pa.table({"prompt": ["Hi"], "when": pa.array([2**62], pa.timestamp("us"))})),
}
"""Parquet that claims more than it is."""

FILES: dict[str, Make] = PACKED | TEXTS | JSONS | PARQUETS


def put(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(FILES[name]())
    return path
