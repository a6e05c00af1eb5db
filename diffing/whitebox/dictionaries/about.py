"""What is told of a dictionary in the folder where it lies, read without the libraries that its weights need.

Holds the names of a folder's files, what was known when it was written, and how it learnt. What is written, and
the weights, are `files`; which dictionaries a study has is `shelf`.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from diffing.common import damage, files
from diffing.common.errors import UserError

VERSION = 1
"""Of the layout."""
TOLD, WEIGHTS, CURVES = "dictionary.json", "dictionary.safetensors", "curves.parquet"


def exists(folder: Path) -> bool:
    return (folder / TOLD).is_file()


def of(folder: Path) -> dict[str, Any]:
    """All that is told of a dictionary: its shape, its latents a token, and the facts."""
    if not exists(folder):
        raise UserError(f"There is no dictionary in '{damage.shown(folder)}'; train one, or name another folder.")
    told: dict[str, Any] = files.read_json(folder / TOLD, "train it again")
    if told.get("version") != VERSION:
        raise UserError(
            f"The dictionary '{folder.name}' was written by another version of this program; train it again."
        )
    return told


def facts(folder: Path) -> dict[str, Any]:
    """What was known of a dictionary when it was saved."""
    known: dict[str, Any] = of(folder)["facts"]
    return known


def curves(folder: Path) -> pd.DataFrame:
    """How a dictionary learnt, a row every few steps; empty where nobody knows."""
    path = folder / CURVES
    return files.read_parquet(path) if path.is_file() else pd.DataFrame()
