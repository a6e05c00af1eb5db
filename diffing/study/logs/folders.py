"""Folders and data sets by their names: the files in a folder, a saved data set, one on the Hugging Face Hub.

A folder may hold a tool's logs, Parquet files, or what `save_to_disk` of Hugging Face's `datasets` wrote. Promises
that only files in the very folder are read, whatever its own lists name.
"""

import re
from pathlib import Path

import pandas as pd

from diffing.common import bounds, hub, parquet, tables
from diffing.common.errors import UserError
from diffing.study.logs import head, inspect_log

HUB = "hf:"
LOGS = ("*.eval", "samples_*.jsonl", "samples_*.jsonl.gz")
"""What is taken of a folder of logs: a tool's summaries beside them hold no answers."""
SAVED = ("data-*.arrow", "*.parquet", "data/*.parquet")
SPLIT = re.compile(r"(.+?)-\d{5}-of-\d{5}(-[0-9a-f]+)?\.parquet")
MOST_FILES = 10_000


def files_in(path: Path) -> list[Path]:
    """What is read for one name of the command line: a file or a data set is itself, a folder of logs its logs."""
    name = _hub_name(path)
    if name:
        return [_from_hub(name)]
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError):
        is_folder = False
    if not is_folder:
        return [path]
    logs = sorted(found for pattern in LOGS for found in path.glob(pattern) if found.is_file())
    # JSON may be anything: it is looked into where nothing is a log by its name.
    logs = logs or [found for found in sorted(path.glob("*.json")) if inspect_log.recognises(head.of(found))]
    if len(logs) > MOST_FILES:
        raise UserError(f"'{path.name}' holds more than {MOST_FILES:,} logs; bring fewer at once.")
    return logs or [path]


def table(path: Path) -> pd.DataFrame:
    """The rows of a table's file, or of a data set's folder."""
    return _data_set(path) if path.is_dir() else tables.read(path)


def _data_set(folder: Path) -> pd.DataFrame:
    splits = [
        inner.name for inner in sorted(folder.iterdir()) if inner.is_dir() and any(inner.glob("data-*.arrow"))
    ]
    found = next((files for pattern in SAVED if (files := sorted(folder.glob(pattern)))), [])
    # What `export --to hf` wrote: the pairs beside them are the same answers once more.
    if any(file.name.startswith("pairs-") for file in found):
        found = [file for file in found if file.name.startswith("answers-")] or found
    if not found:
        if len(splits) == 1:
            return _data_set(folder / splits[0])
        if splits:
            named = ", ".join(splits[:10])
            raise UserError(f"'{folder.name}' holds the splits {named}; bring one of them as FOLDER/SPLIT.")
        raise UserError(f"'{folder.name}' holds no logs and no data set; bring a file, or a folder of either.")
    parted = sorted({match[1] for file in found if (match := SPLIT.fullmatch(file.name))})
    if len(parted) > 1:
        raise UserError(
            f"'{folder.name}' holds the splits {', '.join(parted[:10])}; bring the files of one of them, as "
            f"{found[0].name}."
        )
    most = bounds.limits()
    size = sum(file.stat().st_size for file in found)
    if size > most.size:
        raise bounds.too_large(folder.name, most)
    parts = [parquet.read(file, f"{folder.name}/{file.name}", most) for file in found]
    odd = next((file for file, part in zip(found, parts, strict=True) if set(part) != set(parts[0])), None)
    if odd is not None:
        raise UserError(
            f"'{folder.name}' holds tables of different columns, as {found[0].name} and {odd.name}; bring the "
            "files of one kind."
        )
    whole = pd.concat(parts, ignore_index=True).fillna("")
    if whole.empty:
        raise UserError(f"'{folder.name}' holds no rows; bring a data set with at least one.")
    return whole


def _hub_name(path: Path) -> str:
    """OWNER/NAME of `hf:OWNER/NAME`; empty where a path is a path."""
    told = path.as_posix()
    return told.removeprefix(HUB) if told.startswith(HUB) else ""


def _from_hub(name: str) -> Path:
    """A data set's Parquet files, downloaded unless they are in the cache; OWNER/NAME/FILE takes one of them."""
    owner, _, rest = name.partition("/")
    repo, _, file = rest.partition("/")
    return hub.data_set(f"{owner}/{repo}", file)
