"""Tables: any text comes back as it went out, and a bad file is named with its fault."""

import csv
import gzip
import io
import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from diffing.common import bounds, parquet, tables
from diffing.common.errors import UserError
from diffing.study import prompts, responses

TEXT = st.text(st.characters(codec="utf-8"))
"""All that a UTF-8 file can hold, line breaks, quotes and NUL included."""
SAID = TEXT.filter(lambda text: bool(text.strip()))
ROWS = st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=5)
COLUMNS = ["one", "two", "three"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def cells(table: pd.DataFrame) -> list[tuple[str, ...]]:
    return list(table.itertuples(index=False, name=None))


@given(ROWS, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_any_text_that_csv_can_hold_comes_back_the_same(folder: Path, rows: Any, quoting: Any) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=quoting).writerows([COLUMNS, *rows])
    (folder / "t.csv").write_bytes(file.getvalue().encode())
    table = tables.read(folder / "t.csv")
    assert (list(table.columns), cells(table)) == (COLUMNS, rows)


@given(ROWS)
def test_what_is_exported_reads_back_the_same(folder: Path, rows: Any) -> None:
    tables.write_csv(folder / "t.csv", pd.DataFrame(rows, columns=COLUMNS))
    assert cells(tables.read(folder / "t.csv")) == rows


@given(ROWS, st.booleans())
def test_any_text_that_json_lines_can_hold_comes_back_the_same(folder: Path, rows: Any, ascii_only: bool) -> None:
    lines = [json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=ascii_only) for row in rows]
    (folder / "t.jsonl").write_bytes("\n".join(lines).encode())
    assert cells(tables.read(folder / "t.jsonl")) == rows


@given(st.lists(st.tuples(SAID, TEXT), min_size=1, max_size=5, unique_by=lambda row: row[0]))
def test_any_prompt_and_answer_survive_their_files(folder: Path, rows: list[tuple[str, str]]) -> None:
    tables.write_csv(folder / "t.csv", pd.DataFrame(rows, columns=["prompt", "response"]))
    table = tables.read(folder / "t.csv")
    prompts.write(folder / "prompts.csv", prompts.normal(table.rename(columns={"prompt": "text"}), 0.3))
    stored = prompts.read(folder / "prompts.csv")
    answers = responses.normal(table.rename(columns={"response": "text"}).assign(prompt_id=stored["id"]))
    answers.to_parquet(folder / "responses.parquet", index=False)
    read = responses.read(folder / "responses.parquet")
    assert list(zip(stored["text"], read["text"], strict=True)) == rows
    assert list(read["prompt_id"]) == list(stored["id"])


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.json", "t.parquet", "T.CSV"])
@pytest.mark.parametrize("packing", ["", ".gz", ".xz"])
def test_every_kind_and_packing_is_read(tmp_path: Path, name: str, packing: str) -> None:
    frame = pd.DataFrame({"prompt": ["One, two", "Drei\nvier"], "n": ["1", "2"]})
    file = io.BytesIO()
    match name.lower().rpartition(".")[2]:
        case "csv":
            frame.to_csv(file, index=False)
        case "tsv":
            frame.to_csv(file, index=False, sep="\t")
        case "jsonl":
            frame.to_json(file, orient="records", lines=True)
        case "json":
            frame.to_json(file, orient="records")
        case "parquet":
            frame.to_parquet(file, index=False)
    data, path = file.getvalue(), tmp_path / (name + packing)
    path.write_bytes({"": data, ".gz": gzip.compress(data), ".xz": lzma.compress(data)}[packing])
    assert cells(tables.read(path)) == [("One, two", "1"), ("Drei\nvier", "2")]


def test_plain_text_is_a_prompt_a_line(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes("\ufeffOne\r\n\n  Two\u2028and a half \rThree".encode())
    assert cells(tables.read(path)) == [("One",), ("Two\u2028and a half",), ("Three",)]


def test_lists_objects_and_nothing_become_text(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi é"}]
    (tmp_path / "t.jsonl").write_text(
        json.dumps({"m": turns, "none": None, "yes": True, "n": 1.5}) + '\n{"m": "x"}'
    )
    assert cells(tables.read(tmp_path / "t.jsonl")) == [
        ('[{"role": "user", "content": "Hi é"}]', "", "True", "1.5"),
        ("x", "", "", ""),
    ]
    nested = pd.DataFrame({"m": [turns], "deep": [{"of": np.array([1, 2])}], "nan": [float("nan")]})
    nested.to_parquet(tmp_path / "t.parquet")
    assert cells(tables.read(tmp_path / "t.parquet")) == [
        ('[{"role": "user", "content": "Hi é"}]', '{"of": [1, 2]}', "")
    ]


def test_semicolons_part_cells_where_the_header_has_no_comma(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("prompt;topic\nWhat, and why?;a\n")
    assert tables.read(tmp_path / "t.csv").to_dict("list") == {"prompt": ["What, and why?"], "topic": ["a"]}


def test_half_characters_are_joined_or_replaced(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(r'{"a": "\ud83d\ude00", "b": "\ud83d!"}')
    assert cells(tables.read(tmp_path / "t.jsonl")) == [("😀", "\ufffd!")]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("t.csv", b"", "'t.csv' holds no rows; bring a file with at least one."),
        ("t.csv", b"a,b\n", "'t.csv' holds no rows; bring a file with at least one."),
        ("t.csv", b"a,b\n1,2\n1,2,3\n", "'t.csv' has 3 cells where the header has 2 (at line 3)"),
        ("t.csv", b'a\n"open', "'t.csv' is not CSV at line 2 (unexpected end of data)"),
        ("t.csv", b"a,a\n1,2\n", "'t.csv' names a column twice; rename one."),
        ("t.csv", b"a\nx\n\xe9t\xe9\n", "'t.csv' is not UTF-8 throughout (first at line 3); save it as UTF-8."),
        ("t.jsonl", b'{"a": 1}\n{"a": \n', "'t.jsonl' is not JSON at line 2 (Expecting value)"),
        ("t.jsonl", b"[1]\n", "'t.jsonl' holds no JSON object in row 1"),
        ("t.json", b'[{"a": 1}, {"a"', "'t.json' is not JSON at line 1"),
        ("t.json", b" ", "'t.json' holds no rows"),
        ("t.txt", b"\n \n", "'t.txt' holds no rows"),
        ("t.parquet", b"PAR1 and no more", "'t.parquet' is not a Parquet file ("),
        ("t.csv.gz", b"not packed", "'t.csv.gz' cannot be unpacked ("),
        ("t.csv.xz", lzma.compress(b"a\n1\n")[:-9], "'t.csv.xz' cannot be unpacked ("),
        ("t.xlsx", b"PK", "'t.xlsx' is of no known kind; bring CSV, JSONL, JSON, Parquet or TXT."),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        tables.read(tmp_path / name)
    assert str(caught.value).startswith(sentence)


@given(st.binary(max_size=60), st.integers(0, 400))
@example(b"\x80", 29)
def test_a_damaged_parquet_file_is_refused_or_read(folder: Path, noise: bytes, place: int) -> None:
    file = io.BytesIO()
    pd.DataFrame({"a": ["x", "y"]}).to_parquet(file)
    data = bytearray(file.getvalue())
    data[place : place + len(noise)] = noise
    (folder / "t.parquet").write_bytes(bytes(data))
    try:
        # As the process of its own does it: one each time would take minutes.
        list(parquet.blocks(folder / "t.parquet", "t.parquet", bounds.limits()))
    except UserError as error:
        assert "'t.parquet'" in str(error)


def test_columns_are_mapped_and_an_absent_one_is_named() -> None:
    table = pd.DataFrame({"question": ["x"], "kind": ["y"]})
    assert list(tables.take(table, {"prompt": "question"}, Path("t.csv")).columns) == ["prompt", "kind"]
    with pytest.raises(UserError, match=r"'t.csv' has no column 'q' \(it has: question, kind\)"):
        tables.take(table, {"prompt": "q"}, Path("t.csv"))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no file '.*absent.csv'; check the path."):
        tables.read(tmp_path / "absent.csv")
