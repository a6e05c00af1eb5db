"""What comes in has a limit: files and uploads, packed or not."""

import gzip
import json
import lzma
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamlit.runtime.uploaded_file_manager import UploadedFile

from diffing.common import bounds, columns, parquet, tables
from diffing.common.errors import UserError
from diffing.common.files import PROJECT
from pages.parts import upload

ZEROS = bytes(3_000_000)


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        tables.read(path)
    return str(caught.value)


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


# R5: files.


@pytest.mark.attack("R5")
@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_bomb_is_given_up_where_it_shows_itself(
    suffix: str, pack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "FREE", 100_000)
    monkeypatch.setattr(bounds, "PIECE", 10_000)
    path = put(tmp_path, f"t.csv{suffix}", pack(b"prompt\n" + b"x\n" * 1_500_000))
    unpacked = []
    with pytest.raises(UserError, match="unpacks to more than 200 times its size"):
        unpacked += list(bounds.pieces(path, suffix, bounds.limits()))
    taken = 0
    with pytest.raises(UserError, match="200 times"):
        for piece in bounds.pieces(path, suffix, bounds.limits()):
            taken += len(piece)
    # What a few kilobytes of it unpack to, and not all three million bytes.
    assert 100_000 <= taken < 2_900_000
    assert refused(path) == (
        f"'t.csv{suffix}' unpacks to more than 200 times its size, as no table does; bring it unpacked if it is "
        "meant."
    )


@pytest.mark.attack("R5")
def test_of_a_packed_file_that_is_too_large_no_row_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    rows = "".join(f'{{"prompt": "{number}"}}\n' for number in random.integers(0, 10**9, 20_000).tolist())
    path = put(tmp_path, "t.jsonl.gz", gzip.compress(rows.encode()))
    assert len(tables.read(path)) == 20_000
    monkeypatch.setattr(bounds, "FREE", 1_000)
    monkeypatch.setattr(bounds, "LARGEST", len(rows) - 1)
    monkeypatch.setattr(json, "loads", None)
    assert "once unpacked" in refused(path)


@pytest.mark.attack("R5")
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.jsonl.xz", "t.parquet", "t.parquet.gz"])
def test_a_file_beyond_the_limit_is_refused_and_one_below_is_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"prompt": f"Question {n}", "note": "word " * 20} for n in range(100)]
    frame = pd.DataFrame(rows)
    kind = name.split(".")[1]
    data = {
        "csv": frame.to_csv(index=False).encode(),
        "jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "parquet": frame.to_parquet(),
    }[kind]
    packed = gzip.compress(data) if name.endswith("gz") else lzma.compress(data) if name.endswith("xz") else data
    path = put(tmp_path, name, packed)
    assert len(tables.read(path)) == 100
    monkeypatch.setattr(bounds, "LARGEST", 9_000)
    assert "'t." in refused(path) and "DIFFING_LARGEST_FILE" in refused(path)
    # A study's own files may be larger.
    assert len(tables.read(path, own=True)) == 100
    monkeypatch.setenv("DIFFING_LARGEST_FILE", "1")
    assert len(tables.read(path)) == 100


@pytest.mark.attack("R5")
def test_a_limit_that_is_no_number_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFING_LARGEST_FILE", "²")
    assert refused(put(tmp_path, "t.csv", b"a\n1\n")) == (
        "DIFFING_LARGEST_FILE is '²'; set it to a whole number of megabytes, or unset it."
    )


@pytest.mark.attack("R5")
@pytest.mark.parametrize(
    ("limit", "value", "name", "data", "sentence"),
    [
        ("LONGEST_ROW", 50, "t.csv", b"a\n" + b"x" * 60, "'t.csv' has a row of more than 50 characters at line 2"),
        ("LONGEST_ROW", 50, "t.csv", b'a\n"' + b"x\n" * 60, "'t.csv' has a row of more than 50 characters"),
        ("LONGEST_ROW", 50, "t.jsonl", b'{"a": "' + b"x" * 60, "'t.jsonl' has a row of more than 50 characters"),
        (
            "LONGEST_ROW",
            50,
            "t.json",
            b'{"a": 1, "b": "' + b"x" * 60 + b'"}',
            "'t.json' has a row of more than 50",
        ),
        ("LONGEST_ROW", 50, "t.txt", b"x" * 60, "'t.txt' has a row of more than 50 characters at line 1"),
        ("MOST_ROWS", 3, "t.csv", b"a\n" + b"x\n" * 4, "'t.csv' has more than 3 rows; split it"),
        ("MOST_ROWS", 3, "t.json", b'[{"a":1},{"a":1},{"a":1},{"a":1}]', "'t.json' has more than 3 rows"),
        ("MOST_COLUMNS", 2, "t.csv", b"a,b,c\n1,2,3\n", "'t.csv' has more than 2 columns"),
        ("MOST_COLUMNS", 2, "t.jsonl", b'{"a":1}\n{"b":1}\n{"c":1}\n', "'t.jsonl' has more than 2 columns"),
        ("MOST_CELLS", 5, "t.csv", b"a,b\n1,2\n1,2\n1,2\n", "'t.csv' has more than 5 cells"),
    ],
)
def test_each_limit_has_its_sentence(
    limit: str,
    value: int,
    name: str,
    data: bytes,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, limit, value)
    assert refused(put(tmp_path, name, data)).startswith(sentence)


@pytest.mark.attack("R5")
def test_a_packing_that_wants_too_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, "t.csv.xz", lzma.compress(b"a\n1\n", preset=9))
    assert len(tables.read(path)) == 1
    monkeypatch.setattr(bounds, "XZ_MEMORY", 1_000_000)
    assert refused(path).startswith("'t.csv.xz' cannot be unpacked (")


@pytest.mark.attack("R5")
@pytest.mark.parametrize(
    ("name", "data", "fault"),
    [
        ("t.jsonl", b"[" * 100_000, "it is nested too deeply"),
        ("t.json", b'[{"a": ' + b"[" * 100_000, "it is nested too deeply"),
        ("t.jsonl", b'{"a": ' + b"9" * 5_000 + b"}", "a number has too many digits"),
        ("t.json", b'[{"a": ' + b"9" * 5_000 + b"}]", "a number has too many digits"),
    ],
)
def test_json_that_python_cannot_hold_is_told(name: str, data: bytes, fault: str, tmp_path: Path) -> None:
    assert refused(put(tmp_path, name, data)) == f"'{name}' is not JSON at line 1 ({fault}); mend it."


@pytest.mark.attack("R5")
def test_half_characters_as_names_of_columns_are_replaced(tmp_path: Path) -> None:
    table = tables.read(put(tmp_path, "t.jsonl", b'{"\\ud800": "x"}\n'))
    assert table.to_dict("list") == {"\ufffd": ["x"]}


@pytest.mark.attack("R5")
@pytest.mark.parametrize("piece", [1, 7, 64])
def test_json_is_the_same_in_whatever_pieces_it_comes(
    piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "PIECE", piece)
    rows: list[dict[str, Any]] = [
        {"a": 'q"\\\u2028\ud83d\ude00', "b": 12345.5, "c": [1, {"d": None}]},
        {"a": "", "b": -7, "c": True},
    ]
    path = put(tmp_path, "t.json", json.dumps(rows, indent=1).encode())
    assert tables.read(path).to_dict("records") == [
        {"a": 'q"\\\u2028😀', "b": "12345.5", "c": '[1, {"d": null}]'},
        {"a": "", "b": "-7", "c": "True"},
    ]
    put(tmp_path, "t.json", json.dumps(rows).encode()[:-9])
    assert refused(path).startswith("'t.json' is not JSON at line 1 (")


@pytest.mark.attack("R5")
def test_rows_are_packed_in_blocks_and_stay_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "BLOCK", 4)
    lines = [{"a": f"{n}"} if n % 3 else {"b": f"é{n}", "a": ""} for n in range(11)]
    path = put(tmp_path, "t.jsonl", "\n".join(map(json.dumps, lines)).encode())
    wanted = [(line.get("b", ""), line["a"]) for line in lines]
    assert list(tables.read(path).itertuples(index=False, name=None)) == wanted


@pytest.mark.attack("R5")
def test_a_parquet_file_of_equal_rows_is_refused_by_its_own_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MOST_ROWS", 1_000)
    pd.DataFrame({"prompt": ["x"] * 1_001}).to_parquet(tmp_path / "t.parquet")

    def decoded(*_: object, **__: object) -> Iterator[pa.RecordBatch]:
        raise AssertionError("A row was decoded")
        yield

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", decoded)
    with pytest.raises(UserError, match="'t.parquet' has more than 1,000 rows"):
        list(parquet.blocks(tmp_path / "t.parquet", "t.parquet", bounds.limits()))


@pytest.mark.attack("R5")
def test_a_text_that_is_named_a_thousand_times_ends_the_process_that_reads_it(tmp_path: Path) -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000, pa.int32()), pa.array(["x" * 2_000_000]))
    pq.write_table(pa.table({"prompt": words}), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 200_000
    assert refused(tmp_path / "t.parquet") == (
        "'t.parquet' takes more memory or time than a file may have; split it, or set DIFFING_LARGEST_FILE to "
        "more megabytes."
    )


@pytest.mark.attack("R5")
def test_a_parquet_file_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd.DataFrame({"prompt": ["x"]}).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(parquet, "SECONDS", 0.0)
    assert "takes more memory or time" in refused(tmp_path / "t.parquet")


# R5: uploads.


class Brought(UploadedFile):
    """A file as Streamlit hands it over."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self._data = data

    def getbuffer(self) -> memoryview:
        return memoryview(self._data)


@pytest.mark.attack("R5")
def test_uploads_are_read_one_after_the_other_under_their_own_names() -> None:
    seen: list[str] = []

    def bring(name: str) -> None:
        with upload.saved(Brought(f"../../{name}", b"a\n1\n")) as path:
            seen.append(f"in {path.name}")
            assert tables.read(path).to_dict("list") == {"a": ["1"]} and path.parent.name != ".."
            seen.append(f"out {path.name}")

    threads = [threading.Thread(target=bring, args=(f"{n}.csv",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert [(a[:2], b[:3], a.split()[1] == b.split()[1]) for a, b in zip(seen[::2], seen[1::2], strict=True)] == [
        ("in", "out", True)
    ] * 4


@pytest.mark.attack("R5")
def test_the_server_takes_no_larger_upload_than_is_read() -> None:
    told = (PROJECT / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    assert f"maxUploadSize = {upload.LARGEST_MB}\n" in told
    assert upload.LARGEST_MB * 1_000_000 <= bounds.LARGEST
