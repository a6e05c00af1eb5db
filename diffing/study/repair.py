"""What can be saved of a study whose files are damaged: looked for, set aside, and saved.

A damaged file moves to `damaged-DATE/` in the study and is never deleted; what can be read of it takes its place:
whole lines of a JSONL file, groups of rows of a Parquet file, rows of a CSV. What a step makes anew is only set
aside. Knows files by their kind; what a line must hold is told by whoever calls. Promises that a file that is
whole is not touched.
"""

import csv
import io
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from itertools import count as numbers
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from diffing.common import damage, files, jsonl, noted, tables
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.study import measures, prompts, responses, study
from diffing.study.settings import load_settings

Check = Callable[[dict[str, Any]], object]
"""Raises `ValueError` where a record is not what its file holds."""

DERIVED = {
    "encodings.parquet": "encode",
    "reader.json": "encode",
    "readers": "encode",
    "diffs": "diff",
    "reports": "report",
}
"""What steps make anew, by name or folder, and the step; the rest are originals."""


class Repaired(NamedTuple):
    """What became of one damaged file."""

    name: str
    fault: str
    saved: int
    lost: str
    """What is missing now, in words; empty where nothing is known to be."""
    aside: str
    """Where the damaged file lies."""

    def in_words(self) -> str:
        kept = f"saved {self.saved:,} rows" if self.saved else "nothing of it could be saved"
        lost = f", {self.lost}" if self.lost else ""
        return f"{self.name}: {self.fault}; {kept}{lost}; the damaged file is in {self.aside}"


def repair(name: str, checks: Mapping[str, Check]) -> list[Repaired]:
    """Set aside what is damaged in a study and save what can be; `checks` by the name of a JSONL file."""
    folder = study.folder_of(name)
    if not folder.is_dir():
        raise UserError(f"There is no study '{name}'; 'list' shows those that are there.")
    study.sweep(folder)
    # Nobody changes the study meanwhile, and a second repair finds what the first one left.
    with study.held(folder):
        place = _place(folder)
        return [_mended(folder, path, place, checks.get(path.name)) for path in _suspects(folder, checks)]


def _place(folder: Path) -> Path:
    """Where this repair sets files aside: a folder that is not there yet, whatever the clock says."""
    dated = f"damaged-{files.now()[:19].replace(':', '')}"
    names = (dated if number == 1 else f"{dated}-{number}" for number in numbers(1))
    return next(folder / name for name in names if not (folder / name).exists())


def _suspects(folder: Path, checks: Mapping[str, Check]) -> Iterator[Path]:
    """Files that cannot be read, originals first."""
    noted = [path.with_name(path.name[1:-5]) for path in folder.glob(".*.rows")]
    named = [folder / name for name in ("study.toml", "prompts.csv")]
    kinds = [*folder.glob("*.jsonl"), *folder.glob("*.parquet"), *folder.glob("imported_labels/*.parquet")]
    derived = [*folder.glob("*.json"), *folder.glob("diffs/*/*.parquet"), *folder.glob("diffs/*.parquet")]
    derived += folder.glob("diffs/*.json")
    derived += [*folder.glob("diffs/*/summary.json"), *folder.glob("readers/*.*")]
    for path in dict.fromkeys([*named, *sorted({*noted, *kinds}), *sorted(derived)]):
        try:
            _read(path, checks.get(path.name))
        except UserError:
            yield path


def _read(path: Path, check: Check | None) -> None:
    """Read a file as its owner does."""
    if path.name == "study.toml":
        load_settings(path)
    elif path.name == "prompts.csv":
        prompts.read(path)
    elif path.name == "responses.parquet":
        responses.read(path)
    elif path.name == measures.FILE:
        measures.read(path)
    elif path.suffix == ".parquet":
        files.read_parquet(path)
    elif path.suffix == ".json":
        files.read_json(path)
    elif path.suffix == ".jsonl":
        for record in jsonl.read(path):
            _checked(path, record, check)


def _checked(path: Path, record: dict[str, Any], check: Check | None) -> None:
    with damage.reading(path):
        if check is not None:
            check(record)


def _mended(folder: Path, path: Path, place: Path, check: Check | None) -> Repaired:
    if path.suffix == ".jsonl" and path.is_file():
        # Lines are added without the study's lock: many a run writes hundreds of them.
        with jsonl.still(path):
            return _mend(folder, path, place, check)
    return _mend(folder, path, place, check)


def _mend(folder: Path, path: Path, place: Path, check: Check | None) -> Repaired:
    name = path.relative_to(folder).as_posix()
    fault, known = _fault(path, check), noted.rows(path)
    step = DERIVED.get(Path(name).parts[0])
    aside = _set_aside(folder, path, place / name)
    where = aside.relative_to(folder).as_posix() if aside else "no place: there was none"
    # Before anything takes its place, or what is saved would be called cut by a repair that was killed in between.
    noted.forget(path)
    if step:
        path.unlink(missing_ok=True)
        return Repaired(name, fault, 0, f"`python -m diffing {step} {folder.name}` makes it anew", where)
    saved, lost = 0, "put a whole one in its place"
    if aside is not None and aside.is_file():
        if path.suffix == ".jsonl":
            saved, lost = _lines(aside, path, check)
        elif path.suffix == ".parquet":
            saved, lost = _groups(aside, path)
        elif path.suffix == ".csv":
            saved, lost = _rows(aside, path)
    if known is not None and known > saved:
        lost = f"{known - saved:,} of {known:,} are lost"
    if path.name == "study.toml":
        lost = "mend it by hand there and move it back"
    # A table of prompts is written whatever was saved of it.
    if path.name == "prompts.csv" and not saved:
        prompts.write(path, prompts.empty())
    elif not saved and path.suffix != ".jsonl":
        path.unlink(missing_ok=True)
    return Repaired(name, fault, saved, lost, where)


def _set_aside(folder: Path, path: Path, aside: Path) -> Path | None:
    """Put a damaged file where it stays; it also stays where it is until what is saved takes its place.

    So a repair that is killed is simply begun again, and takes what the earlier one had set aside already.
    """
    for earlier in folder.glob(f"damaged-*/{path.relative_to(folder)}"):
        if path.exists() and earlier.samefile(path):
            return earlier
    if not (path.exists() or path.is_symlink()):
        return None
    aside.parent.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        # Nothing can be saved of a folder, so nothing is lost in between.
        path.rename(aside)
        return aside
    try:
        os.link(path, aside, follow_symlinks=False)
    except OSError:
        # Not every disk knows two names of one file.
        shutil.copy2(path, aside, follow_symlinks=False)
    return aside


def _fault(path: Path, check: Check | None) -> str:
    try:
        _read(path, check)
    except Damaged as error:
        return error.fault
    except UserError as error:
        return str(error).rstrip(".")
    return "it was damaged a moment ago"


def _lines(source: Path, target: Path, check: Check | None) -> tuple[int, str]:
    """Whole lines that are records; what has none that fit is lost."""
    kept, lost = [], 0
    for line in source.read_bytes().split(b"\n"):
        if not line.strip():
            continue
        try:
            record = jsonl.record(line)
            if check is not None:
                check(record)
            kept.append(line)
        except (ValueError, RecursionError):
            lost += 1
    with files.replacing(target) as temporary:
        temporary.write_bytes(b"".join(line + b"\n" for line in kept))
    noted.note(target, len(kept))
    return len(kept), f"{lost:,} lines could not be read" if lost else ""


def _groups(source: Path, target: Path) -> tuple[int, str]:
    """Groups of rows whose pages are what was written."""
    try:
        with pq.ParquetFile(source, page_checksum_verification=True) as file:
            kept, total, attrs = [], file.metadata.num_rows, file.schema_arrow.pandas_metadata
            for group in range(file.num_row_groups):
                try:
                    kept.append(file.read_row_group(group).to_pandas())
                except (*damage.READING, pa.ArrowException):
                    continue
    except (*damage.READING, pa.ArrowException) as error:
        return 0, f"its table of contents cannot be read ({damage.reason(error)})"
    if not kept:
        return 0, f"{total:,} rows could not be read"
    frame = pd.concat(kept, ignore_index=True)
    frame.attrs = dict((attrs or {}).get("attributes") or {})
    if target.name == "responses.parquet":
        try:
            responses.rewrite(target, responses.normal(frame))
        except (ValueError, TypeError) as error:
            return 0, f"its columns are not those of answers ({damage.reason(error)})"
    else:
        files.write_parquet(target, frame)
    return len(frame), f"{total - len(frame):,} rows could not be read" if total > len(frame) else ""


def _rows(source: Path, target: Path) -> tuple[int, str]:
    """Rows of a table of prompts that have all their cells and a text of their own."""
    text = source.read_bytes().decode("utf-8-sig", "replace")
    reader = csv.reader(io.StringIO(text.replace("\0", "\ufffd"), newline=""))
    kept: list[list[str]] = []
    lost = 0
    header = next(reader, [])
    if header != prompts.COLUMNS:
        # A damaged header still stands above rows of the columns that this program writes.
        header = prompts.COLUMNS if len(header) == len(prompts.COLUMNS) else header
    while True:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error:
            lost += 1
            continue
        if len(row) == len(header) and not any("\ufffd" in cell for cell in row):
            kept.append(row)
        elif row:
            lost += 1
    frame = pd.DataFrame(kept, columns=header, dtype=object)
    if set(prompts.COLUMNS) - set(header):
        return 0, "its columns are not those of prompts"
    if frame.empty:
        prompts.write(target, prompts.empty())
    else:
        with files.replacing(target) as temporary:
            tables.write_csv(temporary, frame[prompts.COLUMNS])
        noted.note(target, len(frame))
    return len(frame), f"{lost:,} rows could not be read" if lost else ""
